//! Reading the log on a connection of its own: whole turns, tiles and snapshots as they are.
//!
//! In: gaps, wrong lengths and pages that SQLite finds broken are damage. Out: hashes, which the
//! engine checks against the chain and the tree.

use std::path::Path;

use antiphon_engine::ports::store::{Head, LogReader, Snapshot, StoreError, Tile, Turn};
use rusqlite::{Connection, OptionalExtension as _, Row};
use sha2::{Digest as _, Sha256};

use super::DATABASE;
use super::opening::read_epoch;
use crate::connection::open_read_only;
use crate::error::Error;
use crate::migration::{MIGRATIONS, check, migrate};
use crate::root::resolve;

/// Bits of a tile's place that hold its index in its level.
const TILE_INDEX_BITS: u32 = 48;
/// The highest level that a place is made for; a tree of 2^64 leaves has eight.
const TILE_LEVEL_MAX: u8 = 9;
/// Bytes of a full tile.
const TILE_BYTES: usize = 256 * 32;
const CACHE_KIB: u32 = 2 * 1024;

/// Opens the log of `root` for reading, whether another process owns it, none does, or it is
/// refused by `recover`. Takes no lock and changes nothing.
///
/// # Errors
/// [`StoreError::Io`] when there is no log; [`StoreError::Version`], [`StoreError::Damaged`].
pub fn open_reader(root: &Path) -> Result<Box<dyn LogReader>, StoreError> {
    let root = resolve(root).map_err(|error| error.of_store("opened", 0))?;
    Ok(Box::new(Reader::open(&root)?))
}

/// A read-only connection to the log.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: Connection,
}

impl Reader {
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        let opened = |error: Error| error.of_store("opened", 0);
        let connection = open_read_only(&root.join(DATABASE), CACHE_KIB).map_err(opened)?;
        if check(&connection, MIGRATIONS)? > 0 {
            return Ok(Self { connection });
        }
        // Its first owner died before it had made the tables: the log is empty.
        let empty = Connection::open_in_memory();
        let mut connection = empty.map_err(|error| opened(error.into()))?;
        migrate(&mut connection, MIGRATIONS)?;
        Ok(Self { connection })
    }

    /// The newest epoch in which the log was opened.
    pub(crate) fn epoch(&self) -> Result<u64, StoreError> {
        read_epoch(&self.connection).map_err(|error| error.of_store("read", 0))
    }

    fn collect_turns(&self, seq: u64, bytes_max: usize) -> Result<Vec<Turn>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT first_seq, n, root, envelopes, bodies FROM turn
             WHERE first_seq >= coalesce(
                 (SELECT max(first_seq) FROM turn WHERE first_seq <= ?1), 0)
             ORDER BY first_seq",
        )?;
        let mut rows = statement.query([i64::try_from(seq)?])?;
        let mut turns = Vec::new();
        let mut bytes = 0_usize;
        let mut next_seq = None;
        while let Some(row) = rows.next()? {
            let first_seq = u64::try_from(row.get::<_, i64>(0)?)?;
            let wanted = next_seq.unwrap_or(first_seq.min(seq));
            if first_seq != wanted {
                return Err(Error::Log {
                    seq: wanted,
                    what: "a turn is missing",
                });
            }
            let count: u32 = row.get(1)?;
            let end = first_seq.saturating_add(u64::from(count));
            next_seq = Some(end);
            if end <= seq {
                // The log ends before `seq`; if it goes on all the same, the next row is a gap.
                continue;
            }
            let turn = read_turn(row, first_seq, count)?;
            bytes = bytes
                .saturating_add(turn.envelopes.len())
                .saturating_add(turn.bodies.as_ref().map_or(0, Vec::len));
            turns.push(turn);
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(turns)
    }

    fn collect_tiles(&self, level: u8, index: u64, limit: usize) -> Result<Vec<Tile>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT place, hashes FROM tile WHERE place >= ?1 AND place < ?2
             ORDER BY place LIMIT ?3",
        )?;
        let first = tile_place(level, index)?;
        let beyond = tile_place(level.saturating_add(1), 0)?;
        let mut rows = statement.query((first, beyond, i64::try_from(limit)?))?;
        let mut tiles = Vec::new();
        let mut wanted = index;
        while let Some(row) = rows.next()? {
            let seq = first_leaf(level, wanted);
            if row.get::<_, i64>(0)? != tile_place(level, wanted)? {
                return Err(Error::Log {
                    seq,
                    what: "a tile is missing",
                });
            }
            let hashes: Vec<u8> = row.get(1)?;
            if hashes.len() != TILE_BYTES {
                return Err(Error::Log {
                    seq,
                    what: "a tile has a wrong length",
                });
            }
            tiles.push(Tile {
                level,
                index: wanted,
                hashes,
            });
            wanted = wanted.saturating_add(1);
        }
        Ok(tiles)
    }

    fn collect_snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT at_seq, sha256, bytes FROM snapshot ORDER BY at_seq DESC LIMIT 2",
        )?;
        let mut rows = statement.query([])?;
        let mut snapshots = Vec::new();
        while let Some(row) = rows.next()? {
            let at_seq = u64::try_from(row.get::<_, i64>(0)?)?;
            let bytes: Vec<u8> = row.get(2)?;
            if row.get_ref(1)?.as_blob().ok() == Some(Sha256::digest(&bytes).as_slice()) {
                snapshots.push(Snapshot { at_seq, bytes });
            } else {
                // An older snapshot and the log itself still hold everything.
                tracing::warn!(log.seq = at_seq, "a snapshot is damaged and is passed over");
            }
        }
        Ok(snapshots)
    }
}

