//! `antiphon key`: who may sign, and what an operator does with keys.

pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod list;
pub(crate) mod register;
pub(crate) mod revoke;
pub(crate) mod rotate;
pub(crate) mod show;
pub(crate) mod unseal;

use std::path::Path;

use antiphon_core::name::AgentName;
use antiphon_http::client::Client;
use antiphon_http::model::KeyInfo;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::signing::Signatory;
use crate::wire::{Context, Need};

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the keys of all agents
    List(list::Arguments),
    /// Show the keys of an agent
    Show(show::Arguments),
    /// Make a key file for an agent that signs itself
    Generate(generate::Arguments),
    /// Give an agent its first key
    Register(register::Arguments),
    /// Put a new key in the place of an agent's key
    Rotate(rotate::Arguments),
    /// Take a key back that was stolen or lost
    Revoke(revoke::Arguments),
    /// Write what a verifier needs to trust this log
    Export(export::Arguments),
    /// Give the passphrase of the owner's keys up
    Unseal(unseal::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(arguments) => list::run(context, &arguments),
        Command::Show(arguments) => show::run(context, &arguments),
        Command::Generate(arguments) => generate::run(context, &arguments),
        Command::Register(arguments) => register::run(context, &arguments),
        Command::Rotate(arguments) => rotate::run(context, &arguments),
        Command::Revoke(arguments) => revoke::run(context, &arguments),
        Command::Export(arguments) => export::run(context, &arguments),
        Command::Unseal(arguments) => unseal::run(context, &arguments),
    }
}

/// Every key that the owner knows.
pub(crate) async fn all(client: &mut Client) -> Result<Vec<KeyInfo>, Failure> {
    Ok(client.get("/api/v1/keys").await?)
}

/// The valid key of `agent`.
fn active<'a>(keys: &'a [KeyInfo], agent: &str) -> Option<&'a KeyInfo> {
    keys.iter()
        .find(|key| key.agent == agent && key.state == "active")
}

/// The origin of the log of these keys, which the log's own key is named after.
pub(crate) fn origin(keys: &[KeyInfo]) -> Result<&str, Failure> {
    let named = active(keys, antiphon_core::key::LOG)
        .and_then(|key| key.key.split_once('+'))
        .map(|(origin, _)| origin);
    named.ok_or_else(|| Failure::NotFound {
        what: "the key of the log".to_owned(),
    })
}

/// The key file at `path`, with whose it is.
fn read(context: &Context, path: &Path) -> Result<Signatory, Failure> {
    let key = antiphon_files::keys::outside::read(path, context.passphrase.as_ref())?;
    Signatory::of(key)
}

/// Lets `change` change the key of `agent`, and says which is valid now.
fn change(
    context: &Context,
    agent: &AgentName,
    need: Need,
    change: impl AsyncFnOnce(&mut Client) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let keys = context.talk(need, async |mut client| {
        change(&mut client).await?;
        all(&mut client).await
    })?;
    let key = active(&keys, agent.as_str()).ok_or_else(|| Failure::NotFound {
        what: format!("the key of {agent}"),
    })?;
    context
        .output
        .one(key, |key| format!("the key of {agent} is {} now", key.id))?;
    Ok(Exit::Done)
}
