//! Text inside JSON: where a plain run ends, which escapes are canonical, and which key comes
//! first.
//!
//! Canonical escapes (RFC 8785, section 3.2.2.2) stand for one ASCII character each: `\b \t \n
//! \f \r \" \\`, and `\u00xx` in lower case for the other control characters.

use std::borrow::Cow;
use std::cmp::Ordering;

/// Where the run of plain characters from `from` ends: at a quote, a backslash, a control
/// character or the end of `bytes`. Eight bytes at a time.
pub(super) fn plain_end(bytes: &[u8], from: usize) -> usize {
    let (words, tail) = bytes.get(from..).unwrap_or_default().as_chunks::<8>();
    let mut at = from;
    for word in words {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            let byte = found.trailing_zeros() >> 3;
            return at.saturating_add(usize::try_from(byte).unwrap_or(0));
        }
        at = at.saturating_add(8);
    }
    let rest = tail
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
    at.saturating_add(rest.unwrap_or(tail.len()))
}

/// The high bit of each byte that is a quote, a backslash or a control character. A bit above the
/// lowest one may be a borrow from it; the lowest is exact.
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const QUOTES: u64 = 0x2222_2222_2222_2222;
    const BACKSLASHES: u64 = 0x5c5c_5c5c_5c5c_5c5c;
    const SPACES: u64 = 0x2020_2020_2020_2020;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let control = word.wrapping_sub(SPACES) & !word;
    (zero(word ^ QUOTES) | zero(word ^ BACKSLASHES) | control) & HIGH
}

/// Writes `character` in its canonical form; true when that is an escape.
pub(super) fn push_canonical(out: &mut String, character: char) -> bool {
    let escape = match character {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\0'..='\u{1f}' => {
            out.push_str(if character < '\u{10}' {
                "\\u000"
            } else {
                "\\u001"
            });
            let digit = char::from_digit(u32::from(character) & 0xf, 16);
            out.push(digit.unwrap_or('0'));
            return true;
        }
        plain => {
            out.push(plain);
            return false;
        }
    };
    out.push_str(escape);
    true
}

/// The characters of a canonical text's inside.
pub(super) fn unescape(inside: &str) -> String {
    String::from_utf8_lossy(&Unescaped(inside.bytes()).collect::<Vec<u8>>()).into_owned()
}

/// A text as RFC 8785 orders keys: by UTF-16 code units. `is_escaped` says that escapes stand in
/// it. Decides without an allocation.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) inside: &'a str,
    pub(super) is_escaped: bool,
}

impl<'a> Key<'a> {
    pub(super) fn order(self, other: Key<'_>) -> Ordering {
        if self.is_escaped || other.is_escaped {
            return self.ranks().cmp(other.ranks());
        }
        let (left, right) = (self.inside.as_bytes(), other.inside.as_bytes());
        match left.iter().zip(right).find(|(x, y)| x != y) {
            Some((x, y)) => rank(*x).cmp(&rank(*y)),
            None => left.len().cmp(&right.len()),
        }
    }

    pub(super) fn text(self) -> Cow<'a, str> {
        if self.is_escaped {
            Cow::Owned(unescape(self.inside))
        } else {
            Cow::Borrowed(self.inside)
        }
    }

    fn ranks(self) -> impl Iterator<Item = u8> {
        let escaped = self.is_escaped.then(|| Unescaped(self.inside.bytes()));
        let plain = (!self.is_escaped).then(|| self.inside.bytes());
        escaped
            .into_iter()
            .flatten()
            .chain(plain.into_iter().flatten())
            .map(rank)
    }
}

/// UTF-8 bytes in the order of UTF-16: the two agree, except that U+E000 to U+FFFF (which begin
/// with EE or EF) come after the characters beyond them (which begin with F0 to F4), whose
/// surrogates are smaller.
fn rank(byte: u8) -> u8 {
    if matches!(byte, 0xee | 0xef) {
        byte | 0xf0
    } else {
        byte
    }
}

/// The bytes of a canonical text's inside with its escapes resolved.
struct Unescaped<I>(I);

impl<I: Iterator<Item = u8>> Iterator for Unescaped<I> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = self.0.next()?;
        if byte != b'\\' {
            return Some(byte);
        }
        match self.0.next()? {
            b'b' => Some(0x08),
            b't' => Some(b'\t'),
            b'n' => Some(b'\n'),
            b'f' => Some(0x0c),
            b'r' => Some(b'\r'),
            b'u' => {
                let mut digit = || char::from(self.0.next().unwrap_or(b'0')).to_digit(16);
                let code = [digit(), digit(), digit(), digit()];
                let code = code
                    .into_iter()
                    .fold(0, |code, digit| code << 4 | digit.unwrap_or(0));
                Some(u8::try_from(code).unwrap_or(b'?'))
            }
            itself => Some(itself),
        }
    }
}
