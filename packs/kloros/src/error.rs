//! What can go wrong while the pack reads or writes below the data root.

use std::io;

/// Why a look or a built-in could not do its work. Refusing an input is no error but a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path leads out of the data root, or is none.
    #[error("`{path}` is no path beneath the data root")]
    Outside {
        /// The path as it was given.
        path: String,
    },
    /// The operating system said no.
    #[error("cannot {verb} `{path}`: {source}")]
    Io {
        /// What was tried: `read`, `replace` …
        verb: &'static str,
        /// Where, relative to the data root.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is longer than anything that belongs there.
    #[error("`{path}` is longer than {bytes_max} bytes")]
    TooLong {
        /// Where, relative to the data root.
        path: String,
        /// The limit.
        bytes_max: u64,
    },
    /// A file or a set of facts does not hold what it should. It is left as it is.
    #[error("`{subject}` is malformed: {message}")]
    Malformed {
        /// The file, or `facts`.
        subject: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Outside { .. } => "kloros.path_outside_the_root",
            Error::Io { .. } => "kloros.io",
            Error::TooLong { .. } => "kloros.too_long",
            Error::Malformed { .. } => "kloros.malformed",
        }
    }

    /// Whether trying again may help: what the operating system refused may work later, bytes that
    /// are wrong stay wrong.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Io { .. })
    }

    pub(crate) fn malformed(subject: &str, message: impl Into<String>) -> Self {
        Error::Malformed {
            subject: subject.to_owned(),
            message: message.into(),
        }
    }

    pub(crate) fn io(verb: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        Error::Io {
            verb,
            path: path.display().to_string(),
            source,
        }
    }
}
