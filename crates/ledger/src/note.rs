//! Signed notes: a text, and who has signed it.
//!
//! In: bytes, or a text and keys. Out: [`Note`], its bytes, and whether a key has signed it. The
//! text means nothing until [`Note::verified_by`] has said yes for a key that is trusted.
//!
//! Invariants: what was parsed is written again as the same bytes; a note has at least one
//! signature and stays within its limits; signatures by unknown keys are kept and say nothing.
//! Not here: what a text says ([`crate::checkpoint`]), how a witness signs ([`crate::cosignature`]).
//! Source: C2SP signed-note.

use std::fmt;

use crate::cosignature;
use crate::key::{Algorithm, KeyId, SigningKey, VerifierKey};
use crate::text;

/// Bytes of a note's text.
pub const TEXT_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of a note: the text, and 16 signatures of nearly 5,000 bytes that C2SP makes room for.
pub const NOTE_BYTES_MAX: usize = 256 * 1_024;
/// Signatures of a note; C2SP asks for 16 at least.
pub const SIGNATURES_MAX: usize = 100;

/// What a line of a signature begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// A text with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// The note of `text`, which ends with a line feed, signed by `key`.
    ///
    /// # Errors
    /// [`NoteError`] when the text may not stand in a note, or the key signs cosignatures.
    pub fn signed(text: impl Into<String>, key: &SigningKey) -> Result<Self, NoteError> {
        let text = text.into();
        check_text(&text)?;
        let mut note = Self {
            text,
            signatures: Vec::new(),
        };
        note.sign(key)?;
        Ok(note)
    }

    /// The note of `text`, which ends with a line feed, with a signature that was made elsewhere;
    /// whether it is good is not asked.
    ///
    /// # Errors
    /// [`NoteError`] when the text may not stand in a note, or there is no room.
    pub fn with(text: impl Into<String>, signature: NoteSignature) -> Result<Self, NoteError> {
        let text = text.into();
        check_text(&text)?;
        let mut note = Self {
            text,
            signatures: Vec::new(),
        };
        note.add(signature)?;
        Ok(note)
    }

    /// The note that `bytes` are.
    ///
    /// # Errors
    /// [`NoteError`] when they are none, or beyond a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge);
        }
        let note = str::from_utf8(bytes).map_err(|source| NoteError::NotUtf8 { source })?;
        let end = note
            .rfind("\n\n")
            .ok_or(NoteError::Malformed("no empty line ends its text"))?;
        let (text, signatures) = note.split_at(end.saturating_add(1));
        check_text(text)?;
        let signatures = parse_lines(signatures.strip_prefix('\n').unwrap_or_default())?;
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// What is signed, up to and with its last line feed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its signatures, in order, those by unknown keys among them.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds the signature of `key` over the text.
    ///
    /// # Errors
    /// [`NoteError`] when the key signs cosignatures, which need a time, or there is no room.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), NoteError> {
        let verifier = key.verifier();
        match verifier.algorithm() {
            Algorithm::Ed25519 => {
                let bytes = key.sign(self.text.as_bytes()).to_vec();
                self.add(NoteSignature::by(verifier, bytes))
            }
            Algorithm::CosignatureV1 => Err(NoteError::Algorithm),
        }
    }

    /// Adds a signature that was made elsewhere, such as a witness's; whether it is good is not
    /// asked.
    ///
    /// # Errors
    /// [`NoteError`] when there is no room.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        let lines = self.signatures.iter().map(NoteSignature::line_bytes);
        let bytes = lines.fold(signature.line_bytes(), usize::saturating_add);
        let total = bytes.saturating_add(self.text.len()).saturating_add(1);
        if total > NOTE_BYTES_MAX || self.signatures.len() >= SIGNATURES_MAX {
            return Err(NoteError::TooLarge);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Whether `key` has signed it: there is a signature with its name and id, and each of those is
    /// good. A cosignature counts at any time; [`cosignature::cosigned_at_s`] says when.
    #[must_use]
    pub fn verified_by(&self, key: &VerifierKey) -> bool {
        let mut own = self.by(key).peekable();
        own.peek().is_some()
            && own.all(|signature| match key.algorithm() {
                Algorithm::Ed25519 => signature
                    .bytes
                    .as_array()
                    .is_some_and(|bytes| key.verify(self.text.as_bytes(), bytes)),
                Algorithm::CosignatureV1 => {
                    cosignature::time_s_of(&self.text, key, &signature.bytes).is_some()
                }
            })
    }

    /// The signatures that say that they are by `key`.
    pub(crate) fn by(&self, key: &VerifierKey) -> impl Iterator<Item = &NoteSignature> {
        self.signatures.iter().filter(|it| it.is_by(key))
    }
}

