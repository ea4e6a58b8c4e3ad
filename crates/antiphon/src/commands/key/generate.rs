//! `antiphon key generate`: a key file for an agent that signs itself.
//!
//! The file is written outside the root; nothing is recorded until the key is registered.

use std::path::PathBuf;

use antiphon_core::key::{LOG, key_name};
use antiphon_core::name::AgentName;
use antiphon_files::keys::{self, generate, outside};
use antiphon_ledger::key::SigningKey;
use clap::Args;
use serde::Serialize;

use super::{all, origin};
use crate::commands::parse_name;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::owner::entropy::SystemEntropy;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The agent
    #[arg(value_parser = parse_name::<AgentName>)]
    agent: AgentName,
    /// The new file, outside the data root
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The origin of the log [default: that of the data root]
    #[arg(long, value_name = "NAME", value_parser = crate::origin::parse)]
    origin: Option<String>,
}

/// A key that was made.
#[derive(Debug, Serialize)]
struct Made {
    agent: String,
    id: String,
    key: String,
    file: PathBuf,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.agent.as_str() == LOG {
        return Err(Failure::usage("the key of the log is held by its owner"));
    }
    let origin = match &arguments.origin {
        Some(origin) => origin.clone(),
        None => context.talk(Need::Answers, async |mut client| {
            origin(&all(&mut client).await?).map(str::to_owned)
        })?,
    };
    let key = make(context, &origin, &arguments.agent, &arguments.to)?;
    let made = Made {
        agent: arguments.agent.to_string(),
        id: key.verifier().id().to_string(),
        key: key.verifier().to_string(),
        file: arguments.to.clone(),
    };
    context.output.one(&made, |made| {
        format!(
            "{}\nits secret is in {} and nowhere else",
            made.key,
            made.file.display()
        )
    })?;
    Ok(Exit::Done)
}

/// A new key of `agent`, in the new file `to` outside the root.
///
/// # Errors
/// [`Failure::Keys`].
pub(super) fn make(
    context: &Context,
    origin: &str,
    agent: &AgentName,
    to: &std::path::Path,
) -> Result<SigningKey, Failure> {
    let failed = |source| keys::Error::Io {
        verb: "written",
        path: to.to_owned(),
        source,
    };
    let name = key_name(origin, agent.as_str());
    let key = generate(&name, &mut SystemEntropy).map_err(failed)?;
    let passphrase = context.passphrase.as_ref();
    outside::write(to, &key, passphrase, &mut SystemEntropy, &context.root)?;
    Ok(key)
}
