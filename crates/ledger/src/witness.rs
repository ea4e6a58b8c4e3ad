//! What a witness is asked, and what it answers.
//!
//! In: the bytes of a request, what the witness remembers of the log. Out: [`AddCheckpoint`], the
//! judgement of [`judge`], and the texts that go over the wire.
//!
//! Invariants: a checkpoint is accepted only if the log's key has signed it and it is shown to be
//! the remembered one or an extension of it, so that a witness that remembers what it accepted
//! never steps back.
//! Not here: remembering, which must be one atomic step with judging and on disk before the answer;
//! HTTP; the time and the key of a cosignature ([`crate::cosignature::cosign`]).
//! Source: C2SP tlog-witness.

use std::fmt;

use crate::checkpoint::Checkpoint;
use crate::cosignature::time_s_of;
use crate::hash::Hash;
use crate::key::VerifierKey;
use crate::note::{NOTE_BYTES_MAX, Note, NoteError, NoteSignature, parse_lines};
use crate::proof::{HASHES_MAX, verify_consistency};
use crate::text;
use crate::tree::TreeHead;

/// Bytes of a request's body.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 4 * 1_024;
/// The type of the body that tells a remembered size.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// A log's request that its checkpoint be cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    old_size: u64,
    proof: Vec<Hash>,
    checkpoint: Checkpoint,
    note: Note,
}

impl AddCheckpoint {
    /// The request to cosign the checkpoint in `note`, which `proof` shows to be an extension of
    /// the tree of `old_size` leaves that the witness cosigned last, 0 for none.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when the note holds no checkpoint, or there are more hashes than a
    /// proof can have.
    pub fn new(old_size: u64, proof: Vec<Hash>, note: Note) -> Result<Self, Refusal> {
        let checkpoint = note.text().parse().ok();
        match checkpoint {
            Some(checkpoint) if proof.len() <= HASHES_MAX => Ok(Self {
                old_size,
                proof,
                checkpoint,
                note,
            }),
            _ => Err(Refusal::Malformed),
        }
    }

    /// The request that a body is.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is none.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        parse(body).ok_or(Refusal::Malformed)
    }

    /// The size of the tree that the log believes was cosigned last.
    #[must_use]
    pub fn old_size(&self) -> u64 {
        self.old_size
    }

    /// The checkpoint; it says nothing before it is judged.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint's note, which is what is cosigned.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }
}

/// The body of the request.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "old {}", self.old_size)?;
        for hash in &self.proof {
            writeln!(formatter, "{}", text::base64(hash))?;
        }
        write!(formatter, "\n{}", self.note)
    }
}

/// What a witness knows of a log.
#[derive(Clone, Copy, Debug)]
pub struct KnownLog<'a> {
    /// The keys whose signature it trusts for the log's origin.
    pub keys: &'a [VerifierKey],
    /// The head that it cosigned last; [`TreeHead::EMPTY`] when none.
    pub head: TreeHead,
}

/// Whether the checkpoint of `request` is to be cosigned and remembered. `known` is what the
/// witness knows of the log that the checkpoint names, `None` when it knows no such log.
///
/// # Errors
/// The [`Refusal`] to answer with; nothing is to be remembered then.
pub fn judge<'a>(
    request: &'a AddCheckpoint,
    known: Option<&KnownLog<'_>>,
) -> Result<&'a Checkpoint, Refusal> {
    let (checkpoint, old_size) = (&request.checkpoint, request.old_size);
    let known = known.ok_or(Refusal::UnknownLog)?;
    let remembered = known.head;
    let size = remembered.size;
    if !known.keys.iter().any(|key| request.note.verified_by(key)) {
        Err(Refusal::Unsigned)
    } else if old_size > checkpoint.size() {
        Err(Refusal::Shrunk)
    } else if old_size != size {
        Err(Refusal::Stale { size })
    } else if size == checkpoint.size() && remembered.root != *checkpoint.root() {
        Err(Refusal::Forked { size })
    } else if verify_consistency(&remembered, &checkpoint.head(), &request.proof).is_err() {
        Err(Refusal::Unproven)
    } else {
        Ok(checkpoint)
    }
}

