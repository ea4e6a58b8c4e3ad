//! `docs/reference/faults.md`: what can go wrong, each row by its number; a test bears the number
//! at the beginning of its name (`f7_an_error_of_fsync_ends_the_owner`).

use std::collections::BTreeSet;

use super::source::word_positions;
use super::tree::Tree;

const DOCUMENT: &str = "docs/reference/faults.md";

pub(crate) fn findings(tree: &Tree) -> Vec<String> {
    let rows: BTreeSet<String> = tree
        .find(DOCUMENT)
        .map_or("", |file| file.text.as_str())
        .lines()
        .filter_map(|line| number(line.strip_prefix("| ")?.split(' ').next()?))
        .collect();
    let tested = tested_numbers(tree);
    let mut findings = Vec::new();
    if rows.is_empty() {
        findings.push(format!("{DOCUMENT}: no rows"));
    }
    for row in rows.difference(&tested) {
        findings.push(format!(
            "{DOCUMENT}: no test bears the number {}",
            row.to_uppercase()
        ));
    }
    for test in tested.difference(&rows) {
        findings.push(format!(
            "{DOCUMENT}: a test bears the number {}: add its row",
            test.to_uppercase()
        ));
    }
    findings
}

/// The numbers that begin the names of functions: `fn a7_…`, `fn f12_f13_…`. Packs have tables of
/// their own.
fn tested_numbers(tree: &Tree) -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    for (_, code) in tree
        .rust()
        .filter(|(file, _)| !file.path.starts_with("packs/"))
    {
        for start in word_positions(code, "fn") {
            let rest = code[start + 2..].trim_start();
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            if name.contains('_') {
                numbers.extend(name.split('_').map_while(number));
            }
        }
    }
    numbers
}

/// `A7` or `f12`: one letter, A or F, and digits.
fn number(word: &str) -> Option<String> {
    let word = word.to_ascii_lowercase();
    let digits = word.strip_prefix(['a', 'f'])?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_tests_belong_together() {
        let rows = (
            DOCUMENT,
            "| # | what |\n|---|---|\n| A7 | a link |\n| F2 | a kill |\n",
        );
        let tests = (
            "a/tests/t.rs",
            "fn a7_a_link_is_refused() {}\nfn f9_f10_more() {}\nfn fold_x() {}",
        );
        let found = findings(&Tree::of(&[rows, tests])).join("\n");
        assert!(found.contains("no test bears the number F2"), "{found}");
        assert!(
            found.contains("bears the number F9: add its row"),
            "{found}"
        );
        assert!(
            found.contains("bears the number F10: add its row"),
            "{found}"
        );
        assert_eq!(found.lines().count(), 3, "{found}");
    }
}
