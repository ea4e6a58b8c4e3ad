//! `antiphon ledger witness`: being a witness of logs, and having witnesses of one's own.
//!
//! Being one: `generate`, `serve`, `add-log`; no data root is needed. Having them: `add`, `list`,
//! `status`.

pub(crate) mod add;
pub(crate) mod add_log;
pub(crate) mod generate;
pub(crate) mod list;
pub(crate) mod serve;
pub(crate) mod status;

use antiphon_ledger::key::VerifierKey;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make the key of a witness
    Generate(generate::Arguments),
    /// Be a witness: cosign the checkpoints of logs
    Serve(serve::Arguments),
    /// Let the witness of a folder cosign a log
    AddLog(add_log::Arguments),
    /// Name a witness of this log
    Add(add::Arguments),
    /// List the witnesses of this log
    List(list::Arguments),
    /// Show what the witnesses of this log have cosigned
    Status(status::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Generate(arguments) => generate::run(context, &arguments),
        Command::Serve(arguments) => serve::run(context, &arguments),
        Command::AddLog(arguments) => add_log::run(context, &arguments),
        Command::Add(arguments) => add::run(context, &arguments),
        Command::List(arguments) => list::run(context, &arguments),
        Command::Status(arguments) => status::run(context, &arguments),
    }
}

/// A verifier key on the command line.
fn parse_key(text: &str) -> Result<Box<VerifierKey>, String> {
    text.parse()
        .map(Box::new)
        .map_err(|error: antiphon_ledger::key::KeyError| error.to_string())
}
