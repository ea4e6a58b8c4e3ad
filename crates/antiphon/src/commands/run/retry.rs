//! `antiphon run retry`: do again what a run did that has ended, as a new run.

use antiphon_core::id::Id;
use antiphon_http::model::Planned;
use clap::Args;

use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The run that has ended
    #[arg(value_parser = parse_id)]
    id: Id,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = format!("/api/v1/runs/{}/retry", arguments.id);
    let planned: Planned = context.talk(Need::Answers, async |mut client| {
        Ok(client.act(&path).await?)
    })?;
    context.output.one(&planned, |planned| {
        format!("planned as run {}", planned.run)
    })?;
    Ok(Exit::Done)
}
