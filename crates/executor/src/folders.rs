//! What lies in `run/` for each attempt: its folder and the note of its launch.
//!
//! Both are used again, by renaming, when the attempt has left its folder empty. Making and removing
//! files is what costs most of a short attempt on a journalled disk: ext4 looks past every inode
//! that was freed in the last seconds. A folder that anything was left in is never used again.
//!
//! Invariant: a note appears under its attempt's name whole, and before the attempt can start; it
//! disappears before anything else of the attempt does.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use antiphon_engine::fail;
use antiphon_spawner::{exit_name, note_name};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::result::RESULT_FILE;

/// How the names of what waits for an attempt begin.
pub(crate) const SPARE: &str = "spare-";
/// Bytes of every note: one that is written over another leaves nothing of it, without a cut, on
/// which ext4 would start to write.
const NOTE_BYTES: usize = 512;
/// Spares that are made in advance.
const SPARES_AT_START: usize = 2;
/// Spares that are kept.
const SPARES_MAX: usize = 16;

/// The folder `run/` and what waits in it.
#[derive(Debug)]
pub(crate) struct Folders {
    path: PathBuf,
    run: OwnedFd,
    spares: Mutex<Spares>,
}

/// Pairs of a folder and a note, `spare-N` and `spare-N.json`.
#[derive(Debug, Default)]
struct Spares {
    names: Vec<String>,
    /// Names given so far.
    named: u64,
}

impl Folders {
    /// The folder at `path`.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let run = rustix::fs::open(&path, flags, Mode::empty())?;
        Ok(Self {
            path,
            run,
            spares: Mutex::default(),
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes some spares in advance. Blocks.
    pub(crate) fn make_spares(&self) -> io::Result<()> {
        for _ in 0..SPARES_AT_START {
            let spare = self.make()?;
            self.spares().names.push(spare);
        }
        Ok(())
    }

    /// Gives the attempt `token` an empty folder of its own, and leaves `note` beside it.
    ///
    /// # Errors
    /// The system's error; `AlreadyExists` when the attempt has both. Nothing has changed.
    pub(crate) fn take(&self, token: u64, note: &[u8]) -> io::Result<()> {
        let spare = self.spares().names.pop();
        if let Some(spare) = spare
            && self.hand_over(&spare, token, note).is_ok()
        {
            return Ok(());
        }
        // There was none, or somebody has tidied up.
        self.hand_over(&self.make()?, token, note)
    }

    /// Takes back whatever lies here for `token`; returns its folder if that must be emptied first.
    pub(crate) fn give_back(&self, token: u64) -> Option<PathBuf> {
        let (folder, note) = (token.to_string(), note_name(token));
        let spare = self.spares().name();
        let note_is_spare = self.rename(&note, &note_of(&spare)).is_ok();
        // Most are not there; what cannot be removed now is removed by the next start.
        self.remove(&exit_name(token), AtFlags::empty());
        self.remove(&format!("{folder}/{RESULT_FILE}"), AtFlags::empty());
        if note_is_spare
            && self.spares().names.len() < SPARES_MAX
            && self.is_as_new(&folder).unwrap_or(false)
            && self.rename(&folder, &spare).is_ok()
        {
            self.spares().names.push(spare);
            return None;
        }
        self.remove(&note_of(&spare), AtFlags::empty());
        self.remove(&note, AtFlags::empty());
        match rustix::fs::unlinkat(&self.run, &folder, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => None,
            Err(_) => Some(self.path.join(folder)),
        }
    }

    /// Makes a new pair.
    fn make(&self) -> io::Result<String> {
        let spare = self.spares().name();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        drop(rustix::fs::openat(&self.run, note_of(&spare), flags, mode)?);
        rustix::fs::mkdirat(&self.run, &spare, Mode::RWXU)
            .inspect_err(|_| self.remove(&note_of(&spare), AtFlags::empty()))?;
        Ok(spare)
    }

    /// Makes a pair that of `token`; a pair that cannot be is removed.
    fn hand_over(&self, spare: &str, token: u64, note: &[u8]) -> io::Result<()> {
        let (folder, name) = (token.to_string(), note_name(token));
        let renamed = self.write(&note_of(spare), note).and_then(|()| {
            fail::step("attempt.note_written")?;
            self.rename(&note_of(spare), &name)?;
            fail::step("attempt.note_named")?;
            let renamed = self.rename(spare, &folder);
            renamed.inspect_err(|_| self.remove(&name, AtFlags::empty()))
        });
        renamed.inspect_err(|_| {
            self.remove(&note_of(spare), AtFlags::empty());
            self.remove(spare, AtFlags::REMOVEDIR);
        })
    }

    /// Writes `note`, filled up with spaces to the length that all have.
    fn write(&self, name: &str, note: &[u8]) -> io::Result<()> {
        let mut bytes = note.to_vec();
        if bytes.len() > NOTE_BYTES {
            return Err(io::Error::from(Errno::NAMETOOLONG));
        }
        bytes.resize(NOTE_BYTES, b' ');
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.run, name, flags, Mode::empty())?;
        File::from(file).write_all(&bytes)
    }

    /// Whether a folder is empty, and open to us alone as it was made.
    fn is_as_new(&self, folder: &str) -> io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&self.run, folder, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&folder)?;
        let ours = stat.st_uid == rustix::process::geteuid().as_raw();
        if !ours || Mode::from_raw_mode(stat.st_mode) != Mode::RWXU {
            return Ok(false);
        }
        for entry in Dir::new(folder)? {
            if ![".", ".."]
                .map(str::as_bytes)
                .contains(&entry?.file_name().to_bytes())
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let never_over = RenameFlags::NOREPLACE;
        Ok(rustix::fs::renameat_with(
            &self.run, from, &self.run, to, never_over,
        )?)
    }

