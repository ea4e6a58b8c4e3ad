//! Why the engine stops.

use antiphon_core::record::CodecError;
use antiphon_core::state::ApplyError;

use crate::fail::Failed;
use crate::ports::signer::SignerError;
use crate::ports::store::StoreError;
use crate::ports::views::ViewError;
use crate::read::ReadError;

/// Why the owner cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The log failed; nothing more is acknowledged by this process.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record cannot be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record cannot be encoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A record does not follow from those before it.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The views cannot be used, not even built anew.
    #[error(transparent)]
    Views(#[from] ViewError),
    /// The log is not what its hashes say.
    #[error("the log does not verify: {0}")]
    Unverified(String),
    /// The log is not the one that the newest checkpoint, or a witness, knows.
    #[error("the log is not the one that was sealed: {detail}")]
    Checkpoint {
        /// Its stable code.
        code: &'static str,
        /// What does not fit.
        detail: String,
    },
    /// The newest checkpoint cannot be read.
    #[error("the newest checkpoint cannot be read")]
    CheckpointUnreadable(#[source] std::io::Error),
    /// The system gave no randomness.
    #[error("no randomness for salts")]
    Entropy(#[source] std::io::Error),
    /// A key that must sign is not held here, or keys cannot be made.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A fail-point of a build for tests.
    #[error(transparent)]
    Step(#[from] Failed),
    /// The executor is gone: what runs is out of control.
    #[error("the executor was lost: {0}")]
    ExecutorLost(String),
    /// The machine failed on an input: our bug.
    #[error("the machine failed on an input: {0}; the inputs are named in run/suspects")]
    Bug(String),
}

impl EngineError {
    /// Its stable code, as in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            EngineError::Store(error) | EngineError::Read(ReadError::Store(error)) => error.code(),
            EngineError::Read(ReadError::Envelope { .. })
            | EngineError::Apply(_)
            | EngineError::Unverified(_) => "store.damaged",
            EngineError::Read(ReadError::Body { .. }) => "store.version",
            EngineError::Signer(error) => error.code(),
            EngineError::Checkpoint { code, .. } => code,
            EngineError::Views(_)
            | EngineError::Entropy(_)
            | EngineError::CheckpointUnreadable(_) => "store.io",
            EngineError::ExecutorLost(_) => "engine.executor_lost",
            EngineError::Codec(_) | EngineError::Step(_) | EngineError::Bug(_) => "engine.bug",
        }
    }
}
