//! Bodies about runs: leases, their ends, and runs that are planned again.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::name::{AgentName, SignalName, TaskName};
use crate::report::{NotStarted, Report, StopCause};
use crate::run::{Outcome, Plan};
use crate::signal::Facts;

/// Body of `run.leased`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLeased {
    /// The identity that acts.
    pub agent: AgentName,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Elapsed ms at which its time is over.
    pub deadline_ms: u64,
    /// The run.
    pub run: Id,
    /// Its task.
    pub task: TaskName,
}

/// Body of `run.planned`: what follows from an ask that the record before permits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPlanned {
    /// The ask.
    pub ask: Id,
    /// The runs.
    pub runs: Vec<Plan>,
}

/// Body of `run.replanned`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunReplanned {
    /// Who asked.
    pub by: String,
    /// The first signal of its chain.
    pub correlation: Id,
    /// Causal depth of the signal that planned it first.
    pub depth: u32,
    /// Its facts.
    pub facts: Facts,
    /// The run that had ended.
    pub of: Id,
    /// The new run.
    pub plan: Plan,
    /// The signal that planned it first.
    pub signal: Id,
    /// That signal's name.
    pub signal_name: SignalName,
}

/// Body of `run.returned`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunReturned {
    /// Not before this elapsed time, ms.
    pub due_ms: u64,
    /// The run.
    pub run: Id,
    /// The lease.
    pub token: u64,
    /// Why.
    pub why: Returned,
}

/// Why a lease went back uncounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// It could not be started now.
    NotStarted(NotStarted),
    /// Its owner was lost before it was started.
    OwnerLost,
}

/// Body of `run.stopping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStopping {
    /// Who asked, if someone did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    pub cause: StopCause,
    /// The run.
    pub run: Id,
    /// The lease.
    pub token: u64,
}

/// How an attempt ended, beside what its report says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Its executor reported it.
    Report(Box<Report>),
    /// It could not be started, for this reason.
    NotStarted(String),
    /// Its owner was lost; whether its tree was proven dead.
    OwnerLost {
        /// Whether it was.
        proven_dead: bool,
    },
}

/// What becomes of a run whose attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// It ended too.
    Ended,
    /// It waits for another attempt.
    Planned {
        /// Not before this elapsed time, ms.
        due_ms: u64,
    },
}

/// Body of `run.settled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettled {
    /// The number of the attempt.
    pub attempt: u32,
    /// What is known of it.
    pub evidence: Evidence,
    /// What becomes of the run.
    pub next: Next,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// Why it did not succeed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run.
    pub run: Id,
    /// Its task.
    pub task: TaskName,
    /// The lease.
    pub token: u64,
}

/// Body of `run.cancelled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunCancelled {
    /// Who asked; `deadline` when it had waited too long.
    pub by: String,
    /// The run.
    pub run: Id,
    /// Its task.
    pub task: TaskName,
}

/// Body of `report.refused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRefused {
    /// The token that it came with.
    pub token: u64,
    /// What it said, for people.
    pub what: String,
}
