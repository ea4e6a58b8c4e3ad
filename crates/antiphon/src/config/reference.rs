//! The reference of the configuration holds every key, as the table of keys has it.
//!
//! In: the table, and `docs/reference/configuration.md`. Out: whether each section's table of keys
//! stands there; what is written around them is for people.

use std::fmt::Write as _;

use super::key::{Absent, Key, Kind};
use super::keys::ROOT;

const DOCUMENT: &str = include_str!("../../../../docs/reference/configuration.md");

/// The heading of a section and its table, then those of the tables in it.
fn sections(path: &str, heading: &str, keys: &[Key], into: &mut Vec<String>) {
    let mut text =
        format!("{heading}\n\n| key | value | left out | meaning |\n|---|---|---|---|\n");
    for key in keys {
        let (name, value, about) = (key.name, value(key.kind), key.about.replace('|', "\\|"));
        let absent = match key.absent {
            Absent::Refused => "refused".to_owned(),
            Absent::Unset => "—".to_owned(),
            Absent::Default(default) => format!("`{default}`"),
        };
        writeln!(text, "| `{name}` | {value} | {absent} | {about} |").unwrap();
    }
    into.push(text);
    for key in keys {
        let path = format!("{path}{}", key.name);
        let (heading, keys) = match key.kind {
            Kind::Table(keys) if path.contains('.') => (format!("### `{path}`"), keys),
            Kind::Table(keys) => (format!("## `[{path}]`"), keys),
            Kind::Tables(keys) => (format!("## `[[{path}]]`"), keys),
            _ => continue,
        };
        sections(&format!("{path}."), &heading, keys, into);
    }
}

fn value(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Name => "name".to_owned(),
        Kind::Expression => "expression".to_owned(),
        Kind::Duration => "duration".to_owned(),
        Kind::Size => "size".to_owned(),
        Kind::Integer(low, high) => format!("{low} to {high}"),
        Kind::Number(low, high) => format!("{low:.1} to {high:.1}"),
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(" ")
        }
        Kind::TextList => "list of texts".to_owned(),
        Kind::Names => "name, or list of names".to_owned(),
        Kind::TextMap => "table of texts".to_owned(),
        Kind::Free => "table".to_owned(),
        Kind::Table(_) => "table, below".to_owned(),
        Kind::Tables(_) => "tables, below".to_owned(),
    }
}

#[test]
fn the_reference_has_every_key_as_the_loader_knows_it() {
    let mut wanted = Vec::new();
    sections("", "## At the top", ROOT, &mut wanted);
    let missing: Vec<_> = wanted
        .iter()
        .filter(|section| !DOCUMENT.contains(section.as_str()))
        .map(String::as_str)
        .collect();
    assert!(
        missing.is_empty(),
        "docs/reference/configuration.md lacks, word for word:\n\n{}",
        missing.join("\n")
    );
    let tables = DOCUMENT.matches("\n|---|---|---|---|\n").count();
    assert_eq!(tables, wanted.len(), "a table of keys that are none");
}
