//! `antiphon key register`: the first key of an agent.
//!
//! With `--key` the agent keeps its secret and signs itself; without it the owner makes a key, holds
//! it and signs for the agent: a custodial key.

use std::path::PathBuf;

use antiphon_core::name::AgentName;
use antiphon_core::record::{Body, KeyRegistered};
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
    /// The agent's own key file; without it the owner makes and holds a key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let agent = &arguments.agent;
    let Some(path) = &arguments.key else {
        let path = format!("/api/v1/keys/{agent}/register");
        return change(context, agent, Need::Answers, async |client| {
            let _registered: KeyInfo = client.act(&path).await?;
            Ok(())
        });
    };
    let own = read(context, path)?.must_be(agent.as_str())?;
    let body = Body::KeyRegistered(Box::new(KeyRegistered {
        agent: agent.clone(),
        by: peer_name(),
        custodial: false,
        key: own.text()?,
    }));
    let record = signing::sign(&body, &[&own])?;
    change(context, agent, Need::Answers, async |client| {
        signing::submit(client, &record).await.map(drop)
    })
}
