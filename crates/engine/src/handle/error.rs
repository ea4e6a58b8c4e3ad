//! Why the loop does not take what it is given.

use antiphon_core::control::Refusal;
use antiphon_core::id::Id;
use antiphon_core::key::KeyText;

/// Why an input was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// As much waits or runs as may.
    #[error("as much work waits as may; try again later")]
    Full,
    /// The rest of the disk is kept for outcomes and guards.
    #[error("the disk is nearly full: what is left is kept for outcomes and guards")]
    DiskFull,
    /// Too few witnesses have cosigned what is there, and the operator wants it so.
    #[error("too few witnesses have cosigned the log; signals are taken again when they have")]
    Uncosigned,
    /// Its key came before with something else.
    #[error("the idempotency key came before with another payload, as signal {id}")]
    KeyConflict {
        /// The signal that has the key.
        id: Id,
    },
    /// It stopped the machine and became a dead letter, now or when it came before.
    #[error("it stopped the machine and is not stepped again: dead letter {letter}")]
    Suspect {
        /// The letter.
        letter: Id,
    },
    /// The machine refused it.
    #[error("{0}")]
    Refused(Refusal),
    /// What came signed is not what would be recorded, or not signed so.
    #[error("the signature does not fit what would be recorded")]
    SignatureMismatch,
    /// What came signed replaces a record that another has replaced: it was recorded before, or came
    /// too late.
    #[error("it was signed to replace record {signed}, and record {last} stands there now")]
    SignatureStale {
        /// The record that it says to replace.
        signed: u64,
        /// The last record of its kind.
        last: u64,
    },
    /// It is signed by a key that is not valid now, or by whom it must not be.
    #[error("it is signed by a key that is not valid now, or by an agent that does not sign it")]
    SignatureKey,
    /// Who must sign it holds the key himself.
    #[error("{agent} must sign it: the program does not hold the key")]
    SignatureMissing {
        /// The agent.
        agent: String,
    },
    /// A key that the program must hold is not there.
    #[error("the key {} of {} is not held here", key.id(), key.name())]
    KeyMissing {
        /// The key.
        key: KeyText,
    },
    /// The new configuration is not usable; the old one stays in force entirely.
    #[error("the configuration is not usable: {0}")]
    Unusable(String),
    /// The owner is going.
    #[error("the owner is shutting down")]
    Closed,
}

impl SubmitError {
    /// Its stable code, as in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            SubmitError::Full => "engine.full",
            SubmitError::DiskFull => "engine.disk_full",
            SubmitError::Uncosigned => "cosignature.missing",
            SubmitError::KeyConflict { .. } => "engine.key_conflict",
            SubmitError::Suspect { .. } => "input.suspect",
            SubmitError::SignatureMismatch => "signature.mismatch",
            SubmitError::SignatureStale { .. } => "signature.stale",
            SubmitError::SignatureKey => "signature.key",
            SubmitError::SignatureMissing { .. } => "signature.missing",
            SubmitError::KeyMissing { .. } => "key.missing",
            SubmitError::Refused(Refusal::Key(fault)) => fault.code(),
            SubmitError::Refused(Refusal::NotFound) => "engine.not_found",
            SubmitError::Refused(Refusal::NotEnded) => "engine.not_ended",
            SubmitError::Refused(_) => "engine.refused",
            SubmitError::Unusable(_) => "config.unusable",
            SubmitError::Closed => "engine.closed",
        }
    }

    /// Whether the same input may be taken later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            SubmitError::Full
            | SubmitError::DiskFull
            | SubmitError::Uncosigned
            | SubmitError::Closed => true,
            SubmitError::KeyConflict { .. }
            | SubmitError::Suspect { .. }
            | SubmitError::SignatureMismatch
            | SubmitError::SignatureStale { .. }
            | SubmitError::SignatureKey
            | SubmitError::SignatureMissing { .. }
            | SubmitError::KeyMissing { .. }
            | SubmitError::Refused(_)
            | SubmitError::Unusable(_) => false,
        }
    }
}
