//! A log in memory that outlives its owners, and can be slow, fail, be full or be damaged.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use antiphon_engine::ports::store::{
    Batch, Head, LogReader, PrunedTurn, Snapshot, Space, Store, StoreError, Tile, Turn,
};
use antiphon_engine::ports::views::Projected;
use antiphon_engine::read;
use tokio::sync::watch;

/// What lies on the disk.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The turns, oldest first.
    pub turns: Vec<Turn>,
    /// The tiles.
    pub tiles: Vec<Tile>,
    /// The snapshots, newest first.
    pub snapshots: Vec<Snapshot>,
    /// The end of the log.
    pub head: Head,
    /// How far pruning has come.
    pub pruned_to: u64,
    /// Bytes that are free.
    pub free: u64,
}

/// How the next append goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The sync fails; nothing was written.
    Sync,
    /// The sync fails; all of it was written.
    SyncAfterWriting,
    /// The log ends elsewhere.
    Head,
}

/// A disk with one log.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    released: Condvar,
    begun: watch::Sender<u64>,
    pruning: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    contents: Contents,
    epoch: u64,
    /// Whether an owner has the log.
    is_owned: bool,
    /// Whether appends wait.
    is_held: bool,
    /// Whether steps of pruning wait.
    is_prune_held: bool,
    faults: VecDeque<Fault>,
    /// Steps of pruning that go well, before one fails; all do when there is no number.
    prunes_left: Option<u32>,
}

impl Default for Disk {
    fn default() -> Self {
        Self::of(Contents {
            turns: Vec::new(),
            tiles: Vec::new(),
            snapshots: Vec::new(),
            head: Head::empty(),
            pruned_to: 0,
            free: 1 << 40,
        })
    }
}

impl Disk {
    /// A disk that holds `contents`.
    #[must_use]
    pub fn of(contents: Contents) -> Self {
        Self(Arc::new(Shared {
            inner: Mutex::new(Inner {
                contents,
                epoch: 0,
                is_owned: false,
                is_held: false,
                is_prune_held: false,
                faults: VecDeque::new(),
                prunes_left: None,
            }),
            released: Condvar::new(),
            begun: watch::Sender::new(0),
            pruning: watch::Sender::new(0),
        }))
    }

    /// Opens the log under a new epoch.
    ///
    /// # Errors
    /// [`StoreError::Held`] while another owner has it.
    pub fn open(&self) -> Result<MemoryStore, StoreError> {
        if self.lock().is_owned {
            return Err(StoreError::Held {
                path: "memory".to_owned(),
                owner: "another owner".to_owned(),
            });
        }
        Ok(self.take_over())
    }

    /// Opens the log under a new epoch although another owner has it, as when its lock was lost.
    #[must_use]
    pub fn take_over(&self) -> MemoryStore {
        let mut inner = self.lock();
        inner.is_owned = true;
        inner.epoch = inner.epoch.saturating_add(1);
        MemoryStore {
            disk: self.clone(),
            epoch: inner.epoch,
        }
    }

    /// A reader of the log.
    #[must_use]
    pub fn reader(&self) -> Box<dyn LogReader> {
        Box::new(MemoryReader(self.clone()))
    }

    /// Appends that begin from now on wait for [`Disk::release`].
    pub fn hold(&self) {
        self.lock().is_held = true;
    }

    /// Steps of pruning that begin from now on wait for [`Disk::release`].
    pub fn hold_prune(&self) {
        self.lock().is_prune_held = true;
    }

    /// Lets them go on.
    pub fn release(&self) {
        let mut inner = self.lock();
        inner.is_held = false;
        inner.is_prune_held = false;
        drop(inner);
        self.0.released.notify_all();
    }

    /// The next append that has no fault yet goes wrong.
    pub fn fail(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// After so many steps of pruning the next one fails; nothing of it is written.
    pub fn fail_prune_after(&self, steps: u32) {
        self.lock().prunes_left = Some(steps);
    }

    /// How many appends have begun; wakes with each.
    #[must_use]
    pub fn begun(&self) -> watch::Receiver<u64> {
        self.0.begun.subscribe()
    }

    /// How many steps of pruning have begun; wakes with each.
    #[must_use]
    pub fn pruning(&self) -> watch::Receiver<u64> {
        self.0.pruning.subscribe()
    }

    /// What lies there now.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.lock().contents.clone()
    }

    /// Changes what lies there behind the owner's back.
    pub fn change(&self, change: impl FnOnce(&mut Contents)) {
        change(&mut self.lock().contents);
    }

    /// All records, decoded.
    #[must_use]
    pub fn records(&self) -> Vec<Projected> {
        let decode = |turn: &Turn| -> Vec<Projected> {
            (turn.first_seq..)
                .zip(turn.records().unwrap())
                .map(|(seq, stored)| read::decode(seq, &stored).unwrap())
                .collect()
        };
        self.contents().turns.iter().flat_map(decode).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap()
    }

    /// What is there, for the owner of this epoch.
    fn owned_by(&self, ours: u64) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let inner = self.lock();
        let found = inner.epoch;
        if found == ours {
            Ok(inner)
        } else {
            Err(StoreError::StaleEpoch { found, ours })
        }
    }
}

/// The log, held by one owner.
#[derive(Debug)]
pub struct MemoryStore {
    disk: Disk,
    epoch: u64,
}

