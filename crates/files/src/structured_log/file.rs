//! The file under the structured log: append, rotate.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{FileType, Mode, OFlags};

use crate::root::Root;

/// Its name below the root.
pub(super) const NAME: &CStr = c"structured.jsonl";
/// The name of the one before it.
const PREVIOUS: &CStr = c"structured.jsonl.1";
/// Bytes after which it is set aside: with the one before it, at most twice this is kept.
pub(super) const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The open file, where it could be opened.
#[derive(Debug)]
pub(super) struct LogFile {
    root: Root,
    file: Option<File>,
    bytes: u64,
    /// Whether the file ends within a line, so that the next must begin a new one.
    torn: bool,
}

impl LogFile {
    pub(super) fn open(root: Root) -> io::Result<Self> {
        let mut log = Self {
            root,
            file: None,
            bytes: 0,
            torn: false,
        };
        log.reopen()?;
        Ok(log)
    }

    /// Appends whole lines. After an error some of them may be in the file, the last one cut.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let added = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(added) > FILE_BYTES_MAX {
            self.rotate()?;
        }
        if self.file.is_none() {
            self.reopen()?;
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let begin: &[u8] = if self.torn { b"\n" } else { b"" };
        // Until all of it is written the file may end anywhere.
        self.torn = true;
        let written = file.write_all(begin).and_then(|()| file.write_all(lines));
        if let Err(error) = written {
            self.file = None;
            return Err(error);
        }
        self.torn = false;
        self.bytes = self.bytes.saturating_add(added);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        let root = self.root.descriptor();
        rustix::fs::renameat(root, NAME, root, PREVIOUS)?;
        self.reopen()
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = File::from(open(&self.root)?);
        let bytes = file.metadata()?.len();
        let mut last = [b'\n'];
        if let Some(at) = bytes.checked_sub(1) {
            file.read_exact_at(&mut last, at)?;
        }
        self.torn = last != *b"\n";
        self.bytes = bytes;
        self.file = Some(file);
        Ok(())
    }
}

/// A plain file with no other name, never a link, never something that blocks.
fn open(root: &Root) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let file = rustix::fs::openat(root.descriptor(), NAME, flags, Mode::RUSR | Mode::WUSR)?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1 {
        Ok(file)
    } else {
        let message = "it is not a plain file with one name";
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}
