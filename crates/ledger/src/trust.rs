//! What a verifier believes of a log without asking it: its own configuration.
//!
//! In: the JSON of a trust file. Out: [`Trust`], and its JSON. Nothing of a log can change it; a
//! log that says otherwise is another log.
//!
//! Not here: where the file lies and who may write it (the verifier's program).
//! Source: `docs/reference/ledger.md`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::envelope::INTEGER_MAX;
use crate::key::{Algorithm, KeyError, VerifierKey};
use crate::note::{Note, NoteError};
use crate::signature::is_origin;

/// Bytes that a trust file may have: a note and the keys of many witnesses.
pub const TRUST_BYTES_MAX: usize = 256 * 1024;
/// Bytes that the note of a log's checkpoint may have.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// Witnesses that a trust file may name.
pub const WITNESSES_MAX: usize = 64;

/// What a verifier believes of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The log's origin.
    pub origin: String,
    /// The log's key at [`Trust::key_size`].
    pub log_key: VerifierKey,
    /// The place at which `log_key` and `recovery_key` are valid.
    pub key_size: u64,
    /// The recovery key; none is asked for when `None`.
    pub recovery_key: Option<VerifierKey>,
    /// Witnesses whose cosignatures count.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have cosigned.
    pub cosignatures_required: u64,
    /// The newest checkpoint that was seen.
    pub head: Option<Sealed>,
}

impl Trust {
    /// Reads a trust file.
    ///
    /// # Errors
    /// [`TrustError`] when it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() > TRUST_BYTES_MAX {
            return Err(TrustError::Member("it has more than 256 KiB"));
        }
        let file: TrustFile = serde_json::from_slice(bytes)?;
        let head = file.head.map(|note| Sealed::parse(note.as_bytes()));
        let trust = Self {
            origin: file.origin,
            log_key: file.log_key.parse()?,
            key_size: file.key_size,
            recovery_key: file.recovery_key.map(|key| key.parse()).transpose()?,
            witnesses: file
                .witnesses
                .iter()
                .map(|key| key.parse())
                .collect::<Result<_, _>>()?,
            cosignatures_required: file.cosignatures_required,
            head: head.transpose()?,
        };
        trust.check()?;
        Ok(trust)
    }

    /// Its JSON, for a file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = TrustFile {
            origin: self.origin.clone(),
            log_key: self.log_key.to_string(),
            key_size: self.key_size,
            recovery_key: self.recovery_key.as_ref().map(ToString::to_string),
            witnesses: self.witnesses.iter().map(ToString::to_string).collect(),
            cosignatures_required: self.cosignatures_required,
            head: self.head.as_ref().map(ToString::to_string),
        };
        // A struct of texts and numbers always has a JSON form.
        let mut json = serde_json::to_string_pretty(&file).unwrap_or_default();
        json.push('\n');
        json
    }

    fn check(&self) -> Result<(), TrustError> {
        let is_ours = |key: &VerifierKey| key.algorithm() == Algorithm::Ed25519;
        if !is_origin(&self.origin) {
            Err(TrustError::Member("origin is none"))
        } else if !is_ours(&self.log_key) || !self.recovery_key.iter().all(is_ours) {
            Err(TrustError::Member("a key of the log is a witness's"))
        } else if self.witnesses.iter().any(is_ours) {
            Err(TrustError::Member("the key of a witness is none"))
        } else if self.witnesses.len() > WITNESSES_MAX {
            Err(TrustError::Member("it names more than 64 witnesses"))
        } else if self
            .head
            .iter()
            .any(|it| it.checkpoint.origin() != self.origin)
        {
            Err(TrustError::Member("head is of another origin"))
        } else {
            Ok(())
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustFile {
    origin: String,
    log_key: String,
    key_size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery_key: Option<String>,
    witnesses: Vec<String>,
    cosignatures_required: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<String>,
}

/// A checkpoint of one of our logs with its signatures, whether good or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    note: Note,
    checkpoint: Checkpoint,
}

impl Sealed {
    /// Reads a signed note whose text is a checkpoint without extension lines.
    ///
    /// # Errors
    /// [`SealedError`] when it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, SealedError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(SealedError::Form("it has more than 64 KiB"));
        }
        let note = Note::parse(bytes)?;
        let checkpoint: Checkpoint = note.text().parse()?;
        if checkpoint.to_string() != note.text() {
            return Err(SealedError::Form("it has extension lines"));
        }
        if checkpoint.size() > INTEGER_MAX {
            return Err(SealedError::Form("its size is no place of a record"));
        }
        Ok(Self { note, checkpoint })
    }

    /// The note.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// What it says.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Whether `key` signed it; `None` when nobody says that it did.
    #[must_use]
    pub fn is_signed_by(&self, key: &VerifierKey) -> Option<bool> {
        let is_by =
            |it: &crate::note::NoteSignature| it.id() == key.id() && it.name() == key.name();
        let is_named = self.note.signatures().iter().any(is_by);
        is_named.then(|| self.note.verified_by(key))
    }
}

/// The note.
impl fmt::Display for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(formatter)
    }
}

/// Why bytes are no checkpoint of one of our logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// It is no note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Its text is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It is a checkpoint that none of our logs has.
    #[error("this is no checkpoint: {0}")]
    Form(&'static str),
}

impl SealedError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(error) => error.code(),
            Self::Checkpoint(error) => error.code(),
            Self::Form(_) => "checkpoint.malformed",
        }
    }
}

/// Why bytes are no trust file.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// They are no JSON with exactly its members.
    #[error("this is no trust file")]
    Json(#[from] serde_json::Error),
    /// A key in it is none.
    #[error("this is no trust file")]
    Key(#[from] KeyError),
    /// Its head is none.
    #[error("this is no trust file: its head is none")]
    Head(#[from] SealedError),
    /// A member has a value that makes no sense.
    #[error("this is no trust file: {0}")]
    Member(&'static str),
}

impl TrustError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Key(_) | Self::Head(_) | Self::Member(_) => "trust.malformed",
        }
    }
}

#[cfg(test)]
mod tests;