fn failed() -> StoreError {
    StoreError::Io {
        verb: "appended to",
        source: "EIO".into(),
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        let mut inner = self.disk.lock();
        inner.is_owned &= inner.epoch != self.epoch;
    }
}

impl Store for MemoryStore {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn head(&mut self) -> Result<Head, StoreError> {
        Ok(self.disk.lock().contents.head)
    }

    fn append(&mut self, expected: &Head, batch: &Batch) -> Result<(), StoreError> {
        let shared = &self.disk.0;
        shared
            .begun
            .send_modify(|begun| *begun = begun.saturating_add(1));
        let mut inner = self.disk.lock();
        while inner.is_held {
            inner = shared.released.wait(inner).unwrap();
        }
        let fault = inner.faults.pop_front();
        let found = inner.contents.head.next_seq;
        if inner.epoch != self.epoch {
            return Err(StoreError::StaleEpoch {
                found: inner.epoch,
                ours: self.epoch,
            });
        }
        let follows = batch.turn.first_seq == found;
        if inner.contents.head != *expected || !follows || fault == Some(Fault::Head) {
            return Err(StoreError::StaleHead {
                found,
                expected: expected.next_seq,
            });
        }
        if fault == Some(Fault::Sync) {
            return Err(failed());
        }
        inner.contents.turns.push(batch.turn.clone());
        inner.contents.tiles.extend(batch.tiles.iter().cloned());
        inner.contents.head = batch.head();
        fault.map_or(Ok(()), |_written| Err(failed()))
    }

    fn put_snapshot(
        &mut self,
        snapshot: &Snapshot,
        recorded: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut inner = self.disk.owned_by(self.epoch)?;
        let snapshots = &mut inner.contents.snapshots;
        snapshots.retain(|kept| Some(kept.at_seq) == recorded && kept.at_seq != snapshot.at_seq);
        snapshots.push(snapshot.clone());
        snapshots.sort_by_key(|kept| std::cmp::Reverse(kept.at_seq));
        Ok(())
    }

    fn prune(&mut self, turns: &[PrunedTurn], pruned_to: u64) -> Result<(), StoreError> {
        let shared = &self.disk.0;
        shared
            .pruning
            .send_modify(|begun| *begun = begun.saturating_add(1));
        let mut inner = self.disk.owned_by(self.epoch)?;
        while inner.is_prune_held {
            inner = shared.released.wait(inner).unwrap();
        }
        if let Some(left) = &mut inner.prunes_left {
            *left = left.checked_sub(1).ok_or_else(failed)?;
        }
        let contents = &mut inner.contents;
        let older = contents.snapshots.get(1);
        if older.is_none_or(|older| older.at_seq < pruned_to.saturating_sub(1)) {
            return Err(StoreError::SnapshotMissing { pruned_to });
        }
        for PrunedTurn { first_seq, bodies } in turns {
            let mut kept = contents.turns.iter_mut();
            let turn = kept.find(|turn| turn.first_seq == *first_seq).unwrap();
            turn.bodies.clone_from(bodies);
        }
        contents.pruned_to = contents.pruned_to.max(pruned_to);
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, StoreError> {
        Ok(self.disk.reader())
    }

    fn space(&self) -> Result<Space, StoreError> {
        let inner = self.disk.lock();
        let turns = inner.contents.turns.iter();
        let used = turns
            .map(|turn| u64::try_from(bytes_of(turn)).unwrap())
            .sum();
        Ok(Space {
            used,
            free: inner.contents.free,
            total: 1 << 41,
        })
    }
}

fn bytes_of(turn: &Turn) -> usize {
    let bodies = turn.bodies.as_ref().map_or(0, Vec::len);
    turn.envelopes.len().saturating_add(bodies)
}

struct MemoryReader(Disk);

impl LogReader for MemoryReader {
    fn head(&mut self) -> Result<Head, StoreError> {
        Ok(self.0.lock().contents.head)
    }

    fn turns_from(&mut self, seq: u64, bytes_max: usize) -> Result<Vec<Turn>, StoreError> {
        let inner = self.0.lock();
        let turns = &inner.contents.turns;
        let from = turns.partition_point(|turn| turn.next_seq() <= seq);
        let mut bytes = 0_usize;
        let mut found = Vec::new();
        for turn in turns.iter().skip(from) {
            found.push(turn.clone());
            bytes = bytes.saturating_add(bytes_of(turn));
            if bytes > bytes_max {
                break;
            }
        }
        Ok(found)
    }

    fn tiles(&mut self, level: u8, index: u64, limit: usize) -> Result<Vec<Tile>, StoreError> {
        let inner = self.0.lock();
        let mut tiles: Vec<Tile> = inner
            .contents
            .tiles
            .iter()
            .filter(|tile| tile.level == level && tile.index >= index)
            .cloned()
            .collect();
        tiles.sort_by_key(|tile| tile.index);
        tiles.truncate(limit);
        Ok(tiles)
    }

    fn snapshots(&mut self) -> Result<Vec<Snapshot>, StoreError> {
        Ok(self.0.lock().contents.snapshots.clone())
    }

    fn pruned_to(&mut self) -> Result<u64, StoreError> {
        Ok(self.0.lock().contents.pruned_to)
    }
}
