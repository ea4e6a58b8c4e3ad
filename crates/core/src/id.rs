//! Identifiers: `UUIDv7` made from a time and a place in the log, so that replay makes the same ones.
//!
//! Source: RFC 9562, section 5.7. The random bits are SHA-256 over the log's id, the sequence
//! number of the record that creates the thing, and its index within that record; they are unique
//! by construction, not by time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::hex;

/// A `UUIDv7`: of a signal, a run, a dead letter or a log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Id([u8; 16]);

/// A text that is not a UUID in its hyphenated form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 36 characters of hexadecimal digits and hyphens are expected")]
pub struct IdError;

impl Id {
    /// The id of thing number `index` that record `seq` of log `log` creates at `time_ms`
    /// (milliseconds since 1970, UTC).
    #[must_use]
    pub fn derive(log: &Id, time_ms: i64, seq: u64, index: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"antiphon/id/v1\0");
        hash.update(log.0);
        hash.update(seq.to_be_bytes());
        hash.update(index.to_be_bytes());
        Self::from_parts(time_ms, &hash.finalize())
    }

    /// The id of a new log, from its birth in ms since 1970 and 32 random bytes.
    #[must_use]
    pub fn of_log(time_ms: i64, entropy: &[u8; 32]) -> Self {
        Self::from_parts(time_ms, entropy)
    }

    fn from_parts(time_ms: i64, random: &[u8]) -> Self {
        let mut bits = [0_u8; 10];
        for (to, from) in bits.iter_mut().zip(random) {
            *to = *from;
        }
        let millis = u64::try_from(time_ms).unwrap_or(0);
        Self(
            uuid::Builder::from_unix_timestamp_millis(millis, &bits)
                .into_uuid()
                .into_bytes(),
        )
    }

    /// The id from its 16 bytes as stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, most significant first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&uuid::Uuid::from_bytes(self.0).hyphenated(), f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 36 {
            return Err(IdError);
        }
        uuid::Uuid::try_parse(text)
            .map(|uuid| Self(uuid.into_bytes()))
            .ok()
            .ok_or(IdError)
    }
}

impl TryFrom<String> for Id {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let uuid = uuid::Uuid::from_bytes(self.0);
        let mut buffer = uuid::Uuid::encode_buffer();
        serializer.serialize_str(uuid.hyphenated().encode_lower(&mut buffer))
    }
}

/// A SHA-256 hash, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(hex::write(&self.0, &mut [0; 64]))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex::write(&self.0, &mut [0; 64]))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 hash: 64 lower-case hexadecimal digits are expected")]
pub struct DigestError;

impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl FromStr for Digest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let mut out = [0_u8; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(DigestError);
        }
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            let mut value = 0_u8;
            for digit in pair {
                let nibble = match digit {
                    b'0'..=b'9' => digit.wrapping_sub(b'0'),
                    b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
                    _ => return Err(DigestError),
                };
                value = (value << 4) | nibble;
            }
            *byte = value;
        }
        Ok(Self(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_in_the_log_gives_the_same_id_and_another_place_another() {
        let log = Id::of_log(1_700_000_000_000, &[7; 32]);
        let id = Id::derive(&log, 1_700_000_000_001, 5, 0);
        assert_eq!(id, Id::derive(&log, 1_700_000_000_001, 5, 0));
        assert_ne!(id, Id::derive(&log, 1_700_000_000_001, 5, 1));
        assert_ne!(id, Id::derive(&log, 1_700_000_000_001, 6, 0));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().as_bytes().get(14), Some(&b'7'));
    }

    #[test]
    fn a_digest_reads_back_what_it_writes_and_refuses_upper_case() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(
            digest.to_string().to_uppercase().parse::<Digest>(),
            Err(DigestError)
        );
    }
}
