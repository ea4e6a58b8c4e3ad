//! `antiphon ledger prove`: the proof that a record is in the newest checkpoint.
//!
//! A tlog-proof of C2SP: whoever has it, the record and the log's key needs nothing else.

use std::path::PathBuf;

use antiphon_core::id::Id;
use clap::Args;
use serde::Serialize;

use super::{print, write_file};
use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ledger::place::Place;
use crate::ledger::prove::SealedLog;
use crate::ledger::run::find;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// A record by its number, or the newest one about a signal or a run by its id
    #[arg(value_name = "SEQ|ID", value_parser = parse_what)]
    what: What,
    /// The proof's file [default: standard output]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// What is to be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// This record.
    Record(u64),
    /// What says most of this signal or run.
    Id(Id),
}

/// What was proven.
#[derive(Debug, Serialize)]
struct Proven {
    seq: u64,
    size: u64,
    envelope: String,
    proof: String,
}

fn parse_what(text: &str) -> Result<What, String> {
    match text.parse() {
        Ok(seq) => Ok(What::Record(seq)),
        Err(_not_a_number) => parse_id(text).map(What::Id),
    }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut log = SealedLog::open(&Place::of(&context.root)?)?;
    let seq = match arguments.what {
        What::Record(seq) => seq,
        What::Id(id) => find(&mut log, &id)?
            .newest
            .ok_or_else(|| Failure::NotFound {
                what: format!("{id}, in what is sealed of the log,"),
            })?,
    };
    let proof = log.tlog_proof(seq)?.to_string();
    let envelope = log.record(seq)?.map(|(envelope, _)| envelope);
    let proven = Proven {
        seq,
        size: log.size(),
        envelope: String::from_utf8_lossy(&envelope.unwrap_or_default()).into_owned(),
        proof,
    };
    let Some(file) = &arguments.to else {
        return print(context.output, &proven, &proven.proof);
    };
    write_file(file, proven.proof.as_bytes())?;
    context.output.one(&proven, |proven| {
        let Proven { seq, size, .. } = proven;
        format!(
            "record {seq} is in the checkpoint of {size} records: {}",
            file.display()
        )
    })?;
    Ok(Exit::Done)
}
