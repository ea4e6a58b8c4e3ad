//! The file `checkpoint` of the root: the newest signed checkpoint, whole or not at all.
//!
//! In: the text of a signed note. Out: when there is a new one, and what it says (the engine's
//! notary). Source: `docs/adr/0007-checkpoints-beside-the-log.md`.

use std::ffi::CStr;
use std::io;

use antiphon_engine::fail::{self, Failed};
use antiphon_engine::ports::checkpoints::Checkpoints;

use crate::atomic::{self, Reached};
use crate::effector::read_beneath;
use crate::root::Root;

/// The file's name in the root.
pub const FILE: &str = "checkpoint";
const NAME: &CStr = c"checkpoint";
/// Bytes of a checkpoint: three lines and a line for each signature.
const CHECKPOINT_BYTES_MAX: u64 = 64 * 1024;

/// Keeps the newest checkpoint of a root.
#[derive(Clone, Debug)]
pub struct FileCheckpoints {
    root: Root,
}

impl FileCheckpoints {
    /// Keeps it in this root.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self { root }
    }
}

impl Checkpoints for FileCheckpoints {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        read_beneath(&self.root, FILE, CHECKPOINT_BYTES_MAX)
    }

    fn save(&self, note: &[u8]) -> io::Result<()> {
        atomic::replace(self.root.descriptor(), NAME, note, step)
    }
}

fn step(reached: Reached) -> Result<(), Failed> {
    match reached {
        Reached::Written => fail::step("checkpoint.written"),
        Reached::Synced => fail::step("checkpoint.synced"),
        Reached::Renamed => fail::step("checkpoint.renamed"),
        Reached::FolderSynced => fail::step("checkpoint.folder_synced"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn kept() -> (tempfile::TempDir, FileCheckpoints) {
        let home = tempfile::tempdir().unwrap();
        let root = Root::create(home.path()).unwrap();
        (home, FileCheckpoints::new(root))
    }

    #[test]
    fn what_was_saved_last_is_there() {
        let (home, kept) = kept();
        assert_eq!(kept.load().unwrap(), None);
        kept.save(b"one").unwrap();
        kept.save(b"another").unwrap();
        assert_eq!(kept.load().unwrap().unwrap(), b"another");
        assert_eq!(std::fs::read(home.path().join(FILE)).unwrap(), b"another");
    }

    #[test]
    fn what_is_no_file_of_ours_is_an_error_and_not_an_absence() {
        let (home, kept) = kept();
        let path = home.path().join(FILE);
        symlink("antiphon.db", &path).unwrap();
        kept.load().unwrap_err();
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        kept.load().unwrap_err();
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, vec![b'x'; 64 * 1024 + 1]).unwrap();
        kept.load().unwrap_err();
    }
}
