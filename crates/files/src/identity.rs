//! Which thing on disk a name stood for when we looked: device, inode and the time of its last
//! change.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Stat};

/// What tells one state of one file from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// When content, name count, owner or mode last changed, ns since 1970 UTC. Unlike the time of
    /// the last write, nobody can set it.
    pub(crate) changed_ns: i128,
    size: i64,
}

impl Identity {
    pub(crate) fn of(stat: &Stat) -> Self {
        let seconds_ns = i128::from(stat.st_ctime).saturating_mul(1_000_000_000);
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            changed_ns: seconds_ns.saturating_add(i128::from(stat.st_ctime_nsec)),
            size: stat.st_size,
        }
    }

    /// Whether both are the same thing, whatever happened to it since.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

/// What `name` in `directory` stands for at present; a link is looked at itself, never followed.
pub(crate) fn look(directory: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<Stat> {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}
