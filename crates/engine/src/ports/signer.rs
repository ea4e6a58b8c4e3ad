//! The keys that an owner holds: the only door to secrets.
//!
//! In: a key as the log names it, and what it is to sign. Out: signatures. A signer is a bunch of keys and
//! no more: which of them is valid where is what the log says, and the engine asks by the whole text
//! of the key. So a crash between making a key and recording it, or between recording it and putting
//! the old one away, leaves nothing to repair.

use antiphon_core::key::KeyText;
use antiphon_core::record::FirstKey;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key is not held here.
    #[error("the key {} of {} is not held here", key.id(), key.name())]
    Missing {
        /// The key.
        key: KeyText,
    },
    /// Keys cannot be made or kept.
    #[error("keys cannot be made")]
    Io {
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the keys of a new log would be is not what a log may begin with.
    #[error("the log cannot begin with these keys: {what}")]
    Unusable {
        /// What is wrong.
        what: String,
    },
}

impl SignerError {
    /// Its stable code, as in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            SignerError::Missing { .. } => "key.missing",
            SignerError::Io { .. } => "key.io",
            SignerError::Unusable { .. } => "key.unusable",
        }
    }
}

/// Keys with their secrets, by name and id. The loop signs records with it while the notary signs
/// checkpoints.
///
/// An implementation MUST have the secret of every key on stable storage before it gives or takes
/// that key in any verb; MUST answer `sign` and `holds` from memory, within microseconds; MUST go on
/// holding a key that was replaced for as long as checkpoints carry its signature; MUST NOT ask
/// whether a key is valid. The caller MUST NOT keep or show a signature over what is not to be
/// recorded.
pub trait Signer: Send + Sync {
    /// The keys that a new log of `origin` begins with, sorted by agent: those of `log`, `operator`
    /// and `owner`, which are held here from now on, and that of `recovery` if there is one, whose
    /// secret is not. Asked again for a log that was never recorded, it may give others.
    ///
    /// # Errors
    /// [`SignerError::Io`] when they cannot be made and kept.
    fn begin(&self, origin: &str) -> Result<Vec<FirstKey>, SignerError>;

    /// Whether the secret of `key` is held here.
    fn holds(&self, key: &KeyText) -> bool;

    /// The signature of `key` over exactly `message`: the same for the same message.
    ///
    /// # Errors
    /// [`SignerError::Missing`] when the key is not held here.
    fn sign(&self, key: &KeyText, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], SignerError>;
}
