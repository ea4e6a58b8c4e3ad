//! `antiphon rule`: look at rules and try them.

pub(crate) mod list;
pub(crate) mod test;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the rules in force, in the order in which they are considered
    List(list::Arguments),
    /// Say what each rule would say of a signal, without effect
    Test(test::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(arguments) => list::run(context, &arguments),
        Command::Test(arguments) => test::run(context, &arguments),
    }
}
