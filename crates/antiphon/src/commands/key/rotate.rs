//! `antiphon key rotate`: a new key in the place of an agent's key.
//!
//! The owner rotates what it holds; who holds the key rotates it with both files, here.

use std::path::PathBuf;

use antiphon_core::name::AgentName;
use antiphon_core::record::{Body, KeyRotated};
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
    /// The file of the key that is valid, when it is not held by the owner
    #[arg(long, value_name = "FILE", requires = "new")]
    key: Option<PathBuf>,
    /// The file of the key that takes its place, as `key generate` makes it
    #[arg(long, value_name = "FILE", requires = "key")]
    new: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let agent = &arguments.agent;
    let (Some(old), Some(new)) = (&arguments.key, &arguments.new) else {
        let path = format!("/api/v1/keys/{agent}/rotate");
        return change(context, agent, Need::Answers, async |client| {
            let _rotated: KeyInfo = client.act(&path).await?;
            Ok(())
        });
    };
    let old = read(context, old)?.must_be(agent.as_str())?;
    let new = read(context, new)?.must_be(agent.as_str())?;
    let body = Body::KeyRotated(Box::new(KeyRotated {
        agent: agent.clone(),
        by: peer_name(),
        custodial: false,
        key: new.text()?,
        of: old.text()?.id(),
    }));
    let record = signing::sign(&body, &[&old, &new])?;
    change(context, agent, Need::Answers, async |client| {
        signing::submit(client, &record).await.map(drop)
    })
}
