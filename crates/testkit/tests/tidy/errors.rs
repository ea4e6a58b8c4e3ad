//! Error codes and their pages in `docs/errors/`: neither exists alone.
//!
//! A code is a string literal in a function, a `let` or a field called `code`, or one anywhere that
//! begins with an area of [`AREAS`]; its page is `docs/errors/CODE.md` and begins with the code as
//! its heading.

use std::collections::BTreeMap;
use std::ops::Range;

use super::source::{functions, line_of, test_ranges, word_positions};
use super::tree::Tree;

const PAGES: &str = "docs/errors/";
/// Areas whose every literal is a code. Others share their words with records and files.
const AREAS: &[&str] = &["input.", "intent.", "rule."];
/// Fields of log lines that look like codes of those areas.
const FIELDS: &[&str] = &["rule.id"];

pub(crate) fn findings(tree: &Tree) -> Vec<String> {
    let codes = codes(tree);
    let mut findings = Vec::new();
    for (code, place) in &codes {
        match tree.find(&format!("{PAGES}{code}.md")) {
            None => findings.push(format!(
                "{place}: {code} has no page: write {PAGES}{code}.md"
            )),
            Some(page) if page.text.lines().next() != Some(&format!("# {code}")) => {
                findings.push(format!("{}:1: begin with `# {code}`", page.path));
            }
            Some(_) => {}
        }
    }
    for file in &tree.files {
        let Some(name) = file.path.strip_prefix(PAGES) else {
            continue;
        };
        let code = name.trim_end_matches(".md");
        if code != "README" && !codes.contains_key(code) {
            findings.push(format!(
                "{}: nothing gives the code {code}: delete the page",
                file.path
            ));
        }
    }
    findings
}

/// Every code with the place that gives it.
fn codes(tree: &Tree) -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    for (file, code) in tree.rust().filter(|(file, _)| !file.is_test()) {
        let tests = test_ranges(code);
        let named = places_called_code(code);
        // The literals of the blanked code stand where those of the text do.
        let quotes: Vec<usize> = code.match_indices('"').map(|(at, _)| at).collect();
        for pair in quotes.chunks_exact(2) {
            let literal = &file.text[pair[0] + 1..pair[1]];
            let within = |ranges: &[Range<usize>]| ranges.iter().any(|it| it.contains(&pair[0]));
            let in_area =
                AREAS.iter().any(|area| literal.starts_with(area)) && !FIELDS.contains(&literal);
            if is_code(literal) && !within(&tests) && (in_area || within(&named)) {
                let place = format!("{}:{}", file.path, line_of(code, pair[0]));
                codes.entry(literal.to_owned()).or_insert(place);
            }
        }
    }
    codes
}

/// Bodies of `fn code`, statements `let code`, values of fields `code:`.
fn places_called_code(code: &str) -> Vec<Range<usize>> {
    let mut places = functions(code, "code");
    for start in word_positions(code, "code") {
        let (before, after) = (code[..start].trim_end(), code[start + 4..].trim_start());
        let end = |stops: &[char]| {
            code[start..]
                .find(stops)
                .map_or(code.len(), |at| start + at)
        };
        if before.ends_with("let") {
            places.push(start..end(&[';']));
        } else if after.starts_with(':') && !after.starts_with("::") {
            places.push(start..end(&[',', '}', ';']));
        }
    }
    places
}

/// `area.what_happened`: two lower-case words of letters, digits and `_`, joined by a full stop.
fn is_code(literal: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    literal.matches('.').count() == 1 && literal.split('.').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn code(&self) -> &'static str { match self { A => \"a.full\" } }\n\
        fn other() { \"a.other\" }\n#[cfg(test)]\nmod tests { fn code() { \"a.test\" } }";

    fn check(page: (&str, &str), found: &[&str]) {
        let tree = Tree::of(&[("crates/a/src/lib.rs", SOURCE), page]);
        let findings = findings(&tree);
        assert_eq!(findings.len(), found.len(), "{findings:?}");
        for (finding, expected) in findings.iter().zip(found) {
            assert!(finding.contains(expected), "{finding}");
        }
    }

    #[test]
    fn codes_are_found_wherever_they_are_given() {
        let check = |text: &str, expected: &[&str]| {
            let tree = Tree::of(&[("crates/a/src/lib.rs", text)]);
            let found: Vec<String> = codes(&tree).into_keys().collect();
            assert_eq!(found, expected, "{text}");
        };
        check(
            "fn f() { let code = if x { \"a.b\" } else { \"a.c\" }; \"a.d\" }",
            &["a.b", "a.c"],
        );
        check("E { code: \"a.b\".to_owned(), kind: \"a.c\" }", &["a.b"]);
        check(
            "park(\"intent.no_type\", \"run.leased\", \"rule.dream.when\")",
            &["intent.no_type"],
        );
        check("error::code::\"a.b\"", &[]);
    }

    #[test]
    fn codes_and_pages_belong_together() {
        check(("docs/errors/a.full.md", "# a.full\n"), &[]);
        check(
            ("docs/errors/a.full.md", "# A full thing\n"),
            &["begin with `# a.full`"],
        );
        check(
            ("README.md", ""),
            &["crates/a/src/lib.rs:1: a.full has no page"],
        );
        check(
            ("docs/errors/a.gone.md", "# a.gone\n"),
            &["a.full has no page", "nothing gives the code a.gone"],
        );
    }
}
