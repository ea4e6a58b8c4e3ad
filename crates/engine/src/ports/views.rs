//! Read models: queries over a disposable database that is built from the log.
//!
//! In: what the CLI and the API ask. Out: truth; a view lags behind the log by what its builder
//! has not read, says how far it is, and may be deleted at any time.

use antiphon_core::id::{Digest, Id};
use antiphon_core::name::{SignalName, TaskName};
use antiphon_core::record::Record;
use antiphon_core::signal::Key;

/// A record that the builder reads: decoded, or `None` for the body when it was pruned.
#[derive(Clone, Debug)]
pub struct Projected {
    /// Sequence number.
    pub seq: u64,
    /// Wall time, ms since 1970 UTC.
    pub time_ms: i64,
    /// Elapsed ms.
    pub elapsed_ms: u64,
    /// The record, unless its body was pruned.
    pub record: Option<Record>,
}

impl From<Record> for Projected {
    fn from(record: Record) -> Self {
        Self {
            seq: record.seq,
            time_ms: record.time_ms,
            elapsed_ms: record.elapsed_ms,
            record: Some(record),
        }
    }
}

/// Why a view could not be read or built.
#[derive(Debug, thiserror::Error)]
#[error("the views cannot be {verb}")]
pub struct ViewError {
    /// What was tried: `read`, `built`, `opened`.
    pub verb: &'static str,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Builds the views; one thread holds it.
pub trait ViewBuilder: Send {
    /// Every record below this is in the views.
    ///
    /// # Errors
    /// [`ViewError`].
    fn complete_to(&mut self) -> Result<u64, ViewError>;

    /// Adds `records`, which follow what is there, in one transaction.
    ///
    /// # Errors
    /// [`ViewError`]; nothing was added.
    fn project(&mut self, records: &[Projected]) -> Result<(), ViewError>;

    /// Forgets some of what records below `pruned_to` said: signals, dead letters, runs that have
    /// ended, evidence that they name. Idempotency keys stay for their own time. Says whether
    /// nothing of it is left.
    ///
    /// # Errors
    /// [`ViewError`]; what this call should forget is still there.
    fn forget(&mut self, pruned_to: u64) -> Result<bool, ViewError>;

    /// From now on keys are remembered for at least `age_ms` of elapsed time.
    fn remember_keys(&mut self, age_ms: u64);
}

/// What is known of an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// The key.
    pub key: Key,
    /// The record that it came with.
    pub seq: u64,
    /// The signal or letter that it became.
    pub id: Id,
}

/// The index of idempotency keys, the only view that the turn asks.
pub trait KeyIndex: Send {
    /// Every key of a record below this is in the index.
    ///
    /// # Errors
    /// [`ViewError`].
    fn complete_to(&mut self) -> Result<u64, ViewError>;

    /// Those of `hashes` that are known, in any order.
    ///
    /// # Errors
    /// [`ViewError`].
    fn lookup(&mut self, hashes: &[[u8; 16]]) -> Result<Vec<KnownKey>, ViewError>;
}

/// Which signals a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignalFilter {
    /// Only this name.
    pub name: Option<SignalName>,
    /// Only this chain.
    pub correlation: Option<Id>,
    /// Only those accepted at or after this, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// Only records after this.
    pub after_seq: Option<u64>,
    /// Oldest first; else newest first.
    pub ascending: bool,
    /// At most so many; at least 1.
    pub limit: usize,
}

/// Where a signal stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalRow {
    /// Its id.
    pub id: Id,
    /// Its record; name, facts and decisions are read from the log there.
    pub seq: u64,
}

/// Which runs a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only this task.
    pub task: Option<TaskName>,
    /// Only this state: `planned`, `leased`, `stopping` or an outcome.
    pub state: Option<String>,
    /// Only runs that this signal planned.
    pub signal: Option<Id>,
    /// Only this chain.
    pub correlation: Option<Id>,
    /// At most so many, newest first; at least 1.
    pub limit: usize,
}

/// A run as the views know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: Id,
    /// Its task.
    pub task: TaskName,
    /// Its task's agent.
    pub agent: String,
    /// The signal that planned it.
    pub signal_id: Id,
    /// The record that planned it.
    pub planned_seq: u64,
    /// `planned`, `leased`, `stopping` or an outcome.
    pub state: String,
    /// The attempt that runs or ran last; 0 before the first.
    pub attempt: u32,
    /// When the last attempt was leased, ms since 1970 UTC.
    pub started_ms: Option<i64>,
    /// When the run ended, ms since 1970 UTC.
    pub finished_ms: Option<i64>,
    /// The exit code of the last attempt, if it ended by one.
    pub exit_code: Option<i32>,
    /// SHA-256 of the last attempt's standard output, in hexadecimal.
    pub evidence_sha256: Option<String>,
    /// The records of its leases, oldest first, and of its settlements and other events.
    pub record_seqs: Vec<u64>,
}

/// A dead letter as the views know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterRow {
    /// Its id.
    pub id: Id,
    /// The record that parked it; subject, payload and reason are read from the log there.
    pub seq: u64,
    /// Times it was replayed.
    pub replays: u32,
    /// Whether it was purged.
    pub purged: bool,
}

/// Queries. Every verb blocks and may be called from many threads.
pub trait Views: Send + Sync {
    /// Every record below this is seen by the queries.
    ///
    /// # Errors
    /// [`ViewError`].
    fn complete_to(&self) -> Result<u64, ViewError>;

    /// The signals that `filter` names.
    ///
    /// # Errors
    /// [`ViewError`].
    fn signals(&self, filter: &SignalFilter) -> Result<Vec<SignalRow>, ViewError>;

    /// The signal with this id.
    ///
    /// # Errors
    /// [`ViewError`].
    fn signal(&self, id: &Id) -> Result<Option<SignalRow>, ViewError>;

    /// The runs that `filter` names.
    ///
    /// # Errors
    /// [`ViewError`].
    fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, ViewError>;

    /// The run with this id.
    ///
    /// # Errors
    /// [`ViewError`].
    fn run(&self, id: &Id) -> Result<Option<RunRow>, ViewError>;

    /// Dead letters, newest first, at most `limit`; purged ones only when asked for.
    ///
    /// # Errors
    /// [`ViewError`].
    fn letters(&self, limit: usize, with_purged: bool) -> Result<Vec<LetterRow>, ViewError>;

    /// The dead letter with this id.
    ///
    /// # Errors
    /// [`ViewError`].
    fn letter(&self, id: &Id) -> Result<Option<LetterRow>, ViewError>;

    /// Whether a record whose body is there names the evidence `digest`.
    ///
    /// # Errors
    /// [`ViewError`].
    fn names_evidence(&self, digest: &Digest) -> Result<bool, ViewError>;

    /// Records of the operator's and the engine's doings, newest first: guards, configuration,
    /// answers, purges. At most `limit` sequence numbers.
    ///
    /// # Errors
    /// [`ViewError`].
    fn events(&self, limit: usize) -> Result<Vec<u64>, ViewError>;
}
