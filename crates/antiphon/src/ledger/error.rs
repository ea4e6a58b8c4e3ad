//! Why a ledger could not be judged or written, beside what is wrong with it.

use std::path::PathBuf;

use antiphon_ledger::fork::ForkError;
use antiphon_ledger::trust::TrustError;

use crate::exit::Exit;

/// Why a ledger could not be judged or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The trust file is none.
    #[error("{} cannot be used", path.display())]
    Trust {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: TrustError,
    },
    /// The file is no proof of a fork, and nothing else that can be verified.
    #[error("{} cannot be verified", path.display())]
    Fork {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ForkError,
    },
    /// The log has no checkpoint that is good.
    #[error("nothing of the log is sealed yet")]
    Unsealed,
    /// A record is not sealed yet.
    #[error("record {seq} is not sealed yet: the checkpoint has {size} records")]
    NotYet {
        /// The record.
        seq: u64,
        /// The size at the checkpoint.
        size: u64,
    },
    /// The folder holds another log.
    #[error("{} holds another log, or another history of this one", folder.display())]
    Unlike {
        /// The folder.
        folder: PathBuf,
    },
}

impl LedgerError {
    /// Its stable code, as in `docs/errors/`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Trust { source, .. } => source.code(),
            Self::Fork { source, .. } => source.code(),
            Self::Unsealed | Self::NotYet { .. } => "ledger.unsealed",
            Self::Unlike { .. } => "ledger.unlike",
        }
    }

    /// The exit code that goes with it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Trust { .. } => Exit::Unusable,
            Self::Unsealed | Self::NotYet { .. } => Exit::Held,
            Self::Fork { .. } | Self::Unlike { .. } => Exit::VerificationFailed,
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Trust { .. } => "antiphon key export --to FILE writes one, where the log is",
            Self::Fork { .. } => {
                "roots, exported folders, evidence bundles and proofs of forks can be"
            }
            Self::Unsealed | Self::NotYet { .. } => {
                "an owner seals within a second of a record: antiphon serve"
            }
            Self::Unlike { .. } => "name an empty folder, and compare both",
        }
    }
}
