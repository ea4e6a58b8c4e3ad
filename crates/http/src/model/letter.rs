//! Dead letters.

use antiphon_core::id::Id;
use antiphon_core::signal::Facts;
use serde::{Deserialize, Serialize};

/// A dead letter as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Its id.
    pub id: Id,
    /// The record that parked it.
    pub seq: u64,
    /// When it was parked.
    pub parked_at: String,
    /// Who could not process it: `intent:FILE`, `input:NAME`, `rule:NAME`, `task:NAME`.
    pub subject: String,
    /// The stable code of what is wrong.
    pub code: String,
    /// What is wrong, in words.
    pub error: String,
    /// The signal that it holds, if it holds one.
    pub signal: Option<String>,
    /// Times it was replayed.
    pub replays: u32,
    /// Whether it was purged.
    pub purged: bool,
}

/// A dead letter with what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterDetail {
    /// The letter as lists show it.
    pub letter: Letter,
    /// What it holds.
    pub payload: LetterPayload,
}

/// What a dead letter holds. Only the members that its `kind` has are set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterPayload {
    /// `bytes`, `document`, `run` or `signal`.
    pub kind: String,
    /// The first bytes as text.
    pub excerpt: Option<String>,
    /// SHA-256 of all bytes.
    pub sha256: Option<String>,
    /// The document or the facts.
    pub facts: Option<Facts>,
    /// The run.
    pub run: Option<Id>,
    /// The signal's id.
    pub signal_id: Option<Id>,
}

/// Which letters are accepted once more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// These.
    pub letters: Vec<Id>,
}

/// What came of replaying one letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The letter.
    pub letter: Id,
    /// The signal that it became.
    pub id: Option<Id>,
    /// That signal's record.
    pub seq: Option<u64>,
    /// The code of why it was not replayed.
    pub code: Option<String>,
    /// Why it was not replayed, in words.
    pub error: Option<String>,
}

/// Which letters are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purge {
    /// These; by age when empty.
    #[serde(default)]
    pub letters: Vec<Id>,
    /// Every letter older than this, ms; needed when `letters` is empty.
    #[serde(default)]
    pub older_than_ms: Option<u64>,
}

/// How many letters were dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// How many.
    pub purged: u64,
}
