//! Keys as records name them: texts that stand for who may sign.
//!
//! In: the text of a verifier key, `NAME+ID+BASE64`. Out: its name and id. Invariant: a text whose id
//! does not follow from its name and public key is no [`KeyText`].
//!
//! Not here: signing and verifying, which are `antiphon-ledger`'s; which key is valid where, which is
//! [`crate::state::Keys`]'s. Source: C2SP signed-note; `docs/reference/ledger.md`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::Digest;

/// The agent whose key signs checkpoints.
pub const LOG: &str = "log";
/// The agent that signs what the program itself did.
pub const OWNER: &str = "owner";
/// The agent that signs what came through the program's own door.
pub const OPERATOR: &str = "operator";
/// The agent that signs revocations, and what is done to a log that was cut or restored.
pub const RECOVERY: &str = "recovery";

/// Bytes that an origin may have.
pub const ORIGIN_BYTES_MAX: usize = 128;
/// Digits of a key's id.
const ID_DIGITS: usize = 8;
/// Digits of Base64 of an algorithm's byte and a public key: 33 bytes, without padding.
const KEY_DIGITS: usize = 44;
/// The byte that stands for Ed25519.
const ED25519: u8 = 1;

/// Whether `text` is an origin: 1 to [`ORIGIN_BYTES_MAX`] of `A-Z a-z 0-9 . _ - /`.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    (1..=ORIGIN_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}

/// The name that the key of `agent` has in the log of `origin`.
#[must_use]
pub fn key_name(origin: &str, agent: &str) -> String {
    if agent == LOG {
        origin.to_owned()
    } else {
        format!("{origin}/{agent}")
    }
}

/// The text of an Ed25519 verifier key: `NAME+ID+BASE64(0x01 ‖ public key)`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyText(Arc<str>);

/// A text that is no Ed25519 verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a verifier key: NAME+ID+BASE64 of an Ed25519 key is expected, with the id that follows"
)]
pub struct KeyTextError;

impl KeyText {
    /// Checks `text` and takes it as a key.
    ///
    /// # Errors
    /// [`KeyTextError`] when it is not written as such keys are, or its id is another's. Whether the
    /// public key is one that can sign is only known once it has signed.
    pub fn new(text: &str) -> Result<Self, KeyTextError> {
        let (name, id, digits) = parts(text).ok_or(KeyTextError)?;
        let public = public_key(digits).ok_or(KeyTextError)?;
        let is_named = name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.is_empty();
        if is_named && KeyId::new(id) == Ok(id_of(name, &public)) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(KeyTextError)
        }
    }

    /// The key of `name` with the public key `public`.
    ///
    /// # Errors
    /// [`KeyTextError`] when no key may have the name.
    pub fn of(name: &str, public: &[u8; 32]) -> Result<Self, KeyTextError> {
        let mut key = [ED25519; 33];
        if let Some((_algorithm, rest)) = key.split_first_mut() {
            rest.copy_from_slice(public);
        }
        Self::new(&format!("{name}+{}+{}", id_of(name, &key), base64(&key)))
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        parts(&self.0).map_or("", |(name, _, _)| name)
    }

    /// The key's id: 8 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digits = parts(&self.0).map_or("", |(_, id, _)| id);
        KeyId::new(digits).unwrap_or(KeyId([0; 4]))
    }

    /// Its public key as Base64: the same for the same key, whatever its name.
    #[must_use]
    pub fn public_text(&self) -> &str {
        parts(&self.0).map_or("", |(_, _, public)| public)
    }
}

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl TryFrom<String> for KeyText {
    type Error = KeyTextError;
    fn try_from(text: String) -> Result<Self, KeyTextError> {
        Self::new(&text)
    }
}

impl From<KeyText> for String {
    fn from(key: KeyText) -> Self {
        key.0.as_ref().to_owned()
    }
}

/// Which of the keys of one name: 8 hexadecimal digits; an identifier, no proof of anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 4]);

/// A text that is no id of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a key: 8 lower-case hexadecimal digits are expected")]
pub struct KeyIdError;

impl KeyId {
    /// Reads 8 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`KeyIdError`] for any other text.
    pub fn new(text: &str) -> Result<Self, KeyIdError> {
        let digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != ID_DIGITS || !text.bytes().all(digit) {
            return Err(KeyIdError);
        }
        u32::from_str_radix(text, 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_not_a_number| KeyIdError)
    }
}

