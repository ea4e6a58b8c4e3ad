//! Tools of the system that some suites need: strace, and a small disk of memory.
//!
//! A tool that is missing is a failure, never a test that is left out.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The `strace` that injects faults.
pub(crate) fn strace() -> Command {
    let found = Command::new("strace").arg("--version").output();
    assert!(found.is_ok(), "strace is missing: cargo xtask test installs it");
    Command::new("strace")
}

/// A disk of memory, mounted while this lives.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl SmallDisk {
    /// A disk with room for so many bytes.
    pub(crate) fn of(bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let options = format!("size={bytes},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "antiphon-test"])
            .arg(&path)
            .status()
            .expect("mount is missing");
        assert!(mounted.success(), "a small disk needs the right to mount: run as root");
        Self {
            path,
            _directory: directory,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that are free.
    pub(crate) fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.path).unwrap();
        disk.f_bavail * disk.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is about to end may still stand on it.
        Command::new("umount").arg("-l").arg(&self.path).status().ok();
    }
}
