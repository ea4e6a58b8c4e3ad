//! `antiphon run approve`: permit what a rule asks for before it acts.

use antiphon_core::id::Id;
use antiphon_http::model::Done;
use clap::Args;

use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The ask, as `antiphon status` lists it
    #[arg(value_parser = parse_id)]
    ask: Id,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = format!("/api/v1/asks/{}/approve", arguments.ask);
    let done: Done = context.talk(Need::Answers, async |mut client| {
        Ok(client.act(&path).await?)
    })?;
    context
        .output
        .one(&done, |_| format!("ask {} is permitted", arguments.ask))?;
    Ok(Exit::Done)
}