impl LogReader for Reader {
    fn head(&mut self) -> Result<Head, StoreError> {
        read_head(&self.connection).map_err(|error| error.of_store("read", 0))
    }

    fn turns_from(&mut self, seq: u64, bytes_max: usize) -> Result<Vec<Turn>, StoreError> {
        self.collect_turns(seq, bytes_max)
            .map_err(|error| error.of_store("read", seq))
    }

    fn tiles(&mut self, level: u8, index: u64, limit: usize) -> Result<Vec<Tile>, StoreError> {
        let tiles = self.collect_tiles(level, index, limit);
        tiles.map_err(|error| error.of_store("read", first_leaf(level, index)))
    }

    fn snapshots(&mut self) -> Result<Vec<Snapshot>, StoreError> {
        self.collect_snapshots()
            .map_err(|error| error.of_store("read", 0))
    }

    fn pruned_to(&mut self) -> Result<u64, StoreError> {
        read_pruned_to(&self.connection).map_err(|error| error.of_store("read", 0))
    }
}

/// How far pruning has come.
pub(super) fn read_pruned_to(connection: &Connection) -> Result<u64, Error> {
    let sql = "SELECT value FROM meta WHERE key = 'pruned_to'";
    let mut statement = connection.prepare_cached(sql)?;
    let value: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(u64::try_from(value.unwrap_or(0))?)
}

/// The end of the log: what its last row says.
pub(super) fn read_head(connection: &Connection) -> Result<Head, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT first_seq, n, last_leaf, root FROM turn ORDER BY first_seq DESC LIMIT 1",
    )?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(Head::empty());
    };
    let first_seq = u64::try_from(row.get::<_, i64>(0)?)?;
    let next_seq = first_seq.saturating_add(u64::from(row.get::<_, u32>(1)?));
    Ok(Head {
        next_seq,
        last_leaf: row.get(2)?,
        root: row.get(3)?,
    })
}

fn read_turn(row: &Row<'_>, first_seq: u64, count: u32) -> Result<Turn, Error> {
    Ok(Turn {
        first_seq,
        count,
        root: row.get(2)?,
        envelopes: row.get(3)?,
        bodies: row.get(4)?,
    })
}

/// Where a tile lies: its level above, its index in the level below.
pub(super) fn tile_place(level: u8, index: u64) -> Result<i64, Error> {
    let index = i64::try_from(index)?;
    if level > TILE_LEVEL_MAX || index >> TILE_INDEX_BITS != 0 {
        return Err(Error::Log {
            seq: 0,
            what: "no log has so large a tree",
        });
    }
    Ok((i64::from(level) << TILE_INDEX_BITS) | index)
}

/// The first record under a tile.
fn first_leaf(level: u8, index: u64) -> u64 {
    let bits = u32::from(level).saturating_add(1).saturating_mul(8);
    index.checked_shl(bits).unwrap_or(u64::MAX)
}
