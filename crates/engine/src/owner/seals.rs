//! The notary and the witnesses of an owner, put together and run beside its loop.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Ports;
use crate::cosign::{self, Cosigning, CosigningPolicy};
use crate::error::EngineError;
use crate::handle::Handle;
use crate::notary::{self, Notary, Sealing, verify_stored};
use crate::ports::checkpoints::Checkpoints;
use crate::ports::signer::Signer;
use crate::ports::store::{Head, LogReader};
use crate::ports::witness::Witness;

/// What they are made of, before the log is known.
pub(super) struct Unopened {
    checkpoints: Arc<dyn Checkpoints>,
    signer: Arc<dyn Signer>,
    witnesses: Vec<Witness>,
    /// One for each witness.
    readers: Vec<Box<dyn LogReader>>,
    policy: CosigningPolicy,
    shown: watch::Sender<Arc<Sealing>>,
}

impl Unopened {
    /// Takes their part of `ports`.
    ///
    /// # Errors
    /// [`EngineError::Store`] when the log cannot be read.
    pub(super) fn of(ports: &mut Ports, policy: CosigningPolicy) -> Result<Self, EngineError> {
        let witnesses = std::mem::take(&mut ports.witnesses);
        let readers = witnesses.iter().map(|_witness| ports.store.reader());
        Ok(Self {
            readers: readers.collect::<Result<_, _>>()?,
            checkpoints: ports.checkpoints.clone(),
            signer: ports.signer.clone(),
            witnesses,
            policy,
            shown: watch::Sender::new(Arc::new(Sealing::default())),
        })
    }

    /// Where it is shown how far the log is sealed.
    pub(super) fn sealing(&self) -> watch::Receiver<Arc<Sealing>> {
        self.shown.subscribe()
    }

    /// Holds the checkpoint that was saved against the log that ends at `head`, and the log against
    /// its witnesses, before anything is appended.
    ///
    /// # Errors
    /// [`EngineError::Checkpoint`] when the log is not the one that was sealed;
    /// [`EngineError::CheckpointUnreadable`], [`EngineError::Store`].
    pub(super) async fn open(
        self,
        handle: &Handle,
        head: &Head,
        log: &mut dyn LogReader,
    ) -> Result<Seals, EngineError> {
        let known = cosign::keys(&self.witnesses);
        let stored = self.checkpoints.load();
        let stored = stored.map_err(EngineError::CheckpointUnreadable)?;
        let stored = stored.map(|stored| {
            let keys = handle.keys().borrow().clone();
            verify_stored(&stored, &keys, head, log, &known)
        });
        let quorum = if known.is_empty() {
            0
        } else {
            self.policy.required.max(1)
        };
        let sealing = self.sealing();
        let (mut notary, cosignatures) = Notary::new(notary::Parts {
            handle: handle.clone(),
            checkpoints: self.checkpoints,
            signer: self.signer,
            stored: stored.transpose()?,
            quorum,
            shown: self.shown,
        });
        let cosigning = cosign::Parts {
            witnesses: self.witnesses,
            policy: self.policy,
            sealing,
            cosignatures,
            notes: handle.notes.clone(),
        };
        let mut cosigning = Cosigning::new(cosigning, self.readers);
        if !known.is_empty() {
            notary.seal().await;
            cosigning.consult().await?;
        }
        Ok(Seals { notary, cosigning })
    }
}

/// The notary and the witnesses.
pub(super) struct Seals {
    notary: Notary,
    cosigning: Cosigning,
}

impl Seals {
    /// Seals and asks until `shutdown`, then gives the notary back for its last checkpoint.
    pub(super) async fn run(self, shutdown: CancellationToken) -> Notary {
        let (notary, ()) = tokio::join!(
            self.notary.run(shutdown.clone()),
            self.cosigning.run(shutdown)
        );
        notary
    }
}
