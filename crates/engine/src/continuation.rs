//! The first record of a log that goes on after it was cut or restored.
//!
//! In: the store of a log that nobody runs, and what is to be recorded, signed by the recovery key or,
//! where the log has none, by its owner's. Out: cutting and restoring, which come before; the next
//! owner, who finds the record as it finds any other.
//!
//! Invariants: nothing is recorded in a log that does not verify or cannot be folded; what is recorded
//! is signed by whom it must be.

use std::sync::Arc;

use antiphon_core::record::{Body, Record};
use antiphon_core::time::Instant;

use crate::error::EngineError;
use crate::handle::{Presigned, Preview, SubmitError};
use crate::ports::entropy::Entropy;
use crate::ports::signer::Signer;
use crate::ports::store::{Head, Store};
use crate::recover::{Recovered, recover};
use crate::turn::{Log, Sealer, Signing, Staged};

/// Why a log does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ContinuationError {
    /// The log, or the program.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What came signed does not fit.
    #[error(transparent)]
    Refused(#[from] SubmitError),
}

impl ContinuationError {
    /// Its stable code, as in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ContinuationError::Engine(error) => error.code(),
            ContinuationError::Refused(error) => error.code(),
        }
    }
}

/// A log that is to go on, in the epoch of its store.
pub struct Continuation {
    store: Box<dyn Store>,
    recovered: Recovered,
    signing: Signing,
}

impl std::fmt::Debug for Continuation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Continuation")
            .field("head", &self.recovered.head)
            .finish_non_exhaustive()
    }
}

impl Continuation {
    /// Folds the log of `store` and verifies it as the start of an owner does; `signer` holds the
    /// owner's key, for a log without a recovery key.
    ///
    /// # Errors
    /// [`EngineError`] when an owner could not start on it.
    pub fn open(store: Box<dyn Store>, signer: Arc<dyn Signer>) -> Result<Self, EngineError> {
        let mut log = store.reader()?;
        // The keys of no record are asked for.
        let recovered = recover(log.as_mut(), u64::MAX)?;
        let signing = Signing::new(signer, Arc::new(recovered.state.keys.clone()));
        Ok(Self {
            store,
            recovered,
            signing,
        })
    }

    /// The epoch in which it goes on.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.store.epoch()
    }

    /// Where it ends.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.recovered.head
    }

    /// What whoever signs `body` must know.
    ///
    /// # Errors
    /// [`SubmitError::SignatureKey`] when records of its kind are not signed.
    pub fn preview(&self, body: &Body) -> Result<Preview, SubmitError> {
        self.signing.preview(body)
    }

    /// Appends `body`, durably, with the signatures that came or those that the program makes.
    ///
    /// # Errors
    /// [`ContinuationError`]; nothing was appended unless the store failed.
    pub fn record(
        self,
        body: Body,
        presigned: Option<&Presigned>,
        entropy: Box<dyn Entropy>,
        now: Instant,
    ) -> Result<Head, ContinuationError> {
        let Self {
            store,
            recovered,
            signing,
        } = self;
        let Recovered {
            mut state,
            tree,
            last_leaf,
            head,
            ..
        } = recovered;
        let attested = signing.attest(body.clone(), presigned)?;
        let record = Record {
            seq: head.next_seq,
            time_ms: now.wall_ms,
            elapsed_ms: state.time.restarted(now).elapsed_ms,
            body,
        };
        state.apply(&record).map_err(EngineError::from)?;
        let mut staged = Staged::default();
        Sealer::new(entropy, signing).seal(&record, attested.as_ref(), &mut staged)?;
        let (mut draft, _nothing_held) = staged.take();
        Log::new(store, head, tree, last_leaf).append(&mut draft)?;
        Ok(draft.batch.head())
    }
}
