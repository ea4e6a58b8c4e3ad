//! From the log to the state: the newest recorded snapshot, then the tail, everything checked.
//!
//! A snapshot counts only when a record behind it names its hash. Every record since the snapshot
//! is verified: envelope, chain, body, and the root of each turn against the tree that the tiles give.

use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, sync_channel};

use antiphon_core::id::Digest;
use antiphon_core::record::Body;
use antiphon_core::state::State;
use antiphon_ledger::Hash;
use antiphon_ledger::hash::{NO_LEAF, leaf_hash};
use antiphon_ledger::tree::Tree;
use antiphon_ledger::verify::{Problem, Verifier};

use crate::error::EngineError;
use crate::ports::store::{Head, LogReader, Snapshot, StoreError, Turn};
use crate::ports::views::Projected;
use crate::read::{self, ReadError};

/// Bytes of records that are read at one time.
const READ_BYTES: usize = 4 << 20;
/// Chunks that are read and decoded ahead of the fold.
const CHUNKS_AHEAD_MAX: usize = 1;
/// Leaves of one tile.
const TILE_LEAVES: u64 = 256;

/// What recovery gives.
#[derive(Debug)]
pub struct Recovered {
    /// The state after the last record.
    pub state: State,
    /// The tree over all leaves.
    pub tree: Tree,
    /// The leaf of the last record.
    pub last_leaf: Hash,
    /// The end of the log.
    pub head: Head,
    /// The record after which the snapshot was taken that was used.
    pub snapshot_seq: Option<u64>,
    /// Below this every record is held by the older of two snapshots that records name.
    pub covered_to: u64,
    /// Records behind the snapshot that was used; all of them when there was none.
    pub records_since_snapshot: u64,
    /// Keys of records from `keys_from` on, in order.
    pub keys: Vec<crate::ports::views::KnownKey>,
}

/// Reads the log and gives its state, with the keys of all records from `keys_from` on.
///
/// # Errors
/// [`EngineError`] when the log cannot be read, does not verify, or needs a newer program.
pub fn recover(log: &mut dyn LogReader, keys_from: u64) -> Result<Recovered, EngineError> {
    let head = log.head()?;
    let snapshots = log.snapshots()?;
    for (place, snapshot) in snapshots.iter().enumerate() {
        let Ok(state) = State::from_bytes(&snapshot.bytes) else {
            continue;
        };
        if state.next_seq != snapshot.at_seq.saturating_add(1) || state.next_seq > head.next_seq {
            continue;
        }
        let fold = Fold::from_snapshot(log, state, snapshot, keys_from)?;
        if let Some(mut recovered) = fold.run(log, head)? {
            recovered.snapshot_seq = Some(snapshot.at_seq);
            // Beside a snapshot only one that was recorded before it is kept.
            let older = snapshots.get(place.saturating_add(1));
            recovered.covered_to = older.map_or(0, |older| older.at_seq.saturating_add(1));
            return Ok(recovered);
        }
    }
    let from_start = Fold::from_start(keys_from).run(log, head)?;
    from_start.ok_or_else(|| EngineError::Unverified("the log cannot be folded".to_owned()))
}

struct Fold {
    state: State,
    verifier: Verifier,
    /// The first record that is read; records below `state.next_seq` are read for their keys only.
    from: u64,
    keys_from: u64,
    keys: Vec<crate::ports::views::KnownKey>,
    /// The snapshot that a record must name, until one does.
    unproven: Option<(u64, Digest)>,
    records_since: u64,
}

impl Fold {
    fn from_start(keys_from: u64) -> Self {
        Self {
            state: State::default(),
            verifier: Verifier::new(),
            from: 0,
            keys_from,
            keys: Vec::new(),
            unproven: None,
            records_since: 0,
        }
    }

