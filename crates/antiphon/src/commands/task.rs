//! `antiphon task`: look at tasks, enable and disable them.

pub(crate) mod list;
pub(crate) mod set;
pub(crate) mod show;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List tasks
    List(list::Arguments),
    /// Show a task
    Show(show::Arguments),
    /// Let a task start, whatever the configuration says
    Enable(set::Arguments),
    /// Keep a task from starting, whatever the configuration says
    Disable(set::Arguments),
    /// Go back to what the configuration says of a task
    Reset(set::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(arguments) => list::run(context, &arguments),
        Command::Show(arguments) => show::run(context, &arguments),
        Command::Enable(arguments) => set::run(context, &arguments, set::Setting::Enable),
        Command::Disable(arguments) => set::run(context, &arguments, set::Setting::Disable),
        Command::Reset(arguments) => set::run(context, &arguments, set::Setting::Reset),
    }
}
