//! Files that appear whole or not at all.
//!
//! In: write to a temporary file in the same directory, then give it its name. Out: which file and
//! when; who calls makes sure that no two calls write the same name at once. A crash
//! leaves at most one temporary file for each name, and the next write of that name replaces it.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::BorrowedFd;

use antiphon_core::id::Digest;
use antiphon_engine::fail::Failed;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// Makes `name` in `directory` hold `bytes`, durably; what stood there is replaced. Of the steps of
/// persistence, `step` is told which was reached.
pub(crate) fn replace(
    directory: BorrowedFd<'_>,
    name: &CStr,
    bytes: &[u8],
    step: impl Fn(Reached) -> Result<(), Failed>,
) -> io::Result<()> {
    let write = |file: &mut File| {
        file.write_all(bytes)?;
        step(Reached::Written)?;
        file.sync_all()?;
        Ok(step(Reached::Synced)?)
    };
    appear(directory, name, write, RenameFlags::empty())?;
    step(Reached::Renamed)?;
    rustix::fs::fsync(directory)?;
    Ok(step(Reached::FolderSynced)?)
}

/// The steps of replacing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The temporary file is written.
    Written,
    /// It is on disk.
    Synced,
    /// It has its name.
    Renamed,
    /// Its name is on disk.
    FolderSynced,
}

/// Makes `name` in `directory` hold `bytes` if nothing has that name yet. Not synced: for what is
/// only a copy of what the log holds.
pub(crate) fn create(directory: BorrowedFd<'_>, name: &CStr, bytes: &[u8]) -> io::Result<()> {
    appear(
        directory,
        name,
        |file| file.write_all(bytes),
        RenameFlags::NOREPLACE,
    )
}

fn appear(
    directory: BorrowedFd<'_>,
    name: &CStr,
    write: impl FnOnce(&mut File) -> io::Result<()>,
    rename: RenameFlags,
) -> io::Result<()> {
    let temporary = temporary_name(name)?;
    let mut file = open_new(directory, &temporary)?;
    let appeared = write(&mut file).and_then(|()| {
        rustix::fs::renameat_with(directory, &*temporary, directory, name, rename)
            .map_err(io::Error::from)
    });
    if appeared.is_err()
        && let Err(error) = rustix::fs::unlinkat(directory, &*temporary, AtFlags::empty())
    {
        tracing::warn!(%error, "a temporary file is left behind");
    }
    appeared
}

fn open_new(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let opened = match rustix::fs::openat(directory, name, flags, mode) {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
            rustix::fs::openat(directory, name, flags, mode)
        }
        opened => opened,
    };
    Ok(File::from(opened?))
}

/// One name for each target, short whatever the target's length, hidden from those who list.
fn temporary_name(name: &CStr) -> io::Result<CString> {
    let digest = Digest::of(name.to_bytes()).to_string();
    let start = digest.get(..16).unwrap_or_default();
    CString::new(format!(".{start}.new")).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_temporary_file_left_by_a_crash_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let directory = File::open(home.path()).unwrap();
        let left = temporary_name(c"x").unwrap().into_string().unwrap();
        std::fs::write(home.path().join(&left), "half").unwrap();
        replace(directory.as_fd(), c"x", b"whole", |_reached| Ok(())).unwrap();
        assert_eq!(std::fs::read(home.path().join("x")).unwrap(), b"whole");
        assert!(!home.path().join(left).exists());
    }

    #[test]
    fn a_name_that_is_taken_is_not_overwritten_and_nothing_is_left() {
        let home = tempfile::tempdir().unwrap();
        let directory = File::open(home.path()).unwrap();
        create(directory.as_fd(), c"x", b"first").unwrap();
        let error = create(directory.as_fd(), c"x", b"second").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(home.path().join("x")).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
