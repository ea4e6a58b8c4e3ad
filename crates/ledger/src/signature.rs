//! Signatures on records: what one covers, and how the envelope's `sig` writes it.
//!
//! In: a key, and the origin, kind, subject and body hash of a record. Out: the text of `sig`, and
//! back. A signature covers neither the record's place nor what stands before it, so that whoever
//! holds the key can make it before ingest; it fits no other record, log or subject.
//!
//! Invariants: a `sig` has one form; what is read writes the same text.
//! Not here: which key may sign which record, and where it is valid ([`crate::keyring`]).
//! Source: `docs/reference/ledger.md`.

use std::fmt;
use std::str::FromStr;

use crate::hash::Hash;
use crate::key::{KeyId, SIGNATURE_BYTES, SigningKey, VerifierKey};
use crate::text;

/// Bytes that an origin may have.
pub const ORIGIN_BYTES_MAX: usize = 128;
/// Bytes that the name of an agent may have.
pub const AGENT_BYTES_MAX: usize = 64;

/// The agent whose key signs checkpoints.
pub const LOG: &str = "log";
/// The agent that signs what the program itself did.
pub const OWNER: &str = "owner";
/// The agent that signs what came through the program's own door.
pub const OPERATOR: &str = "operator";
/// The agent that signs revocations, and what is done to a log that was cut or restored.
pub const RECOVERY: &str = "recovery";

/// The kinds of records that are signed; no other is.
pub const SIGNED_KINDS: [&str; 9] = [
    "ask.answered",
    "config.applied",
    "guard.changed",
    "key.registered",
    "key.revoked",
    "key.rotated",
    "log.cut",
    "log.restored",
    "task.changed",
];

/// What stands before everything that is signed, so that it is no other text.
const DOMAIN: &[u8] = b"antiphon/signature/v1\0";

/// Whether records of `kind` are signed.
#[must_use]
pub fn is_signed(kind: &str) -> bool {
    SIGNED_KINDS.contains(&kind)
}

/// Whether the body of a record of this kind is never pruned: whoever walks the log needs it.
#[must_use]
pub fn is_never_pruned(kind: &str) -> bool {
    is_signed(kind) || matches!(kind, "log.created" | "snapshot.taken")
}

/// Whether `text` is an origin: 1 to 128 of `A-Z a-z 0-9 . _ - /`.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    (1..=ORIGIN_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

/// Whether `text` is the name of an agent: 1 to 64 of `A-Z a-z 0-9 _ -`.
#[must_use]
pub fn is_agent(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=AGENT_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

/// The name that the key of `agent` has: the origin for [`LOG`], else `ORIGIN/AGENT`.
#[must_use]
pub fn key_name(origin: &str, agent: &str) -> String {
    if agent == LOG {
        origin.to_owned()
    } else {
        format!("{origin}/{agent}")
    }
}

/// What a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// The log's origin.
    pub origin: &'a str,
    /// The record's kind.
    pub kind: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// [`crate::hash::body_hash`] of its body.
    pub body_sha256: &'a Hash,
}

impl Signed<'_> {
    /// The bytes that the key signs.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let mut message = DOMAIN.to_vec();
        for line in [self.origin, self.kind, self.subject] {
            message.extend_from_slice(line.as_bytes());
            message.push(b'\n');
        }
        message.extend_from_slice(self.body_sha256);
        message
    }
}

/// One signature of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    agent: String,
    id: KeyId,
    subject: String,
    bytes: [u8; SIGNATURE_BYTES],
}

impl Signature {
    /// The signature of `agent` by its `key` over `signed`.
    ///
    /// # Errors
    /// [`SignatureError`] when no agent or subject is called so.
    pub fn sign(
        agent: &str,
        key: &SigningKey,
        signed: &Signed<'_>,
    ) -> Result<Self, SignatureError> {
        let bytes = key.sign(&signed.message());
        Self::new(agent, key.verifier().id(), signed.subject, bytes)
    }

    /// A signature that was made elsewhere, by `agent`'s key of this id, over what is about `subject`.
    ///
    /// # Errors
    /// [`SignatureError`] when no agent or subject is called so.
    pub fn new(
        agent: &str,
        id: KeyId,
        subject: &str,
        bytes: [u8; SIGNATURE_BYTES],
    ) -> Result<Self, SignatureError> {
        if !is_agent(agent) {
            return Err(SignatureError::Malformed("no agent is called so"));
        }
        if !is_subject(subject) {
            return Err(SignatureError::Malformed("no subject is called so"));
        }
        Ok(Self {
            agent: agent.to_owned(),
            id,
            subject: subject.to_owned(),
            bytes,
        })
    }

    /// The agent that it says it is of.
    #[must_use]
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Which of the agent's keys it says it is by.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the record is about, as it says.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether `key` made it over `origin`, `kind`, its own subject and `body_sha256`.
    #[must_use]
    pub fn is_by(&self, key: &VerifierKey, origin: &str, kind: &str, body_sha256: &Hash) -> bool {
        let signed = Signed {
            origin,
            kind,
            subject: &self.subject,
            body_sha256,
        };
        key.id() == self.id && key.verify(&signed.message(), &self.bytes)
    }
}

/// `AGENT+ID SUBJECT base64`.
impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            agent, id, subject, ..
        } = self;
        write!(
            formatter,
            "{agent}+{id} {subject} {}",
            text::base64(&self.bytes)
        )
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed;
        let parts = text.split_once(' ');
        let (signer, rest) = parts.ok_or(malformed("it is not signer, subject, signature"))?;
        let parts = rest.rsplit_once(' ');
        let (subject, bytes) = parts.ok_or(malformed("it is not signer, subject, signature"))?;
        let (agent, id) = signer
            .split_once('+')
            .ok_or(malformed("its signer is not agent+id"))?;
        let id = id.parse().map_err(SignatureError::Id)?;
        let bytes = text::from_base64(bytes)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(malformed("a signature is 64 bytes in Base64"))?;
        Self::new(agent, id, subject, bytes)
    }
}

/// The text of `sig` for an envelope: an array of the signatures in their order; `None` for none.
#[must_use]
pub fn to_sig(signatures: &[Signature]) -> Option<String> {
    if signatures.is_empty() {
        return None;
    }
    let quoted: Vec<String> = signatures.iter().map(|it| format!("\"{it}\"")).collect();
    Some(format!("[{}]", quoted.join(",")))
}

/// The texts of the signatures that an envelope's `sig` holds, in their order; each is to be parsed
/// by itself. None when it is no array of strings, which no envelope holds.
pub fn texts(sig: &str) -> impl Iterator<Item = &str> {
    let inner = sig
        .strip_prefix("[\"")
        .and_then(|rest| rest.strip_suffix("\"]"));
    // No string of an envelope holds a quotation mark, so these three bytes only part strings.
    inner.into_iter().flat_map(|inner| inner.split("\",\""))
}

/// Why a text is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is not written as signatures are.
    #[error("this is no signature: {0}")]
    Malformed(&'static str),
    /// The id in it is none.
    #[error("this is no signature")]
    Id(#[source] crate::key::KeyError),
}

impl SignatureError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Id(_) => "signature.invalid",
        }
    }
}

/// Printable ASCII that needs no escape in JSON.
fn is_subject(text: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    text.bytes().all(fits)
}

#[cfg(test)]
mod tests;
