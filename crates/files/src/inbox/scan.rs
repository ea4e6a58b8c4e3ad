//! Walks the inbox directory a chunk at a time, however many files it holds.
//!
//! In: names in the directory's own order. Out: what they are. At most one chunk of names is in
//! memory. A name that is there from the walk's beginning to its end is met once.

use std::collections::VecDeque;
use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::RawDir;

use super::candidate::may_be_intent;
use crate::root::open_directory;

/// Bytes of names taken at one time: some three hundred of usual length.
const CHUNK_BYTES: usize = 16 * 1024;

/// How far a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// To the end: what the watch did not tell of is found.
    Whole,
    /// Until as many malformed files wait as may: the others are known to be there.
    Malformed,
}

/// One walk.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) reach: Reach,
    directory: OwnedFd,
    names: VecDeque<CString>,
    is_read: bool,
}

/// One step of a walk.
#[derive(Debug)]
pub(super) enum Step {
    /// A name that may be an intent's.
    Name(CString),
    /// A chunk without such names.
    Nothing,
    /// There is no more.
    End,
}

impl Scan {
    /// Begins at the beginning; `place` is the directory, its own position is left alone.
    pub(super) fn begin(place: BorrowedFd<'_>, reach: Reach) -> io::Result<Self> {
        let directory = open_directory(place, c".")?;
        Ok(Self {
            reach,
            directory,
            names: VecDeque::new(),
            is_read: false,
        })
    }

    pub(super) fn step(&mut self) -> io::Result<Step> {
        if self.names.is_empty() && !self.is_read {
            self.read_chunk()?;
        }
        Ok(match self.names.pop_front() {
            Some(name) => Step::Name(name),
            None if self.is_read => Step::End,
            None => Step::Nothing,
        })
    }

    fn read_chunk(&mut self) -> io::Result<()> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); CHUNK_BYTES];
        let mut entries = RawDir::new(&self.directory, &mut buffer);
        loop {
            let Some(entry) = entries.next() else {
                self.is_read = true;
                return Ok(());
            };
            let entry = entry?;
            if may_be_intent(entry.file_name()) {
                self.names.push_back(entry.file_name().to_owned());
            }
            if entries.is_buffer_empty() {
                return Ok(());
            }
        }
    }
}
