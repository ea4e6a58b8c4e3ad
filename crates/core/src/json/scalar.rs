//! Texts, numbers and words: read from the source, made canonical where they are not.

use super::JsonError;
use super::node::{Kind, Node};
use super::parse::Parser;
use super::text::{plain_end, push_canonical};

/// 2^53 − 1: the integers that every JSON implementation holds exactly.
const INTEGER_MAX: u64 = 9_007_199_254_740_991;

impl Parser<'_> {
    pub(super) fn text(&mut self) -> Result<Node, JsonError> {
        let start = self.at;
        let end = plain_end(self.source.as_bytes(), start.saturating_add(1));
        self.at = end;
        match self.peek() {
            Some(b'"') => {
                self.skip(1);
                Ok(self.scalar(Kind::Text, start))
            }
            Some(b'\\') => self.escaped_text(start),
            _ => Err(self.unterminated()),
        }
    }

    /// A text whose first escape stands at the present byte.
    fn escaped_text(&mut self, start: usize) -> Result<Node, JsonError> {
        let spilled = self.spill.len();
        let mut run = start;
        let mut is_escaped = false;
        loop {
            self.spill
                .push_str(self.source.get(run..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'\\') => {
                    let character = self.escape()?;
                    is_escaped |= push_canonical(&mut self.spill, character);
                }
                Some(b'"') => break,
                _ => return Err(self.unterminated()),
            }
            run = self.at;
            self.at = plain_end(self.source.as_bytes(), self.at);
        }
        self.spill.push('"');
        self.skip(1);
        Ok(Node {
            is_escaped,
            ..self.spilled_scalar(Kind::Text, start, spilled)
        })
    }

    /// The character that the escape at the present byte stands for.
    fn escape(&mut self) -> Result<char, JsonError> {
        let at = self.at;
        self.skip(1);
        let letter = self.peek();
        self.skip(1);
        let character = match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_point(at),
            _ => {
                return Err(JsonError::Syntax {
                    at,
                    expected: "an escape of RFC 8259",
                });
            }
        };
        Ok(character)
    }

    /// The character of the `\u` escape that began at `at`, its second half included.
    fn code_point(&mut self, at: usize) -> Result<char, JsonError> {
        let first = self.code_unit()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        let rest = self.source.as_bytes().get(self.at..).unwrap_or_default();
        if first >= 0xdc00 || !rest.starts_with(b"\\u") {
            return Err(JsonError::Surrogate { at });
        }
        self.skip(2);
        let second = self.code_unit()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(JsonError::Surrogate { at });
        }
        let offset = (first & 0x3ff) << 10 | second & 0x3ff;
        char::from_u32(offset.saturating_add(0x1_0000)).ok_or(JsonError::Surrogate { at })
    }

    fn code_unit(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.expected("four hexadecimal digits"))?;
            self.skip(1);
        }
        Ok(code)
    }

    pub(super) fn number(&mut self) -> Result<Node, JsonError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut is_integer = true;
        if self.take(b'.') {
            is_integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            is_integer = false;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        let written = self.source.get(start..self.at).unwrap_or_default();
        if is_integer && written != "-0" {
            check_integer(written, start)?;
            return Ok(self.scalar(Kind::Integer, start));
        }
        if is_shortest(written) {
            return Ok(self.scalar(Kind::Double, start));
        }
        let value: f64 = written.parse().unwrap_or(f64::INFINITY);
        if value.is_infinite() {
            return Err(JsonError::NumberRange { at: start });
        }
        let mut buffer = ryu_js::Buffer::new();
        let canonical = buffer.format_finite(value);
        let canonical = if canonical == "-0" { "0" } else { canonical };
        let is_double = canonical.bytes().any(|byte| matches!(byte, b'.' | b'e'));
        if !is_double {
            check_integer(canonical, start)?;
        }
        let spilled = self.spill.len();
        self.spill.push_str(canonical);
        let kind = if is_double {
            Kind::Double
        } else {
            Kind::Integer
        };
        Ok(self.spilled_scalar(kind, start, spilled))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.skip(1);
        }
        if self.at == start {
            Err(self.expected("a digit"))
        } else {
            Ok(())
        }
    }

    pub(super) fn word(&mut self, word: &'static str, kind: Kind) -> Result<Node, JsonError> {
        let start = self.at;
        if !self
            .source
            .get(start..)
            .is_some_and(|rest| rest.starts_with(word))
        {
            return Err(self.expected("`true`, `false` or `null`"));
        }
        self.skip(word.len());
        Ok(self.scalar(kind, start))
    }

    /// A scalar that is canonical as it stands in the source.
    fn scalar(&mut self, kind: Kind, start: usize) -> Node {
        let bytes = self.at.saturating_sub(start);
        self.canonical_bytes = self.canonical_bytes.saturating_add(bytes);
        Node::scalar(kind, start, self.at)
    }

    /// A scalar whose canonical form ends the spill; it stays there only if the source differs.
    fn spilled_scalar(&mut self, kind: Kind, start: usize, spilled: usize) -> Node {
        if self.spill.get(spilled..) == self.source.get(start..self.at) {
            self.spill.truncate(spilled);
            return self.scalar(kind, start);
        }
        self.is_canonical = false;
        let bytes = self.spill.len().saturating_sub(spilled);
        self.canonical_bytes = self.canonical_bytes.saturating_add(bytes);
        let behind = self.source.len();
        let end = behind.saturating_add(self.spill.len());
        Node::scalar(kind, behind.saturating_add(spilled), end)
    }

    fn unterminated(&self) -> JsonError {
        self.expected("`\"` (and no bare control character before it)")
    }
}

/// Whether a number is a double in canonical form for a reason that can be seen: a fraction that
/// is not zero at its end, 15 digits at most, no exponent, and a tenth or more. Decimals of up to
/// 15 digits are told apart by doubles, so no other one that short reads as the same double.
fn is_shortest(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let is_tenth = !digits.starts_with(b"0.0");
    let is_decimal = digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.'));
    is_tenth
        && is_decimal
        && digits.len() <= 16
        && digits.contains(&b'.')
        && !digits.ends_with(b"0")
}

/// Refuses an integer's text when it is beyond ±(2^53 − 1).
fn check_integer(text: &str, at: usize) -> Result<(), JsonError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // 15 digits are always within; 20 do not fit 64 bits.
    let is_within = digits.len() <= 15
        || digits.len() <= 16
            && digits
                .parse::<u64>()
                .is_ok_and(|value| value <= INTEGER_MAX);
    if is_within {
        Ok(())
    } else {
        Err(JsonError::NumberRange { at })
    }
}
