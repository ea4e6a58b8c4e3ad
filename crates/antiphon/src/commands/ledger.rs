//! `antiphon ledger`: the log as something that can be checked.

pub(crate) mod verify;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check every record, the chain, the tree and the tiles
    Verify(verify::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Verify(arguments) => verify::run(context, &arguments),
    }
}
