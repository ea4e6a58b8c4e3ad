//! Answers which keys are known, from the tail and the runs as of the builder's last transaction.
//!
//! In memory: the tail, and of each run its filter (2 bytes a key) and its fences. On disk: the
//! chunks, read where a filter says yes.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_engine::ports::views::{KeyIndex, KnownKey, ViewError};
use rusqlite::Connection;

use super::bloom::Bloom;
use super::build::{CHUNK_BITS, blob};
use super::entry::{CHUNK_ENTRIES, entries, known_key, prefix};
use crate::connection::open_read_only;
use crate::error::Error;
use crate::views::ViewFile;

const CACHE_KIB: u32 = 4 * 1024;

/// The key index of one root.
#[derive(Debug)]
pub(crate) struct SqliteKeyIndex {
    connection: Connection,
    file: ViewFile,
    /// The builder counts its transactions here.
    generation: Arc<AtomicU64>,
    /// That count when we last looked.
    seen: Option<u64>,
    keys: Keys,
}

/// What is in memory.
#[derive(Debug, Default)]
struct Keys {
    complete_to: u64,
    runs_version: Option<i64>,
    /// Newest first.
    runs: Vec<Run>,
    tail: HashMap<[u8; 16], KnownKey>,
}

#[derive(Debug)]
struct Run {
    number: i64,
    /// It holds the keys of records below this.
    upto_seq: u64,
    bloom: Bloom,
    /// The first half of the first hash of each chunk.
    fences: Vec<u64>,
}

impl SqliteKeyIndex {
    pub(crate) fn open(file: ViewFile, generation: Arc<AtomicU64>) -> Result<Self, Error> {
        let connection = open_read_only(&file.path(), CACHE_KIB)?;
        let mut index = Self {
            connection,
            file,
            generation,
            seen: None,
            keys: Keys::default(),
        };
        index.refresh()?;
        Ok(index)
    }

    /// Loads what the builder has added since.
    fn refresh(&mut self) -> Result<(), Error> {
        let generation = self.generation.load(Ordering::Acquire);
        if self.seen == Some(generation) {
            return Ok(());
        }
        let transaction = self.connection.unchecked_transaction()?;
        self.keys.load(&transaction)?;
        transaction.commit()?;
        self.seen = Some(generation);
        Ok(())
    }

    fn try_lookup(&mut self, hashes: &[[u8; 16]]) -> Result<Vec<KnownKey>, Error> {
        self.refresh()?;
        let mut known = Vec::new();
        let mut candidates = Vec::new();
        for hash in hashes {
            match self.keys.tail.get(hash) {
                Some(found) => known.push(*found),
                None if self.keys.may_hold(hash) => candidates.push(hash),
                None => {}
            }
        }
        if candidates.is_empty() {
            return Ok(known);
        }
        // One state of the file: a run may have been merged away since it was loaded.
        let transaction = self.connection.unchecked_transaction()?;
        self.keys.load(&transaction)?;
        for hash in candidates {
            known.extend(self.keys.find(&transaction, hash)?);
        }
        transaction.commit()?;
        Ok(known)
    }
}

impl KeyIndex for SqliteKeyIndex {
    fn complete_to(&mut self) -> Result<u64, ViewError> {
        self.refresh()
            .map_err(|error| self.file.failed("read", error))?;
        Ok(self.keys.complete_to)
    }

    fn lookup(&mut self, hashes: &[[u8; 16]]) -> Result<Vec<KnownKey>, ViewError> {
        self.try_lookup(hashes)
            .map_err(|error| self.file.failed("read", error))
    }
}

impl Keys {
    /// Brings memory up to the state of the file that `connection` reads.
    fn load(&mut self, connection: &Connection) -> Result<(), Error> {
        let sql = "SELECT complete_to, runs_version FROM progress";
        let (complete_to, runs_version): (i64, i64) = connection
            .prepare_cached(sql)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if self.runs_version != Some(runs_version) {
            self.load_runs(connection)?;
            self.runs_version = Some(runs_version);
        }
        self.load_tail(connection)?;
        self.complete_to = u64::try_from(complete_to)?;
        Ok(())
    }

