//! ARCHITECTURE.md against the code: its dependency table, its journey, its invariants, and every
//! path that a document names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::source::defines_function;
use super::tree::{Tree, cargo_metadata, has_extension};

const DOCUMENT: &str = "ARCHITECTURE.md";
/// Lines of a file that a journey leads through.
const JOURNEY_LINES_MAX: usize = 400;
/// Crates that only the binary may name.
const ADAPTERS: &[&str] = &[
    "antiphon_backend_sqlite",
    "antiphon_executor",
    "antiphon_files",
    "antiphon_http",
    "antiphon_spawner",
    "antiphon_witness",
];
/// Beginnings of a path of this repository, as documents name them.
const FOLDERS: &[&str] = &[
    ".ci/", "bench/", "crates/", "deploy/", "docs/", "fuzz/", "packs/", "xtask/",
];

/// Parts of a path that stand for something.
const PLACEHOLDERS: &[&str] = &["CODE", "NAME", "*", "{", "…", " "];

/// The table under `## Dependencies`: `| crate | needs, needs |`.
pub(crate) fn dependency_findings(tree: &Tree) -> Vec<String> {
    let written: BTreeMap<String, BTreeSet<String>> = section(tree, "## Dependencies")
        .iter()
        .filter_map(|(_, line)| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, name, needs, _] = cells.as_slice() else {
                return None;
            };
            let name = backticked(name).next()?;
            Some((
                name.to_owned(),
                backticked(needs).map(str::to_owned).collect(),
            ))
        })
        .collect();
    differences(&written, &workspace_edges(&cargo_metadata(&["--no-deps"])))
}

fn differences(
    written: &BTreeMap<String, BTreeSet<String>>,
    real: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, needs) in real {
        if written.get(name) != Some(needs) {
            let row: Vec<String> = needs.iter().map(|need| format!("`{need}`")).collect();
            findings.push(format!(
                "{DOCUMENT}: write `| `{name}` | {} |`",
                row.join(" ")
            ));
        }
    }
    for name in written.keys().filter(|name| !real.contains_key(*name)) {
        findings.push(format!("{DOCUMENT}: {name} is no crate of the workspace"));
    }
    findings
}

/// Normal dependencies among the crates of the workspace.
fn workspace_edges(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = packages
        .iter()
        .map(|package| text(&package["name"]))
        .collect();
    packages
        .iter()
        .map(|package| {
            let needs = package["dependencies"].as_array().into_iter().flatten();
            let needs = needs
                .filter(|need| need["kind"].is_null())
                .map(|need| text(&need["name"]))
                .filter(|need| names.contains(need))
                .collect();
            (text(&package["name"]), needs)
        })
        .collect()
}

/// The list under `## One signal's journey`: each `path` is followed by the functions it names.
pub(crate) fn journey_findings(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    let mut files = 0;
    for (number, line) in section(tree, "## One signal's journey") {
        let mut current = None;
        for word in backticked(line) {
            let place = format!("{DOCUMENT}:{number}");
            if word.contains('/') && has_extension(word, "rs") {
                files += 1;
                current = tree.find(word);
                let Some(file) = current else {
                    findings.push(format!("{place}: {word} does not exist"));
                    continue;
                };
                let lines = file.text.lines().count();
                if lines >= JOURNEY_LINES_MAX {
                    findings.push(format!(
                        "{place}: {word} has {lines} lines, a journey's file under {JOURNEY_LINES_MAX}"
                    ));
                }
                findings.extend(foreign_adapters(
                    word,
                    file.code.as_deref().unwrap_or_default(),
                ));
            } else if let (Some(name), Some(file)) = (word.strip_suffix("()"), current) {
                let code = file.code.as_deref().unwrap_or_default();
                let name = name.rsplit("::").next().unwrap_or(name);
                if !defines_function(code, name) {
                    findings.push(format!("{place}: {} has no function {name}", file.path));
                }
            }
        }
    }
    if files < 5 {
        findings.push(format!(
            "{DOCUMENT}: a journey of {files} files leads nowhere"
        ));
    }
    findings
}

fn foreign_adapters(path: &str, code: &str) -> Vec<String> {
    let named = ADAPTERS.iter().filter(|adapter| code.contains(**adapter));
    named
        .map(|adapter| format!("{path}: names the adapter {adapter}: go through its port"))
        .collect()
}

