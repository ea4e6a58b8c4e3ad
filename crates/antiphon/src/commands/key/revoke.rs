//! `antiphon key revoke`: takes a key back, from a place of the log on.
//!
//! The recovery key signs it here; its file never leaves this process. The new key comes in the same
//! record: the owner's, made and held there, or the agent's own from `--new`.

use std::path::PathBuf;

use antiphon_core::key::{KeyId, KeyText, RECOVERY};
use antiphon_core::name::AgentName;
use antiphon_core::record::{Body, KeyRevoked};
use antiphon_http::client::Client;
use antiphon_http::model::KeyInfo;
use clap::Args;

use super::{change, read};
use crate::commands::parse_name;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::signing;
use crate::wire::{Context, Need, peer_name};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The agent
    #[arg(value_parser = parse_name::<AgentName>)]
    agent: AgentName,
    /// The id of the key, as `key list` shows it
    #[arg(long, value_name = "ID", value_parser = parse_key_id)]
    of: KeyId,
    /// The first record at which it was not its holder's any more [default: from now on]
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// The file of the recovery key
    #[arg(long, value_name = "FILE")]
    recovery_key: PathBuf,
    /// The file of the agent's own new key; without it the owner makes and holds one
    #[arg(long, value_name = "FILE")]
    new: Option<PathBuf>,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let agent = &arguments.agent;
    let recovery = read(context, &arguments.recovery_key)?.must_be(RECOVERY)?;
    let own = match &arguments.new {
        Some(path) => Some(read(context, path)?.must_be(agent.as_str())?),
        None => None,
    };
    change(context, agent, Need::Keys, async |client| {
        let key = match &own {
            Some(own) => own.text()?,
            None => pending(client, agent).await?,
        };
        let body = Body::KeyRevoked(Box::new(KeyRevoked {
            agent: agent.clone(),
            by: peer_name(),
            custodial: own.is_none(),
            from_seq: arguments.from,
            key,
            of: arguments.of,
            reason: arguments.reason.clone(),
        }));
        let signatories: Vec<_> = std::iter::once(&recovery).chain(&own).collect();
        let record = signing::sign(&body, &signatories)?;
        signing::submit(client, &record).await.map(drop)
    })
}

/// A key that the owner holds for `agent`, on disk and in no record yet.
async fn pending(client: &mut Client, agent: &AgentName) -> Result<KeyText, Failure> {
    let path = format!("/api/v1/keys/{agent}/prepare");
    let pending: KeyInfo = client.act(&path).await?;
    KeyText::new(&pending.key).map_err(|error| Failure::Bug {
        what: "the owner made no key".to_owned(),
        source: Some(Box::new(error)),
    })
}

fn parse_key_id(text: &str) -> Result<KeyId, String> {
    KeyId::new(text).map_err(|error| error.to_string())
}
