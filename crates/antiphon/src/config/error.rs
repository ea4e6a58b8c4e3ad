//! What is wrong with a configuration, and where: file, line, column, and what was meant.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    file: Arc<Path>,
    line: usize,
    column: usize,
}

impl Location {
    /// The place of byte `offset` of `text`, which is the content of `file`. Lines and columns
    /// count from 1, columns in characters.
    pub(crate) fn of(file: &Arc<Path>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self {
            file: Arc::clone(file),
            line,
            column,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Why a configuration is not usable. Nothing of it is in force then.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is no TOML.
    #[error("{at}: {message}")]
    Syntax {
        /// Where.
        at: Location,
        /// What the parser says.
        message: String,
    },
    /// A key that is not known.
    #[error("{at}: unknown key `{key}` in {within}")]
    UnknownKey {
        /// Where.
        at: Location,
        /// The key.
        key: String,
        /// The section that it stands in.
        within: String,
        /// The known key that is nearest, if one is near.
        nearest: Option<&'static str>,
        /// Every key that is known there.
        known: Vec<&'static str>,
    },
    /// A value that its key cannot take.
    #[error("{at}: `{key}` {message}")]
    BadValue {
        /// Where.
        at: Location,
        /// The key.
        key: String,
        /// What is wrong, as a phrase after the key.
        message: String,
    },
    /// Two files set the same key.
    #[error("{second}: `{key}` is already set at {first}")]
    Conflict {
        /// The key.
        key: String,
        /// Where it was set first.
        first: Location,
        /// Where it was set again.
        second: Location,
    },
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// Others may write it: whoever does decides what runs.
    #[error("{} can be written by others (mode {mode:04o}, user {owner})", path.display())]
    Loose {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The user that it belongs to.
        owner: u32,
    },
    /// The whole does not make a policy.
    #[error("{}{path}: {message}", prefix(at.as_ref()))]
    Unusable {
        /// Where, when the path could be found again.
        at: Option<Location>,
        /// The path of what is wrong, such as `rule.dream.when`.
        path: String,
        /// What is wrong.
        message: String,
    },
}

fn prefix(at: Option<&Location>) -> String {
    at.map(|at| format!("{at}: ")).unwrap_or_default()
}

impl ConfigError {
    /// Its stable code, as in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ConfigError::Syntax { .. } => "config.syntax",
            ConfigError::UnknownKey { .. } => "config.unknown_key",
            ConfigError::BadValue { .. } => "config.bad_value",
            ConfigError::Conflict { .. } => "config.conflict",
            ConfigError::Unreadable { .. } => "config.unreadable",
            ConfigError::Loose { .. } => "config.loose",
            ConfigError::Unusable { .. } => "config.unusable",
        }
    }

    /// What to do about it, if there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            ConfigError::UnknownKey {
                nearest: Some(nearest),
                ..
            } => Some(format!("did you mean `{nearest}`?")),
            ConfigError::UnknownKey {
                nearest: None,
                known,
                ..
            } => Some(format!("the keys known here are {}", known.join(", "))),
            ConfigError::Conflict { .. } => {
                Some("arrays of tables add up over files; every other key is set once".to_owned())
            }
            ConfigError::Loose { path, .. } => Some(format!(
                "chmod go-w {0}, and let it belong to you or to root",
                path.display()
            )),
            ConfigError::Syntax { .. }
            | ConfigError::BadValue { .. }
            | ConfigError::Unreadable { .. }
            | ConfigError::Unusable { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let file: Arc<Path> = Arc::from(Path::new("a.toml"));
        let check = |text: &str, offset: usize, expect: &str| {
            assert_eq!(
                Location::of(&file, text, offset).to_string(),
                expect,
                "{text:?}"
            );
        };
        check("", 0, "a.toml:1:1");
        check("a = 1\nb = 2", 6, "a.toml:2:1");
        check("ä = 1", 2, "a.toml:1:2");
        check("a\n", 2, "a.toml:2:1");
    }
}
