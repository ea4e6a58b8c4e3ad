//! A root whose log is put in the place of another while no owner runs: after a cut.
//!
//! In: the owner's lock, the files of the log and the views. Out: what the new log holds
//! ([`crate::copy`]), what else lies in the root.
//!
//! Invariants: at every instant the root has the old log or the new one, whole; the old one is not
//! destroyed; views of the one are never taken for views of the other.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use antiphon_engine::ports::store::StoreError;

use crate::connection::{open_writer, sync_when_closed};
use crate::error::Error;
use crate::lock::OwnerLock;
use crate::root::{Directory, at, resolve};
use crate::store::DATABASE;
use crate::store::opening::{SETTINGS, complete_checkpoint};
use crate::views::ViewFile;

/// What a change that could not be made was about.
const VERB: &str = "changed";

/// A root that this process holds as an owner does, without opening its log.
#[derive(Debug)]
pub struct HeldRoot {
    root: PathBuf,
    _lock: OwnerLock,
}

impl HeldRoot {
    /// Holds `root`, which must be there. `started_ms` (ms since 1970 UTC) is a hint for people.
    ///
    /// # Errors
    /// [`StoreError::Held`] when another process owns it; [`StoreError::Io`].
    pub fn take(root: &Path, started_ms: i64) -> Result<Self, StoreError> {
        let root = resolve(root).map_err(|error| error.of_store(VERB, 0))?;
        let lock = OwnerLock::take(&root, started_ms)?;
        Ok(Self { root, _lock: lock })
    }

    /// Writes what an owner left in the write-ahead file to the database, so that it is one file.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Damaged`] when SQLite cannot open it.
    pub fn settle_log(&self) -> Result<(), StoreError> {
        let settle = || -> Result<(), Error> {
            let connection = open_writer(&self.root.join(DATABASE), SETTINGS)?;
            complete_checkpoint(&connection)?;
            sync_when_closed(&connection, true)?;
            connection.close().map_err(|(_open, error)| error)?;
            Directory::open(&self.root)?.sync()
        };
        settle().map_err(|error| error.of_store(VERB, 0))
    }

    /// Puts the log of `staged`, a root on the same disk that nobody has open, in the place of this
    /// root's, which goes into the folder `aside`. Both logs must be settled. The views are dropped.
    ///
    /// # Errors
    /// [`StoreError::Io`]: the log is the old one or the new one, whole.
    pub fn replace_log(&self, staged: &Path, aside: &Path) -> Result<(), StoreError> {
        let replace = || -> Result<(), Error> {
            let (new, old) = (staged.join(DATABASE), self.root.join(DATABASE));
            remove_journal(&new)?;
            remove_journal(&old)?;
            // First: they may fit the new log's length and not its records.
            ViewFile::new(&self.root).remove()?;
            let kept = aside.join(DATABASE);
            match fs::hard_link(&old, &kept) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                linked => linked.map_err(at(&kept))?,
            }
            Directory::open(aside)?.sync()?;
            Directory::open(&self.root)?.sync()?;
            fs::rename(&new, &old).map_err(at(&old))?;
            Directory::open(&self.root)?.sync()
        };
        replace().map_err(|error| error.of_store(VERB, 0))
    }
}

/// Removes the files beside a database that a reader leaves; what holds records is not removed.
fn remove_journal(database: &Path) -> Result<(), Error> {
    let journal = database.with_extension("db-wal");
    if journal.metadata().is_ok_and(|journal| journal.len() > 0) {
        return Err(Error::CheckpointBusy);
    }
    for file in [journal, database.with_extension("db-shm")] {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(&file)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
