//! Declared files: reads them and writes them beneath the root, whole and durably.
//!
//! In: one read, one write. Out: which file must hold what, which follows from the state. A path is checked
//! part by part and followed through no link, so that nothing outside the root is read or written.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Mutex, PoisonError};

use antiphon_engine::fail::{self, Failed};
use antiphon_engine::ports::effector::{Effector, READ_BYTES_MAX};
use rustix::fs::{Mode, OFlags, openat2};
use rustix::io::Errno;

use crate::atomic::{self, Reached};
use crate::root::{BENEATH, Root, make_directory};

/// Bytes of one part of a path, as Linux has it.
const PART_BYTES_MAX: usize = 255;
/// Parts of a path; a declared file is never deep.
const PARTS_MAX: usize = 16;

/// Writes declared files.
#[derive(Debug)]
pub struct FileEffector {
    root: Root,
    /// Held while a file is written: two writers of one name would share its temporary file.
    writing: Mutex<()>,
}

impl FileEffector {
    /// Writes beneath this root.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self {
            root,
            writing: Mutex::new(()),
        }
    }
}

impl Effector for FileEffector {
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut directories = parts(path)?;
        let Some(name) = directories.pop() else {
            return Err(refused(path));
        };
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parent: Option<OwnedFd> = None;
        for directory in &directories {
            let at = parent
                .as_ref()
                .map_or(self.root.descriptor(), |held| held.as_fd());
            let next = make_directory(at, directory)?;
            parent = Some(next);
        }
        let at = parent
            .as_ref()
            .map_or(self.root.descriptor(), |held| held.as_fd());
        atomic::replace(at, &name, bytes, step)
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        parts(path)?;
        read_beneath(&self.root, path, READ_BYTES_MAX)
    }
}

/// The bytes of the regular file at `path` beneath `root`, through no link; `None` when nothing is
/// there.
pub(crate) fn read_beneath(root: &Root, path: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    // Whatever stands there, opening it does not wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = openat2(root.descriptor(), path, flags, Mode::empty(), BENEATH);
    let file = match opened {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(refused(path));
    }
    let mut bytes = Vec::new();
    let limit = bytes_max.saturating_add(1);
    let read = file.take(limit).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read < limit) {
        Ok(Some(bytes))
    } else {
        let message = format!("{path:?} has more than {bytes_max} bytes");
        Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
    }
}

fn step(reached: Reached) -> Result<(), Failed> {
    match reached {
        Reached::Written => fail::step("declared.written"),
        Reached::Synced => fail::step("declared.synced"),
        Reached::Renamed => fail::step("declared.renamed"),
        Reached::FolderSynced => fail::step("declared.folder_synced"),
    }
}

/// The parts of a relative path that can lead nowhere else than down.
fn parts(path: &str) -> io::Result<Vec<CString>> {
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() > PARTS_MAX {
        return Err(refused(path));
    }
    parts
        .into_iter()
        .map(|part| match part {
            "" | "." | ".." => Err(refused(path)),
            part if part.len() > PART_BYTES_MAX => Err(refused(path)),
            part => CString::new(part).map_err(|_nul| refused(path)),
        })
        .collect()
}

fn refused(path: &str) -> io::Error {
    let message = format!("{path:?} is no path beneath the root");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    fn effector() -> (tempfile::TempDir, FileEffector) {
        let home = tempfile::tempdir().unwrap();
        let root = Root::create(&home.path().join("root")).unwrap();
        (home, FileEffector::new(root))
    }

    #[test]
    fn a_declared_file_is_written_replaced_and_leaves_nothing_beside_it() {
        let (home, effector) = effector();
        effector.write("exports/a/letters.jsonl", b"one").unwrap();
        effector.write("exports/a/letters.jsonl", b"two").unwrap();
        let directory = home.path().join("root/exports/a");
        let file = directory.join("letters.jsonl");
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        let read = effector.read("exports/a/letters.jsonl").unwrap();
        assert_eq!(read.as_deref(), Some(&b"two"[..]));
        assert_eq!(effector.read("exports/b").unwrap(), None);
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), 1);
    }

    #[test]
    fn only_a_file_within_its_limit_is_read_and_nothing_is_waited_for() {
        let (home, effector) = effector();
        let at = |name: &str| home.path().join("root").join(name);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), fifo, 0o600.into(), 0).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        symlink("/etc/passwd", at("link")).unwrap();
        let large = File::create(at("large")).unwrap();
        large.set_len(READ_BYTES_MAX + 1).unwrap();
        for name in ["fifo", "directory", "link", "large", "../x", "/etc/passwd"] {
            assert!(effector.read(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        let (_home, effector) = effector();
        let long = "x".repeat(256);
        let deep = "d/".repeat(PARTS_MAX) + "x";
        for path in [
            "", "/etc/x", "../x", "a/../x", "./x", "a//x", "a/", "a\0b", &long, &deep,
        ] {
            let error = effector.write(path, b"").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path:?}");
        }
    }

    #[test]
    fn a_link_on_the_way_is_not_followed_and_one_at_the_end_is_replaced() {
        let (home, effector) = effector();
        let outside = home.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("x"), "theirs").unwrap();
        symlink(&outside, home.path().join("root/way")).unwrap();
        symlink(outside.join("x"), home.path().join("root/x")).unwrap();
        assert!(effector.write("way/x", b"ours").is_err());
        effector.write("x", b"ours").unwrap();
        assert_eq!(std::fs::read(outside.join("x")).unwrap(), b"theirs");
        assert_eq!(std::fs::read(home.path().join("root/x")).unwrap(), b"ours");
        assert!(!home.path().join("root/x").is_symlink());
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_content() {
        let (home, effector) = effector();
        std::fs::create_dir_all(home.path().join("root/x/y")).unwrap();
        assert!(effector.write("x", b"new").is_err());
        assert!(home.path().join("root/x/y").is_dir());
        let left = std::fs::read_dir(home.path().join("root")).unwrap();
        assert!(
            left.flatten()
                .all(|entry| !entry.file_name().to_string_lossy().contains(".new"))
        );
    }
}
