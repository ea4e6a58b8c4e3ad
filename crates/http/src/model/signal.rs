//! Signals and what was decided on them.

use antiphon_core::id::Id;
use antiphon_core::signal::Facts;
use serde::{Deserialize, Serialize};

use super::run::{Run, TaskRef};

/// What a client sends to publish a signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Emit {
    /// Its name.
    pub signal: String,
    /// Who emits it.
    pub source: String,
    /// What it says.
    pub facts: Facts,
    /// When it happened by the producer's clock; left out when the producer does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// Its idempotency key, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A signal that is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emitted {
    /// Its id; the first one's when it is a duplicate.
    pub id: Id,
    /// Its record.
    pub seq: u64,
    /// Whether its key was known.
    pub duplicate: bool,
}

/// A signal as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Its id.
    pub id: Id,
    /// Its record.
    pub seq: u64,
    /// Its name.
    pub signal: String,
    /// When it happened: by its producer, or else when it was accepted.
    pub timestamp: String,
    /// Who emitted it.
    pub source: String,
    /// What it says.
    pub facts: Facts,
    /// The signal that caused it.
    pub cause: Option<Id>,
    /// The first signal of its chain.
    pub correlation: Id,
}

/// A signal with all that was decided on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalDetail {
    /// Its id.
    pub id: Id,
    /// Its record.
    pub seq: u64,
    /// Its name.
    pub signal: String,
    /// When it happened: by its producer, or else when it was accepted.
    pub timestamp: String,
    /// When it was accepted.
    pub accepted_at: String,
    /// Who emitted it.
    pub source: String,
    /// Where it came from: `external`, `rule:NAME`, `task:NAME`, `monitor:NAME`,
    /// `expectation:NAME` or `replay:ID`.
    pub origin: String,
    /// What it says.
    pub facts: Facts,
    /// The signal that caused it.
    pub cause: Option<Id>,
    /// The first signal of its chain.
    pub correlation: Id,
    /// 0 for one from outside, one more than its cause otherwise.
    pub depth: u32,
    /// SHA-256 of the policy that decided.
    pub policy: String,
    /// What each rule that hears it said, in configured order.
    pub decisions: Vec<Decision>,
    /// The runs that it planned at once.
    pub runs: Vec<TaskRef>,
    /// The expectations that it armed.
    pub expects: Vec<Expectation>,
}

/// What one rule said of one signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The rule, or `worker:SIGNAL>TASK`.
    pub rule: String,
    /// `fired`, `deferred`, or the code of why not.
    pub verdict: String,
    /// The verdict in words.
    pub why: String,
    /// More of why.
    pub detail: Option<String>,
    /// The ask that it opened, when it was deferred.
    pub ask: Option<Id>,
}

/// An expectation that a signal armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// The monitor that declares it.
    pub monitor: String,
    /// The signals that meet it.
    pub expect: Vec<String>,
    /// The signal that is emitted when none comes in time.
    pub emit: String,
}

/// What came of a signal once nothing of its chain waits or runs any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Whether nothing waits or runs any more; `false` when the time was over first.
    pub settled: bool,
    /// Every run of its chain, newest first, at most 1,000.
    pub runs: Vec<Run>,
}
