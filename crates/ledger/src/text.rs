//! Names, numbers and hashes as the lines of C2SP's texts write them, each in one form only.
//!
//! Source: C2SP signed-note for names, tlog-checkpoint for numbers and hashes, RFC 4648 section 4
//! for Base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;

/// The greatest size of a tree, and the greatest time of a cosignature: 2^63 - 1.
pub(crate) const NUMBER_MAX: u64 = i64::MAX.unsigned_abs();

/// The number that decimal digits without leading zeros write; `None` for any other text and for
/// one greater than [`NUMBER_MAX`].
pub(crate) fn number(text: &str) -> Option<u64> {
    let digits = text.as_bytes();
    let one_form = match digits {
        [] => false,
        [b'0', rest @ ..] => rest.is_empty(),
        _ => digits.iter().all(u8::is_ascii_digit),
    };
    let number = one_form.then(|| text.parse().ok()).flatten()?;
    (number <= NUMBER_MAX).then_some(number)
}

/// `bytes` in Base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes that `text` writes; `None` when it is not the one form in which they are written.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// The hash that `text` writes in Base64.
pub(crate) fn hash(text: &str) -> Option<Hash> {
    from_base64(text)?.try_into().ok()
}

/// Whether a key may have this name in a note: not empty, no spaces of Unicode, no plus, no
/// control characters.
pub(crate) fn is_key_name(name: &str) -> bool {
    let fits = |it: char| !it.is_whitespace() && !it.is_control() && it != '+';
    !name.is_empty() && name.chars().all(fits)
}

/// Whether `text` may stand in a note: no control character of ASCII but line feeds.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' || byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form() {
        let check = |text: &str, expected| assert_eq!(number(text), expected, "{text:?}");
        check("0", Some(0));
        check("7", Some(7));
        check("20852163", Some(20_852_163));
        check("9223372036854775807", Some(NUMBER_MAX));
        check("9223372036854775808", None);
        check("18446744073709551616", None);
        for wrong in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "0x1", "١"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_hash_has_one_form() {
        let text = base64(&[255; 32]);
        assert_eq!(hash(&text), Some([255; 32]));
        assert_eq!(hash(text.trim_end_matches('=')), None, "no padding");
        assert_eq!(hash(&text.replace("8=", "9=")), None, "bits left over");
        assert_eq!(hash(&text.replace('/', "_")), None, "another alphabet");
        assert_eq!(hash(&base64(&[255; 31])), None);
        assert_eq!(hash(&format!("{text} ")), None);
    }

    #[test]
    fn names_with_spaces_plus_or_control_characters_are_none() {
        for name in ["a", "example.com/log", "witness.example/w1", "é"] {
            assert!(is_key_name(name), "{name:?}");
        }
        for name in [
            "",
            "a b",
            "a+b",
            "a\n",
            "a\u{a0}b",
            "a\u{2003}",
            "a\0",
            "a\u{85}",
        ] {
            assert!(!is_key_name(name), "{name:?}");
        }
    }
}
