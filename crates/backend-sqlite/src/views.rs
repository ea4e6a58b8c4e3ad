//! What queries read, in `views.db`: made from the log, behind it, and disposable.
//!
//! In: opening the file or making it anew, and the three hands on it: the builder, the key index
//! and the queries. Out: reading the log to feed the builder (engine).
//!
//! Invariants: one transaction advances `complete_to` and everything that it stands for, so a
//! crash at any instant leaves a file that is right up to `complete_to`; a file of another
//! version, of another log, ahead of the log or found damaged is deleted, never repaired.

mod builder;
mod forget;
mod project;
mod query;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use antiphon_core::id::Id;
use antiphon_engine::fail;
use antiphon_engine::ports::views::{KeyIndex, ViewBuilder, ViewError, Views};
use rusqlite::{Connection, TransactionBehavior};

use crate::connection::{Settings, open_writer};
use crate::error::Error;
use crate::keys::index::SqliteKeyIndex;
use crate::root::{at, create_private, resolve};
use builder::SqliteViewBuilder;
use query::SqliteViews;

/// The database's name in the root.
const DATABASE: &str = "views.db";
/// A file that says that `views.db` was found damaged and is to be made anew.
const DAMAGED_MARK: &str = "views.damaged";
/// `application_id`: `Antv` in ASCII.
const APPLICATION_ID: i32 = 0x416E_7476;
/// The version of `schema.sql` and of what the builder makes of records.
const VERSION: i32 = 2;
/// Syncs only when pages are copied back, so that a power cut costs the last transactions, which
/// the log gives again, and never leaves a file that is silently wrong.
const SETTINGS: Settings = Settings {
    synchronous: "NORMAL",
    cache_kib: 8 * 1024,
    checkpoint_pages: 4_000,
    wal_bytes_kept: 64 * 1024 * 1024,
};

/// The three hands on the views of one root.
pub type OpenViews = (Box<dyn ViewBuilder>, Box<dyn KeyIndex>, Arc<dyn Views>);

/// Opens the views of `root` for the log `log_id` that ends at `next_seq`; makes them anew, empty,
/// when they do not fit it.
///
/// # Errors
/// [`ViewError`] when they can neither be opened nor be made.
pub fn open_views(root: &Path, log_id: Id, next_seq: u64) -> Result<OpenViews, ViewError> {
    open(root, log_id, next_seq).map_err(|error| error.of_views("opened"))
}

fn open(root: &Path, log_id: Id, next_seq: u64) -> Result<OpenViews, Error> {
    let file = ViewFile::new(&resolve(root)?);
    let connection = file.check(log_id, next_seq);
    connection
        .and_then(|connection| join(&file, connection))
        .or_else(|error| {
            tracing::info!(error.code = error.code(), reason = %error, "making the views anew");
            join(&file, file.make(log_id)?)
        })
}

fn join(file: &ViewFile, connection: Connection) -> Result<OpenViews, Error> {
    let generation = Arc::new(AtomicU64::new(0));
    let builder = SqliteViewBuilder::new(connection, file.clone(), Arc::clone(&generation));
    let index = SqliteKeyIndex::open(file.clone(), generation)?;
    let views = SqliteViews::open(file.clone())?;
    Ok((Box::new(builder), Box::new(index), Arc::new(views)))
}

/// Where the views lie.
#[derive(Clone, Debug)]
pub(crate) struct ViewFile {
    root: PathBuf,
}

impl ViewFile {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The database.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(DATABASE)
    }

    /// A connection for the builder.
    fn writer(&self) -> Result<Connection, Error> {
        open_writer(&self.path(), SETTINGS)
    }

    /// `error` of `verb`; when it is damage, the next opening makes the views anew.
    pub(crate) fn failed(&self, verb: &'static str, error: Error) -> ViewError {
        if error.is_damage() {
            let mark = self.root.join(DAMAGED_MARK);
            if let Err(source) = create_private(&mark) {
                tracing::error!(error.code = source.code(), "damaged views cannot be marked");
            }
        }
        error.of_views(verb)
    }

    /// Opens the file that is there if it can be used.
    fn check(&self, log_id: Id, next_seq: u64) -> Result<Connection, Error> {
        if self.root.join(DAMAGED_MARK).exists() {
            return Err(Error::View("they were found damaged"));
        }
        if !self.path().exists() {
            return Err(Error::View("there are none"));
        }
        let connection = self.writer()?;
        let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
        if (pragma("application_id")?, pragma("user_version")?) != (APPLICATION_ID, VERSION) {
            return Err(Error::View("they are of another version"));
        }
        let sql = "SELECT log_id, complete_to FROM progress";
        let (found, complete_to): ([u8; 16], i64) =
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if found != *log_id.as_bytes() {
            return Err(Error::View("they are of another log"));
        }
        if u64::try_from(complete_to)? > next_seq {
            return Err(Error::View("they are ahead of the log"));
        }
        Ok(connection)
    }

    /// Deletes what is there: the next opening makes the views anew.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        // The mark goes last: a crash in between starts over.
        for name in [DATABASE, "views.db-wal", "views.db-shm", DAMAGED_MARK] {
            let path = self.root.join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(at(&path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Deletes what is there and makes an empty file.
    pub(crate) fn make(&self, log_id: Id) -> Result<Connection, Error> {
        self.remove()?;
        create_private(&self.path())?;
        let mut connection = self.writer()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(include_str!("views/schema.sql"))?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        let sql = "INSERT INTO progress (one, log_id) VALUES (1, ?1)";
        transaction.execute(sql, [log_id.as_bytes()])?;
        fail::step("start.views_made")?;
        transaction.commit()?;
        Ok(connection)
    }
}
