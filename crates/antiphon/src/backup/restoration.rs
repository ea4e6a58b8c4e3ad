//! A root that is being restored: everything is put together in a folder within it, and moved to its
//! place at the end.
//!
//! Invariants: while `.restoring` is there no owner opens the root; nothing that lies in the root is
//! changed before all is put together; from then on the next call goes on with the moving.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use antiphon_backend_sqlite::{HeldRoot, UNFINISHED};

use super::files::{make_folder, sync_folder, write_whole};
use crate::failure::Failure;
use crate::owner::clock::SystemClock;

/// Where the root is put together, within [`UNFINISHED`].
const STAGED: &str = "root";
/// Says, within [`UNFINISHED`], that it is put together.
const READY: &str = "ready";
/// What is left of [`UNFINISHED`] when all is in its place.
const DONE: &str = ".restored";
/// What may lie in a root that counts as empty: the lock, and what file systems have.
const NOTHING: [&str; 4] = ["antiphon.lock", "lost+found", UNFINISHED, DONE];

/// A root that is being restored, held by this process.
#[derive(Debug)]
pub(crate) struct Restoration {
    root: PathBuf,
    _held: HeldRoot,
}

impl Restoration {
    /// Begins with `root`, which is made if it is not there, or goes on with it.
    ///
    /// # Errors
    /// [`Failure::Usage`] when something lies there; [`Failure::Store`] when an owner has it.
    pub(crate) fn begin(root: &Path) -> Result<Self, Failure> {
        if !root.exists() {
            make_folder(root)?;
        }
        let root = antiphon_files::Root::open(root)?.path().to_owned();
        let held = HeldRoot::take(&root, SystemClock::wall_ms())?;
        let restoration = Self { root, _held: held };
        if restoration.is_ready() {
            return Ok(restoration);
        }
        for entry in fs::read_dir(&restoration.root).map_err(restoration.failed("read"))? {
            let name = entry.map_err(restoration.failed("read"))?.file_name();
            if !NOTHING.iter().any(|nothing| name == *nothing) {
                return Err(Failure::Usage {
                    message: format!("{} is not empty", restoration.root.display()),
                    hint: Some("a backup is restored into a new root".to_owned()),
                });
            }
        }
        let unfinished = restoration.root.join(UNFINISHED);
        restoration.remove(&unfinished)?;
        make_folder(&unfinished)?;
        make_folder(&restoration.staged())?;
        Ok(restoration)
    }

    /// Whether all is put together.
    pub(crate) fn is_ready(&self) -> bool {
        self.root.join(UNFINISHED).join(READY).exists()
    }

    /// Where the root is put together.
    pub(crate) fn staged(&self) -> PathBuf {
        self.root.join(UNFINISHED).join(STAGED)
    }

    /// All is put together, and stays so.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub(crate) fn ready(&self) -> Result<(), Failure> {
        sync_folder(&self.staged())?;
        write_whole(&self.root.join(UNFINISHED).join(READY), b"")
    }

    /// Moves everything to its place: from then on the root is one.
    ///
    /// # Errors
    /// [`Failure::File`]; it is gone on with by beginning again.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let staged = self.staged();
        for entry in fs::read_dir(&staged).map_err(self.failed("read"))? {
            let name = entry.map_err(self.failed("read"))?.file_name();
            // The lock of the root that was put together is of nobody.
            if name != "antiphon.lock" {
                fs::rename(staged.join(&name), self.root.join(&name))
                    .map_err(self.failed("written"))?;
            }
        }
        sync_folder(&self.root)?;
        let (unfinished, done) = (self.root.join(UNFINISHED), self.root.join(DONE));
        self.remove(&done)?;
        fs::rename(unfinished, &done).map_err(self.failed("written"))?;
        sync_folder(&self.root)?;
        self.remove(&done)
    }

    fn remove(&self, folder: &Path) -> Result<(), Failure> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(self.failed("written")),
        }
    }

    fn failed(&self, verb: &'static str) -> impl Fn(std::io::Error) -> Failure + use<> {
        let path = self.root.clone();
        move |source| Failure::File {
            verb,
            path: path.clone(),
            source,
        }
    }
}
