//! Writes the key index: tail, runs, merges and the end of old runs.

use antiphon_engine::fail;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::bloom::Bloom;
use super::entry::{CHUNK_ENTRIES, ENTRY_BYTES, Entry, entries, prefix};
use crate::error::Error;

/// How long a key is remembered at least, ms of elapsed time (30 days).
pub(crate) const KEY_AGE_MS_MIN: u64 = 30 * 24 * 3_600 * 1_000;
/// Bits of a chunk's place that hold its number in its run.
pub(super) const CHUNK_BITS: u32 = 24;

/// When the tail becomes a run and runs are merged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeySizes {
    /// Keys in the tail that make a run.
    pub(crate) run_keys: i64,
    /// Runs of one tier that are merged into one of the next.
    pub(crate) merged_runs: usize,
    /// The highest tier; its runs are not merged, so that no transaction becomes long.
    pub(crate) tier_max: u32,
}

impl KeySizes {
    /// Runs of 64 Ki keys (3 MiB), merged by eight into runs of 512 Ki keys (25 MiB) and no more:
    /// a merge stays beneath a second of disk, and at 30 million keys a lookup asks some sixty
    /// filters.
    pub(crate) const PRODUCTION: Self = Self {
        run_keys: 65_536,
        merged_runs: 8,
        tier_max: 1,
    };

    /// As few as make a test meet a run and a merge, while a fail-point is armed.
    pub(crate) const ARMED: Self = Self {
        run_keys: 32,
        merged_runs: 2,
        tier_max: 1,
    };
}

/// The keys of the records that one transaction projects.
#[derive(Debug)]
pub(crate) struct KeyBatch {
    /// The first of those records.
    pub(crate) first_seq: u64,
    /// One more than the last.
    pub(crate) upto_seq: u64,
    /// Elapsed time of the last.
    pub(crate) elapsed_ms: u64,
    /// How long keys are remembered at least, ms.
    pub(crate) age_ms: u64,
    /// Their keys.
    pub(crate) entries: Vec<u8>,
}

/// A run as its row says, without filter and fences.
#[derive(Clone, Copy, Debug)]
struct RunRow {
    run: i64,
    keys: usize,
    upto_seq: i64,
    newest_ms: i64,
}

/// Adds `batch` inside the builder's transaction.
pub(crate) fn add_keys(
    connection: &Connection,
    batch: &KeyBatch,
    sizes: KeySizes,
) -> Result<(), Error> {
    let keys = batch.entries.len() / ENTRY_BYTES;
    if keys > 0 {
        connection
            .prepare_cached("INSERT INTO key_tail (first_seq, entries) VALUES (?1, ?2)")?
            .execute((i64::try_from(batch.first_seq)?, &batch.entries))?;
        let sql = "UPDATE progress SET tail_keys = tail_keys + ?1 RETURNING tail_keys";
        let mut statement = connection.prepare_cached(sql)?;
        let tail_keys: i64 = statement.query_row([i64::try_from(keys)?], |row| row.get(0))?;
        if tail_keys >= sizes.run_keys {
            write_run(connection, batch)?;
            for tier in 0..sizes.tier_max {
                merge(connection, tier, sizes.merged_runs)?;
            }
        }
    }
    remove_old(connection, batch.elapsed_ms.saturating_sub(batch.age_ms))
}

/// Removes the runs whose newest key came before `oldest_ms`.
fn remove_old(connection: &Connection, oldest_ms: u64) -> Result<(), Error> {
    let oldest_ms = i64::try_from(oldest_ms)?;
    let sql = "SELECT run FROM key_run WHERE newest_ms < ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let runs = statement.query_map([oldest_ms], |row| row.get(0))?;
    let runs: Vec<i64> = runs.collect::<Result<_, _>>()?;
    runs.iter().try_for_each(|run| remove_run(connection, *run))
}

fn remove_run(connection: &Connection, run: i64) -> Result<(), Error> {
    let chunks = (run << CHUNK_BITS, (run + 1) << CHUNK_BITS);
    connection.execute(
        "DELETE FROM key_chunk WHERE place >= ?1 AND place < ?2",
        chunks,
    )?;
    connection.execute("DELETE FROM key_run WHERE run = ?1", [run])?;
    connection.execute("UPDATE progress SET runs_version = runs_version + 1", [])?;
    Ok(())
}

/// Makes the tail a run of tier 0.
fn write_run(connection: &Connection, batch: &KeyBatch) -> Result<(), Error> {
    let mut tail: Vec<Entry> = Vec::new();
    let mut statement = connection.prepare_cached("SELECT entries FROM key_tail")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        tail.extend_from_slice(entries(blob(row)?)?);
    }
    tail.sort_unstable();
    let mut writer = RunWriter::begin(connection, tail.len())?;
    tail.iter().try_for_each(|entry| writer.push(entry))?;
    writer.finish(
        0,
        i64::try_from(batch.upto_seq)?,
        i64::try_from(batch.elapsed_ms)?,
    )?;
    fail::step("keys.run_written")?;
    connection.execute("DELETE FROM key_tail", [])?;
    connection.execute("UPDATE progress SET tail_keys = 0", [])?;
    Ok(())
}

