//! Opening the log as its owner: nothing is left that only the page cache holds, the schema is the
//! newest, and a new epoch is counted.

use std::path::Path;

use antiphon_engine::fail::{self, Failed};
use antiphon_engine::ports::store::StoreError;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::DATABASE;
use super::copy_back::checkpoint;
use crate::connection::{Settings, open_writer, sync_when_closed};
use crate::error::Error;
use crate::migration::{MIGRATIONS, migrate};
use crate::root::{Directory, create_private};

/// How the log is written.
pub(crate) const SETTINGS: Settings = Settings {
    synchronous: "FULL",
    cache_kib: 8 * 1024,
    // `CopyBack` does it: SQLite's own way hides a failed sync.
    checkpoint_pages: 0,
    wal_bytes_kept: -1,
};

/// Opens the log of `root` under a new epoch; nothing is left that only the page cache holds.
pub(super) fn open_log(root: &Path) -> Result<(Connection, u64), StoreError> {
    let opened = |error: Error| error.of_store("opened", 0);
    let path = root.join(DATABASE);
    let directory = Directory::open(root).map_err(opened)?;
    create_private(&path)
        .and_then(|()| directory.sync())
        .map_err(opened)?;
    let mut connection = open_writer(&path, settings()).map_err(opened)?;
    // Until all has gone well; a healthy store copies back when it is dropped.
    sync_when_closed(&connection, false).map_err(opened)?;
    let erased = connection.pragma_update(None, "secure_delete", "FAST");
    erased.map_err(|error| opened(error.into()))?;
    let stepped = |step: Result<(), Failed>| step.map_err(|failed| opened(failed.into()));
    stepped(fail::step("start.log_opened"))?;
    complete_checkpoint(&connection).map_err(opened)?;
    stepped(fail::step("start.wal_written_back"))?;
    migrate(&mut connection, MIGRATIONS)?;
    let epoch = next_epoch(&mut connection).map_err(opened)?;
    // SQLite syncs the name of its write-ahead file itself, and keeps quiet when that fails.
    directory.sync().map_err(opened)?;
    Ok((connection, epoch))
}

fn settings() -> Settings {
    #[cfg(antiphon_plant)]
    if antiphon_engine::plant::is("sync_dropped") {
        return Settings {
            synchronous: "OFF",
            ..SETTINGS
        };
    }
    SETTINGS
}

/// The newest epoch.
pub(super) fn read_epoch(connection: &Connection) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = 'epoch'")?;
    let epoch: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(u64::try_from(epoch.unwrap_or(0))?)
}

/// Counts this opening; committed and synced when it returns.
fn next_epoch(connection: &mut Connection) -> Result<u64, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch'", [])?;
    let epoch = read_epoch(&transaction)?;
    fail::step("start.epoch_counted")?;
    // Only an explicit commit reports that its sync failed.
    transaction.commit()?;
    Ok(epoch)
}

/// Writes and syncs anew what an earlier owner left in the write-ahead file: it was read from the
/// page cache, which may hold what a failed sync never wrote.
pub(crate) fn complete_checkpoint(connection: &Connection) -> Result<(), Error> {
    if checkpoint(connection, "TRUNCATE")?.busy {
        Err(Error::CheckpointBusy)
    } else {
        Ok(())
    }
}
