//! The inbox directory as we hold it, and how what was answered leaves it.
//!
//! In: removal and moving aside, each only of the very thing that was answered. Out: when. A file
//! that is replaced or rewritten after it was read is another intent and stays. The system has no
//! removal by identity, so that a file put in place between the look and the removal, some
//! microseconds, goes too: whoever drops files gives each a name of its own.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use antiphon_engine::fail;
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;
use serde::Serialize;

use crate::atomic;
use crate::directory_watch::WatchId;
use crate::identity::{Identity, look};
use crate::root::make_directory;

/// Where what is refused goes, below the inbox.
const REJECTED: &CStr = c"rejected";
/// What is added to its name for the file that says why.
const REASON_SUFFIX: &[u8] = b".reason.json";
/// Bytes of a file name, as Linux has it.
const NAME_BYTES_MAX: usize = 255;
/// Names tried for what is moved aside. The second holds its key, so that a third is hardly needed.
const NAMES_TRIED_MAX: u32 = 16;

/// The inbox directory.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: OwnedFd,
    pub(super) identity: Identity,
    /// `None` where the system gives no watch.
    pub(super) watch: Option<WatchId>,
}

/// What became of a file that was to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It is gone from the inbox.
    Gone,
    /// Something else has its name now.
    Changed,
}

/// What stands beside a file that was moved aside.
#[derive(Debug, Serialize)]
pub(super) struct Reason<'a> {
    /// The stable code.
    pub(super) code: &'a str,
    /// For people.
    pub(super) error: &'a str,
    /// The name that it was dropped under, invalid UTF-8 replaced.
    pub(super) file: String,
    /// The dead letter.
    pub(super) letter: String,
    /// RFC 3339.
    pub(super) parked_at: String,
}

impl Place {
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Removes `name` if it is still what `identity` says.
    pub(super) fn remove(&self, name: &CStr, identity: &Identity) -> io::Result<Left> {
        if let Some(left) = self.has_left(name, identity)? {
            return Ok(left);
        }
        fail::step("inbox.removing")?;
        match rustix::fs::unlinkat(self.descriptor(), name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(Left::Gone),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Moves `name` aside if it is still what `identity` says, with its reason beside it; a link is
    /// moved itself, and nothing there is overwritten.
    pub(super) fn park(
        &self,
        name: &CStr,
        identity: &Identity,
        key: &[u8; 16],
        reason: &Reason<'_>,
    ) -> io::Result<Left> {
        if let Some(left) = self.has_left(name, identity)? {
            return Ok(left);
        }
        let rejected = make_directory(self.descriptor(), REJECTED)?;
        let text = serde_json::to_vec_pretty(reason)?;
        for attempt in 0..NAMES_TRIED_MAX {
            let target = target_name(name, key, attempt)?;
            let reason_name = with_suffix(&target, REASON_SUFFIX)?;
            // The reason goes first: nothing is ever there without one.
            match atomic::create(rejected.as_fd(), &reason_name, &text) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created?,
            }
            fail::step("inbox.reason_written")?;
            let moved = rustix::fs::renameat_with(
                self.descriptor(),
                name,
                rejected.as_fd(),
                &*target,
                RenameFlags::NOREPLACE,
            );
            match moved {
                Ok(()) => {
                    fail::step("inbox.parked")?;
                    return Ok(Left::Gone);
                }
                Err(errno) => {
                    rustix::fs::unlinkat(rejected.as_fd(), &*reason_name, AtFlags::empty())?;
                    match errno {
                        Errno::EXIST => {}
                        Errno::NOENT => return Ok(Left::Gone),
                        errno => return Err(errno.into()),
                    }
                }
            }
        }
        Err(Errno::EXIST.into())
    }

    fn has_left(&self, name: &CStr, identity: &Identity) -> io::Result<Option<Left>> {
        match look(self.descriptor(), name) {
            Ok(stat) if Identity::of(&stat) == *identity => Ok(None),
            Ok(_) => Ok(Some(Left::Changed)),
            Err(Errno::NOENT) => Ok(Some(Left::Gone)),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// The name to try: first its own, then with its key, then with a number too. One that is too long
/// to be told apart is cut.
fn target_name(name: &CStr, key: &[u8; 16], attempt: u32) -> io::Result<CString> {
    let key = u128::from_be_bytes(*key);
    let suffix = match attempt {
        0 => String::new(),
        1 => format!(".{key:032x}"),
        number => format!(".{key:032x}.{number}"),
    };
    let room = NAME_BYTES_MAX
        .saturating_sub(REASON_SUFFIX.len())
        .saturating_sub(suffix.len());
    let kept = name.to_bytes().get(..room).unwrap_or(name.to_bytes());
    Ok(CString::new([kept, suffix.as_bytes()].concat())?)
}

fn with_suffix(name: &CStr, suffix: &[u8]) -> io::Result<CString> {
    Ok(CString::new([name.to_bytes(), suffix].concat())?)
}
