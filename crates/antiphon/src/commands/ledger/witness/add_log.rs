//! `antiphon ledger witness add-log`: one more log, or one more key of a log, for a witness.

use std::path::PathBuf;

use antiphon_ledger::key::VerifierKey;
use clap::Args;
use serde::Serialize;

use super::parse_key;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The log's origin: the first line of its checkpoints
    origin: String,
    /// A verifier key of the log
    #[arg(value_parser = parse_key)]
    key: Box<VerifierKey>,
    /// The witness's folder
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Added {
    origin: String,
    key: String,
    /// Whether it was not known before.
    is_new: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    std::fs::create_dir_all(&arguments.dir).map_err(|source| Failure::File {
        verb: "made",
        path: arguments.dir.clone(),
        source,
    })?;
    let added = Added {
        origin: arguments.origin.clone(),
        key: arguments.key.to_string(),
        is_new: antiphon_witness::add(&arguments.dir, &arguments.origin, &arguments.key)?,
    };
    context.output.one(&added, |added| {
        let said = if added.is_new {
            "is known"
        } else {
            "was known"
        };
        format!("{} {said}", added.origin)
    })?;
    Ok(Exit::Done)
}
