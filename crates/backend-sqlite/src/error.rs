//! What can go wrong in this crate, and how it reads through the ports.

use std::num::TryFromIntError;
use std::path::PathBuf;

use antiphon_engine::fail::Failed;
use antiphon_engine::ports::store::StoreError;
use antiphon_engine::ports::views::ViewError;
use rusqlite::ErrorCode;

/// A cause; callers meet it as the source of a [`StoreError`] or a [`ViewError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// SQLite refused or failed.
    #[error("SQLite failed")]
    Sqlite(#[from] rusqlite::Error),
    /// A file or directory of the root could not be used.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The root lies where locks and shared memory cannot be trusted.
    #[error("{path} lies on {kind}, where a lock does not keep others out; use a local disk")]
    Filesystem {
        /// The root.
        path: PathBuf,
        /// What it lies on.
        kind: &'static str,
    },
    /// The database did not go into write-ahead mode.
    #[error("the journal mode is {0}, not wal")]
    Journal(String),
    /// A checkpoint at the start could not be completed because of another process.
    #[error("another process reads the log and keeps its write-ahead file in use")]
    CheckpointBusy,
    /// An earlier commit failed: whether it is on disk is not known.
    #[error("an earlier commit failed, so this process must not write any more")]
    Poisoned,
    /// The log lacks something that it must hold.
    #[error("{what}")]
    Log {
        /// The first record that is affected.
        seq: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A fail-point of a build for tests.
    #[error(transparent)]
    Step(#[from] Failed),
    /// A number does not fit.
    #[error("a number is out of range")]
    Range(#[from] TryFromIntError),
    /// Records do not follow those that the views hold.
    #[error("the views end at {complete_to}, the records begin or go on at {found}")]
    Gap {
        /// Where the views end.
        complete_to: u64,
        /// Where the records begin or go on.
        found: u64,
    },
    /// A row of the views is not what was written.
    #[error("the views are damaged: {0}")]
    View(&'static str),
}

impl Error {
    /// The stable code of this kind.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Sqlite(_) | Error::Journal(_) | Error::Step(_) => "sqlite.failed",
            Error::File { .. } => "sqlite.file",
            Error::Filesystem { .. } => "sqlite.filesystem",
            Error::CheckpointBusy => "sqlite.checkpoint_busy",
            Error::Poisoned => "sqlite.poisoned",
            Error::Log { .. } | Error::Range(_) => "sqlite.damaged",
            Error::Gap { .. } | Error::View(_) => "sqlite.views",
        }
    }

    /// Whether what was read is not what was written.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Error::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => {
                matches!(
                    failure.code,
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
                )
            }
            // A column that holds what no column of the schema can hold.
            Error::Sqlite(cause) => matches!(
                cause,
                rusqlite::Error::FromSqlConversionFailure(..)
                    | rusqlite::Error::IntegralValueOutOfRange(..)
                    | rusqlite::Error::InvalidColumnType(..)
            ),
            Error::Log { .. } | Error::Range(_) | Error::View(_) => true,
            Error::File { .. }
            | Error::Filesystem { .. }
            | Error::Journal(_)
            | Error::CheckpointBusy
            | Error::Poisoned
            | Error::Step(_)
            | Error::Gap { .. } => false,
        }
    }

    /// As the log's error: damage at record `seq` unless the cause knows better, or a failure of
    /// `verb`.
    pub(crate) fn of_store(self, verb: &'static str, seq: u64) -> StoreError {
        if !self.is_damage() {
            return StoreError::Io {
                verb,
                source: Box::new(self),
            };
        }
        match self {
            Error::Log { seq, what } => StoreError::Damaged {
                seq,
                what: what.to_owned(),
            },
            Error::Sqlite(cause) => StoreError::Damaged {
                seq,
                what: cause.to_string(),
            },
            other => StoreError::Damaged {
                seq,
                what: other.to_string(),
            },
        }
    }

    /// As the views' error.
    pub(crate) fn of_views(self, verb: &'static str) -> ViewError {
        ViewError {
            verb,
            source: Box::new(self),
        }
    }
}
