//! What an executor reports of an attempt once its whole tree is dead and its outputs are hashed.

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::signal::Facts;

/// How the leader of a tree ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

/// What stood in the file that `$ANTIPHON_RESULT` names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultFile {
    /// No file, or an empty one.
    Absent,
    /// A file that is no JSON object within the limits, and why.
    Invalid(String),
    /// A result.
    Valid(Facts),
}

/// One output stream: hashed and counted whole, kept in part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// All bytes that were written.
    pub bytes: u64,
    /// Whether a part between head and tail is missing from evidence.
    pub cut: bool,
    /// The evidence file that holds what was kept, when `text` does not hold all of it.
    pub evidence: Option<Digest>,
    /// SHA-256 over all bytes that were written.
    pub sha256: Digest,
    /// What was kept, as text (invalid UTF-8 replaced); at most
    /// [`INLINE_OUTPUT_BYTES_MAX`](crate::limits::INLINE_OUTPUT_BYTES_MAX) bytes of it.
    pub text: String,
}

impl Output {
    /// A stream that nothing was written to.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            bytes: 0,
            cut: false,
            evidence: None,
            sha256: Digest::of(b""),
            text: String::new(),
        }
    }
}

/// Why a tree was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// Someone cancelled the run.
    Cancelled,
    /// Its time was over.
    Deadline,
    /// It wrote more than it may.
    Output,
    /// The machine was stopped or is shutting down.
    Stopped,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// CPU time of leader and reaped children, ms.
    pub cpu_ms: u64,
    /// From start to the death of the tree, ms of boot time.
    pub duration_ms: u64,
    /// Set when the executor itself stopped the tree.
    pub executor_stop: Option<StopCause>,
    /// How the leader ended.
    pub exit: Exit,
    /// Whether the leader had ended before the first signal was sent to the tree.
    pub exited_before_stop: bool,
    /// Peak resident memory of the leader, KiB.
    pub memory_kib_max: u64,
    /// Processes besides the leader that had to be killed.
    pub processes_killed: u32,
    /// What the result file held.
    pub result: ResultFile,
    /// Standard error.
    pub stderr: Output,
    /// Standard output.
    pub stdout: Output,
}

/// Why an attempt could not be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotStarted {
    /// The gate was closed: the lease goes back uncounted.
    Gate,
    /// It may work later (EAGAIN, EMFILE, ENOMEM): the lease goes back uncounted, after a wait.
    Later(String),
    /// It will not work (ENOENT, EACCES, ENOEXEC): the attempt failed.
    Never(String),
}

/// What recovery found of a lease whose owner was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its exit was written down before the tree's death: it settles honestly.
    Reported(Box<Report>),
    /// It was never started: no folder was made for it.
    NeverStarted,
    /// The whole tree is proven dead, its outcome is not known.
    Dead,
    /// Not even that is known.
    Unproven,
}
