//! Names that people choose: checked once at the edge, then carried as types.
//!
//! A name is 1 to 128 bytes of ASCII letters, digits and `_ - . :`, and starts with a letter
//! or a digit, so that it can stand in a file name, a log line, a URL and a metric unescaped. The
//! one that nobody chooses is a worker's, `worker:SIGNAL>TASK`, a [`RuleName`] that no rule of
//! people can have.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::NAME_BYTES_MAX;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a {what}: 1 to {NAME_BYTES_MAX} letters, digits or _ - . : starting with a letter or digit"
)]
pub struct NameError {
    what: &'static str,
    text: String,
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= NAME_BYTES_MAX
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
}

/// What a worker's name begins with.
const WORKER: &str = "worker:";

/// The signal and the task of a worker's name.
fn worker_parts(text: &str) -> Option<(&str, &str)> {
    let (signal, task) = text.strip_prefix(WORKER)?.split_once('>')?;
    (is_name(signal) && is_name(task)).then_some((signal, task))
}

fn is_rule_name(text: &str) -> bool {
    is_name(text) || worker_parts(text).is_some()
}

/// Bytes of the name of an agent, which stands in every signature.
const AGENT_BYTES_MAX: usize = 64;

fn is_agent_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    is_name(text) && text.len() <= AGENT_BYTES_MAX && text.bytes().all(fits)
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        name!($(#[$doc])* $type, $what, is_name);
    };
    ($(#[$doc:meta])* $type:ident, $what:literal, $is_name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks `text` and takes it as a name.
            ///
            /// # Errors
            /// [`NameError`] when `text` is empty, too long or holds another character.
            pub fn new(text: &str) -> Result<Self, NameError> {
                if $is_name(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(NameError { what: $what, text: text.chars().take(NAME_BYTES_MAX).collect() })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// The name of a signal, by convention `Q_<ACTION>_<STATE>`.
    SignalName, "signal name"
);
name!(
    /// Who emitted a signal.
    SourceName, "source name"
);
name!(
    /// The name of a task.
    TaskName, "task name"
);
name!(
    /// The name of a rule, or of a worker among rules.
    RuleName, "rule name", is_rule_name
);
name!(
    /// The name of a lock that at most one live lease holds.
    LockName, "lock name"
);
name!(
    /// The name of an agent, an identity that acts: at most 64 letters, digits and `_ -`.
    AgentName, "agent name", is_agent_name
);
name!(
    /// The name of a monitor.
    MonitorName, "monitor name"
);

impl RuleName {
    /// The name under which the worker for `task` on the signal `on` is remembered.
    #[must_use]
    pub fn of_worker(on: &SignalName, task: &TaskName) -> Self {
        Self(Arc::from(format!("{WORKER}{on}>{task}")))
    }

    /// The signal and the task, when it is a worker's.
    #[must_use]
    pub fn worker(&self) -> Option<(&str, &str)> {
        worker_parts(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, is_ok: bool) {
        assert_eq!(SignalName::new(text).is_ok(), is_ok, "{text:?}");
    }

    #[test]
    fn a_name_is_short_ascii_without_separators() {
        check("Q_DREAM_TRIGGER", true);
        check("discover.module:1-a", true);
        check("", false);
        check(".hidden", false);
        check("-option", false);
        check("a/b", false);
        check("a b", false);
        check("ä", false);
        check(&"x".repeat(128), true);
        check(&"x".repeat(129), false);
    }

    #[test]
    fn the_name_of_an_agent_can_stand_in_a_signature() {
        for right in ["LARS", "a-1_b", &"x".repeat(64)] {
            assert!(AgentName::new(right).is_ok(), "{right}");
        }
        for wrong in ["", "a.b", "a:b", "a+b", "-a", &"x".repeat(65)] {
            assert!(AgentName::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_longest_worker_has_a_name_that_reads_back_and_is_no_signal() {
        let (on, task) = ("s".repeat(128), "t".repeat(128));
        let name = RuleName::of_worker(
            &SignalName::new(&on).unwrap(),
            &TaskName::new(&task).unwrap(),
        );
        assert_eq!(RuleName::new(name.as_str()), Ok(name.clone()));
        assert_eq!(name.worker(), Some((on.as_str(), task.as_str())));
        check(name.as_str(), false);
    }

    #[test]
    fn what_only_begins_like_a_worker_is_none() {
        let worker = |text: &str| RuleName::new(text).map(|name| name.worker().is_some());
        assert_eq!(worker("worker:work"), Ok(false));
        assert_eq!(worker("worker:a>b"), Ok(true));
        for text in ["worker:a>", "worker:>b", "worker:a>b>c", "a>b", "other:a>b"] {
            assert!(RuleName::new(text).is_err(), "{text}");
        }
    }
}
