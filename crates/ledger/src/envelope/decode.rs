//! Reading an envelope. In: any bytes. Out: members, or the place of the first byte that the
//! encoder could not have written. One pass, nothing allocated.

use super::timestamp;
use super::{ENVELOPE_BYTES_MAX, Envelope, EnvelopeError, INTEGER_MAX, KIND_BYTES_MAX};
use crate::hash::{Hash, from_hex_digits};

pub(super) fn decode(bytes: &[u8]) -> Result<Envelope<'_>, EnvelopeError> {
    if bytes.len() > ENVELOPE_BYTES_MAX {
        return Err(EnvelopeError::TooLong { bytes: bytes.len() });
    }
    let mut reader = Reader {
        bytes,
        rest: bytes,
        member: "body_bytes",
    };
    let body_bytes = reader.integer(b"{\"body_bytes\":")?;
    reader.member = "body_sha256";
    let body_sha256 = reader.hash(b",\"body_sha256\":\"")?;
    reader.member = "elapsed";
    let elapsed_ms = reader.integer(b",\"elapsed\":")?;
    reader.member = "kind";
    let kind = reader.kind(b",\"kind\":\"")?;
    reader.member = "prev";
    let prev = reader.hash(b",\"prev\":\"")?;
    reader.member = "seq";
    let seq = reader.integer(b",\"seq\":")?;
    reader.member = "sig";
    let sig = if reader.take(b",\"sig\":") {
        Some(reader.sig()?)
    } else {
        None
    };
    reader.member = "time";
    let time_ms = reader.time(b",\"time\":\"")?;
    reader.member = "v";
    let version = reader.integer(b",\"v\":")?;
    reader.member = "end";
    reader.expect(b"}")?;
    if !reader.rest.is_empty() {
        return Err(reader.malformed());
    }
    Ok(Envelope {
        body_bytes,
        body_sha256,
        elapsed_ms,
        kind,
        prev,
        seq,
        sig,
        time_ms,
        version,
    })
}

/// Whether `bytes` are a kind.
pub(super) fn is_kind(bytes: &[u8]) -> bool {
    (1..=KIND_BYTES_MAX).contains(&bytes.len()) && bytes.iter().copied().all(is_kind_byte)
}

/// Whether `bytes` are the text of `sig`.
pub(super) fn is_sig(bytes: &[u8]) -> bool {
    let mut reader = Reader {
        bytes,
        rest: bytes,
        member: "sig",
    };
    reader.sig().is_ok() && reader.rest.is_empty()
}

fn is_kind_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_')
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

struct Reader<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
    member: &'static str,
}

impl<'a> Reader<'a> {
    fn malformed(&self) -> EnvelopeError {
        let at = self.bytes.len().saturating_sub(self.rest.len());
        EnvelopeError::Malformed {
            member: self.member,
            at,
        }
    }

    /// Takes `literal` if it comes next.
    fn take(&mut self, literal: &[u8]) -> bool {
        let after = self.rest.strip_prefix(literal);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn expect(&mut self, literal: &[u8]) -> Result<(), EnvelopeError> {
        if self.take(literal) {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    /// Takes the bytes up to the first for which `belongs` is false.
    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().take_while(|byte| belongs(**byte)).count();
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// `before`, then an integer: no sign, no leading zero, no fraction, at most [`INTEGER_MAX`]
    /// and what `T` holds.
    fn integer<T: TryFrom<u64>>(&mut self, before: &[u8]) -> Result<T, EnvelopeError> {
        self.expect(before)?;
        let malformed = self.malformed();
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > 16 || (digits.len() > 1 && digits.starts_with(b"0"))
        {
            return Err(malformed);
        }
        let value = digits.iter().fold(0_u64, |value, digit| {
            value.wrapping_mul(10).wrapping_add(u64::from(digit & 15))
        });
        if value > INTEGER_MAX {
            return Err(malformed);
        }
        T::try_from(value).ok().ok_or(malformed)
    }

    /// `before`, which opens a string, then the digits of a hash and the string's end.
    fn hash(&mut self, before: &[u8]) -> Result<Hash, EnvelopeError> {
        self.expect(before)?;
        let (digits, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.malformed())?;
        let hash = from_hex_digits(digits).ok_or_else(|| self.malformed())?;
        self.rest = rest;
        self.expect(b"\"")?;
        Ok(hash)
    }

    /// `before`, which opens a string, then a kind and the string's end.
    fn kind(&mut self, before: &[u8]) -> Result<&'a str, EnvelopeError> {
        self.expect(before)?;
        let malformed = self.malformed();
        let kind = self.take_while(is_kind_byte);
        if !is_kind(kind) {
            return Err(malformed);
        }
        self.expect(b"\"")?;
        str::from_utf8(kind).ok().ok_or(malformed)
    }

    /// `before`, which opens a string, then a time and the string's end.
    fn time(&mut self, before: &[u8]) -> Result<i64, EnvelopeError> {
        self.expect(before)?;
        let (text, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.malformed())?;
        let time_ms = timestamp::parse(text).ok_or_else(|| self.malformed())?;
        self.rest = rest;
        self.expect(b"\"")?;
        Ok(time_ms)
    }

    /// An array of one or more strings.
    fn sig(&mut self) -> Result<&'a str, EnvelopeError> {
        let before = self.rest;
        self.expect(b"[")?;
        loop {
            self.expect(b"\"")?;
            self.take_while(is_plain);
            self.expect(b"\"")?;
            if !self.take(b",") {
                break;
            }
        }
        self.expect(b"]")?;
        let length = before.len().saturating_sub(self.rest.len());
        let text = before
            .get(..length)
            .and_then(|text| str::from_utf8(text).ok());
        text.ok_or_else(|| self.malformed())
    }
}
