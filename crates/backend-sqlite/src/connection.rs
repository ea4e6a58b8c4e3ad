//! Connections to SQLite with the settings that the log and the views stand on.
//!
//! Why each setting has its value: `docs/adr/0002-turn-per-row.md`.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::Error;

/// Statements that one connection keeps prepared.
const STATEMENTS_MAX: usize = 64;
/// How long a statement waits for another connection's lock.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// How a database is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// `FULL`: a commit is a sync. `NORMAL`: only a checkpoint is.
    pub(crate) synchronous: &'static str,
    /// Page cache, KiB.
    pub(crate) cache_kib: u32,
    /// Pages of the write-ahead file after which a commit copies them back; 0 never does.
    pub(crate) checkpoint_pages: u32,
    /// Bytes to which the write-ahead file is cut when it starts anew; negative never cuts.
    pub(crate) wal_bytes_kept: i64,
}

/// Opens the existing file at `path` for writing. No part of `path` may be a link.
pub(crate) fn open_writer(path: &Path, settings: Settings) -> Result<Connection, Error> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let Settings {
        synchronous,
        cache_kib,
        checkpoint_pages,
        wal_bytes_kept,
    } = settings;
    connection.execute_batch(&format!(
        "PRAGMA page_size = 4096;
         PRAGMA mmap_size = 0;
         PRAGMA cache_size = -{cache_kib};
         PRAGMA synchronous = {synchronous};
         PRAGMA temp_store = MEMORY;
         PRAGMA foreign_keys = OFF;
         PRAGMA trusted_schema = OFF;"
    ))?;
    let mode = journal_mode(&connection)?;
    if mode != "wal" {
        return Err(Error::Journal(mode));
    }
    connection.execute_batch(&format!(
        "PRAGMA wal_autocheckpoint = {checkpoint_pages};
         PRAGMA journal_size_limit = {wal_bytes_kept};"
    ))?;
    Ok(connection)
}

/// Opens the new, empty file at `path` for one writing from beginning to end: nothing is kept for a
/// way back, and nothing is synced.
pub(crate) fn open_scratch(path: &Path) -> Result<Connection, Error> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch(
        "PRAGMA page_size = 4096;
         PRAGMA mmap_size = 0;
         PRAGMA journal_mode = OFF;
         PRAGMA synchronous = OFF;
         PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(connection)
}

/// Opens the existing database at `path` for reading only. It never copies pages back, so that it
/// never syncs a file whose writer has failed.
pub(crate) fn open_read_only(path: &Path, cache_kib: u32) -> Result<Connection, Error> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    sync_when_closed(&connection, false)?;
    connection.execute_batch(&format!(
        "PRAGMA mmap_size = 0;
         PRAGMA cache_size = -{cache_kib};
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;"
    ))?;
    Ok(connection)
}

/// Whether closing `connection`, when it is the last, copies the write-ahead file back and syncs.
pub(crate) fn sync_when_closed(connection: &Connection, is_wanted: bool) -> Result<(), Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !is_wanted)?;
    Ok(())
}

/// Asks for write-ahead mode and says what came of it.
fn journal_mode(connection: &Connection) -> Result<String, Error> {
    let mut statement = connection.prepare("PRAGMA journal_mode = WAL")?;
    let mut rows = statement.query([])?;
    let mode = match rows.next()? {
        Some(row) => row.get(0)?,
        None => String::new(),
    };
    // Its commit comes after the row, and only another step reports that it failed.
    rows.next()?;
    Ok(mode)
}

fn open(path: &Path, mode: OpenFlags) -> Result<Connection, Error> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}
