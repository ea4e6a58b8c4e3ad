//! Just enough reading of Rust: comments and literals told from code, test code told from the rest.

use std::ops::Range;

/// `text` with comments and the insides of string and character literals replaced by spaces; line
/// breaks stay, so that offsets and line numbers hold.
pub(crate) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let token = if rest.starts_with(b"//") {
            let length = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len());
            Token {
                inside: 0..length,
                length,
            }
        } else if rest.starts_with(b"/*") {
            let length = block_comment(rest);
            Token {
                inside: 0..length,
                length,
            }
        } else {
            let before = at.checked_sub(1).map(|index| bytes[index]);
            literal(rest, before).unwrap_or(Token {
                inside: 0..0,
                length: 1,
            })
        };
        for byte in &mut out[at + token.inside.start..at + token.inside.end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at += token.length;
    }
    String::from_utf8(out).unwrap()
}

/// A comment, a literal, or a byte of code: what of it is blanked, and its length.
#[derive(Debug, PartialEq, Eq)]
struct Token {
    inside: Range<usize>,
    length: usize,
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The literal that `rest` begins with, if it does.
fn literal(rest: &[u8], before: Option<u8>) -> Option<Token> {
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        // Within a word there is no prefix; a quote still opens a string.
        return (rest[0] == b'"').then(|| quoted(rest, 1, b'"'));
    }
    let prefix = rest
        .iter()
        .take_while(|byte| matches!(byte, b'b' | b'c' | b'r'))
        .count();
    let hashes = rest[prefix..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    let raw = rest[..prefix].contains(&b'r');
    if prefix <= 2 && (hashes == 0 || raw) && rest.get(prefix + hashes) == Some(&b'"') {
        let open = prefix + hashes + 1;
        if !raw {
            return Some(quoted(rest, open, b'"'));
        }
        let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
        let inside = rest[open..]
            .windows(close.len())
            .position(|window| window == close);
        let end = inside.map_or(rest.len(), |inside| open + inside);
        return Some(Token {
            inside: open..end,
            length: rest.len().min(end + close.len()),
        });
    }
    // A character literal ends after one escape or one character; else the quote is a lifetime's.
    let open = prefix + 1;
    if prefix <= 1 && rest.get(prefix) == Some(&b'\'') {
        let window = &rest[open..rest.len().min(open + 4)];
        let character = window.utf8_chunks().next()?.valid().chars().next()?;
        if character == '\\' {
            return Some(quoted(rest, open, b'\''));
        }
        let close = open + character.len_utf8();
        let closes = rest.get(close) == Some(&b'\'');
        return closes.then_some(Token {
            inside: open..close,
            length: close + 1,
        });
    }
    None
}

fn quoted(rest: &[u8], open: usize, quote: u8) -> Token {
    let mut at = open;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => {
                return Token {
                    inside: open..at,
                    length: at + 1,
                };
            }
            _ => at += 1,
        }
    }
    Token {
        inside: open..rest.len(),
        length: rest.len(),
    }
}

/// Where the items under `#[cfg(test)]` stand in blanked code.
pub(crate) fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (start, _) in code.match_indices("#[cfg(test)]") {
        if ranges
            .last()
            .is_none_or(|last: &Range<usize>| start >= last.end)
        {
            ranges.push(start..item_end(code, start));
        }
    }
    ranges
}

/// The end of the item that begins at `start`: its matching brace, or a semicolon before one.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code[start..].bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return start + offset + 1;
                }
            }
            b';' if depth == 0 => return start + offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// Where the bodies of functions called `name` stand in blanked code, from `fn` to the brace.
pub(crate) fn functions(code: &str, name: &str) -> Vec<Range<usize>> {
    word_positions(code, name)
        .filter(|start| code[..*start].trim_end().ends_with("fn"))
        .map(|start| start..item_end(code, start))
        .collect()
}

pub(crate) fn defines_function(code: &str, name: &str) -> bool {
    !functions(code, name).is_empty()
}

/// Where `word` stands by itself, not as part of a longer word.
pub(crate) fn word_positions<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let joins = |left: Option<u8>, right: Option<u8>| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        left.is_some_and(is_word) && right.is_some_and(is_word)
    };
    text.match_indices(word)
        .map(|(start, _)| start)
        .filter(move |start| {
            let before = text[..*start].bytes().next_back();
            let after = text[start + word.len()..].bytes().next();
            !joins(before, word.bytes().next()) && !joins(word.bytes().next_back(), after)
        })
}

/// The line of `offset`, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].bytes().filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, blanked: &str) {
        assert_eq!(blank(text), blanked, "{text}");
    }

    #[test]
    fn comments_and_the_insides_of_literals_are_blanked() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check(r#"f("x\"y") + 1"#, r#"f("    ") + 1"#);
        check("r#\"a\"b\"# c", "r#\"   \"# c");
        check("'x' 'a: &'a str '\\'' b'\"'", "' ' 'a: &'a str '  ' b' '");
        check("br\"//\" // z", "br\"  \"     ");
        check("'→' \"ü\" x", "'   ' \"  \" x");
    }

    #[test]
    fn test_items_end_with_their_brace() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { } }\nfn c() {}";
        let ranges = test_ranges(code);
        assert_eq!(ranges.len(), 1);
        assert_eq!(
            &code[ranges[0].clone()],
            "#[cfg(test)]\nmod tests { fn b() { } }"
        );
        let outside = test_ranges("#[cfg(test)]\nmod tests;\nfn c() {}");
        assert_eq!(outside.first(), Some(&(0..23)));
    }

    #[test]
    fn functions_are_found_by_their_whole_name() {
        let code = "fn code() { 1 }\nfn code_of() {}\nlet x = code();";
        assert_eq!(functions(code, "code").first(), Some(&(3..15)));
        assert_eq!(functions(code, "code").len(), 1);
        assert!(!defines_function(code, "of"));
    }
}