    fn load_runs(&mut self, connection: &Connection) -> Result<(), Error> {
        let mut statement = connection.prepare_cached("SELECT run FROM key_run")?;
        let live: HashSet<i64> = statement
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        self.runs.retain(|run| live.contains(&run.number));
        let loaded: HashSet<i64> = self.runs.iter().map(|run| run.number).collect();
        for run in live.difference(&loaded) {
            self.runs.push(Run::load(connection, *run)?);
        }
        self.runs
            .sort_unstable_by_key(|run| Reverse((run.upto_seq, run.number)));
        let in_runs = self.runs.first().map_or(0, |run| run.upto_seq);
        self.tail.retain(|_, known| known.seq >= in_runs);
        Ok(())
    }

    fn load_tail(&mut self, connection: &Connection) -> Result<(), Error> {
        let sql = "SELECT entries FROM key_tail WHERE first_seq >= ?1 ORDER BY first_seq";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([i64::try_from(self.complete_to)?])?;
        while let Some(row) = rows.next()? {
            let known = entries(blob(row)?)?.iter().map(known_key);
            self.tail.extend(known.map(|known| (known.key.hash, known)));
        }
        Ok(())
    }

    fn may_hold(&self, hash: &[u8; 16]) -> bool {
        self.runs.iter().any(|run| run.bloom.may_hold(hash))
    }

    /// The newest key with `hash` in tail and runs.
    fn find(&self, connection: &Connection, hash: &[u8; 16]) -> Result<Option<KnownKey>, Error> {
        if let Some(known) = self.tail.get(hash) {
            return Ok(Some(*known));
        }
        for run in self.runs.iter().filter(|run| run.bloom.may_hold(hash)) {
            if let Some(known) = run.find(connection, hash)? {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }
}

impl Run {
    fn load(connection: &Connection, number: i64) -> Result<Self, Error> {
        let sql = "SELECT upto_seq, keys, bloom, fences FROM key_run WHERE run = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let (upto_seq, keys, bloom, fences): (i64, i64, Vec<u8>, Vec<u8>) = statement
            .query_row([number], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
        let fences = match fences.as_chunks() {
            (fences, []) => fences
                .iter()
                .map(|fence| u64::from_be_bytes(*fence))
                .collect(),
            _ => Vec::new(),
        };
        if fences.len() != usize::try_from(keys)?.div_ceil(CHUNK_ENTRIES) {
            return Err(Error::View("a run of keys has lost its fences"));
        }
        let bloom = Bloom::from_bytes(&bloom)?;
        Ok(Self {
            number,
            upto_seq: u64::try_from(upto_seq)?,
            bloom,
            fences,
        })
    }

    fn find(&self, connection: &Connection, hash: &[u8; 16]) -> Result<Option<KnownKey>, Error> {
        let wanted = prefix(hash);
        // More than one chunk only when hashes share their first half across a fence.
        let first = self
            .fences
            .partition_point(|fence| *fence < wanted)
            .saturating_sub(1);
        let beyond = self.fences.partition_point(|fence| *fence <= wanted);
        let mut found: Option<KnownKey> = None;
        for chunk in first..beyond {
            let place = (self.number << CHUNK_BITS) | i64::try_from(chunk)?;
            let known = find_in_chunk(connection, place, hash)?;
            found = found.into_iter().chain(known).max_by_key(|known| known.seq);
        }
        Ok(found)
    }
}

/// The newest key with `hash` in the chunk at `place`.
fn find_in_chunk(
    connection: &Connection,
    place: i64,
    hash: &[u8; 16],
) -> Result<Option<KnownKey>, Error> {
    let sql = "SELECT entries FROM key_chunk WHERE place = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([place])?;
    let Some(row) = rows.next()? else {
        return Err(Error::View("a chunk of keys is missing"));
    };
    let same = entries(blob(row)?)?
        .iter()
        .filter(|entry| entry.starts_with(hash));
    Ok(same.map(known_key).max_by_key(|known| known.seq))
}
