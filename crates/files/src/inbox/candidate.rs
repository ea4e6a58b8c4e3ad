//! Looks at one name in the inbox and reads it, if it is what may be read.
//!
//! In: one look at one name, one read of one descriptor. Out: what its bytes mean, and what becomes
//! of what is refused. Nothing is read but a regular file with one name that belongs to somebody
//! whom we trust to drop files; opening never blocks and never follows a link. Source:
//! reliability rows A7, A8, A10.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::BorrowedFd;

use antiphon_core::limits::INTENT_BYTES_MAX;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::is_shortage;
use crate::identity::{Identity, look};
use crate::root::BENEATH;

/// What one name turned out to be.
#[derive(Debug)]
pub(super) enum Candidate {
    /// Nothing: it was taken away.
    Gone,
    /// A file, whole.
    Read(Content),
    /// A file that changed while it was read: its writer has not finished.
    Changing,
    /// Something that is never read.
    Refused(Refused),
    /// The system has none left of something that looking needs.
    Shortage(io::Error),
}

/// A file as it was at one moment.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) identity: Identity,
    pub(super) bytes: Vec<u8>,
}

/// Something that is never read, and why.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) identity: Identity,
    /// The stable code.
    pub(super) code: &'static str,
    /// For people.
    pub(super) error: String,
}

/// Whether a name may be an intent's: `*.json`, not hidden. It is a row of bytes and nothing more.
pub(super) fn may_be_intent(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.ends_with(b".json") && !name.starts_with(b".")
}

/// Whether `name` is a file of which a close will tell: created just now and not linked here.
pub(super) fn will_be_closed(directory: BorrowedFd<'_>, name: &CStr) -> bool {
    look(directory, name).is_ok_and(|stat| is_regular(&stat) && stat.st_nlink == 1)
}

/// Reads `name` in `directory`, if it may be read.
pub(super) fn read(directory: BorrowedFd<'_>, name: &CStr, owners: &BTreeSet<u32>) -> Candidate {
    try_read(directory, name, owners).unwrap_or_else(|candidate| candidate)
}

fn try_read(
    directory: BorrowedFd<'_>,
    name: &CStr,
    owners: &BTreeSet<u32>,
) -> Result<Candidate, Candidate> {
    // Looked at before it is opened: opening a pipe or a device would be heard at its other end.
    let before = look(directory, name).map_err(failed)?;
    check(&before, owners)?;
    let flags =
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = BENEATH | ResolveFlags::NO_XDEV;
    let opened = rustix::fs::openat2(directory, name, flags, Mode::empty(), resolve);
    let file = opened.map_err(|errno| unopened(&before, errno))?;
    let stat = rustix::fs::fstat(&file).map_err(failed)?;
    check(&stat, owners)?;
    let identity = Identity::of(&stat);
    let file = File::from(file);
    let mut bytes = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0) + 1);
    let limit = u64::try_from(INTENT_BYTES_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut limited = (&file).take(limit);
    limited
        .read_to_end(&mut bytes)
        .map_err(|error| unread(&stat, error))?;
    let after = rustix::fs::fstat(&file).map_err(failed)?;
    if after.st_nlink == 0 {
        return Ok(Candidate::Gone);
    }
    let is_whole = i64::try_from(bytes.len()).is_ok_and(|read| read == after.st_size);
    if is_whole && Identity::of(&after) == identity {
        Ok(Candidate::Read(Content { identity, bytes }))
    } else {
        Ok(Candidate::Changing)
    }
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Whether what `stat` describes may be read.
fn check(stat: &Stat, owners: &BTreeSet<u32>) -> Result<(), Candidate> {
    if let Some(what) = other_than_file(stat) {
        let code = if what == "a symbolic link" {
            "intent.link"
        } else {
            "intent.not_a_file"
        };
        return Err(refused(stat, code, format!("it is {what}, not a file")));
    }
    if stat.st_nlink > 1 {
        let error = format!("it is a hard link: the file has {} names", stat.st_nlink);
        return Err(refused(stat, "intent.link", error));
    }
    if !owners.contains(&stat.st_uid) {
        let error = format!(
            "it belongs to user {}, who may not drop intents",
            stat.st_uid
        );
        return Err(refused(stat, "intent.foreign", error));
    }
    if usize::try_from(stat.st_size).map_or(true, |bytes| bytes > INTENT_BYTES_MAX) {
        let error = format!(
            "it has {} bytes, more than {INTENT_BYTES_MAX}",
            stat.st_size
        );
        return Err(refused(stat, "intent.too_large", error));
    }
    Ok(())
}

fn other_than_file(stat: &Stat) -> Option<&'static str> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Symlink => Some("a symbolic link"),
        FileType::Fifo => Some("a pipe"),
        FileType::Socket => Some("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        FileType::Unknown => Some("of no known kind"),
    }
}

fn refused(stat: &Stat, code: &'static str, error: String) -> Candidate {
    Candidate::Refused(Refused {
        identity: Identity::of(stat),
        code,
        error,
    })
}

fn failed(errno: Errno) -> Candidate {
    match errno {
        Errno::NOENT => Candidate::Gone,
        errno => Candidate::Shortage(errno.into()),
    }
}

/// What it means that a file could not be opened which was one a moment before.
fn unopened(before: &Stat, errno: Errno) -> Candidate {
    match errno {
        Errno::NOENT => Candidate::Gone,
        // It was swapped for something else since.
        Errno::LOOP | Errno::NXIO | Errno::NODEV => Candidate::Changing,
        errno => unread(before, errno.into()),
    }
}

fn unread(stat: &Stat, error: io::Error) -> Candidate {
    if is_shortage(&error) {
        Candidate::Shortage(error)
    } else {
        refused(
            stat,
            "intent.unreadable",
            format!("it cannot be read: {error}"),
        )
    }
}
