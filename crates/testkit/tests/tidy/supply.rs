//! Where code comes from: one registry, and licences that `deny.toml` allows.

use std::collections::BTreeSet;

use serde_json::Value;

use super::tree::{Tree, cargo_metadata, run};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(crate) fn findings(tree: &Tree) -> Vec<String> {
    let mut findings: Vec<String> = tree
        .files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.lock"))
        .flat_map(|file| foreign_sources(&file.path, &file.text))
        .collect();
    let deny = tree.find("deny.toml").map_or("", |file| file.text.as_str());
    let allowed = allowed_licences(deny);
    let host = host_target();
    let metadata = cargo_metadata(&["--filter-platform", &host]);
    for package in metadata["packages"].as_array().into_iter().flatten() {
        findings.extend(licence_finding(package, &allowed));
    }
    findings
}

fn foreign_sources(path: &str, lock: &str) -> Vec<String> {
    let sources = lock
        .lines()
        .filter_map(|line| line.strip_prefix("source = "));
    let foreign = sources
        .map(|source| source.trim_matches('"'))
        .filter(|it| *it != REGISTRY);
    foreign
        .map(|source| format!("{path}: {source}: only crates.io"))
        .collect()
}

/// The list `allow` of the section `[licenses]`.
fn allowed_licences(deny: &str) -> BTreeSet<String> {
    deny.lines()
        .skip_while(|line| *line != "[licenses]")
        .skip_while(|line| *line != "allow = [")
        .skip(1)
        .take_while(|line| *line != "]")
        .map(|line| line.trim_matches([' ', ',', '"']).to_owned())
        .collect()
}

fn licence_finding(package: &Value, allowed: &BTreeSet<String>) -> Option<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(licence) = package["license"].as_str() else {
        return Some(format!("{name}: no licence named"));
    };
    (!is_allowed(licence, allowed)).then(|| format!("{name}: {licence}: not in deny.toml"))
}

/// Reads an SPDX expression: `OR` binds weakest, then `AND`; `/` is an old way to write `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (value, rest) = any_of(&words, allowed);
    value && rest.is_empty()
}

fn any_of<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut value, mut rest) = all_of(words, allowed);
    while let ["OR", after @ ..] = rest {
        let (next, after) = all_of(after, allowed);
        (value, rest) = (value | next, after);
    }
    (value, rest)
}

fn all_of<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut value, mut rest) = one(words, allowed);
    while let ["AND", after @ ..] = rest {
        let (next, after) = one(after, allowed);
        (value, rest) = (value & next, after);
    }
    (value, rest)
}

fn one<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inside @ ..] => match any_of(inside, allowed) {
            (value, [")", rest @ ..]) => (value, rest),
            (_, rest) => (false, rest),
        },
        [licence, "WITH", exception, rest @ ..] => (
            allowed.contains(&format!("{licence} WITH {exception}")),
            rest,
        ),
        [licence, rest @ ..] => (allowed.contains(*licence), rest),
        [] => (false, words),
    }
}

fn host_target() -> String {
    let version = run("rustc", &["-vV"]);
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: bool) {
        let allowed = allowed_licences("[licenses]\nallow = [\n    \"MIT\",\n    \"ISC\",\n]\n");
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }

    #[test]
    fn licence_expressions_are_read_as_spdx_means_them() {
        check("MIT", true);
        check("GPL-3.0", false);
        check("GPL-3.0 OR MIT", true);
        check("GPL-3.0/MIT", true);
        check("MIT AND GPL-3.0", false);
        check("MIT AND ISC", true);
        check("(GPL-3.0 OR MIT) AND ISC", true);
        check("(GPL-3.0 AND MIT) OR GPL-2.0", false);
        check("ISC OR MIT AND GPL-3.0", true);
        check("ISC WITH LLVM-exception", false);
        check("(MIT", false);
        check("", false);
    }

    #[test]
    fn only_the_registry_is_a_source() {
        let lock = format!("source = \"{REGISTRY}\"\nsource = \"git+https://a/b\"\n");
        assert_eq!(foreign_sources("Cargo.lock", &lock).len(), 1);
    }
}
