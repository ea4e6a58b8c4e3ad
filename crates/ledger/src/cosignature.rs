//! Cosignatures: a witness's word that a checkpoint is consistent with all that it saw before.
//!
//! In: a checkpoint's note, a witness's key and the time. Out: a signature for the note; and when a
//! witness has cosigned one. Only `cosignature/v1`, which is Ed25519.
//!
//! Not here: when a witness may cosign ([`crate::witness`]), how many must have (the verifier).
//! Source: C2SP tlog-cosignature.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::key::{Algorithm, SIGNATURE_BYTES, SigningKey, VerifierKey};
use crate::note::{Note, NoteSignature};
use crate::text;

/// The latest time of a cosignature, in seconds since 1970.
pub const TIME_S_MAX: u64 = text::NUMBER_MAX;

/// Bytes of the time in front of a signature.
const TIME_BYTES: usize = 8;

/// The cosignature of `key` over the checkpoint in `note`, made at `time_s` seconds since 1970.
///
/// Whoever calls this has judged the checkpoint: see [`crate::witness::judge`].
///
/// # Errors
/// [`CosignatureError`] when the note holds no checkpoint, the key is no witness's, or the time is
/// over [`TIME_S_MAX`].
pub fn cosign(
    note: &Note,
    key: &SigningKey,
    time_s: u64,
) -> Result<NoteSignature, CosignatureError> {
    note.text().parse::<Checkpoint>()?;
    match key.verifier().algorithm() {
        Algorithm::CosignatureV1 if time_s <= TIME_S_MAX => {
            let signature = key.sign(&message(note.text(), time_s));
            let bytes = [time_s.to_be_bytes().as_slice(), &signature].concat();
            Ok(NoteSignature::by(key.verifier(), bytes))
        }
        Algorithm::CosignatureV1 => Err(CosignatureError::Time),
        Algorithm::Ed25519 => Err(CosignatureError::Algorithm),
    }
}

/// When the witness of `key` has cosigned `note`, in seconds since 1970, the latest time if it did
/// more than once; `None` when it did not, or any cosignature that bears its name and id is bad.
#[must_use]
pub fn cosigned_at_s(note: &Note, key: &VerifierKey) -> Option<u64> {
    let times = note.by(key);
    let times: Option<Vec<u64>> = times
        .map(|signature| time_s_of(note.text(), key, signature.bytes()))
        .collect();
    times?.into_iter().max()
}

/// The time of a cosignature of `key` over `text`; `None` when it is not good.
pub(crate) fn time_s_of(text: &str, key: &VerifierKey, bytes: &[u8]) -> Option<u64> {
    let (time, signature) = bytes.split_first_chunk::<TIME_BYTES>()?;
    let signature: &[u8; SIGNATURE_BYTES] = signature.as_array()?;
    let time_s = u64::from_be_bytes(*time);
    let is_good = key.algorithm() == Algorithm::CosignatureV1
        && time_s <= TIME_S_MAX
        && key.verify(&message(text, time_s), signature);
    is_good.then_some(time_s)
}

fn message(text: &str, time_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()
}

/// Why a note cannot be cosigned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// The note holds no checkpoint.
    #[error("only checkpoints are cosigned")]
    Checkpoint(#[from] CheckpointError),
    /// The key is not a witness's.
    #[error("only a witness's key cosigns")]
    Algorithm,
    /// The time is beyond its limit.
    #[error("the time is more than 2^63 - 1 seconds after 1970")]
    Time,
}

impl CosignatureError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint(error) => error.code(),
            Self::Algorithm => "key.algorithm",
            Self::Time => "cosignature.time",
        }
    }
}

#[cfg(test)]
mod tests;
