//! `antiphon ledger export`: the sealed log as static files, or one run as an evidence bundle.

use std::path::PathBuf;

use antiphon_core::id::Id;
use clap::Args;
use serde::Serialize;

use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ledger::export::export;
use crate::ledger::place::Place;
use crate::ledger::prove::SealedLog;
use crate::ledger::run;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The folder: empty, or an older export of the same log
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Only this run, as an evidence bundle that verifies alone
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    run: Option<Id>,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    folder: PathBuf,
    size: u64,
    before: u64,
}

/// The bundle that was written.
#[derive(Debug, Serialize)]
struct Bundle {
    folder: PathBuf,
    run: String,
    size: u64,
    records: usize,
    keys: usize,
    evidence: usize,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let place = Place::of(&context.root)?;
    let mut log = SealedLog::open(&place)?;
    let folder = &arguments.to;
    let Some(id) = &arguments.run else {
        let exported = export(&mut log, folder, &context.output.progress())?;
        let written = Written {
            folder: folder.clone(),
            size: exported.size,
            before: exported.before,
        };
        context.output.one(&written, |written| {
            let (size, added) = (written.size, written.size - written.before);
            format!("{}: {size} records, {added} of them new", folder.display())
        })?;
        return Ok(Exit::Done);
    };
    let index = run::export(&place, &mut log, id, folder)?;
    let bundle = Bundle {
        folder: folder.clone(),
        run: id.to_string(),
        size: log.size(),
        records: index.records.len(),
        keys: index.keys.len(),
        evidence: index.evidence.len(),
    };
    context.output.one(&bundle, |bundle| {
        let Bundle {
            records,
            evidence,
            size,
            ..
        } = bundle;
        let folder = folder.display();
        format!("{folder}: {records} records and {evidence} outputs, in the checkpoint of {size}")
    })?;
    Ok(Exit::Done)
}
