//! `antiphon ledger checkpoint`: prints the newest signed checkpoint.

use antiphon_ledger::hash::hex;
use clap::Args;
use serde::Serialize;

use super::print;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ledger::place::Place;
use crate::ledger::prove::SealedLog;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

/// A checkpoint.
#[derive(Debug, Serialize)]
struct Shown {
    origin: String,
    size: u64,
    root: String,
    note: String,
}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let log = SealedLog::open(&Place::of(&context.root)?)?;
    let checkpoint = log.sealed.checkpoint();
    let shown = Shown {
        origin: checkpoint.origin().to_owned(),
        size: checkpoint.size(),
        root: hex(checkpoint.root()),
        note: log.sealed.to_string(),
    };
    print(context.output, &shown, &shown.note)
}
