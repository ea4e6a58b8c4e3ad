//! Why the data root cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why the data root cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing at its path.
    #[error("there is no data root at {}", path.display())]
    Missing {
        /// Its path.
        path: PathBuf,
    },
    /// Something else is where a directory must be.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// Its path.
        path: PathBuf,
    },
    /// Another user owns it and could change it at will.
    #[error("{} belongs to user {owner}, not to user {ours}", path.display())]
    Foreign {
        /// Its path.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who we are.
        ours: u32,
    },
    /// Others may write it: whoever does decides what runs.
    #[error("{} can be written by others (mode {mode:04o})", path.display())]
    Loose {
        /// Its path.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system failed.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was tried: `open`, `create`.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
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
            Error::Missing { .. } => "root.missing",
            Error::NotADirectory { .. } => "root.not_a_directory",
            Error::Foreign { .. } => "root.foreign",
            Error::Loose { .. } => "root.loose",
            Error::Io { .. } => "root.io",
        }
    }

    /// Whether the same call may do later, with nothing changed by hand.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Io { source, .. } => is_shortage(source),
            Error::Missing { .. }
            | Error::NotADirectory { .. }
            | Error::Foreign { .. }
            | Error::Loose { .. } => false,
        }
    }

    /// What to do about it, for people.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Missing { path } => Some(format!("antiphon init {}", path.display())),
            Error::Loose { path, .. } => Some(format!("chmod go-w {}", path.display())),
            Error::Foreign { path, ours, .. } => Some(format!(
                "chown {ours} {}, or choose another root",
                path.display()
            )),
            Error::NotADirectory { .. } | Error::Io { .. } => None,
        }
    }
}

/// Whether `error` says that the system has none left of something that may come back:
/// descriptors, memory, or patience with a race.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS | Errno::AGAIN | Errno::INTR
        )
    )
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn f12_only_a_shortage_is_worth_another_try() {
        let check = |errno: Errno, is_retryable: bool| {
            let error = Error::io("open", Path::new("/x"), errno);
            assert_eq!(error.is_retryable(), is_retryable, "{errno:?}");
        };
        check(Errno::MFILE, true);
        check(Errno::NFILE, true);
        check(Errno::NOMEM, true);
        check(Errno::ACCESS, false);
        check(Errno::IO, false);
        check(Errno::LOOP, false);
    }
}
