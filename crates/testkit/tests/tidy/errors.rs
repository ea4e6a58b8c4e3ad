//! Error codes and their pages in `docs/errors/`: neither exists alone.
//!
//! A code is a string literal in a function called `code`; its page is `docs/errors/CODE.md` and
//! begins with the code as its heading.

use std::collections::BTreeMap;

use super::source::{functions, line_of, test_ranges};
use super::tree::Tree;

const PAGES: &str = "docs/errors/";

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
                "{}: no function `code` gives {code}: delete the page",
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
        for range in functions(code, "code") {
            if tests.iter().any(|test| test.contains(&range.start)) {
                continue;
            }
            // The literals of the blanked code stand where those of the text do.
            let quotes: Vec<usize> = code[range.clone()]
                .match_indices('"')
                .map(|(at, _)| range.start + at)
                .collect();
            for pair in quotes.chunks_exact(2) {
                let literal = &file.text[pair[0] + 1..pair[1]];
                if is_code(literal) {
                    let place = format!("{}:{}", file.path, line_of(code, pair[0]));
                    codes.entry(literal.to_owned()).or_insert(place);
                }
            }
        }
    }
    codes
}

/// `area.what_happened`: lower-case words of letters, digits and `_`, joined by full stops.
fn is_code(literal: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    literal.contains('.') && literal.split('.').all(is_word)
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
            &["a.full has no page", "no function `code` gives a.gone"],
        );
    }
}
