//! Runs, their attempts, and the tasks, rules and workers that lead to them.

use antiphon_core::id::Id;
use antiphon_core::signal::Facts;
use serde::{Deserialize, Serialize};

use super::Seal;

/// A run as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: Id,
    /// Its task.
    pub task: String,
    /// Its task's agent.
    pub agent: String,
    /// The signal that planned it.
    pub signal_id: Id,
    /// `planned`, `leased`, `stopping`, or its outcome: `succeeded`, `failed`, `timed_out`,
    /// `cancelled`, `unknown`.
    pub state: String,
    /// The attempt that runs or ran last; 0 before the first.
    pub attempt: u32,
    /// When the last attempt was leased.
    pub started_at: Option<String>,
    /// When the run ended.
    pub finished_at: Option<String>,
    /// The exit code of the last attempt, if it ended by one.
    pub exit_code: Option<i32>,
    /// SHA-256 of the last attempt's standard output.
    pub evidence_sha256: Option<String>,
}

/// A run with its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetail {
    /// The run as lists show it.
    pub run: Run,
    /// The name of the signal that planned it.
    pub signal: String,
    /// The first signal of its chain.
    pub correlation: Id,
    /// The rule that planned it; `null` for a worker.
    pub rule: Option<String>,
    /// The run that it tries again, when an operator asked for it.
    pub retry_of: Option<Id>,
    /// When it was planned.
    pub planned_at: String,
    /// The record that planned it.
    pub planned_seq: u64,
    /// SHA-256 of its task's text when it was planned.
    pub version: String,
    /// The facts that it is given.
    pub facts: Facts,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// How far what is told here is sealed.
    pub seal: Seal,
}

/// One attempt of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// Its fencing token: the record of its lease.
    pub token: u64,
    /// `leased`, `stopping`, `returned`, or its outcome.
    pub state: String,
    /// When it was leased.
    pub started_at: String,
    /// When it was settled or went back.
    pub finished_at: Option<String>,
    /// Why it did not succeed, or went back.
    pub reason: Option<String>,
    /// How its leader ended: `exit N` or `signal N`.
    pub exit: Option<String>,
    /// From start to the death of its tree, ms.
    pub duration_ms: Option<u64>,
    /// CPU time, ms.
    pub cpu_ms: Option<u64>,
    /// Peak resident memory of its leader, KiB.
    pub memory_kib_max: Option<u64>,
    /// What its result file held, if it was valid.
    pub result: Option<Facts>,
    /// Bytes that it wrote to standard output.
    pub stdout_bytes: Option<u64>,
    /// Bytes that it wrote to standard error.
    pub stderr_bytes: Option<u64>,
}

/// What one attempt wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptLogs {
    /// Its number, from 1.
    pub attempt: u32,
    /// Standard output.
    pub stdout: LogOutput,
    /// Standard error.
    pub stderr: LogOutput,
}

/// What was kept of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOutput {
    /// All bytes that were written.
    pub bytes: u64,
    /// Whether a part between head and tail is missing.
    pub cut: bool,
    /// SHA-256 over all bytes that were written.
    pub sha256: String,
    /// What was kept, invalid UTF-8 replaced.
    pub text: String,
}

/// A run that was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its id.
    pub run: Id,
}

/// A run by its id and task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRef {
    /// The run.
    pub run: Id,
    /// Its task.
    pub task: String,
    /// The rule that planned it; `null` for a worker.
    pub rule: Option<String>,
}

/// A registered task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Its name.
    pub name: String,
    /// The identity that acts.
    pub agent: String,
    /// Program and arguments, or `builtin`, its name and arguments.
    pub program: Vec<String>,
    /// Whether it may start now.
    pub enabled: bool,
    /// Whether an operator set that over the configuration.
    pub overridden: bool,
    /// Longest run of one attempt, ms.
    pub timeout_ms: u64,
    /// A run that has waited so long for its first attempt is cancelled, ms; `null` for never.
    pub start_within_ms: Option<u64>,
    /// Attempts after the first.
    pub retries: u32,
    /// A lock that it holds while it runs.
    pub lock: Option<String>,
    /// Most attempts of it that run at one time.
    pub concurrency: u32,
    /// 0 to 10; higher goes first.
    pub priority: u8,
    /// SHA-256 of its text.
    pub version: String,
    /// The signals that it answers as a worker.
    pub answers: Vec<String>,
}

/// A rule in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleInfo {
    /// Its name.
    pub name: String,
    /// The signal that it hears.
    pub on: String,
    /// What must hold.
    pub when: Option<String>,
    /// The signal that it emits.
    pub emit: Option<String>,
    /// The task that it starts.
    pub task: Option<String>,
    /// Whether it is considered.
    pub enabled: bool,
    /// Quiet time after a firing, ms.
    pub cooldown_ms: u64,
    /// The key that fires once.
    pub dedupe_key: Option<String>,
    /// The signal that clears the key.
    pub dedupe_until: Option<String>,
    /// The role that is asked first.
    pub approve: Option<String>,
}

/// A worker in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// The signal that it answers.
    pub on: String,
    /// The task that runs.
    pub task: String,
    /// What must hold.
    pub when: Option<String>,
    /// The signal after success.
    pub succeeded: Option<String>,
    /// The signal after failure.
    pub failed: Option<String>,
    /// The signal after its time was over.
    pub timed_out: Option<String>,
}
