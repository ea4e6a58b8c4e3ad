//! The log: turns, tiles and snapshots in `antiphon.db`, appended by the one owner of the root.
//!
//! In: the owner lock, the fencing epoch, one sync per commit, the bound of the write-ahead file.
//! Out: the tree and the chain (ledger), when to append (engine), reading ([`reader`]).
//!
//! Invariants: `append` compares epoch and head inside its own write transaction; nothing was read
//! or checkpointed by SQLite unasked on this connection; the first failure of a write is the last
//! write, and closing after it syncs nothing.

mod copy_back;
pub(crate) mod opening;
mod prune;
pub(crate) mod reader;
pub(crate) mod rows;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use antiphon_engine::fail;
use antiphon_engine::ports::store::{
    Batch, Head, LogReader, PrunedTurn, Snapshot, Space, Store, StoreError,
};
use rusqlite::Connection;

use crate::connection::sync_when_closed;
use crate::error::Error;
use crate::lock::OwnerLock;
use crate::root::{at, prepare, refuse_unfinished};

use copy_back::CopyBack;
use opening::{open_log, read_epoch};
pub use reader::open_reader;
use reader::{Reader, read_head, read_pruned_to};
use rows::{insert_batch, insert_snapshot};

/// The database's name in the root.
pub(crate) const DATABASE: &str = "antiphon.db";
/// The log of a root, held by its owner.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    root: PathBuf,
    epoch: u64,
    /// A write failed: nothing is written or read on this connection any more.
    poisoned: bool,
    copy_back: CopyBack,
    // Dropped last: the lock is held until the connection is closed.
    _lock: OwnerLock,
}

impl SqliteStore {
    /// Becomes the owner of `root`, which is created when it is not there, and opens its log under
    /// a new epoch. `started_ms` (ms since 1970 UTC) is a hint for people in the lock file.
    ///
    /// What an earlier owner left in the write-ahead file is written to the database and synced
    /// before this returns.
    ///
    /// # Errors
    /// [`StoreError::Held`] when another process owns it, [`StoreError::Unfinished`] when its files
    /// are not all there, [`StoreError::Version`] and [`StoreError::Damaged`] when they are not ours
    /// to use, else [`StoreError::Io`].
    pub fn open(root: &Path, started_ms: i64) -> Result<Self, StoreError> {
        let opened = |error: Error| error.of_store("opened", 0);
        let root = prepare(root).map_err(opened)?;
        let lock = OwnerLock::take(&root, started_ms)?;
        refuse_unfinished(&root)?;
        let (connection, epoch) = open_log(&root)?;
        let copy_back = CopyBack::new(root.join(DATABASE));
        Ok(Self {
            connection,
            root,
            epoch,
            poisoned: false,
            copy_back,
            _lock: lock,
        })
    }

    /// Deletes every snapshot: the next owner folds the log from its first record.
    ///
    /// # Errors
    /// [`StoreError::SnapshotMissing`] when it cannot be folded from there, or another
    /// [`StoreError`]; the log itself is not touched.
    pub fn forget_snapshots(&mut self) -> Result<(), StoreError> {
        let ours = self.epoch;
        let guard = |connection: &Connection| {
            let pruned_to = read_pruned_to(connection)?;
            let missing = StoreError::SnapshotMissing { pruned_to };
            let refusal = (pruned_to > 0).then_some(missing);
            Ok(stale_epoch(connection, ours)?.or(refusal))
        };
        self.write(0, guard, |connection| {
            connection.execute("DELETE FROM snapshot", [])?;
            Ok(())
        })
    }

    fn usable(&self, verb: &'static str) -> Result<(), StoreError> {
        if self.poisoned {
            Err(Error::Poisoned.of_store(verb, 0))
        } else {
            Ok(())
        }
    }

    /// One write transaction; `guard` may refuse before anything is written.
    fn write(
        &mut self,
        seq: u64,
        guard: impl FnOnce(&Connection) -> Result<Option<StoreError>, Error>,
        change: impl FnOnce(&Connection) -> Result<(), Error>,
    ) -> Result<(), StoreError> {
        const VERB: &str = "appended to";
        self.usable(VERB)?;
        match self.transact(guard, change) {
            Ok(None) => Ok(()),
            Ok(Some(refusal)) => Err(refusal),
            Err(error) => {
                self.poisoned = true;
                Err(error.of_store(VERB, seq))
            }
        }
    }

    fn transact(
        &mut self,
        guard: impl FnOnce(&Connection) -> Result<Option<StoreError>, Error>,
        change: impl FnOnce(&Connection) -> Result<(), Error>,
    ) -> Result<Option<StoreError>, Error> {
        fail::step("store.begin")?;
        self.run("BEGIN IMMEDIATE")?;
        let refusal = guard(&self.connection)?;
        if refusal.is_some() {
            self.run("ROLLBACK")?;
            return Ok(refusal);
        }
        fail::step("store.begun")?;
        change(&self.connection)?;
        fail::step("store.inserted")?;
        self.run("COMMIT")?;
        fail::step("store.committed")?;
        self.copy_back.after_commit(&self.connection)?;
        Ok(None)
    }