/// The text, an empty line, and a line for each signature.
impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        let mut signatures = self.signatures.iter();
        signatures.try_for_each(|signature| writeln!(formatter, "{signature}"))
    }
}

/// One signature of a note, good or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    id: KeyId,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// What the holder of `key` made: `bytes` are its signature over a note's text, or the time and
    /// the signature of a cosignature.
    #[must_use]
    pub fn by(key: &VerifierKey, bytes: Vec<u8>) -> Self {
        Self {
            name: key.name().to_owned(),
            id: key.id(),
            bytes,
        }
    }

    /// The signature that a line, without its line feed, writes: em dash, space, name, space,
    /// Base64 of id and signature.
    ///
    /// # Errors
    /// [`NoteError`] when it writes none.
    pub fn parse_line(line: &str) -> Result<Self, NoteError> {
        let wrong = NoteError::Malformed("a line of a signature is not dash, name, Base64");
        let fields = line.strip_prefix(DASH).and_then(|it| it.split_once(' '));
        let (name, base64) = fields.ok_or_else(|| wrong.clone())?;
        let bytes = text::from_base64(base64).ok_or_else(|| wrong.clone())?;
        match bytes.split_first_chunk() {
            Some((id, signature)) if !signature.is_empty() && text::is_key_name(name) => Ok(Self {
                name: name.to_owned(),
                id: KeyId(*id),
                bytes: signature.to_vec(),
            }),
            _ => Err(wrong),
        }
    }

    /// The name of the key that it says it is by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of that key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the key is said to have made: the signature, or time and signature of a cosignature.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it says that it is by `key`.
    pub(crate) fn is_by(&self, key: &VerifierKey) -> bool {
        self.id == key.id() && self.name == key.name()
    }

    /// Bytes of its line, the line feed included.
    fn line_bytes(&self) -> usize {
        self.to_string().len().saturating_add(1)
    }
}

/// Its line, without a line feed.
impl fmt::Display for NoteSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.0.as_slice(), &self.bytes].concat();
        write!(formatter, "{DASH}{} {}", self.name, text::base64(&bytes))
    }
}

/// The signatures of `lines`, of which there is one at least and each ends with a line feed.
///
/// # Errors
/// [`NoteError`] when a line is no signature, or there are more than [`SIGNATURES_MAX`].
pub(crate) fn parse_lines(lines: &str) -> Result<Vec<NoteSignature>, NoteError> {
    let lines = lines
        .strip_suffix('\n')
        .ok_or(NoteError::Malformed("its last line has no end"))?;
    let lines = lines.split('\n');
    if lines.clone().count() > SIGNATURES_MAX {
        return Err(NoteError::TooLarge);
    }
    lines.map(NoteSignature::parse_line).collect()
}

/// Why bytes are no note, or a note cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// They are not written as notes are.
    #[error("this is no signed note: {0}")]
    Malformed(&'static str),
    /// They are not UTF-8.
    #[error("this is no signed note: it is not UTF-8")]
    NotUtf8 {
        /// Where they are not.
        source: std::str::Utf8Error,
    },
    /// The text, the note or the number of its signatures is beyond its limit.
    #[error("a signed note has at most 64 KiB of text, 256 KiB in all and 100 signatures")]
    TooLarge,
    /// A witness's key was asked for a plain signature.
    #[error("a witness's key signs cosignatures only")]
    Algorithm,
}

impl NoteError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::NotUtf8 { .. } => "note.malformed",
            Self::TooLarge => "note.too_large",
            Self::Algorithm => "key.algorithm",
        }
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.len() > TEXT_BYTES_MAX {
        Err(NoteError::TooLarge)
    } else if !text.ends_with('\n') {
        Err(NoteError::Malformed("its text ends without a line feed"))
    } else if !text::is_plain(text) {
        Err(NoteError::Malformed("its text has control characters"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
