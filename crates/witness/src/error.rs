//! Why a witness cannot work.

use std::io;
use std::path::{Path, PathBuf};

/// Why a witness cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system failed.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `lock`.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another process is the witness of this folder.
    #[error("another process holds {}", path.display())]
    Held {
        /// The lock.
        path: PathBuf,
    },
    /// The list of logs is not understood.
    #[error("{}, line {line}: {what}", path.display())]
    Logs {
        /// The list.
        path: PathBuf,
        /// The line, from 1; 0 for one that is to be added.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// What was kept of a log is not what a witness writes.
    #[error("{} is no checkpoint of {origin}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// The log.
        origin: String,
    },
    /// The key is not one that cosigns.
    #[error("the key {name} is no witness's: it must have algorithm 4")]
    Key {
        /// Its name.
        name: String,
    },
}

impl Error {
    pub(crate) fn io(verb: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Error::Io {
            verb,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Its stable code, as in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Io { .. } => "witness.io",
            Error::Held { .. } => "witness.held",
            Error::Logs { .. } => "witness.logs",
            Error::Kept { .. } => "witness.damaged",
            Error::Key { .. } => "witness.key",
        }
    }
}