    fn run(&self, sql: &str) -> Result<(), Error> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

impl Drop for SqliteStore {
    /// A healthy store leaves no write-ahead file; one that failed syncs nothing.
    fn drop(&mut self) {
        let ended = self.copy_back.end();
        if self.poisoned {
            return;
        }
        if let Err(error) = ended {
            tracing::error!(
                error.code = error.code(),
                "the write-ahead file was not copied back; the next start does it anew"
            );
            return;
        }
        if let Err(error) = sync_when_closed(&self.connection, true) {
            tracing::warn!(
                error.code = error.code(),
                "the next start has more to copy back"
            );
        }
    }
}

impl Store for SqliteStore {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn head(&mut self) -> Result<Head, StoreError> {
        self.usable("read")?;
        read_head(&self.connection).map_err(|error| error.of_store("read", 0))
    }

    fn append(&mut self, expected: &Head, batch: &Batch) -> Result<(), StoreError> {
        let (ours, first_seq) = (self.epoch, batch.turn.first_seq);
        if first_seq != expected.next_seq {
            self.usable("appended to")?;
            return Err(StoreError::StaleHead {
                found: expected.next_seq,
                expected: first_seq,
            });
        }
        let guard = |connection: &Connection| {
            if let Some(stale) = stale_epoch(connection, ours)? {
                return Ok(Some(stale));
            }
            let (found, expected_seq) = (read_head(connection)?, expected.next_seq);
            let stale = StoreError::StaleHead {
                found: found.next_seq,
                expected: expected_seq,
            };
            Ok((found != *expected).then_some(stale))
        };
        self.write(first_seq, guard, |connection| {
            insert_batch(connection, batch)
        })
    }

    fn put_snapshot(
        &mut self,
        snapshot: &Snapshot,
        recorded: Option<u64>,
    ) -> Result<(), StoreError> {
        let ours = self.epoch;
        let change = |connection: &Connection| {
            insert_snapshot(connection, snapshot)?;
            let at_seq = i64::try_from(snapshot.at_seq)?;
            let recorded = recorded.map(i64::try_from).transpose()?;
            connection.execute(
                "DELETE FROM snapshot WHERE at_seq <> ?1 AND at_seq IS NOT ?2",
                (at_seq, recorded),
            )?;
            Ok(())
        };
        let guard = |connection: &Connection| stale_epoch(connection, ours);
        self.write(snapshot.at_seq, guard, change)
    }

    fn prune(&mut self, turns: &[PrunedTurn], pruned_to: u64) -> Result<(), StoreError> {
        let ours = self.epoch;
        let guard = |connection: &Connection| {
            let missing = StoreError::SnapshotMissing { pruned_to };
            let refusal = (prune::older_snapshot_end(connection)? < pruned_to).then_some(missing);
            Ok(stale_epoch(connection, ours)?.or(refusal))
        };
        self.usable("appended to")?;
        let erase = |connection: &Connection, how: &str| {
            let set = connection.pragma_update(None, "secure_delete", how);
            set.map_err(|error| Error::from(error).of_store("appended to", pruned_to))
        };
        // What was pruned is not to be found in pages that are free.
        erase(&self.connection, "ON")?;
        let pruned = self.write(pruned_to, guard, |connection| {
            prune::replace_bodies(connection, turns, pruned_to)
        });
        pruned.and_then(|()| erase(&self.connection, "FAST"))
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, StoreError> {
        Ok(Box::new(Reader::open(&self.root)?))
    }

    fn space(&self) -> Result<Space, StoreError> {
        let read = |error: Error| error.of_store("read", 0);
        let disk = rustix::fs::statvfs(&self.root);
        let disk = disk.map_err(|error| read(at(&self.root)(error.into())))?;
        let mut used = 0_u64;
        for name in [DATABASE.to_owned(), format!("{DATABASE}-wal")] {
            let path = self.root.join(name);
            match path.metadata() {
                Ok(metadata) => used = used.saturating_add(metadata.len()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(read(at(&path)(error))),
            }
        }
        Ok(Space {
            used,
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            total: disk.f_blocks.saturating_mul(disk.f_frsize),
        })
    }
}

/// The refusal of an owner whose epoch is not the newest.
fn stale_epoch(connection: &Connection, ours: u64) -> Result<Option<StoreError>, Error> {
    let found = read_epoch(connection)?;
    Ok((found != ours).then_some(StoreError::StaleEpoch { found, ours }))
}
