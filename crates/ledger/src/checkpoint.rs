//! Checkpoints: which log, how many entries, and what they hash to, as the text of a signed note.
//!
//! In: an origin and a head, or a text. Out: [`Checkpoint`], its text, its signed note.
//!
//! Invariants: a checkpoint is written in one form; extension lines of other logs are allowed when
//! one is read, and never written.
//! Not here: whether its signature is trusted ([`Note::verified_by`]), whether it is consistent with
//! another ([`crate::proof`]).
//! Source: C2SP tlog-checkpoint.

use std::fmt;
use std::str::FromStr;

use crate::hash::Hash;
use crate::key::SigningKey;
use crate::note::{Note, NoteError};
use crate::text;
use crate::tree::TreeHead;

/// Entries that a tree can have: what C2SP's formats have room for.
pub const SIZE_MAX: u64 = text::NUMBER_MAX;
/// Bytes of an origin: what C2SP leaves room for in every message that it is part of.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// The head of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    head: TreeHead,
}

impl Checkpoint {
    /// The checkpoint of the log `origin` at `head`.
    ///
    /// # Errors
    /// [`CheckpointError`] when no origin is written so, or the size is over [`SIZE_MAX`].
    pub fn new(origin: impl Into<String>, head: TreeHead) -> Result<Self, CheckpointError> {
        let origin = origin.into();
        let is_line = !origin.is_empty() && !origin.chars().any(char::is_control);
        if !is_line || origin.len() > ORIGIN_BYTES_MAX {
            Err(CheckpointError("an origin is one line of 1 to 255 bytes"))
        } else if head.size > SIZE_MAX {
            Err(CheckpointError("a size is at most 2^63 - 1"))
        } else {
            Ok(Self { origin, head })
        }
    }

    /// The log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.head.size
    }

    /// What they hash to.
    #[must_use]
    pub fn root(&self) -> &Hash {
        &self.head.root
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The note of it, signed by the log's `key`.
    ///
    /// # Errors
    /// [`NoteError`] when the key is a witness's.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, NoteError> {
        Note::signed(self.to_string(), key)
    }
}

/// Its text: three lines, each with its line feed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = text::base64(&self.head.root);
        write!(formatter, "{}\n{}\n{root}\n", self.origin, self.head.size)
    }
}

/// Reads the text of a note, [`Note::text`].
impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let lines = text
            .strip_suffix('\n')
            .ok_or(CheckpointError("its last line has no end"))?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError("it has fewer than three lines"));
        };
        if lines.any(str::is_empty) {
            return Err(CheckpointError("it has an empty line"));
        }
        let size = text::number(size).ok_or(CheckpointError("its size is no size"))?;
        let root = text::hash(root).ok_or(CheckpointError("its root is no hash in Base64"))?;
        Self::new(origin, TreeHead { size, root })
    }
}

/// Why a text is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no checkpoint: {0}")]
pub struct CheckpointError(&'static str);

impl CheckpointError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "checkpoint.malformed"
    }
}

#[cfg(test)]
mod tests;
