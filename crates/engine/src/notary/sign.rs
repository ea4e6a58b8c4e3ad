//! Signing one checkpoint: with the key of the log that is valid at its size, and with the one that
//! was replaced a short time ago.

use antiphon_core::key::{KeyText, LOG};
use antiphon_core::state::{AgentKeys, Keys};
use antiphon_ledger::TreeHead;
use antiphon_ledger::checkpoint::{Checkpoint, CheckpointError};
use antiphon_ledger::key::{KeyError, VerifierKey};
use antiphon_ledger::note::{Note, NoteError, NoteSignature};

use super::Signed;
use crate::ports::signer::{Signer, SignerError};

/// Why a checkpoint is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The log has no key that is valid there.
    #[error("the log has no key that is valid at {0}")]
    NoKey(u64),
    /// The signer has not the key.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The key is none that can sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The head is none that can be signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The note cannot be written.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// The checkpoint of `head`, signed by the key that is valid there, then, until its grace is over
/// at `elapsed_ms`, by the one before it.
///
/// # Errors
/// [`SignError`]; that of the deprecated key is only told: whoever needs it has to move on.
pub(super) fn sign(
    keys: &Keys,
    head: TreeHead,
    elapsed_ms: u64,
    signer: &dyn Signer,
) -> Result<Signed, SignError> {
    let checkpoint = Checkpoint::new(keys.origin.as_str(), head)?;
    let text = checkpoint.to_string();
    let log = keys.agents.get(LOG).ok_or(SignError::NoKey(head.size))?;
    let valid = valid_at(log, head.size).ok_or(SignError::NoKey(head.size))?;
    let mut note = Note::with(text.as_str(), signature(valid, &text, signer)?)?;
    let deprecated = log.deprecated(elapsed_ms).map(|deprecated| &deprecated.key);
    if let Some(deprecated) = deprecated.filter(|deprecated| *deprecated != valid) {
        match signature(deprecated, &text, signer) {
            Ok(signature) => note.add(signature)?,
            Err(error) => tracing::warn!(error.detail = %error, "a deprecated key does not sign"),
        }
    }
    Ok(Signed {
        checkpoint,
        note,
        cosigned_by: Vec::new(),
    })
}

/// The key that is valid at place `seq`.
fn valid_at(log: &AgentKeys, seq: u64) -> Option<&KeyText> {
    if log.active.from_seq <= seq {
        return Some(&log.active.key);
    }
    let replaced = log.replaced.iter().rev();
    let mut valid = replaced.filter(|key| (key.from_seq..key.end_seq).contains(&seq));
    valid.next().map(|key| &key.key)
}

fn signature(key: &KeyText, text: &str, signer: &dyn Signer) -> Result<NoteSignature, SignError> {
    let bytes = signer.sign(key, text.as_bytes())?;
    let verifier: VerifierKey = key.as_str().parse()?;
    Ok(NoteSignature::by(&verifier, bytes.to_vec()))
}
