//! Runs: planned units of work, and where each stands.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::name::{RuleName, SignalName, TaskName};
use crate::report::StopCause;
use crate::signal::Facts;
use crate::task::TaskVersion;

/// Which signals the end of a run emits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completions {
    /// After failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<SignalName>,
    /// After success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<SignalName>,
    /// After its time was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timed_out: Option<SignalName>,
}

/// A run as the record that plans it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What its end emits.
    pub emits: Completions,
    /// What it is given instead of the signal's facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    /// Its id.
    pub id: Id,
    /// The rule that planned it; `None` for a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// Its task.
    pub task: TaskName,
    /// The text of the task when it was planned.
    pub version: TaskVersion,
}

/// Where a run that has not ended stands. The transitions are in [`crate::attempt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It waits; not before `due_ms` of elapsed time.
    Planned {
        /// Elapsed ms.
        due_ms: u64,
    },
    /// An attempt holds a lease.
    Leased {
        /// Elapsed ms at which its time is over.
        deadline_ms: u64,
        /// The fencing token: the sequence number of the lease's record.
        token: u64,
    },
    /// An attempt was told to stop.
    Stopping {
        /// Why; the first cause wins.
        cause: StopCause,
        /// As in `Leased`.
        token: u64,
    },
}

impl Phase {
    /// The token of the live lease, if there is one.
    #[must_use]
    pub fn token(&self) -> Option<u64> {
        match self {
            Phase::Planned { .. } => None,
            Phase::Leased { token, .. } | Phase::Stopping { token, .. } => Some(*token),
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Exit 0, and a valid result or none needed.
    Succeeded,
    /// Another exit, an invalid result, or it could not be started.
    Failed,
    /// Its time was over.
    TimedOut,
    /// Someone cancelled it, or a stop ended it.
    Cancelled,
    /// Its owner was lost and what came of it cannot be known.
    Unknown,
}

impl Outcome {
    /// The word for it in records, tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed_out",
            Outcome::Cancelled => "cancelled",
            Outcome::Unknown => "unknown",
        }
    }
}

/// A run that has not ended; a part of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The attempt that runs or ran last; 0 before the first.
    pub attempt: u32,
    /// The first signal of its chain.
    pub correlation: Id,
    /// Causal depth of the signal that planned it.
    pub depth: u32,
    /// The facts that it is given on standard input.
    pub facts: Facts,
    /// The last rules and workers that fired on the way to it, newest last.
    pub lineage: Vec<RuleName>,
    /// Where it stands.
    pub phase: Phase,
    /// Its plan.
    pub plan: Plan,
    /// Elapsed ms when it was planned.
    pub planned_ms: u64,
    /// The record that planned it.
    pub planned_seq: u64,
    /// Its task's priority.
    pub priority: u8,
    /// How often the dead letter that it came from had been replayed.
    pub replays: u32,
    /// The signal that planned it.
    pub signal: Id,
    /// That signal's name.
    pub signal_name: SignalName,
}