impl KeyId {
    /// The four bytes that the digits write.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 4] {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyIdError;
    fn try_from(text: String) -> Result<Self, KeyIdError> {
        Self::new(&text)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

/// Name, id and Base64; the last may hold a plus itself.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('+')?;
    let (id, public) = rest.split_once('+')?;
    Some((name, id, public))
}

/// The algorithm's byte and the public key that `digits` write in Base64.
fn public_key(digits: &str) -> Option<[u8; 33]> {
    let mut key = [0; 33];
    if digits.len() != KEY_DIGITS {
        return None;
    }
    let (quads, _) = digits.as_bytes().as_chunks::<4>();
    for (bytes, quad) in key.chunks_exact_mut(3).zip(quads) {
        let mut bits = 0_u32;
        for digit in quad {
            bits = (bits << 6) | u32::from(base64_value(*digit)?);
        }
        let [_, high, middle, low] = bits.to_be_bytes();
        bytes.copy_from_slice(&[high, middle, low]);
    }
    (key.first() == Some(&ED25519)).then_some(key)
}

/// The id of the key of `name`: of its algorithm's byte and its public key.
fn id_of(name: &str, key: &[u8; 33]) -> KeyId {
    let mut hashed = Vec::with_capacity(name.len().saturating_add(34));
    hashed.extend_from_slice(name.as_bytes());
    hashed.push(b'\n');
    hashed.extend_from_slice(key);
    let Digest([first, second, third, fourth, ..]) = Digest::of(&hashed);
    KeyId([first, second, third, fourth])
}

/// The digits of Base64 (RFC 4648, section 4), in order of what they stand for.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(key: &[u8; 33]) -> String {
    let (triples, _) = key.as_chunks::<3>();
    let digits = triples.iter().flat_map(|[high, middle, low]| {
        let bits = u32::from_be_bytes([0, *high, *middle, *low]);
        [18, 12, 6, 0].map(|shift| {
            let place = usize::try_from((bits >> shift) & 63).unwrap_or(0);
            char::from(DIGITS.get(place).copied().unwrap_or(b'='))
        })
    });
    digits.collect()
}

/// What one digit of Base64 stands for.
fn base64_value(digit: u8) -> Option<u8> {
    let place = DIGITS.iter().position(|known| *known == digit)?;
    u8::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key whose seed is 32 times 7, named by another program.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn a_key_of_another_program_is_read_and_every_changed_character_of_it_is_refused() {
        let key = KeyText::new(KEY).unwrap();
        assert_eq!(key.as_str(), KEY);
        assert_eq!(key.name(), "PeterNeumann");
        assert_eq!(key.id().to_string(), "c74f20a3");
        for at in 0..KEY.len() {
            for replacement in ["", "A", "z", "0", "+", "/", " ", "\n", "ä"] {
                let mut changed = KEY.to_owned();
                changed.replace_range(at..=at, replacement);
                let read = KeyText::new(&changed);
                assert!(changed == KEY || read.is_err(), "{changed}");
            }
        }
    }

    #[test]
    fn a_key_that_is_written_from_its_parts_reads_back() {
        let key = KeyText::of("a/owner", &[0xfb; 32]).unwrap();
        assert_eq!(key.name(), "a/owner");
        assert_eq!(KeyText::new(key.as_str()), Ok(key.clone()));
        assert_eq!(
            key.public_text(),
            "Afv7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7"
        );
        assert_ne!(
            key.id(),
            KeyText::of("a/operator", &[0xfb; 32]).unwrap().id()
        );
        assert_eq!(KeyText::of("a b", &[1; 32]), Err(KeyTextError));
    }

    fn check(text: &str) {
        assert_eq!(KeyText::new(text), Err(KeyTextError), "{text:?}");
    }

    #[test]
    fn a_text_that_is_no_verifier_key_of_ed25519_is_refused() {
        check("");
        check("PeterNeumann");
        check("PeterNeumann+c74f20a3");
        check("+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
        // A witness's algorithm, though its id would follow.
        check("PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    }

    #[test]
    fn an_id_is_eight_lower_case_digits() {
        assert_eq!(KeyId::new("0000000f"), Ok(KeyId([0, 0, 0, 15])));
        for wrong in ["", "f", "0000000F", "+000000f", "00000000f", "0000000g"] {
            assert_eq!(KeyId::new(wrong), Err(KeyIdError), "{wrong}");
        }
    }

    #[test]
    fn an_origin_has_letters_digits_and_four_signs() {
        assert!(is_origin("host-1.example/antiphon_2"));
        for wrong in ["", "a b", "a+b", "ä", "a\n", &"x".repeat(129)] {
            assert!(!is_origin(wrong), "{wrong:?}");
        }
    }
}
