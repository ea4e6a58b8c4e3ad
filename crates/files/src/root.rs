//! The data root: one directory, held open, from which everything else is reached.
//!
//! In: its layout, modes and owner; opening what is beneath it. Out: what its files mean. The
//! directory is held by descriptor: renaming or replacing it changes nothing of what we read and
//! write, and [`Root::is_in_place`] tells that it happened.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::Error;
use crate::identity::Identity;

/// Nobody but the owner.
const DIRECTORY_MODE: Mode = Mode::RWXU;
/// A path is followed beneath its directory only, and through no link of any kind.
pub(crate) const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);
const OPEN_DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// What the engine owns below the root. Others may be let into `intents` by its mode: it is where
/// they drop files. Nowhere else.
const LAYOUT: [(&CStr, OthersMayWrite); 6] = [
    (c"intents", OthersMayWrite::Yes),
    (c"intents/rejected", OthersMayWrite::No),
    (c"evidence", OthersMayWrite::No),
    (c"run", OthersMayWrite::No),
    (c"keys", OthersMayWrite::No),
    (c"locks", OthersMayWrite::No),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum OthersMayWrite {
    Yes,
    No,
}

/// The data root; a clone is the same one.
#[derive(Clone, Debug)]
pub struct Root(Arc<Held>);

#[derive(Debug)]
struct Held {
    path: PathBuf,
    directory: OwnedFd,
    identity: Identity,
}

impl Root {
    /// Opens the root at `path` and changes nothing in it.
    ///
    /// # Errors
    /// [`Error`] when there is no directory, when it belongs to somebody else than us or root, or
    /// when others may write it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(|source| Error::io("find", path, source))?;
        let directory = rustix::fs::open(&path, OPEN_DIRECTORY, Mode::empty()).map_err(
            |errno| match errno {
                Errno::NOENT => Error::Missing { path: path.clone() },
                Errno::NOTDIR => Error::NotADirectory { path: path.clone() },
                errno => Error::io("open", &path, errno),
            },
        )?;
        let stat = check(&directory, &path, OthersMayWrite::No)?;
        let identity = Identity::of(&stat);
        Ok(Self(Arc::new(Held {
            path,
            directory,
            identity,
        })))
    }

    /// Opens the root at `path`, making it and its layout where they are missing.
    ///
    /// # Errors
    /// As [`Root::open`] and [`Root::prepare`].
    pub fn create(path: &Path) -> Result<Self, Error> {
        let absolute =
            std::path::absolute(path).map_err(|source| Error::io("find", path, source))?;
        if let Some(parent) = absolute.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|source| Error::io("create", parent, source))?;
        }
        match rustix::fs::mkdir(&absolute, DIRECTORY_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::io("create", &absolute, errno)),
        }
        let root = Self::open(&absolute)?;
        root.prepare()?;
        Ok(root)
    }

    /// Makes the directories that are missing below the root, mode 0700, and checks the others.
    ///
    /// # Errors
    /// [`Error`] when one cannot be made, is something else or a link, belongs to somebody else, or
    /// can be written by others (except `intents`, where others may drop files).
    pub fn prepare(&self) -> Result<(), Error> {
        for (name, others_may_write) in LAYOUT {
            let path = self.0.path.join(text(name));
            match rustix::fs::mkdirat(&self.0.directory, name, DIRECTORY_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(Error::io("create", &path, errno)),
            }
            let directory = self.open_directory(name).map_err(|errno| match errno {
                Errno::NOTDIR | Errno::LOOP => Error::NotADirectory { path: path.clone() },
                errno => Error::io("open", &path, errno),
            })?;
            check(&directory, &path, others_may_write)?;
        }
        Ok(())
    }

    /// Its path, absolute, as it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The held directory.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.directory.as_fd()
    }

    /// Whether its path still leads to the directory that we hold.
    ///
    /// # Errors
    /// The system's, when the path leads nowhere or cannot be followed.
    pub fn is_in_place(&self) -> io::Result<bool> {
        let stat = rustix::fs::stat(&self.0.path)?;
        Ok(self.0.identity.is_same_place(&Identity::of(&stat)))
    }

    /// Opens a directory beneath the root, through no link.
    pub(crate) fn open_directory(&self, name: &CStr) -> rustix::io::Result<OwnedFd> {
        open_directory(self.descriptor(), name)
    }
}

