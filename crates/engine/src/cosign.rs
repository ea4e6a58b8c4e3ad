//! Witnesses: asks each of them to cosign every checkpoint, and minds that enough have.
//!
//! In: the checkpoints that the notary shows, the log for proofs, the ways to the witnesses. Out:
//! cosignatures for the notary, alarms, and whether signals may come in. One request at a time for
//! each witness, always about the newest checkpoint: what it skips is covered by the next.
//!
//! Invariants: nothing here is waited for by the loop, nor by the notary; a witness that is late,
//! dead or wrong costs a bounded number of requests; only signals are ever refused for want of
//! cosignatures, never outcomes and guards.
//! Source: C2SP tlog-witness; reliability rows A35, F19, F20, F21.

mod asking;
mod quorum;

use std::sync::Arc;
use std::time::Duration;

use antiphon_ledger::key::VerifierKey;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::EngineError;
use crate::handle::Notes;
use crate::notary::{Cosignature, Sealing, Signed};
use crate::ports::store::LogReader;
use crate::ports::witness::Witness;
use asking::{Asking, Trouble};

/// How long a start waits for what its witnesses say.
const START_MAX: Duration = Duration::from_secs(3);
/// The code of the alarm, and of the refusal, that too few witnesses have cosigned.
pub const MISSING: &str = "cosignature.missing";

/// What becomes of signals while too few witnesses have cosigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// They are taken; an alarm stands.
    #[default]
    Alarm,
    /// They are refused until enough witnesses have cosigned again.
    Stop,
}

/// How much the operator wants cosigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CosigningPolicy {
    /// Cosignatures that a checkpoint needs; with 0, none is needed and an alarm stands when there
    /// is none.
    pub required: usize,
    /// What becomes of signals without them; has no meaning when none are needed.
    pub on_missing: OnMissing,
}

/// All witnesses of one log.
pub(crate) struct Cosigning {
    asking: Vec<Asking>,
    policy: CosigningPolicy,
    sealing: watch::Receiver<Arc<Sealing>>,
    notes: Arc<Notes>,
}

/// What cosigning is made of.
pub(crate) struct Parts {
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) policy: CosigningPolicy,
    pub(crate) sealing: watch::Receiver<Arc<Sealing>>,
    pub(crate) cosignatures: mpsc::Sender<Cosignature>,
    pub(crate) notes: Arc<Notes>,
}

/// The names and keys of `witnesses`.
pub(crate) fn keys(witnesses: &[Witness]) -> Vec<(String, VerifierKey)> {
    let known = |witness: &Witness| (witness.name.clone(), witness.key.clone());
    witnesses.iter().map(known).collect()
}

impl Cosigning {
    /// Asks with one of `readers` of the log for each witness.
    pub(crate) fn new(parts: Parts, readers: Vec<Box<dyn LogReader>>) -> Self {
        let Parts {
            witnesses,
            policy,
            sealing,
            cosignatures,
            notes,
        } = parts;
        let asking = |(witness, log): (Witness, Box<dyn LogReader>)| {
            let (sealing, cosignatures) = (sealing.clone(), cosignatures.clone());
            Asking::new(witness, sealing, cosignatures, notes.clone(), log)
        };
        let asking = witnesses.into_iter().zip(readers).map(asking).collect();
        Self {
            asking,
            policy,
            sealing,
            notes,
        }
    }

    /// Asks every witness about the newest checkpoint before anything is appended; one that does not
    /// answer in time is passed over.
    ///
    /// # Errors
    /// [`EngineError::Checkpoint`] when a witness has seen more of this log than there is, or
    /// another history of it: the log was rolled back or forked.
    pub(crate) async fn consult(&mut self) -> Result<(), EngineError> {
        let Some(newest) = self.sealing.borrow().newest.clone() else {
            return Ok(());
        };
        let mut asked = tokio::task::JoinSet::new();
        for mut asking in self.asking.drain(..) {
            let newest = newest.clone();
            asked.spawn(async move {
                let told = tokio::time::timeout(START_MAX, asking.ask(&newest)).await;
                (asking, told)
            });
        }
        let mut refused = None;
        while let Some(joined) = asked.join_next().await {
            let (asking, told) = joined.map_err(|error| EngineError::Bug(error.to_string()))?;
            if let Ok(Err(trouble)) = told {
                refused = refused.or_else(|| refusal(asking.name(), &newest, &trouble));
            }
            self.asking.push(asking);
        }
        refused.map_or(Ok(()), Err)
    }

    /// Asks until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        if self.asking.is_empty() {
            return;
        }
        let tasks = TaskTracker::new();
        for asking in self.asking {
            tasks.spawn(asking.run(shutdown.clone()));
        }
        tasks.spawn(quorum::mind(
            self.policy,
            self.sealing,
            self.notes,
            shutdown,
        ));
        tasks.close();
        tasks.wait().await;
    }
}

/// What a start is refused with, when a witness knows the log otherwise.
fn refusal(witness: &str, newest: &Signed, trouble: &Trouble) -> Option<EngineError> {
    let size = newest.size();
    let (code, detail) = match trouble {
        Trouble::Ahead { size: seen } => (
            "head.ahead",
            format!("the witness {witness} has seen {seen} records, the log has {size}"),
        ),
        Trouble::Forked => (
            "head.fork",
            format!("the witness {witness} has seen another history of this log"),
        ),
        Trouble::Refused { .. } | Trouble::Cosignature | Trouble::Failed(_) => return None,
    };
    Some(EngineError::Checkpoint { code, detail })
}
