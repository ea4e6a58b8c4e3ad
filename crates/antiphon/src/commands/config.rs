//! `antiphon config`: check, show and describe the configuration.

pub(crate) mod check;
pub(crate) mod schema;
pub(crate) mod show;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check the configuration without using it
    Check(check::Arguments),
    /// Show the configuration as it is understood, defaults included
    Show(show::Arguments),
    /// Print the JSON Schema of antiphon.toml, for editors
    Schema(schema::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Check(arguments) => check::run(context, &arguments),
        Command::Show(arguments) => show::run(context, &arguments),
        Command::Schema(arguments) => schema::run(context, &arguments),
    }
}