/// Opens the directory in which the root stands, to be watched only.
pub(crate) fn open_parent(root: &Root) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(root.descriptor(), c"..", flags, Mode::empty())
}

/// Opens a directory beneath `at`, through no link.
pub(crate) fn open_directory(at: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat2(at, name, OPEN_DIRECTORY, Mode::empty(), BENEATH)
}

/// Opens a directory beneath `at`, through no link, making it if it is missing.
pub(crate) fn make_directory(at: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    match open_directory(at, name) {
        Err(Errno::NOENT) => {
            match rustix::fs::mkdirat(at, name, DIRECTORY_MODE) {
                Ok(()) => rustix::fs::fsync(at)?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            open_directory(at, name)
        }
        opened => opened,
    }
}

/// A file name for people: invalid UTF-8 replaced.
pub(crate) fn text(name: &CStr) -> String {
    String::from_utf8_lossy(name.to_bytes()).into_owned()
}

fn check(directory: &OwnedFd, path: &Path, others: OthersMayWrite) -> Result<Stat, Error> {
    let stat = rustix::fs::fstat(directory).map_err(|errno| Error::io("look at", path, errno))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(Error::NotADirectory {
            path: path.to_owned(),
        });
    }
    let ours = rustix::process::geteuid().as_raw();
    if stat.st_uid != ours && stat.st_uid != 0 {
        return Err(Error::Foreign {
            path: path.to_owned(),
            owner: stat.st_uid,
            ours,
        });
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if others == OthersMayWrite::No && mode.intersects(Mode::WGRP | Mode::WOTH) {
        return Err(Error::Loose {
            path: path.to_owned(),
            mode: mode.as_raw_mode(),
        });
    }
    Ok(stat)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_root_has_its_layout_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/root");
        let root = Root::create(&path).unwrap();
        for name in [
            "",
            "intents",
            "intents/rejected",
            "evidence",
            "run",
            "keys",
            "locks",
        ] {
            let mode = std::fs::metadata(path.join(name)).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o700, "{name}");
        }
        assert!(root.is_in_place().unwrap());
        Root::create(&path).unwrap();
    }

    #[test]
    fn a_root_that_is_not_there_or_not_a_directory_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let missing = Root::open(&home.path().join("none")).unwrap_err();
        assert_eq!(missing.code(), "root.missing");
        assert!(missing.hint().unwrap().starts_with("antiphon init "));
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(
            Root::open(&file).unwrap_err().code(),
            "root.not_a_directory"
        );
    }

    #[test]
    fn a30_a_root_that_others_may_write_is_refused_with_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("root");
        Root::create(&path).unwrap();
        for mode in [0o720, 0o702, 0o777] {
            set_mode(&path, mode);
            let error = Root::open(&path).unwrap_err();
            assert_eq!(error.code(), "root.loose");
            assert_eq!(
                error.hint().unwrap(),
                format!("chmod go-w {}", path.display())
            );
        }
    }

    #[test]
    fn a30_others_may_be_let_into_the_inbox_and_nowhere_else() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("root");
        Root::create(&path).unwrap();
        set_mode(&path.join("intents"), 0o1777);
        Root::create(&path).unwrap();
        set_mode(&path.join("keys"), 0o770);
        assert_eq!(Root::create(&path).unwrap_err().code(), "root.loose");
    }

    #[test]
    fn a30_a_root_of_another_user_is_refused() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("root");
        Root::create(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        assert_eq!(Root::open(&path).unwrap_err().code(), "root.foreign");
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("root");
        Root::create(&path).unwrap();
        std::fs::remove_dir(path.join("evidence")).unwrap();
        std::os::unix::fs::symlink(home.path(), path.join("evidence")).unwrap();
        assert_eq!(
            Root::create(&path).unwrap_err().code(),
            "root.not_a_directory"
        );
    }

    #[test]
    fn a_root_that_was_moved_away_is_not_in_place() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("root");
        let root = Root::create(&path).unwrap();
        std::fs::rename(&path, home.path().join("elsewhere")).unwrap();
        assert!(root.is_in_place().is_err());
        std::fs::create_dir(&path).unwrap();
        assert!(!root.is_in_place().unwrap());
    }
}
