//! The folders of attempts in `run/`, used again when they were left empty.
//!
//! Making and removing a folder is what costs most of a short attempt on a journalled disk; renaming
//! one costs a tenth. A folder that an attempt has left anything in is never used again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// How the names of folders that wait for an attempt begin.
pub(crate) const SPARE: &str = "spare-";
/// Folders that are made in advance.
const SPARES_AT_START: usize = 2;
/// Folders that are kept.
const SPARES_MAX: usize = 16;

/// The folder `run/` and what waits in it.
#[derive(Debug)]
pub(crate) struct Folders {
    path: PathBuf,
    run: OwnedFd,
    spares: Mutex<Spares>,
}

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

    /// Makes some folders in advance. Blocks.
    pub(crate) fn make_spares(&self) -> io::Result<()> {
        for _ in 0..SPARES_AT_START {
            let name = self.spares().name();
            rustix::fs::mkdirat(&self.run, &name, Mode::RWXU)?;
            self.spares().names.push(name);
        }
        Ok(())
    }

    /// Gives the attempt `token` an empty folder of its own.
    ///
    /// # Errors
    /// The system's error; `AlreadyExists` when it has one.
    pub(crate) fn take(&self, token: u64) -> io::Result<()> {
        let spare = self.spares().names.pop();
        let renamed = spare.is_some_and(|spare| self.rename(&spare, &token.to_string()).is_ok());
        if !renamed {
            rustix::fs::mkdirat(&self.run, token.to_string(), Mode::RWXU)?;
        }
        Ok(())
    }

    /// Takes the folder of `token` back; returns where it is if it has to be emptied first.
    pub(crate) fn give_back(&self, token: u64) -> Option<PathBuf> {
        let folder = token.to_string();
        let spare = {
            let mut spares = self.spares();
            (spares.names.len() < SPARES_MAX).then(|| spares.name())
        };
        if let Some(spare) = spare
            && self.is_as_new(&folder).unwrap_or(false)
            && self.rename(&folder, &spare).is_ok()
        {
            self.spares().names.push(spare);
            return None;
        }
        match rustix::fs::unlinkat(&self.run, &folder, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => None,
            Err(_) => Some(self.path.join(folder)),
        }
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

    fn spares(&self) -> MutexGuard<'_, Spares> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    fn check(leave: impl FnOnce(&Path), used_again: bool) {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::open(root.path().to_owned()).unwrap();
        folders.take(1).unwrap();
        let folder = root.path().join("1");
        leave(&folder);
        let to_empty = folders.give_back(1);
        let kept = root.path().join(format!("{SPARE}1")).exists();
        assert_eq!(
            (kept, to_empty.is_none() && !folder.exists()),
            (used_again, used_again)
        );
        folders.take(2).unwrap();
        assert_eq!(std::fs::read_dir(root.path().join("2")).unwrap().count(), 0);
        assert_eq!(
            folders.take(2).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
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
        folders.take(1).unwrap();
        std::fs::set_permissions(root.path().join("1"), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(folders.give_back(1), None);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
