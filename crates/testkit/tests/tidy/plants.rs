//! Planted bugs: what the table of `cargo xtask mutants` names is planted somewhere, and what is
//! planted is in the table.

use std::collections::BTreeSet;

use super::tree::Tree;

const TABLE: &str = "xtask/src/mutants.rs";

pub(crate) fn findings(tree: &Tree) -> Vec<String> {
    let table = tree.find(TABLE).map_or("", |file| file.text.as_str());
    let listed: BTreeSet<&str> = literals_after(table, "name: \"");
    let mut planted = BTreeSet::new();
    for (file, _) in tree
        .rust()
        .filter(|(file, _)| !file.path.contains("/tests/tidy/"))
    {
        planted.extend(literals_after(&file.text, "plant::is(\""));
    }
    let missing = listed
        .difference(&planted)
        .map(|name| format!("{TABLE}: {name} is planted nowhere: plant it or take it off"));
    let unlisted = planted
        .difference(&listed)
        .map(|name| format!("{TABLE}: {name} is planted: say which suite catches it"));
    missing.chain(unlisted).collect()
}

fn literals_after<'a>(text: &'a str, opening: &str) -> BTreeSet<&'a str> {
    text.match_indices(opening)
        .filter_map(|(at, _)| text[at + opening.len()..].split('"').next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_plants_belong_together() {
        let tree = Tree::of(&[
            (TABLE, "Mutant { name: \"a\" }, Mutant { name: \"b\" }"),
            (
                "crates/a/src/lib.rs",
                "if crate::plant::is(\"b\") || plant::is(\"c\") {}",
            ),
        ]);
        let found = findings(&tree).join("\n");
        assert!(found.contains("a is planted nowhere") && found.contains("c is planted: say"));
        assert_eq!(found.lines().count(), 2, "{found}");
    }
}