    fn from_snapshot(
        log: &mut dyn LogReader,
        state: State,
        snapshot: &Snapshot,
        keys_from: u64,
    ) -> Result<Self, EngineError> {
        let size = state.next_seq;
        let (tree, last_leaf) = tree_at(log, size)?;
        let sha256 = Digest::of(&snapshot.bytes);
        #[cfg(antiphon_plant)]
        let is_trusted = crate::plant::is("snapshot_trusted_unrecorded");
        #[cfg(not(antiphon_plant))]
        let is_trusted = false;
        Ok(Self {
            state,
            verifier: Verifier::resume(tree, last_leaf),
            from: size,
            keys_from,
            keys: Vec::new(),
            unproven: (!is_trusted).then_some((snapshot.at_seq, sha256)),
            records_since: 0,
        })
    }

    /// Folds to the end; `None` when no record names the snapshot.
    fn run(
        mut self,
        log: &mut dyn LogReader,
        head: Head,
    ) -> Result<Option<Recovered>, EngineError> {
        self.read_keys_below(log)?;
        let from = self.from;
        std::thread::scope(|scope| {
            let (sender, chunks) = sync_channel(CHUNKS_AHEAD_MAX);
            scope.spawn(move || read_ahead(log, from, head.next_seq, &sender));
            for chunk in chunks {
                for turn in chunk? {
                    match self.turn(turn) {
                        Ok(()) => {}
                        // The state of a snapshot that nothing proves need not fit what follows.
                        Err(EngineError::Apply(_)) if self.unproven.is_some() => return Ok(None),
                        Err(error) => return Err(self.first_problem().unwrap_or(error)),
                    }
                }
            }
            self.finish(head)
        })
    }

    fn finish(self, head: Head) -> Result<Option<Recovered>, EngineError> {
        if self.unproven.is_some() {
            return Ok(None);
        }
        let tree = self.verifier.tree().clone();
        let statement = self.verifier.finish();
        if let Some(problem) = statement.first_problem()
            && !skips_checks()
        {
            return Err(unverified(problem));
        }
        if statement.last_leaf != head.last_leaf || statement.root != head.root {
            return Err(EngineError::Unverified(
                "its head is not its last record".to_owned(),
            ));
        }
        Ok(Some(Recovered {
            state: self.state,
            tree,
            last_leaf: head.last_leaf,
            head,
            snapshot_seq: None,
            covered_to: 0,
            records_since_snapshot: self.records_since,
            keys: self.keys,
        }))
    }

    /// The first thing that is wrong so far, before whatever it led to.
    fn first_problem(self) -> Option<EngineError> {
        let statement = self.verifier.finish();
        statement.first_problem().map(unverified)
    }

    /// That the body of a record is pruned which has to be applied.
    fn pruned(&self, seq: u64) -> EngineError {
        if self.from == 0 {
            let pruned_to = seq.saturating_add(1);
            StoreError::SnapshotMissing { pruned_to }.into()
        } else {
            EngineError::Unverified(format!("record {seq} was pruned behind its snapshot"))
        }
    }

    fn turn(&mut self, read: ReadTurn) -> Result<(), EngineError> {
        let ReadTurn { turn, decoded } = read;
        for (stored, decoded) in turn.records()?.into_iter().zip(decoded) {
            let Some(decoded) = decoded else {
                continue;
            };
            self.verifier.record(stored.envelope, stored.body);
            let Projected { seq, record, .. } = decoded?;
            let Some(record) = record else {
                return Err(self.pruned(seq));
            };
            self.prove(&record.body);
            self.note_key(seq, &record.body);
            self.state.apply(&record)?;
            self.records_since = self.records_since.saturating_add(1);
        }
        self.verifier.turn_root(&turn.root);
        Ok(())
    }

    /// A record that names the snapshot proves it.
    fn prove(&mut self, body: &Body) {
        if let (Body::SnapshotTaken(taken), Some((at_seq, sha256))) = (body, self.unproven)
            && taken.at_seq == at_seq
            && taken.sha256 == sha256
        {
            self.unproven = None;
        }
    }

    fn note_key(&mut self, seq: u64, body: &Body) {
        if seq >= self.keys_from
            && let Some((key, id)) = crate::turn::key_of(body)
        {
            self.keys
                .push(crate::ports::views::KnownKey { key, seq, id });
        }
    }

