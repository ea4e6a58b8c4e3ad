//! The envelope of a record: the part that is hashed into the tree and never pruned.
//!
//! In: the members, or the bytes. Out: the bytes, or the members. There is exactly one form of an
//! envelope, canonical JSON without escapes; the decoder accepts that form and refuses every other
//! byte, so an envelope that decodes encodes to the bytes it came from.
//!
//! Not here: what a kind means and what its body holds (`antiphon-core`); who checks `sig`.
//! Source: RFC 8785 for the canonical form, RFC 3339 for the time.

mod decode;
mod encode;
mod timestamp;

use crate::hash::Hash;

/// Bytes that an envelope may have. One without `sig` has at most 353.
pub const ENVELOPE_BYTES_MAX: usize = 4 * 1024;
/// Bytes that a kind may have.
pub const KIND_BYTES_MAX: usize = 64;
/// The greatest `elapsed` and `seq`: 2^53 - 1, the greatest integer that every JSON reader holds.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// The first time that can be written: the first millisecond of the year 0, ms since 1970 UTC.
pub const TIME_MS_MIN: i64 = timestamp::TIME_MS_MIN;
/// The last time that can be written: the last millisecond of the year 9999, ms since 1970 UTC.
pub const TIME_MS_MAX: i64 = timestamp::TIME_MS_MAX;

/// The envelope of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Bytes of the body's JSON, without its salt.
    pub body_bytes: u32,
    /// [`crate::hash::body_hash`] of the body, salt and JSON.
    pub body_sha256: Hash,
    /// ms of elapsed time since the log began, at most [`INTEGER_MAX`].
    pub elapsed_ms: u64,
    /// What happened: 1 to [`KIND_BYTES_MAX`] of `a-z`, `0-9`, `.` and `_`.
    pub kind: &'a str,
    /// The leaf of the record before; [`crate::hash::NO_LEAF`] for record 0.
    pub prev: Hash,
    /// Its place in the log, from 0, at most [`INTEGER_MAX`].
    pub seq: u64,
    /// Signatures, uninterpreted: the text of a JSON array of one or more strings of printable
    /// ASCII without `"` and `\`, without white space between them.
    pub sig: Option<&'a str>,
    /// Wall time, ms since 1970 UTC, from [`TIME_MS_MIN`] to [`TIME_MS_MAX`].
    pub time_ms: i64,
    /// The version of the body's kind.
    pub version: u32,
}

impl<'a> Envelope<'a> {
    /// Appends the envelope to `out`; on an error `out` is as it was.
    ///
    /// # Errors
    /// [`EnvelopeError::Member`] when a member has no form, [`EnvelopeError::TooLong`] when all
    /// together have more than [`ENVELOPE_BYTES_MAX`].
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), EnvelopeError> {
        encode::encode_into(self, out)
    }

    /// Reads an envelope; whatever is accepted encodes to `bytes` again.
    ///
    /// # Errors
    /// [`EnvelopeError::Malformed`] for the first byte that no envelope has there,
    /// [`EnvelopeError::TooLong`] for more than [`ENVELOPE_BYTES_MAX`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        decode::decode(bytes)
    }
}

/// Why an envelope could not be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A member's value cannot be written.
    #[error("the value of {member} has no form in an envelope")]
    Member {
        /// The member.
        member: &'static str,
    },
    /// The bytes are no envelope.
    #[error("not an envelope: {member} is malformed at byte {at}")]
    Malformed {
        /// The member, or `end` behind the last.
        member: &'static str,
        /// Where its reading failed, from 0.
        at: usize,
    },
    /// It has more bytes than an envelope may.
    #[error("the envelope has {bytes} bytes; {ENVELOPE_BYTES_MAX} are the most")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
}

impl EnvelopeError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Member { .. } => "envelope.member",
            Self::Malformed { .. } => "envelope.malformed",
            Self::TooLong { .. } => "envelope.too_long",
        }
    }
}

#[cfg(test)]
mod tests;
