//! `antiphon ledger recover`: cuts a log that is refused, after the last record that is good.
//!
//! Nothing is destroyed: what is kept is copied and checked, and put in the place of the old log, which
//! goes into `refused/`. The log goes on in a new epoch, whose first record says so and is signed by
//! the recovery key.

use std::fs;
use std::path::{Path, PathBuf};

use antiphon_backend_sqlite::{Extent, HeldRoot, open_reader};
use antiphon_core::id::Digest;
use antiphon_core::record::{Body, LogCut, RefusedHead};
use antiphon_engine::ports::store::{Head, StoreError};
use antiphon_ledger::trust::Sealed;
use clap::Args;
use serde::Serialize;

use super::verify::verify_root;
use crate::backup::files::{Way, bring, make_folder, sync_folder};
use crate::backup::going_on::{self, Signatory};
use crate::backup::{CHECKPOINT, copy_shown, now};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::owner::clock::SystemClock;
use crate::wire::{Context, peer_name};

/// Where logs lie that were given up.
const REFUSED: &str = "refused";
/// Where the log is put together that goes on.
const STAGED: &str = ".cutting";

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The last record that is kept
    #[arg(long, value_name = "SEQ")]
    cut_after: u64,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The file of the log's recovery key
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
    /// Cut records, too, that the newest checkpoint covers: others may have seen them, and see a fork
    #[arg(long)]
    below_checkpoint: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Cut {
    /// Records that were kept.
    size: u64,
    /// Records that were given up; `null` when they could not be counted.
    given_up: Option<u64>,
    /// Where the old log lies.
    refused: PathBuf,
    /// The size of the checkpoint that was given up, too; `null` when there was none.
    checkpoint_size: Option<u64>,
    /// The epoch in which the log goes on.
    epoch: u64,
}

/// The newest checkpoint.
enum Seal {
    /// There is none, or it is of what is kept.
    Kept,
    /// It is of more than is kept, or cannot be read.
    GivenUp { size: Option<u64> },
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let root = antiphon_files::Root::open(&context.root)?.path().to_owned();
    let size = arguments.cut_after.saturating_add(1);
    let held = HeldRoot::take(&root, SystemClock::wall_ms())?;
    held.settle_log()?;
    let seal = seal(&root, size, arguments.below_checkpoint)?;
    let signatory = Signatory::of(context, &root, arguments.recovery_key.as_deref())?;
    let refused = refused_head(&root);
    let staged = stage(context, &root, size, &seal)?;
    let body = |epoch: u64, _head: &Head| {
        Body::LogCut(Box::new(LogCut {
            by: peer_name(),
            epoch,
            reason: arguments.reason.clone(),
            refused,
            size,
        }))
    };
    let epoch = going_on::record(context, &staged, &root, &signatory, body)?;
    let aside = aside(&root)?;
    held.replace_log(&staged, &aside)?;
    let checkpoint_size = match seal {
        Seal::Kept => None,
        Seal::GivenUp { size } => {
            let moved = fs::rename(root.join(CHECKPOINT), aside.join(CHECKPOINT));
            moved.map_err(failed("written", &root))?;
            sync_folder(&root)?;
            size
        }
    };
    fs::remove_dir_all(&staged).map_err(failed("written", &staged))?;
    let cut = Cut {
        size,
        given_up: (refused.size > 0).then(|| refused.size.saturating_sub(size)),
        refused: aside,
        checkpoint_size,
        epoch,
    };
    context.output.one(&cut, tell)?;
    Ok(Exit::Done)
}

/// What becomes of the checkpoint when `size` records are kept.
fn seal(root: &Path, size: u64, is_below_allowed: bool) -> Result<Seal, Failure> {
    let path = root.join(CHECKPOINT);
    let note = match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Seal::Kept),
        note => note.map_err(failed("read", &path))?,
    };
    let sealed = Sealed::parse(&note).ok();
    let sealed_size = sealed.map(|sealed| sealed.checkpoint().size());
    if sealed_size.is_some_and(|sealed| sealed <= size) {
        return Ok(Seal::Kept);
    }
    if is_below_allowed {
        return Ok(Seal::GivenUp { size: sealed_size });
    }
    Err(Failure::BelowCheckpoint {
        size: sealed_size,
        kept: size,
    })
}

/// The head that is given up; nothing when it cannot be read.
fn refused_head(root: &Path) -> RefusedHead {
    let head = open_reader(root).and_then(|mut log| log.head());
    let head = head.unwrap_or_else(|_unread| Head {
        root: [0; 32],
        ..Head::empty()
    });
    RefusedHead {
        root: Digest(head.root),
        size: head.next_seq,
    }
}

/// Puts the first `size` records into a root of their own, and judges them.
fn stage(context: &Context, root: &Path, size: u64, seal: &Seal) -> Result<PathBuf, Failure> {
    let staged = root.join(STAGED);
    match fs::remove_dir_all(&staged) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed("written", &staged)(error));
        }
        Ok(()) | Err(_) => {}
    }
    make_folder(&staged)?;
    let copied = copy_shown(context, root, &staged, Extent::Below(size));
    copied.map_err(|error| match error {
        StoreError::Damaged { seq, what } => Failure::CutTooFar { seq, what },
        other => other.into(),
    })?;
    if matches!(seal, Seal::Kept) {
        bring(CHECKPOINT, root, &staged, Way::Copy)?;
    }
    let audit = verify_root(&staged)?;
    match audit.findings.first() {
        None => Ok(staged),
        Some(finding) => Err(Failure::CutTooFar {
            seq: finding.seq.unwrap_or(size),
            what: format!("{} ({})", finding.detail, finding.kind.code()),
        }),
    }
}

/// A new folder for what is given up now.
fn aside(root: &Path) -> Result<PathBuf, Failure> {
    let refused = root.join(REFUSED);
    if !refused.exists() {
        make_folder(&refused)?;
    }
    let aside = refused.join(now());
    make_folder(&aside)?;
    Ok(aside)
}

fn failed(verb: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Failure + use<> {
    let path = path.to_owned();
    move |source| Failure::File {
        verb,
        path: path.clone(),
        source,
    }
}

fn tell(cut: &Cut) -> String {
    let given_up = match cut.given_up {
        Some(records) => format!("{records} were given up"),
        None => "those behind them were given up".to_owned(),
    };
    let mut lines = vec![format!(
        "{} records are kept, {given_up}; the log goes on in epoch {}",
        cut.size, cut.epoch
    )];
    lines.push(format!("the old log lies in {}", cut.refused.display()));
    if let Some(size) = cut.checkpoint_size {
        lines.push(format!(
            "the checkpoint of {size} records was given up, too: whoever saw it, a witness or a \
             verifier, sees a fork"
        ));
    }
    lines.join("\n")
}
