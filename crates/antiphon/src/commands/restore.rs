//! `antiphon restore`: brings a backup back, into a new root.
//!
//! The log goes on in a new epoch, whose first record says so and is signed by the recovery key: what
//! came after the backup is lost, and nobody is to take the one history for the other.

use std::path::{Path, PathBuf};

use antiphon_backend_sqlite::Extent;
use antiphon_core::record::{Body, LogRestored};
use clap::Args;
use serde::Serialize;

use crate::backup::files::{Way, bring};
use crate::backup::going_on::{self, Signatory};
use crate::backup::manifest::Manifest;
use crate::backup::restoration::Restoration;
use crate::backup::{CHECKPOINT, CONFIGURATION, EVIDENCE, KEYS, copy_shown};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Context, peer_name};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Where: a data root that is not there yet, or is empty [default: the data root]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// The file of the log's recovery key
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
    /// Why, for the log
    #[arg(long, value_name = "TEXT", default_value = "restored from a backup")]
    reason: String,
}

/// What was restored.
#[derive(Debug, Serialize)]
struct Restored {
    to: PathBuf,
    /// Records of the backup.
    size: u64,
    /// When it was made.
    made_at: String,
    /// Whether private keys came with it.
    keys: bool,
    /// Whether it was put together before, and only had to be moved to its place.
    finished_only: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let from = arguments.from.as_path();
    let to = arguments.to.as_deref().unwrap_or(&context.root);
    let manifest = Manifest::read(from)?;
    let signatory = Signatory::of(context, from, arguments.recovery_key.as_deref())?;
    let restoration = Restoration::begin(to)?;
    let finished_only = restoration.is_ready();
    if !finished_only {
        let staged = restoration.staged();
        put_together(context, from, &staged, &manifest)?;
        let reason = arguments.reason.clone();
        going_on::record(context, &staged, &staged, &signatory, |epoch, head| {
            Body::LogRestored(Box::new(LogRestored {
                by: peer_name(),
                epoch,
                reason,
                size: head.next_seq,
            }))
        })?;
        restoration.ready()?;
    }
    restoration.finish()?;
    let restored = Restored {
        to: to.to_owned(),
        size: manifest.size,
        made_at: manifest.made_at,
        keys: manifest.keys,
        finished_only,
    };
    context.output.one(&restored, tell)?;
    Ok(Exit::Done)
}

/// Brings what the backup `from` holds into `staged`, checked.
fn put_together(
    context: &Context,
    from: &Path,
    staged: &Path,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let head = copy_shown(context, from, staged, Extent::Whole)?;
    if !manifest.is_of(&head) {
        return Err(Failure::Backup {
            folder: from.to_owned(),
            what: "its log is not the one that it says".to_owned(),
        });
    }
    for name in [CHECKPOINT, EVIDENCE].into_iter().chain(CONFIGURATION) {
        bring(name, from, staged, Way::Copy)?;
    }
    if manifest.keys {
        bring(KEYS, from, staged, Way::Copy)?;
    }
    Ok(())
}

fn tell(restored: &Restored) -> String {
    let mut lines = vec![format!(
        "{} records of {} are in {}, and the log goes on in a new epoch",
        restored.size,
        restored.made_at,
        restored.to.display()
    )];
    if restored.finished_only {
        lines.push(
            "it had been put together before; what was left was moved to its place".to_owned(),
        );
    }
    lines.push(
        "what was recorded after that is lost: whoever saw it, a witness or a verifier, says so"
            .to_owned(),
    );
    if !restored.keys {
        lines.push("bring the private keys into its folder keys before it is served".to_owned());
    }
    lines.join("\n")
}
