//! `antiphon backup`: copies the log and what belongs to it, beside an owner that runs.
//!
//! The log is copied record by record and checked as it goes; the owner is not asked and not held up.

use std::path::{Path, PathBuf};

use antiphon_backend_sqlite::Extent;
use clap::Args;
use serde::Serialize;

use super::ledger::verify::verify_root;
use crate::backup::files::{Way, bring, make_folder, sync_folder};
use crate::backup::manifest::Manifest;
use crate::backup::{CHECKPOINT, CONFIGURATION, EVIDENCE, KEYS, copy_shown, now};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Where: a folder that is not there yet, or is empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Private keys, too: whoever has the backup can sign then
    #[arg(long)]
    with_keys: bool,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    to: PathBuf,
    /// Records in it.
    size: u64,
    /// The root of the tree over them, in hexadecimal.
    root: String,
    /// Files of evidence in it.
    evidence: u64,
    /// Whether private keys are in it.
    keys: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let Arguments { to, with_keys } = arguments;
    let from = context.root.as_path();
    antiphon_files::Root::open(from)?;
    if !from.join("antiphon.db").exists() {
        return Err(Failure::NotFound {
            what: format!("a log in {}", from.display()),
        });
    }
    prepare(to, from)?;
    // A checkpoint never lies beyond the log that is copied after it, and evidence is there before
    // the record that names it; what both runs of it find may be swept in between.
    bring(CHECKPOINT, from, to, Way::Copy)?;
    bring(EVIDENCE, from, to, Way::Link)?;
    let head = copy_shown(context, from, to, Extent::Whole)?;
    let evidence = bring(EVIDENCE, from, to, Way::Link)?;
    for name in CONFIGURATION {
        bring(name, from, to, Way::Copy)?;
    }
    if *with_keys {
        bring(KEYS, from, to, Way::Copy)?;
    }
    sync_folder(to)?;
    if !verify_root(to)?.is_intact() {
        return Err(Failure::Backup {
            folder: to.clone(),
            what: "what was written does not read back as it was".to_owned(),
        });
    }
    let manifest = Manifest::new(&head, now(), *with_keys);
    manifest.write(to)?;
    let made = Made {
        to: to.clone(),
        size: head.next_seq,
        root: manifest.root,
        evidence,
        keys: *with_keys,
    };
    context.output.one(&made, tell)?;
    Ok(Exit::Done)
}

/// Makes `to` an empty folder outside of the root.
fn prepare(to: &Path, root: &Path) -> Result<(), Failure> {
    let usage = |what: &str| Failure::usage(format!("{} {what}", to.display()));
    if !to.exists() {
        make_folder(to)?;
    }
    let read = |source| Failure::File {
        verb: "read",
        path: to.to_owned(),
        source,
    };
    if std::fs::read_dir(to).map_err(read)?.next().is_some() {
        return Err(usage("is not empty"));
    }
    let (to_real, root_real) = (to.canonicalize(), root.canonicalize());
    if to_real.map_err(read)?.starts_with(root_real.map_err(read)?) {
        return Err(usage(
            "lies in the data root: what destroys the one destroys the other",
        ));
    }
    Ok(())
}

fn tell(made: &Made) -> String {
    let keys = if made.keys {
        "private keys are in it: keep it as they are kept"
    } else {
        "private keys are not in it"
    };
    format!(
        "{} records in {}, verified; {} files of evidence; {keys}",
        made.size,
        made.to.display(),
        made.evidence
    )
}