/// The list under `## Invariants`: every item ends with the names of tests that hold it.
pub(crate) fn invariant_findings(tree: &Tree) -> Vec<String> {
    let mut items: Vec<(usize, String)> = Vec::new();
    for (number, line) in section(tree, "## Invariants") {
        match (line.strip_prefix("- "), items.last_mut()) {
            (Some(item), _) => items.push((number, item.to_owned())),
            (None, Some((_, item))) if line.starts_with("  ") => item.push_str(line),
            _ => {}
        }
    }
    let mut findings = Vec::new();
    for (number, item) in &items {
        let held_by = item.split_once("Held by").map_or("", |(_, tests)| tests);
        let tests: Vec<&str> = backticked(held_by).collect();
        if tests.is_empty() {
            findings.push(format!("{DOCUMENT}:{number}: name the test: `Held by` …"));
        }
        for test in tests.into_iter().filter(|test| !tree.has_function(test)) {
            findings.push(format!("{DOCUMENT}:{number}: no test is called {test}"));
        }
    }
    if items.is_empty() {
        findings.push(format!("{DOCUMENT}: no invariants"));
    }
    findings
}

/// Paths in backticks in any document.
pub(crate) fn path_findings(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree
        .files
        .iter()
        .filter(|file| has_extension(&file.path, "md"))
    {
        for (index, line) in file.text.lines().enumerate() {
            for word in backticked(line) {
                let is_path = FOLDERS.iter().any(|folder| word.starts_with(folder))
                    && !PLACEHOLDERS
                        .iter()
                        .any(|placeholder| word.contains(placeholder));
                let word = word.trim_end_matches('/');
                let exists = tree
                    .files
                    .iter()
                    .any(|it| it.path == word || below(&it.path, word));
                if is_path && !exists {
                    findings.push(format!(
                        "{}:{}: {word} does not exist",
                        file.path,
                        index + 1
                    ));
                }
            }
        }
    }
    findings
}

fn below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// The numbered lines of the document's section `heading`, to the next heading of its level.
fn section<'a>(tree: &'a Tree, heading: &str) -> Vec<(usize, &'a str)> {
    let text = tree.find(DOCUMENT).map_or("", |file| file.text.as_str());
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .skip_while(|(_, line)| *line != heading)
        .skip(1)
        .take_while(|(_, line)| !line.starts_with("## "))
        .collect()
}

fn backticked(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(document: &str) -> Tree {
        Tree::of(&[
            (DOCUMENT, document),
            ("crates/a/src/one.rs", "fn go() {}\nfn a_test() {}"),
            (
                "crates/a/src/two.rs",
                "use antiphon_files::Inbox;\nfn on() {}",
            ),
        ])
    }

    #[test]
    fn edges_that_differ_are_written_out() {
        let edges = |needs: &[&str]| {
            let needs = needs.iter().map(|need| (*need).to_owned()).collect();
            BTreeMap::from([("a".to_owned(), needs)])
        };
        assert!(differences(&edges(&["b"]), &edges(&["b"])).is_empty());
        assert_eq!(differences(&edges(&["b"]), &edges(&["c"])).len(), 1);
        assert_eq!(differences(&edges(&[]), &BTreeMap::new()).len(), 1);
    }

    #[test]
    fn a_journey_that_the_code_does_not_take_is_found() {
        let journey = "## One signal's journey\n1. `crates/a/src/one.rs` `go()`, `a_test()`\n";
        let only_short = journey_findings(&tree(journey));
        assert!(
            only_short.len() == 1 && only_short[0].contains("leads nowhere"),
            "{only_short:?}"
        );
        let wrong = format!(
            "{journey}2. `crates/a/src/one.rs` `fly()`\n3. `crates/a/src/no.rs`\n4. `crates/a/src/two.rs` `on()`"
        );
        let found = journey_findings(&tree(&wrong)).join("\n");
        for expected in [
            "no function fly",
            "no.rs does not exist",
            "adapter antiphon_files",
        ] {
            assert!(found.contains(expected), "{expected}: {found}");
        }
    }

    #[test]
    fn an_invariant_without_its_test_is_found() {
        let check = |item: &str, count: usize| {
            let found = invariant_findings(&tree(&format!("## Invariants\n\n{item}\n")));
            assert_eq!(found.len(), count, "{item}: {found:?}");
        };
        check("- It holds.\n  Held by `a_test`.", 0);
        check("- It `holds`.", 1);
        check("- It holds. Held by `no_test`.", 1);
        check("", 1);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_found() {
        let found = path_findings(&tree(
            "`crates/a/src/one.rs` `crates/a/` `crates/b` `Cargo.toml`",
        ));
        assert_eq!(found, ["ARCHITECTURE.md:1: crates/b does not exist"]);
    }
}
