//! Keys: who may sign, by name and public key, and the secret that does.
//!
//! In: the texts of keys, seeds from whoever has randomness. Out: [`VerifierKey`], [`SigningKey`],
//! signatures of 64 bytes. Ed25519 alone; a signature is good by the strict rules only, so that for
//! a key and a message nobody but its holder can make a second one.
//!
//! Invariants: a key's id follows from name, algorithm and public key; a text whose id does not is
//! refused; a secret is never shown but by [`SigningKey::to_private_text`], and is wiped when
//! dropped.
//! Not here: which key is valid at which record (the verifier), where secrets lie (the binary).
//! Source: C2SP signed-note and tlog-cosignature, RFC 8032; `docs/reference/ledger.md`.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::text;

/// Bytes of a key's name: what C2SP leaves room for in every message that a name is part of.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Bytes of a seed and of a public key.
pub const KEY_BYTES: usize = 32;

/// What stands before a private key.
const PRIVATE: &str = "PRIVATE+KEY+";

/// What a key signs with, and over which form of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Ed25519 over the text of a note, as it stands.
    Ed25519,
    /// Ed25519 over a time and the text: a witness's cosignature.
    CosignatureV1,
}

impl Algorithm {
    /// The byte that stands for it in ids and texts of keys.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::CosignatureV1]
            .into_iter()
            .find(|algorithm| algorithm.byte() == byte)
    }
}

/// Which of the keys of one name: an identifier, no proof of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    fn of(name: &str, algorithm: Algorithm, public: &[u8; KEY_BYTES]) -> Self {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', algorithm.byte()])
            .chain_update(public)
            .finalize()
            .into();
        let [first, second, third, fourth, ..] = hash;
        Self([first, second, third, fourth])
    }
}

/// Eight lower-case hexadecimal digits.
impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let number = u32::from_str_radix(text, 16).ok();
        number
            .filter(|_| text.len() == 8 && text.bytes().all(digit))
            .map(|number| Self(number.to_be_bytes()))
            .ok_or(KeyError::Malformed("an id is 8 hexadecimal digits"))
    }
}

/// A key that signatures are checked with: `name+id+base64(algorithm ‖ public key)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    algorithm: Algorithm,
    id: KeyId,
    public: VerifyingKey,
}

impl VerifierKey {
    /// The key of `name` with the public key `public`.
    ///
    /// # Errors
    /// [`KeyError`] when no key may have the name, or `public` is no key that can be trusted.
    pub fn new(
        name: impl Into<String>,
        algorithm: Algorithm,
        public: &[u8; KEY_BYTES],
    ) -> Result<Self, KeyError> {
        let name = checked_name(name.into())?;
        let public = VerifyingKey::from_bytes(public)
            .ok()
            .filter(|public| !public.is_weak())
            .ok_or(KeyError::Malformed("it is no public key of Ed25519"))?;
        let id = KeyId::of(&name, algorithm, public.as_bytes());
        Ok(Self {
            name,
            algorithm,
            id,
            public,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> &[u8; KEY_BYTES] {
        self.public.as_bytes()
    }

    /// Whether `signature` is this key's over exactly `message`.
    ///
    /// For a note ask [`crate::note::Note::verified_by`], which knows what each algorithm signs.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.public.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.algorithm.byte()];
        key.extend_from_slice(self.public());
        write!(
            formatter,
            "{}+{}+{}",
            self.name,
            self.id,
            text::base64(&key)
        )
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, algorithm, public) = parts(text)?;
        let key = Self::new(name, algorithm, &public)?;
        if key.id == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }
}

/// A secret key with its name. It is wiped when dropped and never shown by accident.
#[derive(Clone)]
pub struct SigningKey {
    secret: ed25519_dalek::SigningKey,
    verifier: VerifierKey,
}

impl SigningKey {
    /// The key of `name` that follows from `seed`, which must be random and known to nobody else.
    ///
    /// # Errors
    /// [`KeyError`] when no key may have the name.
    pub fn new(
        name: impl Into<String>,
        algorithm: Algorithm,
        seed: &[u8; KEY_BYTES],
    ) -> Result<Self, KeyError> {
        let secret = ed25519_dalek::SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, algorithm, secret.verifying_key().as_bytes())?;
        Ok(Self { secret, verifier })
    }

    /// The key that `text` holds: what [`SigningKey::to_private_text`] gives.
    ///
    /// # Errors
    /// [`KeyError`] when it is none, or its id is another's.
    pub fn from_private_text(text: &str) -> Result<Self, KeyError> {
        let text = text
            .strip_prefix(PRIVATE)
            .ok_or(KeyError::Malformed("it does not begin with PRIVATE+KEY+"))?;
        let (name, id, algorithm, seed) = parts(text)?;
        let key = Self::new(name, algorithm, &seed)?;
        if key.verifier.id == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }

    /// The secret as text, `PRIVATE+KEY+name+id+base64(algorithm ‖ seed)`, for a file that nobody
    /// else can read.
    #[must_use]
    pub fn to_private_text(&self) -> Zeroizing<String> {
        let mut key = Zeroizing::new([self.verifier.algorithm.byte(); 33]);
        if let Some((_, seed)) = key.split_first_mut() {
            seed.copy_from_slice(self.secret.as_bytes());
        }
        let secret = Zeroizing::new(text::base64(key.as_slice()));
        let (name, id) = (&self.verifier.name, self.verifier.id.to_string());
        let parts = [PRIVATE, name, "+", &id, "+", &secret];
        // A string that grew would leave the secret behind in memory that is not wiped.
        let bytes = parts.iter().map(|part| part.len()).sum();
        let mut text = Zeroizing::new(String::with_capacity(bytes));
        for part in parts {
            text.push_str(part);
        }
        text
    }

    /// The key that its signatures are checked with.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signature over exactly `message`: the same for the same message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.secret.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("name", &self.verifier.name)
            .field("id", &self.verifier.id)
            .finish_non_exhaustive()
    }
}

/// Why a text is no key. It holds nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not written as keys are.
    #[error("this is no key: {0}")]
    Malformed(&'static str),
    /// The id in it is not that of its name and public key.
    #[error("this is no key: its id is not that of its name and public key")]
    Id,
}

impl KeyError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Id => "key.malformed",
        }
    }
}

fn checked_name(name: String) -> Result<String, KeyError> {
    if text::is_key_name(&name) && name.len() <= NAME_BYTES_MAX {
        Ok(name)
    } else {
        Err(KeyError::Malformed(
            "a name has 1 to 255 bytes without spaces and plus",
        ))
    }
}

type Parts<'a> = (&'a str, KeyId, Algorithm, Zeroizing<[u8; KEY_BYTES]>);

/// The parts of `name+id+base64(algorithm ‖ 32 bytes)`.
fn parts(text: &str) -> Result<Parts<'_>, KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Malformed("it is not name+id+key"));
    };
    let key = text::from_base64(key).map(Zeroizing::new);
    let split = key.as_ref().and_then(|key| key.split_first());
    let (algorithm, bytes) = split.ok_or(KeyError::Malformed("its last part is no Base64"))?;
    let algorithm = Algorithm::from_byte(*algorithm).ok_or(KeyError::Malformed(
        "its algorithm is neither Ed25519 nor a cosignature's",
    ))?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if bytes.len() != KEY_BYTES {
        return Err(KeyError::Malformed("a key has 32 bytes"));
    }
    key.copy_from_slice(bytes);
    Ok((name, id.parse()?, algorithm, key))
}

#[cfg(test)]
mod tests;