    /// Keys that the index has not seen and that stand before the snapshot.
    fn read_keys_below(&mut self, log: &mut dyn LogReader) -> Result<(), EngineError> {
        read::each(log, self.keys_from..self.from, |seq, stored| {
            if let Some(record) = read::decode(seq, stored)?.record {
                self.note_key(seq, &record.body);
            }
            Ok::<_, EngineError>(())
        })?;
        Ok(())
    }
}

/// A turn as read, and what its records mean; nothing for those that stand before the first.
struct ReadTurn {
    turn: Turn,
    decoded: Vec<Option<Result<Projected, ReadError>>>,
}

/// Reads and decodes the records from `from` to `to` while those before them are folded. Ends when
/// nobody listens any more.
fn read_ahead(
    log: &mut dyn LogReader,
    from: u64,
    to: u64,
    chunks: &SyncSender<Result<Vec<ReadTurn>, EngineError>>,
) {
    let mut next = from;
    while next < to {
        let chunk = read_chunk(log, from, &mut next);
        let is_last = chunk.is_err();
        if chunks.send(chunk).is_err() || is_last {
            return;
        }
    }
}

fn read_chunk(
    log: &mut dyn LogReader,
    from: u64,
    next: &mut u64,
) -> Result<Vec<ReadTurn>, EngineError> {
    let turns = log.turns_from(*next, READ_BYTES)?;
    if turns.is_empty() {
        return Err(EngineError::Unverified(format!("record {next} is missing")));
    }
    let mut chunk = Vec::with_capacity(turns.len());
    for turn in turns {
        *next = turn.next_seq();
        // One that cannot be taken apart is reported in its place.
        let records = turn.records().unwrap_or_default();
        let decoded = (turn.first_seq..)
            .zip(records)
            .map(|(seq, stored)| (seq >= from).then(|| read::decode(seq, &stored)))
            .collect();
        chunk.push(ReadTurn { turn, decoded });
    }
    Ok(chunk)
}

fn unverified(problem: &Problem) -> EngineError {
    let (seq, code) = (problem.seq, problem.kind.code());
    EngineError::Unverified(format!("record {seq}: {} ({code})", problem.detail))
}

/// Whether a planted bug lets a damaged tail pass.
fn skips_checks() -> bool {
    #[cfg(antiphon_plant)]
    return crate::plant::is("tail_not_checked");
    #[cfg(not(antiphon_plant))]
    false
}

/// The tree over the first `size` leaves, and the last of them, from tiles and the records behind
/// the last full one.
///
/// # Errors
/// [`EngineError`] when the log cannot be read, or a tile or a record of it is missing.
pub(crate) fn tree_at(log: &mut dyn LogReader, size: u64) -> Result<(Tree, Hash), EngineError> {
    let tail_from = size.saturating_sub(size.checked_rem(TILE_LEAVES).unwrap_or(0));
    // The last leaf itself is wanted, too, when no leaf stands behind the last tile.
    let read_from = if tail_from == size {
        size.saturating_sub(1)
    } else {
        tail_from
    };
    let mut leaves = leaves(log, read_from, size)?;
    let last_leaf = leaves.last().copied().unwrap_or(NO_LEAF);
    if tail_from == size {
        leaves.clear();
    }
    let mut tiles = BTreeMap::new();
    let mut failed: Option<StoreError> = None;
    let mut tile = |level: u8, index: u64| {
        let found = tiles.entry((level, index)).or_insert_with(|| {
            log.tiles(level, index, 1).unwrap_or_else(|error| {
                failed = Some(error);
                Vec::new()
            })
        });
        found.first().map(|tile| tile.hashes.clone())
    };
    let tree = Tree::from_tiles(size, &mut tile, &leaves);
    if let Some(error) = failed {
        return Err(error.into());
    }
    let tree = tree.map_err(|error| EngineError::Unverified(error.to_string()))?;
    Ok((tree, last_leaf))
}

fn leaves(log: &mut dyn LogReader, from: u64, to: u64) -> Result<Vec<Hash>, EngineError> {
    let mut leaves = Vec::new();
    let next = read::each(log, from..to, |_seq, stored| {
        leaves.push(leaf_hash(stored.envelope));
        Ok::<_, EngineError>(())
    })?;
    if next < to {
        return Err(EngineError::Unverified(format!("record {next} is missing")));
    }
    Ok(leaves)
}
