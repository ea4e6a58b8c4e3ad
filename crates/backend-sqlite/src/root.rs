//! The data root as a place for a database: private, on a disk whose locks hold.
//!
//! In: the directory, its file system, new files with mode 0600. Out: who owns it
//! ([`crate::lock`]) and what lies in it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use antiphon_engine::ports::store::StoreError;
use rustix::fs::FsWord;

use crate::error::Error;

/// File systems on which `flock` or the shared memory of the write-ahead log may not keep another
/// machine out. Source: `statfs(2)`.
const REFUSED: &[(FsWord, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x6573_5546, "FUSE"),
];

/// The folder of a root whose files are being put there; while it is there, the root has no owner.
pub const UNFINISHED: &str = ".restoring";

/// Refuses a root whose files are not all there yet.
pub(crate) fn refuse_unfinished(root: &Path) -> Result<(), StoreError> {
    if root.join(UNFINISHED).exists() {
        let path = root.display().to_string();
        return Err(StoreError::Unfinished { path });
    }
    Ok(())
}

/// The root at `path` with every link resolved; created with mode 0700 when it is not there.
pub(crate) fn prepare(path: &Path) -> Result<PathBuf, Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(at(path))?;
    resolve(path)
}

/// The root at `path` with every link resolved; it must be there.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, Error> {
    let root = path.canonicalize().map_err(at(path))?;
    let system = rustix::fs::statfs(&root).map_err(|error| at(&root)(error.into()))?;
    match refused(system.f_type) {
        Some(kind) => Err(Error::Filesystem { path: root, kind }),
        None => Ok(root),
    }
}

fn refused(magic: FsWord) -> Option<&'static str> {
    REFUSED
        .iter()
        .find(|(known, _)| *known == magic)
        .map(|(_, kind)| *kind)
}

/// Makes `path` an empty file with mode 0600, durably, unless it is there.
///
/// An existing database is never opened here: closing such a descriptor would drop the locks that
/// SQLite holds in this process.
pub(crate) fn create_private(path: &Path) -> Result<(), Error> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(file) => file.sync_all().map_err(at(path)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(at(path)(error)),
    }
}

/// The directory of a root, held so that an error of an earlier sync of it is seen by the next.
pub(crate) struct Directory<'a> {
    file: File,
    root: &'a Path,
}

impl<'a> Directory<'a> {
    pub(crate) fn open(root: &'a Path) -> Result<Self, Error> {
        Ok(Self {
            file: File::open(root).map_err(at(root))?,
            root,
        })
    }

    /// Makes the names in it durable.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(at(self.root))
    }
}

/// Wraps an error of the file at `path`.
pub(crate) fn at(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(magic: FsWord, expect: Option<&str>) {
        assert_eq!(refused(magic), expect, "{magic:#x}");
    }

    #[test]
    fn a40_a_root_on_a_network_disk_is_refused() {
        check(0x6969, Some("NFS"));
        check(0xFF53_4D42, Some("CIFS"));
        check(0xFE53_4D42, Some("SMB2"));
        check(0x517B, Some("SMB"));
        check(0x6573_5546, Some("FUSE"));
        // ext4, xfs, btrfs, tmpfs, overlayfs
        check(0xEF53, None);
        check(0x5846_5342, None);
        check(0x9123_683E, None);
        check(0x0102_1994, None);
        check(0x794C_7630, None);
    }
}