/// Why a witness does not cosign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is no request.
    #[error("this is no request to add a checkpoint")]
    Malformed,
    /// It knows no log of that origin.
    #[error("no log of this origin is known")]
    UnknownLog,
    /// No key that it trusts for the log has signed the checkpoint.
    #[error("no trusted key has signed the checkpoint")]
    Unsigned,
    /// The log says that the old tree was larger than the new one.
    #[error("the old size is greater than that of the checkpoint")]
    Shrunk,
    /// The log believes another tree to have been cosigned last.
    #[error("the checkpoint that was cosigned last has the size {size}")]
    Stale {
        /// The size of the one that was.
        size: u64,
    },
    /// A checkpoint of the same size and another root was cosigned: the log has forked.
    #[error("another checkpoint of the size {size} was cosigned")]
    Forked {
        /// That size.
        size: u64,
    },
    /// The proof does not show that the log only grew.
    #[error("the proof does not show that the log only grew")]
    Unproven,
}

impl Refusal {
    /// A stable name for this kind of refusal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "witness.malformed",
            Self::UnknownLog => "witness.unknown_log",
            Self::Unsigned => "witness.unsigned",
            Self::Shrunk => "witness.shrunk",
            Self::Stale { .. } => "witness.stale",
            Self::Forked { .. } => "witness.forked",
            Self::Unproven => "witness.unproven",
        }
    }

    /// The status of HTTP to answer with.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed | Self::Shrunk => 400,
            Self::Unsigned => 403,
            Self::UnknownLog => 404,
            Self::Stale { .. } | Self::Forked { .. } => 409,
            Self::Unproven => 422,
        }
    }

    /// The remembered size, to be answered by [`size_text`] as [`SIZE_MEDIA_TYPE`].
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Stale { size } | Self::Forked { size } => Some(*size),
            Self::Malformed | Self::UnknownLog | Self::Unsigned | Self::Shrunk | Self::Unproven => {
                None
            }
        }
    }
}

/// The body that tells a remembered size.
#[must_use]
pub fn size_text(size: u64) -> String {
    format!("{size}\n")
}

/// The remembered size that a witness's body tells; `None` when it tells none.
#[must_use]
pub fn parse_size(body: &[u8]) -> Option<u64> {
    text::number(str::from_utf8(body).ok()?.strip_suffix('\n')?)
}

/// The body that hands over cosignatures, each on its line.
#[must_use]
pub fn cosignatures_text(cosignatures: &[NoteSignature]) -> String {
    let lines = cosignatures.iter().map(|line| format!("{line}\n"));
    lines.collect()
}

/// The good cosignatures of `key` over `note` that a witness's body hands over, to be added by
/// [`Note::add`]. Every other line is left out: a witness must not be able to add to a log's
/// checkpoint what spoils it.
///
/// # Errors
/// [`NoteError`] when a line is no signature, or there are too many.
pub fn parse_cosignatures(
    body: &[u8],
    note: &Note,
    key: &VerifierKey,
) -> Result<Vec<NoteSignature>, NoteError> {
    if body.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLarge);
    }
    let lines = str::from_utf8(body).map_err(|source| NoteError::NotUtf8 { source })?;
    let mut signatures = parse_lines(lines)?;
    signatures.retain(|signature| {
        signature.is_by(key) && time_s_of(note.text(), key, signature.bytes()).is_some()
    });
    Ok(signatures)
}

fn parse(body: &[u8]) -> Option<AddCheckpoint> {
    if body.len() > REQUEST_BYTES_MAX {
        return None;
    }
    let (head, note) = str::from_utf8(body).ok()?.split_once("\n\n")?;
    let mut lines = head.split('\n');
    let old_size = text::number(lines.next()?.strip_prefix("old ")?)?;
    if lines.clone().count() > HASHES_MAX {
        return None;
    }
    let proof: Option<Vec<Hash>> = lines.map(text::hash).collect();
    let note = Note::parse(note.as_bytes()).ok()?;
    AddCheckpoint::new(old_size, proof?, note).ok()
}

#[cfg(test)]
mod tests;
