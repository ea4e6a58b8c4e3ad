//! `antiphon dlq purge`: drop dead letters; the record of their parking stays in the log.

use std::time::Duration;

use antiphon_core::id::Id;
use antiphon_http::model::{Purge, Purged};
use clap::Args;

use crate::commands::{parse_duration, parse_id};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The dead letters
    #[arg(value_parser = parse_id, required_unless_present = "older_than")]
    ids: Vec<Id>,
    /// All that were parked longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "ids")]
    older_than: Option<Duration>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let older_than = arguments.older_than;
    let purge = Purge {
        letters: arguments.ids.clone(),
        older_than_ms: older_than.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
    };
    let purged: Purged = context.talk(Need::Answers, async |mut client| {
        Ok(client.post("/api/v1/letters/purge", &purge).await?)
    })?;
    context.output.one(&purged, |purged| match purged.purged {
        0 => "no dead letter was to drop".to_owned(),
        1 => "1 dead letter dropped".to_owned(),
        count => format!("{count} dead letters dropped"),
    })?;
    Ok(Exit::Done)
}
