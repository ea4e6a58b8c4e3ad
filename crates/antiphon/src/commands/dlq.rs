//! `antiphon dlq`: dead letters, what could not be processed.

pub(crate) mod list;
pub(crate) mod purge;
pub(crate) mod replay;
pub(crate) mod show;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List dead letters, newest first
    List(list::Arguments),
    /// Show a dead letter and what it holds
    Show(show::Arguments),
    /// Accept what dead letters hold once more
    Replay(replay::Arguments),
    /// Drop dead letters
    Purge(purge::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(arguments) => list::run(context, &arguments),
        Command::Show(arguments) => show::run(context, &arguments),
        Command::Replay(arguments) => replay::run(context, &arguments),
        Command::Purge(arguments) => purge::run(context, &arguments),
    }
}
