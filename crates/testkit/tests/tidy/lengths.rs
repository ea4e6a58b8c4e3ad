//! Files: short enough to be read in one go, and reachable from their crate's root.

use super::source::word_positions;
use super::tree::Tree;

/// Lines that a Rust file should not pass; a file of tests may, since tables are searched, not read.
const LINES_WANTED: usize = 400;
/// Lines that a Rust file must not pass.
const LINES_MAX: usize = 800;
/// A ceiling this far above its file is to be lowered.
const SLACK: usize = 20;

/// Longer files: ceiling and reason. Ceilings only fall, and the list only shrinks.
const LONG: &[(&str, usize, &str)] = &[];

pub(crate) fn findings(tree: &Tree) -> Vec<String> {
    findings_with(tree, LONG)
}

fn findings_with(tree: &Tree, long: &[(&str, usize, &str)]) -> Vec<String> {
    let mut findings = Vec::new();
    for (file, _) in tree.rust() {
        let lines = file.text.lines().count();
        let path = &file.path;
        let ceiling = long
            .iter()
            .find(|(listed, ..)| listed == path)
            .map(|(_, ceiling, _)| *ceiling);
        match ceiling {
            _ if lines > LINES_MAX => {
                findings.push(format!(
                    "{path}: {lines} lines, {LINES_MAX} at most: split it"
                ));
            }
            None if lines > LINES_WANTED && !file.is_test() => {
                findings.push(format!(
                    "{path}: {lines} lines, {LINES_WANTED} wanted: split it"
                ));
            }
            Some(ceiling) if lines > ceiling => {
                findings.push(format!(
                    "{path}: {lines} lines, its ceiling is {ceiling}: split it"
                ));
            }
            Some(ceiling) if lines <= LINES_WANTED || lines + SLACK < ceiling => {
                findings.push(format!(
                    "{path}: {lines} lines: lower its ceiling of {ceiling} in tidy/lengths.rs"
                ));
            }
            _ => {}
        }
        if !is_reachable(tree, path) {
            findings.push(format!("{path}: no `mod` leads here: delete it"));
        }
    }
    for (path, ..) in long {
        if tree.find(path).is_none() {
            findings.push(format!(
                "tidy/lengths.rs: {path} is gone: take it off the list"
            ));
        }
    }
    findings
}

/// Whether the file is a root of a target or a parent file declares it.
fn is_reachable(tree: &Tree, path: &str) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else {
        return false;
    };
    let stem = name.trim_end_matches(".rs");
    let is_root = matches!(stem, "main" | "lib" | "build")
        || [
            "/tests",
            "/benches",
            "/examples",
            "/src/bin",
            "/fuzz_targets",
        ]
        .iter()
        .any(|targets| folder.ends_with(targets) || folder == &targets[1..]);
    if is_root {
        return true;
    }
    let parents = [
        format!("{folder}.rs"),
        format!("{folder}/lib.rs"),
        format!("{folder}/main.rs"),
    ];
    parents
        .iter()
        .filter_map(|parent| tree.find(parent))
        .any(|parent| {
            let code = parent.code.as_deref().unwrap_or_default();
            word_positions(code, stem).any(|start| code[..start].trim_end().ends_with("mod"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: usize, long: &[(&str, usize, &str)], finding: Option<&str>) {
        let text = "\n".repeat(lines);
        let found = findings_with(&Tree::of(&[("c/src/lib.rs", &text)]), long);
        match finding {
            None => assert!(found.is_empty(), "{found:?}"),
            Some(words) => assert!(found.len() == 1 && found[0].contains(words), "{found:?}"),
        }
    }

    #[test]
    fn ceilings_hold_and_only_fall() {
        check(400, &[], None);
        check(401, &[], Some("400 wanted"));
        check(500, &[("c/src/lib.rs", 510, "why")], None);
        check(511, &[("c/src/lib.rs", 510, "why")], Some("ceiling is 510"));
        check(
            450,
            &[("c/src/lib.rs", 510, "why")],
            Some("lower its ceiling"),
        );
        check(
            399,
            &[("c/src/lib.rs", 410, "why")],
            Some("lower its ceiling"),
        );
        let tables = "\n".repeat(401);
        let tree = Tree::of(&[("c/src/lib.rs", "mod tests;"), ("c/src/tests.rs", &tables)]);
        assert_eq!(findings_with(&tree, &[]), Vec::<String>::new());
        check(801, &[("c/src/lib.rs", 900, "why")], Some("800 at most"));
        check(1, &[("c/src/gone.rs", 410, "why")], Some("is gone"));
    }

    #[test]
    fn a_file_that_nothing_declares_is_found() {
        let tree = Tree::of(&[
            ("c/src/lib.rs", "mod a;\n// mod b;"),
            ("c/src/a.rs", "pub mod c;"),
            ("c/src/a/c.rs", ""),
            ("c/src/b.rs", ""),
            ("c/tests/t.rs", ""),
            ("c/tests/suite/main.rs", "mod d;"),
            ("c/tests/suite/d.rs", ""),
        ]);
        assert_eq!(
            findings_with(&tree, &[]),
            ["c/src/b.rs: no `mod` leads here: delete it"]
        );
    }
}
