//! `antiphon run cancel`: end a run.

use antiphon_core::id::Id;
use antiphon_http::model::Done;
use clap::Args;

use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_parser = parse_id)]
    id: Id,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = format!("/api/v1/runs/{}/cancel", arguments.id);
    let done: Done = context.talk(Need::Answers, async |mut client| {
        Ok(client.act(&path).await?)
    })?;
    context
        .output
        .one(&done, |_| format!("run {} is told to end", arguments.id))?;
    Ok(Exit::Done)
}
