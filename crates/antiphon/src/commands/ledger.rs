//! `antiphon ledger`: the log as something that can be checked.

pub(crate) mod checkpoint;
pub(crate) mod compare;
pub(crate) mod export;
pub(crate) mod prove;
pub(crate) mod recover;
pub(crate) mod verify;
pub(crate) mod witness;

use std::path::Path;

use serde::Serialize;

use crate::commands::init::write_new;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::wire::Context;

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check every record, signature, key, tile and checkpoint, by what you trust
    Verify(verify::Arguments),
    /// Write the proof that a record is in the newest checkpoint
    Prove(prove::Arguments),
    /// Print the newest signed checkpoint
    Checkpoint(checkpoint::Arguments),
    /// Write the sealed log as static files, or one run as an evidence bundle
    Export(export::Arguments),
    /// Compare two views of one log; write the proof when they are a fork
    Compare(compare::Arguments),
    /// Cut a log that is refused, after its last good record
    Recover(recover::Arguments),
    /// Witnesses: third parties that vouch for logs
    #[command(subcommand)]
    Witness(witness::Command),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Verify(arguments) => verify::run(context, &arguments),
        Command::Prove(arguments) => prove::run(context, &arguments),
        Command::Checkpoint(arguments) => checkpoint::run(context, &arguments),
        Command::Export(arguments) => export::run(context, &arguments),
        Command::Compare(arguments) => compare::run(context, &arguments),
        Command::Recover(arguments) => recover::run(context, &arguments),
        Command::Witness(command) => witness::run(context, command),
    }
}

/// Prints `value` as JSON for programs, or the text that it is for people, byte for byte.
fn print<T: Serialize>(output: Output, value: &T, text: &str) -> Result<Exit, Failure> {
    if output.is_json() {
        output.json(value)?;
    } else {
        output.raw(text)?;
    }
    Ok(Exit::Done)
}

/// Writes a file that must not be there yet.
fn write_file(path: &Path, content: &[u8]) -> Result<(), Failure> {
    if write_new(path, content)? {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} is there already",
        path.display()
    )))
}
