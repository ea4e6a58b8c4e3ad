//! Bodies about the log itself: its birth, its owners, its policies, its clocks, its snapshots.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::{Digest, Id};
use crate::record::FirstKey;
use crate::time::Boot;

/// Body of `log.created`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCreated {
    /// The version of the envelope's and the tree's format.
    pub format: u32,
    /// The log's id.
    pub id: Id,
    /// The keys that it begins with, sorted by agent.
    pub keys: Vec<FirstKey>,
    /// The origin that checkpoints name, and keys.
    pub origin: String,
    /// The program that created it.
    pub version: String,
}

/// Body of `log.cut`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCut {
    /// Who cut it.
    pub by: String,
    /// The fencing epoch in which it goes on.
    pub epoch: u64,
    /// Why, in the operator's words.
    pub reason: String,
    /// The head that was given up.
    pub refused: RefusedHead,
    /// Records that were kept.
    pub size: u64,
}

/// A head of the log that does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedHead {
    /// The root over its records.
    pub root: Digest,
    /// The number of its records.
    pub size: u64,
}

/// Body of `log.restored`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRestored {
    /// Who restored it.
    pub by: String,
    /// The fencing epoch in which it goes on.
    pub epoch: u64,
    /// Why, in the operator's words.
    pub reason: String,
    /// Records of the backup.
    pub size: u64,
}

/// Body of `owner.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerStarted {
    /// The machine's boot.
    pub boot: Boot,
    /// Boot time of the start, ms.
    pub boot_ms: u64,
    /// The fencing epoch of its appends.
    pub epoch: u64,
    /// Whether it leases work.
    pub leases: bool,
    /// Its process id, for people.
    pub pid: u32,
    /// Its version.
    pub version: String,
}

/// Body of `config.applied`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigApplied {
    /// SHA-256 of the canonical policy.
    pub digest: Digest,
    /// The version of the expression evaluator.
    pub evaluator: String,
    /// The whole canonical policy.
    pub policy: Box<RawDocument>,
    /// The record that it replaces: the last of its kind, 0 for the first.
    pub replaces: u64,
}

/// JSON that is carried as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawDocument(pub Box<RawValue>);

impl PartialEq for RawDocument {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for RawDocument {}

/// Body of `clock.jumped`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockJumped {
    /// By how much against boot time, ms; positive is forward.
    pub by_ms: i64,
}

/// Body of `snapshot.taken`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotTaken {
    /// The state that it holds is the one after this record.
    pub at_seq: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// The version of its format.
    pub state_version: u32,
}
