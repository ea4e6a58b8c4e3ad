//! `antiphon run list`.

use antiphon_core::id::Id;
use antiphon_core::name::TaskName;
use antiphon_http::LIMIT_MAX;
use antiphon_http::model::Run;
use clap::Args;

use crate::commands::{LIMIT, parse_id, parse_name, path};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Context, Need};

/// Where a run may stand.
const STATES: [&str; 8] = [
    "planned",
    "leased",
    "stopping",
    "succeeded",
    "failed",
    "timed_out",
    "cancelled",
    "unknown",
];

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only runs of this task
    #[arg(long, value_parser = parse_name::<TaskName>)]
    task: Option<TaskName>,
    /// Only runs in this state
    #[arg(long, value_parser = STATES)]
    state: Option<String>,
    /// Only runs that this signal planned
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    signal: Option<Id>,
    /// Only runs of this chain
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    correlation: Option<Id>,
    /// At most so many: the newest
    #[arg(long, default_value = LIMIT)]
    limit: usize,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = path(
        "/api/v1/runs",
        &[
            ("task", arguments.task.as_ref().map(ToString::to_string)),
            ("state", arguments.state.clone()),
            ("signal", arguments.signal.map(|id| id.to_string())),
            (
                "correlation",
                arguments.correlation.map(|id| id.to_string()),
            ),
            ("limit", Some(arguments.limit.min(LIMIT_MAX).to_string())),
        ],
    );
    let runs: Vec<Run> = context.talk(Need::Answers, async |mut client| {
        Ok(client.get(&path).await?)
    })?;
    context.output.list(&runs, "no runs", super::table)?;
    Ok(Exit::Done)
}
