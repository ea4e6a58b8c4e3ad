//! Bodies about dead letters.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Id};
use crate::name::SignalName;
use crate::record::is_zero;
use crate::signal::{Facts, Key};

/// Body of `letter.parked`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetterParked {
    /// The stable code of what is wrong.
    pub code: String,
    /// What is wrong, for people.
    pub error: String,
    /// Its id.
    pub id: Id,
    /// The idempotency key of what came by file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// What it is about.
    pub payload: Payload,
    /// How often what it is about had been replayed before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replays: u32,
    /// Who could not process it: `intent:FILE`, `input:NAME`, `rule:NAME`, `task:NAME`.
    pub subject: String,
}

/// What a dead letter holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// Bytes that are no signal: the first of them as text, and the hash of all.
    Bytes {
        /// The first of them, invalid UTF-8 replaced.
        excerpt: String,
        /// SHA-256 of all.
        sha256: Digest,
    },
    /// A well-formed document that became no signal.
    Document(Facts),
    /// A run that ended badly: the signal that planned it can be accepted again.
    Run {
        /// The first signal of its chain.
        correlation: Id,
        /// Its facts.
        facts: Facts,
        /// The run.
        run: Id,
        /// The signal's id.
        signal: Id,
        /// The signal's name.
        signal_name: SignalName,
    },
    /// A signal that a rule failed on.
    Signal {
        /// The first signal of its chain.
        correlation: Id,
        /// Its facts.
        facts: Facts,
        /// Its id.
        signal: Id,
        /// Its name.
        signal_name: SignalName,
    },
}

/// Body of `letters.purged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LettersPurged {
    /// Who purged them; `age` for the machine itself.
    pub by: String,
    /// The letters.
    pub letters: Vec<Id>,
}
