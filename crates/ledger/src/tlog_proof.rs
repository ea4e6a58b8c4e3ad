//! A proof in a file: that an entry stands in a log, with the checkpoint that says so.
//!
//! In: bytes, or an index, hashes and a checkpoint's note. Out: [`TlogProof`], its text, and
//! whether it shows an entry.
//!
//! Invariants: what was parsed is written again as the same bytes; we never write extra data.
//! Not here: who must have signed the checkpoint. Ask [`Note::verified_by`] for each key that is
//! trusted, and compare the origin, before anything is believed.
//! Source: C2SP tlog-proof.

use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::proof::{HASHES_MAX, ProofError, verify_inclusion};
use crate::text;

/// Bytes of extra data, in Base64.
pub const EXTRA_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of a file.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + EXTRA_BYTES_MAX + 4 * 1_024;

const HEADING: &str = "c2sp.org/tlog-proof@v1";

/// An entry's place, the hashes that lead from it to a root, and the checkpoint with that root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    index: u64,
    hashes: Vec<Hash>,
    checkpoint: Checkpoint,
    note: Note,
}

impl TlogProof {
    /// The proof that the entry at `index` is in the checkpoint that `note` holds; `hashes` are
    /// those that [`crate::proof::Prover::inclusion`] gives.
    ///
    /// # Errors
    /// [`TlogProofError`] when the note holds no checkpoint, or its tree has no such entry.
    pub fn new(index: u64, hashes: Vec<Hash>, note: Note) -> Result<Self, TlogProofError> {
        let checkpoint: Checkpoint = note.text().parse()?;
        if index >= checkpoint.size() || hashes.len() > HASHES_MAX {
            return Err(TlogProofError::Malformed("the tree has no such entry"));
        }
        Ok(Self {
            extra: None,
            index,
            hashes,
            checkpoint,
            note,
        })
    }

    /// The proof that `bytes` are.
    ///
    /// # Errors
    /// [`TlogProofError`] when they are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        let malformed = TlogProofError::Malformed;
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(malformed("it is longer than a proof can be"));
        }
        let proof = str::from_utf8(bytes).map_err(|source| TlogProofError::NotUtf8 { source })?;
        let (head, note) = proof
            .split_once("\n\n")
            .ok_or(malformed("no empty line stands before its checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADING) {
            return Err(malformed("its first line is not c2sp.org/tlog-proof@v1"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra")) {
            Some(line) => Some(parse_extra(line)?),
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index
            .and_then(text::number)
            .ok_or(malformed("it has no line with an index"))?;
        if lines.clone().count() > HASHES_MAX {
            return Err(malformed("it has more hashes than a proof can have"));
        }
        let hashes: Option<Vec<Hash>> = lines.map(text::hash).collect();
        let hashes = hashes.ok_or(malformed("a line is no hash in Base64"))?;
        let mut proof = Self::new(index, hashes, Note::parse(note.as_bytes())?)?;
        proof.extra = extra;
        Ok(proof)
    }

    /// The entry's place in the log, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The hashes, that of the entry's sibling first.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The checkpoint; it says nothing before its note is verified.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint's signed note.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Data that whoever made the proof has added, in no way trusted.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Whether the entry that hashes to `leaf` ([`crate::hash::leaf_hash`]) stands at the index in
    /// the checkpoint's tree.
    ///
    /// # Errors
    /// [`ProofError::Inclusion`] when it is not shown.
    pub fn verify(&self, leaf: &Hash) -> Result<(), ProofError> {
        verify_inclusion(leaf, self.index, &self.checkpoint.head(), &self.hashes)
    }
}

/// The text of the file.
impl fmt::Display for TlogProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{HEADING}")?;
        if let Some(extra) = &self.extra {
            writeln!(formatter, "extra {}", text::base64(extra))?;
        }
        writeln!(formatter, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(formatter, "{}", text::base64(hash))?;
        }
        write!(formatter, "\n{}", self.note)
    }
}

fn parse_extra(line: &str) -> Result<Vec<u8>, TlogProofError> {
    let extra = line.strip_prefix("extra ");
    extra
        .filter(|extra| extra.len() <= EXTRA_BYTES_MAX)
        .and_then(text::from_base64)
        .ok_or(TlogProofError::Malformed("its extra data is not Base64"))
}

/// Why bytes are no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// They are not written as proofs are.
    #[error("this is no tlog-proof: {0}")]
    Malformed(&'static str),
    /// They are not UTF-8.
    #[error("this is no tlog-proof: it is not UTF-8")]
    NotUtf8 {
        /// Where they are not.
        source: std::str::Utf8Error,
    },
    /// What should be the checkpoint's note is none.
    #[error("this is no tlog-proof: its checkpoint is not signed as a note")]
    Note(#[from] NoteError),
    /// The note holds no checkpoint.
    #[error("this is no tlog-proof: it holds no checkpoint")]
    Checkpoint(#[from] CheckpointError),
}

impl TlogProofError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::NotUtf8 { .. } => "proof.malformed",
            Self::Note(error) => error.code(),
            Self::Checkpoint(error) => error.code(),
        }
    }
}

#[cfg(test)]
mod tests;
