//! `antiphon run`: look at runs and act on them.

pub(crate) mod approve;
pub(crate) mod cancel;
pub(crate) mod deny;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod retry;
pub(crate) mod show;

use std::path::Path;

use antiphon_core::id::Id;
use antiphon_http::model::{Done, Run};

use crate::commands::sign;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::tone::Tone;
use crate::signing;
use crate::wire::{Context, Need};

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List runs, newest first
    List(list::Arguments),
    /// Show a run and its attempts
    Show(show::Arguments),
    /// Print what a run wrote
    Logs(logs::Arguments),
    /// End a run
    Cancel(cancel::Arguments),
    /// Do again what a run did that has ended
    Retry(retry::Arguments),
    /// Permit what a rule asks for
    Approve(approve::Arguments),
    /// Deny what a rule asks for
    Deny(deny::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(arguments) => list::run(context, &arguments),
        Command::Show(arguments) => show::run(context, &arguments),
        Command::Logs(arguments) => logs::run(context, &arguments),
        Command::Cancel(arguments) => cancel::run(context, &arguments),
        Command::Retry(arguments) => retry::run(context, &arguments),
        Command::Approve(arguments) => approve::run(context, &arguments),
        Command::Deny(arguments) => deny::run(context, &arguments),
    }
}

/// Answers `ask` by the operator's `word`, or as somebody signed it.
fn answer(context: &Context, ask: &Id, word: &str, signed: Option<&Path>) -> Result<Done, Failure> {
    let record = match signed {
        Some(path) => Some(sign::read_answer(path, ask, word == "approve")?),
        None => None,
    };
    let path = format!("/api/v1/asks/{ask}/{word}");
    context.talk(Need::Answers, async |mut client| match &record {
        Some(record) => signing::submit(&mut client, record).await,
        None => Ok(client.act(&path).await?),
    })
}

/// Runs as a table.
pub(crate) fn table(runs: &[Run]) -> Table {
    let mut table = Table::new(&[
        "ID", "TASK", "AGENT", "STATE", "ATTEMPT", "STARTED", "FINISHED", "EXIT",
    ]);
    for run in runs {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        table.row([
            run.id.into(),
            Cell::new(&run.task, Tone::Name),
            run.agent.as_str().into(),
            Cell::new(&run.state, Tone::of_state(&run.state)),
            run.attempt.into(),
            or_dash(&run.started_at).into(),
            or_dash(&run.finished_at).into(),
            run.exit_code
                .map_or_else(|| "-".to_owned(), |code| code.to_string())
                .into(),
        ]);
    }
    table
}
