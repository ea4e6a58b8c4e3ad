//! A log copied turn by turn into a new root: for a backup, for restoring one, for cutting a log.
//!
//! In: what each record commits to is checked as it is copied, tiles are made anew, snapshots and
//! the epoch come along. Out: who may do it, and what lies beside the database.
//!
//! Invariants: the source is only read, in short transactions, so that an owner goes on writing and
//! copying back; the copy is a single file without a journal, synced when this returns, and of no
//! use before; what does not verify is not copied. Source:
//! `docs/adr/0010-copies-are-made-of-records.md`.

use std::fs::File;
use std::path::{Path, PathBuf};

use antiphon_engine::ports::store::{
    Batch, Head, LogReader, Snapshot, StoreError, Tile, Turn, push_framed, push_pruned,
};
use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::tree::Tree;
use antiphon_ledger::verify::Verifier;
use rusqlite::Connection;

use crate::connection::open_scratch;
use crate::error::Error;
use crate::migration::{MIGRATIONS, migrate};
use crate::root::{Directory, at, create_private, prepare, resolve};
use crate::store::DATABASE;
use crate::store::reader::Reader;
use crate::store::rows::{insert_batch, insert_snapshot, set_meta};

/// Bytes of turns that one transaction copies.
const COPY_BYTES: usize = 4 << 20;
/// What a copy that could not be made was about.
const VERB: &str = "copied";

/// How much of a log is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it, what an owner appends meanwhile included.
    Whole,
    /// The records below this; a turn that it falls into is cut.
    Below(u64),
}

/// Copies the log of the root `from` into the root `to`, which has none, and gives its end. `told` is
/// told how many records are copied, and how many there are.
///
/// # Errors
/// [`StoreError::Damaged`] names the first record that does not verify or is not there;
/// [`StoreError::Io`] when something cannot be read or written. What was made of `to` is of no use.
pub fn copy_log(
    from: &Path,
    to: &Path,
    extent: Extent,
    told: &mut dyn FnMut(u64, u64),
) -> Result<Head, StoreError> {
    let of_store = |error: Error| error.of_store(VERB, 0);
    let mut source = Reader::open(&resolve(from).map_err(of_store)?)?;
    let mut copy = Copy::create(to)?;
    let end = match extent {
        Extent::Below(end) => end,
        Extent::Whole => source.head()?.next_seq,
    };
    copy.take_turns(&mut source, end, told)?;
    let pruned_to = source.pruned_to()?;
    let snapshots = source.snapshots()?;
    if extent == Extent::Whole {
        // With the record that names the newest of them.
        let end = source.head()?.next_seq;
        copy.take_turns(&mut source, end, told)?;
    }
    copy.finish(source.epoch()?, pruned_to, &snapshots)
}

/// A copy that is being made.
struct Copy {
    connection: Connection,
    /// The folder, in which the name of the file must last.
    root: PathBuf,
    tree: Tree,
    verifier: Verifier,
    head: Head,
}

impl Copy {
    fn create(root: &Path) -> Result<Self, StoreError> {
        let of_store = |error: Error| error.of_store(VERB, 0);
        let root = prepare(root).map_err(of_store)?;
        let path = root.join(DATABASE);
        if path.exists() {
            let there = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(of_store(at(&path)(there)));
        }
        create_private(&path).map_err(of_store)?;
        let mut connection = open_scratch(&path).map_err(of_store)?;
        migrate(&mut connection, MIGRATIONS)?;
        Ok(Self {
            connection,
            root,
            tree: Tree::new(),
            verifier: Verifier::new(),
            head: Head::empty(),
        })
    }

    /// Copies the turns up to record `end`.
    fn take_turns(
        &mut self,
        source: &mut Reader,
        end: u64,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<(), StoreError> {
        while self.head.next_seq < end {
            let next = self.head.next_seq;
            // What lies behind `end` may be damaged: then turns are read one by one.
            let turns = source.turns_from(next, COPY_BYTES);
            let turns = turns.or_else(|_damaged| source.turns_from(next, 0))?;
            if turns.is_empty() {
                return Err(damaged(next, "the log ends before it"));
            }
            let of_store = |error: Error| error.of_store(VERB, next);
            let sql = |error: rusqlite::Error| of_store(error.into());
            self.connection.execute_batch("BEGIN").map_err(sql)?;
            for turn in turns.iter().take_while(|turn| turn.first_seq < end) {
                let batch = self.batch(turn, end)?;
                insert_batch(&self.connection, &batch).map_err(of_store)?;
                self.head = batch.head();
            }
            self.connection.execute_batch("COMMIT").map_err(sql)?;
            told(self.head.next_seq.min(end), end);
        }
        Ok(())
    }

    /// What is copied of a turn, checked.
    fn batch(&mut self, turn: &Turn, end: u64) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        let copy = &mut batch.turn;
        copy.first_seq = turn.first_seq;
        let (mut bodies, mut has_bodies) = (Vec::new(), false);
        for (_seq, record) in (turn.first_seq..end).zip(turn.records()?) {
            self.verifier.record(record.envelope, record.body);
            let leaf = leaf_hash(record.envelope);
            self.tree.push(&leaf);
            batch.last_leaf = leaf;
            copy.count = copy.count.saturating_add(1);
            push_framed(&mut copy.envelopes, record.envelope);
            match record.body {
                Some(body) => {
                    has_bodies = true;
                    push_framed(&mut bodies, body);
                }
                None => push_pruned(&mut bodies),
            }
        }
        copy.bodies = has_bodies.then_some(bodies);
        copy.root = self.tree.root();
        if copy.count == turn.count {
            self.verifier.turn_root(&turn.root);
            copy.root = turn.root;
        }
        let tile = |(level, index, hashes)| Tile {
            level,
            index,
            hashes,
        };
        let tiles = self.tree.take_full_tiles();
        batch.tiles = tiles.into_iter().map(tile).collect();
        Ok(batch)
    }

    /// Puts beside the turns what belongs to them, and makes all of it durable.
    fn finish(
        self,
        epoch: u64,
        pruned_to: u64,
        snapshots: &[Snapshot],
    ) -> Result<Head, StoreError> {
        if let Some(problem) = self.verifier.finish().first_problem() {
            let what = format!("{} ({})", problem.detail, problem.kind.code());
            return Err(damaged(problem.seq, &what));
        }
        let end = self.head.next_seq;
        let finished = || -> Result<(), Error> {
            self.connection.execute_batch("BEGIN")?;
            for snapshot in snapshots.iter().filter(|snapshot| snapshot.at_seq < end) {
                insert_snapshot(&self.connection, snapshot)?;
            }
            set_meta(&self.connection, "epoch", epoch)?;
            set_meta(&self.connection, "pruned_to", pruned_to.min(end))?;
            self.connection.execute_batch("COMMIT")?;
            let path = self.root.join(DATABASE);
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(at(&path))?;
            Directory::open(&self.root)?.sync()
        };
        finished().map_err(|error| error.of_store(VERB, end))?;
        Ok(self.head)
    }
}

fn damaged(seq: u64, what: &str) -> StoreError {
    StoreError::Damaged {
        seq,
        what: what.to_owned(),
    }
}
