//! Tasks: registered units of work, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::name::{AgentName, LockName, TaskName};

/// How a task is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Program {
    /// A pack's built-in, run by the binary itself as `antiphon __builtin NAME` in a process of
    /// its own.
    Builtin {
        /// Arguments after the name.
        arguments: Vec<String>,
        /// The built-in's registered name.
        name: String,
    },
    /// A process: the program and its arguments, without a shell.
    Process {
        /// Program first; looked up on the task's PATH when it holds no slash.
        argv: Vec<String>,
    },
}

/// When a failed attempt is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Wait before the second attempt, ms.
    pub backoff_ms: u64,
    /// The wait grows by this, in thousandths: 2000 doubles it.
    pub factor_permille: u32,
    /// Attempts after the first; 0 tries once.
    pub limit: u32,
    /// Longest wait, ms.
    pub wait_ms_max: u64,
}

impl Retry {
    /// One attempt, no retry.
    pub const NEVER: Self = Self {
        backoff_ms: 0,
        factor_permille: 1_000,
        limit: 0,
        wait_ms_max: 0,
    };
}

/// What becomes of a lease whose owner was lost or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interrupted {
    /// The run ends: `unknown` after a loss, `cancelled` after a stop.
    End,
    /// The run is planned again.
    Retry,
}

/// Whether exit 0 needs a result file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultPolicy {
    /// Exit 0 without a file is success with an empty result.
    Optional,
    /// Exit 0 without a file is failure.
    Required,
}

/// What a task's process may use. `None` leaves the machine's own limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceLimits {
    /// CPU seconds of one process.
    pub cpu_seconds: Option<u64>,
    /// Bytes of one file that it writes.
    pub file_bytes: Option<u64>,
    /// Bytes of address space of one process.
    pub memory_bytes: Option<u64>,
    /// Open descriptors of one process.
    pub open_files: Option<u64>,
    /// Bytes of standard output and of standard error each, after which the tree is killed.
    pub output_bytes: Option<u64>,
}

/// A registered unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The identity that acts.
    pub agent: AgentName,
    /// Most attempts of this task that run at one time.
    pub concurrency: u32,
    /// Whether it may start at all.
    pub enabled: bool,
    /// Environment beyond the plain one that every task gets.
    pub environment: BTreeMap<String, String>,
    /// From the first signal to stop until the tree is killed, ms.
    pub grace_ms: u64,
    /// What its process may use.
    pub limits: ResourceLimits,
    /// A lock that it holds while it runs.
    pub lock: Option<LockName>,
    /// Its name.
    pub name: TaskName,
    /// After the owner was lost with the tree proven dead.
    pub on_lost: Interrupted,
    /// After a stop.
    pub on_stop: Interrupted,
    /// 0 to 10; higher goes first, and waiting makes up for it.
    pub priority: u8,
    /// How it is run.
    pub program: Program,
    /// Whether exit 0 needs a result.
    pub result: ResultPolicy,
    /// When a failed attempt is tried again.
    pub retry: Retry,
    /// A run whose first attempt has not begun so long after it was planned is cancelled, ms.
    /// `None` lets it wait for ever.
    pub start_within_ms: Option<u64>,
    /// Longest run of one attempt, ms.
    pub timeout_ms: u64,
    /// Where it runs; `None` is the data root.
    pub working_directory: Option<String>,
}

/// The identity of a task's text: a run keeps the version that it was planned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskVersion(pub Digest);

impl Task {
    /// The version of this text.
    #[must_use]
    pub fn version(&self) -> TaskVersion {
        // A task holds strings, integers and maps with string keys only: it always serialises.
        TaskVersion(Digest::of(&serde_json::to_vec(self).unwrap_or_default()))
    }
}
