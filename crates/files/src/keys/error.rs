//! Why a key file cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

use antiphon_ledger::key::KeyError;

use crate::error::is_shortage;

/// Why a key file cannot be read or written. It holds nothing of any secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others may read it.
    #[error("{} can be read or written by others (mode {mode:04o})", path.display())]
    Loose {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no file that a key may lie in.
    #[error("{} {what}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It holds no key.
    #[error("{} holds no key: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It is sealed, and there is no passphrase.
    #[error("{} is sealed with a passphrase, and none was given", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase does not do.
    #[error("the passphrase does not do: {what}")]
    Passphrase {
        /// Why.
        what: &'static str,
    },
    /// A file of that name is there.
    #[error("{} is there already, and no key is ever written over", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A key that belongs outside would lie in the data root.
    #[error("{} lies in the data root: whoever takes the root would take it too", path.display())]
    InsideRoot {
        /// The file.
        path: PathBuf,
    },
    /// It is a key of another kind than records name.
    #[error("the key {name} is not one that a record can name: Ed25519 is wanted")]
    Foreign {
        /// Its name.
        name: String,
    },
    /// The system failed.
    #[error("{} cannot be {verb}", path.display())]
    Io {
        /// What was tried: `read`, `written`.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn io(verb: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Error::Io {
            verb,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    pub(super) fn malformed(path: &Path, error: &KeyError) -> Self {
        Error::Malformed {
            path: path.to_owned(),
            what: error.to_string(),
        }
    }

    /// Its stable code, as in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Loose { .. } => "key.loose",
            Error::Unfit { .. } => "key.unfit",
            Error::Malformed { .. } | Error::Foreign { .. } => "key.malformed",
            Error::Locked { .. } => "key.locked",
            Error::Passphrase { .. } => "key.passphrase",
            Error::Exists { .. } => "key.exists",
            Error::InsideRoot { .. } => "key.inside_root",
            Error::Io { .. } => "key.io",
        }
    }

    /// Whether the same call may do later, with nothing changed by hand.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Io { source, .. } if is_shortage(source))
    }

    /// What to do about it, for people.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Loose { path, .. } => Some(format!("chmod go-rwx {}", path.display())),
            Error::Locked { .. } => {
                Some("--passphrase-fd N, or the systemd credential antiphon.passphrase".to_owned())
            }
            Error::InsideRoot { .. } => Some("keep it on another medium".to_owned()),
            Error::Unfit { .. }
            | Error::Malformed { .. }
            | Error::Foreign { .. }
            | Error::Passphrase { .. }
            | Error::Exists { .. }
            | Error::Io { .. } => None,
        }
    }
}
