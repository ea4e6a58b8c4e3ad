//! The judgement of a root beside an owner that runs.
//!
//! The checkpoint is a file and the records are a database: for a moment the two say together what
//! nobody means. A record revokes the log's key, and the checkpoint that the next key signs comes
//! within a second; a checkpoint is there, and its cosignatures come behind it. What is found wrong
//! with a checkpoint that an owner then replaced is therefore judged again, all of it, as it stands
//! after that; a root that nobody keeps is judged as it lies there.
//!
//! Invariant: what is told is one whole judgement, of a checkpoint and of records that were read
//! behind it. Not here: how a log is judged ([`super::judge`]).

use std::path::Path;
use std::time::{Duration, Instant};

use antiphon_ledger::audit::Audit;
use antiphon_ledger::exported::CHECKPOINT;
use antiphon_ledger::trust::Trust;
use antiphon_ledger::verify::ProblemKind;

use super::judge::{Manner, judge};
use super::place::read;
use super::source::Source;
use crate::failure::Failure;
use crate::socket;

/// How often a log is judged at most: no key is revoked, and no checkpoint without its witnesses
/// met, so many times one behind the other.
const LOOKS_MAX: u32 = 4;
/// How long the owner's next checkpoint, or its next cosignature, is waited for: several times the
/// second in which it comes.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How often the file is looked at meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// Judges `source` by `trust`; a root again, as long as its owner mends what is found of its seal.
///
/// # Errors
/// [`Failure::Store`] when it cannot be read.
pub(crate) fn judge_live(
    mut source: Source,
    trust: Option<&Trust>,
    manner: &Manner,
) -> Result<Audit, Failure> {
    for _look in 1..LOOKS_MAX {
        let Source::Root(root) = &source else {
            break;
        };
        let (path, seen) = (root.path.clone(), root.checkpoint.clone());
        let audit = judge(source, trust.cloned(), manner)?;
        if !may_pass(&audit) || !is_replaced(&path, seen.as_deref()) {
            return Ok(audit);
        }
        source = Source::root(&path)?;
    }
    judge(source, trust.cloned(), manner)
}

/// Whether something is wrong that an owner is perhaps about to mend.
fn may_pass(audit: &Audit) -> bool {
    let mut kinds = audit.findings.iter().map(|finding| finding.kind);
    kinds.any(|kind| {
        matches!(
            kind,
            ProblemKind::CheckpointSignature | ProblemKind::CosignatureMissing
        )
    })
}

/// Whether the checkpoint is another than was `seen`, or becomes it while an owner runs.
fn is_replaced(path: &Path, seen: Option<&[u8]>) -> bool {
    let began = Instant::now();
    loop {
        // In this order: what an owner leaves behind is seen when it is gone.
        let may_come = socket::is_served(path) && began.elapsed() < WAIT_MAX;
        if read(path, CHECKPOINT).as_deref() != seen {
            return true;
        }
        if !may_come {
            return false;
        }
        std::thread::park_timeout(PAUSE);
    }
}
