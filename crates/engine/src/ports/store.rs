//! The log on disk: one narrow trait whose verbs are transactions.
//!
//! In: opaque bytes that are stored and given back as they are. Out: what a record means, who may
//! lease, what a query finds. Source: `docs/adr/0002-turn-per-row.md`.

use antiphon_ledger::{Hash, TreeHead};

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The sequence number that the next record gets; the number of records.
    pub next_seq: u64,
    /// The leaf hash of the last record; all zero when there is none.
    pub last_leaf: Hash,
    /// The root of the tree over all leaves.
    pub root: Hash,
}

impl Head {
    /// The head of a log without records.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            next_seq: 0,
            last_leaf: [0; 32],
            root: TreeHead::EMPTY_ROOT,
        }
    }

    /// What a checkpoint says of it: the number of its leaves and their root.
    #[must_use]
    pub fn tree(&self) -> TreeHead {
        TreeHead {
            size: self.next_seq,
            root: self.root,
        }
    }
}

/// One record as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRecord<'a> {
    /// Canonical JSON of the envelope.
    pub envelope: &'a [u8],
    /// Salt and canonical JSON of the body; `None` when it was pruned.
    pub body: Option<&'a [u8]>,
}

/// The length that stands for a body that was pruned; no bytes follow it.
const PRUNED: u32 = u32::MAX;

/// One turn: the records of one commit as two blobs, each `u32` big-endian length then bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The sequence number of its first record.
    pub first_seq: u64,
    /// How many records it holds; at least one.
    pub count: u32,
    /// The root of the tree after its last record.
    pub root: Hash,
    /// The envelopes.
    pub envelopes: Vec<u8>,
    /// The bodies, each salt then JSON, the length 0xFFFFFFFF alone for one that was pruned; `None`
    /// when all were.
    pub bodies: Option<Vec<u8>>,
}

/// What pruning leaves of the bodies of one turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunedTurn {
    /// The sequence number of its first record.
    pub first_seq: u64,
    /// As in [`Turn`].
    pub bodies: Option<Vec<u8>>,
}

/// A full tile of the tree: 256 hashes of one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// 0 for leaves, 1 for the roots of 256 leaves, and so on.
    pub level: u8,
    /// Its place in its level, from 0.
    pub index: u64,
    /// 256 hashes of 32 bytes.
    pub hashes: Vec<u8>,
}

/// What one commit adds.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The records.
    pub turn: Turn,
    /// Tiles that they filled.
    pub tiles: Vec<Tile>,
    /// The leaf hash of the last record.
    pub last_leaf: Hash,
}

impl Batch {
    /// The head of the log once this batch is its end.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            next_seq: self.turn.next_seq(),
            last_leaf: self.last_leaf,
            root: self.turn.root,
        }
    }
}

/// A state written beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// It is the state after this record.
    pub at_seq: u64,
    /// Canonical JSON.
    pub bytes: Vec<u8>,
}

/// Why a verb could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the database failed. Nothing may be acknowledged by this process any more.
    #[error("the log cannot be {verb}")]
    Io {
        /// What was tried: `opened`, `read`, `appended to`.
        verb: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another owner has a newer epoch: this process is not the owner any more.
    #[error("another owner has opened the log: epoch {found} is newer than {ours}")]
    StaleEpoch {
        /// The newest epoch.
        found: u64,
        /// Ours.
        ours: u64,
    },
    /// The log does not end where the batch begins.
    #[error("the log ends at {found}, the batch begins at {expected}")]
    StaleHead {
        /// Where the log ends.
        found: u64,
        /// Where the batch begins.
        expected: u64,
    },
    /// What was read is not what was written.
    #[error("the log is damaged at record {seq}: {what}")]
    Damaged {
        /// The first record that is affected.
        seq: u64,
        /// What is wrong.
        what: String,
    },
    /// Bodies are pruned, or should be, that only a snapshot can stand for, and there is none.
    #[error("no snapshot stands for the records below {pruned_to}, whose bodies are pruned")]
    SnapshotMissing {
        /// Records below this have lost their bodies, or would.
        pruned_to: u64,
    },
    /// The files of the root are not all there: a restoration has not come to its end.
    #[error("the files of {path} are not all there: its restoration has not come to its end")]
    Unfinished {
        /// The root.
        path: String,
    },
    /// The files are of a version that this program does not know.
    #[error("the log has version {found}; this program knows up to {known}")]
    Version {
        /// The version of the files.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// Another process holds the root.
    #[error("another process holds {path} ({owner})")]
    Held {
        /// The lock.
        path: String,
        /// What the lock says of its owner, for people.
        owner: String,
    },
}

impl StoreError {
    /// Its stable code, as in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Io { .. } => "store.io",
            StoreError::StaleEpoch { .. } | StoreError::StaleHead { .. } => "store.stale",
            StoreError::Damaged { .. } => "store.damaged",
            StoreError::SnapshotMissing { .. } => "store.snapshot_missing",
            StoreError::Unfinished { .. } => "store.unfinished",
            StoreError::Version { .. } => "store.version",
            StoreError::Held { .. } => "store.held",
        }
    }
}

/// The log of one root. Only its owner holds one; verbs block.
///
/// An implementation MUST, when `append` returns `Ok`, have the batch on stable storage; it MUST
/// write the batch whole or not at all; it MUST refuse a stale epoch or head without writing.
/// The caller MUST NOT use the store again after [`StoreError::Io`] from `append`.
pub trait Store: Send {
    /// The fencing epoch of this opening; each opening has a greater one.
    fn epoch(&self) -> u64;