/// Merges the `count` oldest runs of `tier` into one of the next, when there are as many.
fn merge(connection: &Connection, tier: u32, count: usize) -> Result<(), Error> {
    let sql = "SELECT run, keys, upto_seq, newest_ms FROM key_run
               WHERE tier = ?1 ORDER BY run LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((tier, i64::try_from(count)?), |row| {
        let keys = usize::try_from(row.get::<_, i64>(1)?).unwrap_or_default();
        Ok(RunRow {
            run: row.get(0)?,
            keys,
            upto_seq: row.get(2)?,
            newest_ms: row.get(3)?,
        })
    })?;
    let runs: Vec<RunRow> = rows.collect::<Result<_, _>>()?;
    if runs.len() < count {
        return Ok(());
    }
    let mut cursors = runs
        .iter()
        .map(|run| Cursor::begin(connection, run.run))
        .collect::<Result<Vec<_>, Error>>()?;
    let keys = runs.iter().map(|run| run.keys).sum();
    let mut writer = RunWriter::begin(connection, keys)?;
    while let Some(entry) = take_smallest(connection, &mut cursors)? {
        writer.push(&entry)?;
    }
    if usize::try_from(writer.keys)? != keys {
        return Err(Error::View("a run has lost keys"));
    }
    let upto_seq = runs
        .iter()
        .map(|run| run.upto_seq)
        .max()
        .unwrap_or_default();
    let newest_ms = runs
        .iter()
        .map(|run| run.newest_ms)
        .max()
        .unwrap_or_default();
    writer.finish(tier.saturating_add(1), upto_seq, newest_ms)?;
    fail::step("keys.runs_merged")?;
    runs.iter()
        .try_for_each(|run| remove_run(connection, run.run))
}

/// The next entry of all runs in order.
fn take_smallest(connection: &Connection, cursors: &mut [Cursor]) -> Result<Option<Entry>, Error> {
    let heads = cursors.iter().enumerate();
    let smallest = heads
        .filter_map(|(at, cursor)| cursor.head().map(|head| (head, at)))
        .min();
    let Some((_, at)) = smallest else {
        return Ok(None);
    };
    cursors
        .get_mut(at)
        .map_or(Ok(None), |cursor| cursor.take(connection))
}

/// Writes sorted entries as one run, a chunk at a time.
struct RunWriter<'a> {
    connection: &'a Connection,
    run: i64,
    keys: i64,
    chunks: i64,
    chunk: Vec<u8>,
    bloom: Bloom,
    fences: Vec<u8>,
}

impl<'a> RunWriter<'a> {
    fn begin(connection: &'a Connection, keys: usize) -> Result<Self, Error> {
        let sql = "UPDATE progress SET next_run = next_run + 1, runs_version = runs_version + 1
                   RETURNING next_run - 1";
        let run = connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?;
        let (chunk, fences) = (Vec::with_capacity(CHUNK_ENTRIES * ENTRY_BYTES), Vec::new());
        let bloom = Bloom::with_room(keys);
        Ok(Self {
            connection,
            run,
            keys: 0,
            chunks: 0,
            chunk,
            bloom,
            fences,
        })
    }

    fn push(&mut self, entry: &Entry) -> Result<(), Error> {
        if self.chunk.is_empty() {
            self.fences.extend_from_slice(&prefix(entry).to_be_bytes());
        }
        if let Some(hash) = entry.first_chunk() {
            self.bloom.insert(hash);
        }
        self.chunk.extend_from_slice(entry);
        self.keys = self.keys.saturating_add(1);
        if self.chunk.len() >= CHUNK_ENTRIES * ENTRY_BYTES {
            self.write_chunk()
        } else {
            Ok(())
        }
    }

    fn write_chunk(&mut self) -> Result<(), Error> {
        self.connection
            .prepare_cached("INSERT INTO key_chunk (place, entries) VALUES (?1, ?2)")?
            .execute(((self.run << CHUNK_BITS) | self.chunks, &self.chunk))?;
        self.chunk.clear();
        self.chunks = self.chunks.saturating_add(1);
        Ok(())
    }

    fn finish(mut self, tier: u32, upto_seq: i64, newest_ms: i64) -> Result<(), Error> {
        if !self.chunk.is_empty() {
            self.write_chunk()?;
        }
        self.connection.execute(
            "INSERT INTO key_run (run, tier, upto_seq, newest_ms, keys, bloom, fences)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                self.run,
                tier,
                upto_seq,
                newest_ms,
                self.keys,
                self.bloom.to_bytes(),
                &self.fences,
            ),
        )?;
        Ok(())
    }
}

/// Reads a run in order, a chunk at a time.
struct Cursor {
    next_place: i64,
    chunk: Vec<Entry>,
    taken: usize,
}

impl Cursor {
    fn begin(connection: &Connection, run: i64) -> Result<Self, Error> {
        let mut cursor = Self {
            next_place: run << CHUNK_BITS,
            chunk: Vec::new(),
            taken: 0,
        };
        cursor.load(connection)?;
        Ok(cursor)
    }

    fn head(&self) -> Option<&Entry> {
        self.chunk.get(self.taken)
    }

    fn take(&mut self, connection: &Connection) -> Result<Option<Entry>, Error> {
        let entry = self.head().copied();
        self.taken = self.taken.saturating_add(1);
        if self.taken >= self.chunk.len() {
            self.load(connection)?;
        }
        Ok(entry)
    }

    /// The next chunk; none when the run has ended.
    fn load(&mut self, connection: &Connection) -> Result<(), Error> {
        let sql = "SELECT entries FROM key_chunk WHERE place = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let bytes: Option<Vec<u8>> = statement
            .query_row([self.next_place], |row| row.get(0))
            .optional()?;
        self.chunk = entries(&bytes.unwrap_or_default())?.to_vec();
        self.next_place = self.next_place.saturating_add(1);
        self.taken = 0;
        Ok(())
    }
}

/// The first column as bytes.
pub(super) fn blob<'a>(row: &'a Row<'_>) -> Result<&'a [u8], Error> {
    row.get_ref(0)?
        .as_blob()
        .or(Err(Error::View("keys are no bytes")))
}
