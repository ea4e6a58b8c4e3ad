//! `antiphon sign`: decisions that are signed elsewhere and submitted later; no data root is needed.
//!
//! What is printed is given to `run approve|deny --signed` or `stop … --signed`. It fits one record
//! of one log, once, whenever it comes; a guard that has changed since makes another record, and it
//! is refused.

pub(crate) mod ask;
pub(crate) mod stop;

use std::path::{Path, PathBuf};

use antiphon_core::guard::Mode;
use antiphon_core::id::Id;
use antiphon_core::record::{AskAnswered, Body, GuardChanged};
use antiphon_files::keys::outside;
use antiphon_http::model::SignedRecord;
use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::signing::{self, Signatory};
use crate::wire::Context;

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Answer what a rule asks for
    Ask(ask::Arguments),
    /// Stop work, or let it go on
    Stop(stop::Arguments),
}

/// Who signs, and says in the record that it was himself.
#[derive(Args, Debug)]
pub(crate) struct Signer {
    /// The agent's key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Ask(arguments) => ask::run(context, &arguments),
        Command::Stop(arguments) => stop::run(context, &arguments),
    }
}

/// Prints the record that `body` makes of who signs.
fn print(
    context: &Context,
    signer: &Signer,
    body: impl FnOnce(String) -> Body,
) -> Result<Exit, Failure> {
    let key = outside::read(&signer.key, context.passphrase.as_ref())?;
    let signatory = Signatory::of(key)?;
    let body = body(signatory.agent.to_string());
    context.output.json(&signing::sign(&body, &[&signatory])?)?;
    Ok(Exit::Done)
}

/// The signed answer to `ask` in the file at `path`, or on standard input when that is `-`.
///
/// # Errors
/// [`Failure::File`] when it cannot be read, [`Failure::Usage`] when it is none, or another one.
pub(crate) fn read_answer(path: &Path, ask: &Id, permit: bool) -> Result<SignedRecord, Failure> {
    let record = read(path)?;
    let answer: Option<AskAnswered> = serde_json::from_str(record.body.get()).ok();
    match answer.filter(|it| it.ask == *ask && it.permit == permit) {
        Some(_) => Ok(record),
        None => Err(another(path, &record)),
    }
}

/// The signed change to `mode` in the file at `path`, or on standard input when that is `-`.
///
/// # Errors
/// As [`read_answer`].
pub(crate) fn read_mode(path: &Path, mode: Mode) -> Result<SignedRecord, Failure> {
    let record = read(path)?;
    let changed: Option<GuardChanged> = serde_json::from_str(record.body.get()).ok();
    match changed.filter(|it| it.guards.mode == mode) {
        Some(_) => Ok(record),
        None => Err(another(path, &record)),
    }
}

fn read(path: &Path) -> Result<SignedRecord, Failure> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|source| Failure::File {
        verb: "read",
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

fn another(path: &Path, record: &SignedRecord) -> Failure {
    Failure::usage(format!(
        "{} holds something else: {} {} {}",
        path.display(),
        record.kind,
        record.subject,
        record.body
    ))
}