    fn remove(&self, name: &str, flags: AtFlags) {
        // What is not there need not go; what cannot be removed is removed by the next start.
        rustix::fs::unlinkat(&self.run, name, flags).ok();
    }

    fn spares(&self) -> MutexGuard<'_, Spares> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The note of a spare pair.
fn note_of(spare: &str) -> String {
    format!("{spare}.json")
}

impl AsFd for Folders {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.run.as_fd()
    }
}

impl Spares {
    fn name(&mut self) -> String {
        self.named = self.named.saturating_add(1);
        format!("{SPARE}{}", self.named)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let names = std::fs::read_dir(root).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn check(leave: impl FnOnce(&Path), used_again: bool) {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::open(root.path().to_owned()).unwrap();
        folders.take(1, b"first").unwrap();
        assert_eq!(names(root.path()), ["1", "1.json"]);
        std::fs::write(root.path().join("1").join(RESULT_FILE), "{}").unwrap();
        std::fs::write(root.path().join("1.exit"), "{}").unwrap();
        leave(&root.path().join("1"));
        let to_empty = folders.give_back(1);
        let expected: &[&str] = if used_again {
            &["spare-2", "spare-2.json"]
        } else {
            &["1"]
        };
        assert_eq!(names(root.path()), expected);
        assert_eq!(to_empty.is_none(), used_again);
        folders.take(2, b"second").unwrap();
        assert_eq!(names(&root.path().join("2")), Vec::<String>::new());
        let note = std::fs::read_to_string(root.path().join("2.json")).unwrap();
        assert_eq!((note.trim_end(), note.len()), ("second", NOTE_BYTES));
    }

    #[test]
    fn a_folder_is_used_again_only_if_nothing_is_left_in_it() {
        check(|_| {}, true);
        check(
            |folder| std::fs::write(folder.join(".hidden"), "").unwrap(),
            false,
        );
        check(
            |folder| std::fs::create_dir(folder.join("deep")).unwrap(),
            false,
        );
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used_again() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::open(root.path().to_owned()).unwrap();
        folders.take(1, b"").unwrap();
        std::fs::set_permissions(root.path().join("1"), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(folders.give_back(1), None);
        assert_eq!(names(root.path()), Vec::<String>::new());
    }

    #[test]
    fn what_another_attempt_has_is_never_taken_over() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::open(root.path().to_owned()).unwrap();
        folders.take(1, b"first").unwrap();
        let again = folders.take(1, b"again").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(root.path()), ["1", "1.json"]);
        let note = std::fs::read_to_string(root.path().join("1.json")).unwrap();
        assert_eq!(note.trim_end(), "first");
    }
}