    /// The end of the log.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Damaged`].
    fn head(&mut self) -> Result<Head, StoreError>;

    /// Adds `batch` if the log ends at `expected` and no newer epoch has opened it.
    ///
    /// # Errors
    /// [`StoreError::StaleEpoch`], [`StoreError::StaleHead`]: nothing was written.
    /// [`StoreError::Io`]: whether it was written is not known; this process must stop.
    fn append(&mut self, expected: &Head, batch: &Batch) -> Result<(), StoreError>;

    /// Writes `snapshot`, and keeps beside it none but the one at `recorded`, the newest that a
    /// record names.
    ///
    /// # Errors
    /// [`StoreError::StaleEpoch`]: nothing was written. [`StoreError::Io`].
    fn put_snapshot(
        &mut self,
        snapshot: &Snapshot,
        recorded: Option<u64>,
    ) -> Result<(), StoreError>;

    /// Puts what is left of their bodies in the place of those of `turns`, and notes that pruning
    /// has come to `pruned_to`; in one transaction, durable when this returns. Doing it twice is
    /// doing it once. No other byte of the log changes.
    ///
    /// # Errors
    /// [`StoreError::StaleEpoch`]; [`StoreError::SnapshotMissing`] unless the older of two
    /// snapshots holds everything below `pruned_to`: nothing was written. [`StoreError::Io`].
    fn prune(&mut self, turns: &[PrunedTurn], pruned_to: u64) -> Result<(), StoreError>;

    /// A reader of the same log for another thread.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn reader(&self) -> Result<Box<dyn LogReader>, StoreError>;

    /// Bytes that the log takes on disk, and bytes that are free where it lies.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn space(&self) -> Result<Space, StoreError>;
}

/// Room on the disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Taken by the log.
    pub used: u64,
    /// Free to this process.
    pub free: u64,
    /// The size of the file system.
    pub total: u64,
}

/// A read-only view of the log. It sees whole turns only; verbs block.
pub trait LogReader: Send {
    /// The end of the log as of now.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn head(&mut self) -> Result<Head, StoreError>;

    /// The turns from the one that holds record `seq` on, in order, until `bytes_max` is passed;
    /// at least one if there is one.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Damaged`].
    fn turns_from(&mut self, seq: u64, bytes_max: usize) -> Result<Vec<Turn>, StoreError>;

    /// The tiles of `level` from `index` on, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Damaged`].
    fn tiles(&mut self, level: u8, index: u64, limit: usize) -> Result<Vec<Tile>, StoreError>;

    /// The newest snapshots, newest first, at most two.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn snapshots(&mut self) -> Result<Vec<Snapshot>, StoreError>;

    /// Every body below this that may be pruned is; 0 when none is.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn pruned_to(&mut self) -> Result<u64, StoreError>;
}

impl Turn {
    /// The sequence number behind its last record.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.count))
    }

    /// Bytes of its records.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        let bodies = self.bodies.as_ref().map_or(0, Vec::len);
        self.envelopes.len().saturating_add(bodies)
    }

    /// Its records in order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the lengths do not add up.
    pub fn records(&self) -> Result<Vec<StoredRecord<'_>>, StoreError> {
        let damaged = |what: &str| StoreError::Damaged {
            seq: self.first_seq,
            what: what.to_owned(),
        };
        let envelopes = split(&self.envelopes).ok_or_else(|| damaged("envelope lengths"))?;
        let bodies = match &self.bodies {
            Some(bytes) => split(bytes).ok_or_else(|| damaged("body lengths"))?,
            None => vec![None; envelopes.len()],
        };
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        if envelopes.len() != count || bodies.len() != count {
            return Err(damaged("number of records"));
        }
        let record = |(envelope, body): (Option<_>, _)| {
            let envelope = envelope.ok_or_else(|| damaged("an envelope is pruned"))?;
            Ok(StoredRecord { envelope, body })
        };
        envelopes.into_iter().zip(bodies).map(record).collect()
    }

    /// What is left of its bodies when only those that `is_kept` says yes to stay.
    ///
    /// # Errors
    /// As [`Turn::records`].
    pub fn pruned(
        &self,
        mut is_kept: impl FnMut(&StoredRecord<'_>) -> bool,
    ) -> Result<PrunedTurn, StoreError> {
        let mut bodies = Vec::new();
        let mut is_any_kept = false;
        for record in self.records()? {
            match record.body.filter(|_| is_kept(&record)) {
                Some(body) => {
                    is_any_kept = true;
                    push_framed(&mut bodies, body);
                }
                None => push_pruned(&mut bodies),
            }
        }
        Ok(PrunedTurn {
            first_seq: self.first_seq,
            bodies: is_any_kept.then_some(bodies),
        })
    }
}

/// Appends `bytes` to `blob` with their length in front.
pub fn push_framed(blob: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    blob.extend_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(bytes);
}

/// Appends the mark of a body that was pruned.
pub fn push_pruned(blob: &mut Vec<u8>) {
    blob.extend_from_slice(&PRUNED.to_be_bytes());
}

/// The parts of a blob; `None` for one that was pruned.
fn split(blob: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let mut parts = Vec::new();
    let mut rest = blob;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length);
        if length == PRUNED {
            parts.push(None);
            rest = after;
            continue;
        }
        let (part, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        parts.push(Some(part));
        rest = after;
    }
    Some(parts)
}
