//! Words that have no place: unfinished business, the place where this was written, waiting by
//! sleeping, unsafe code outside its crate. Each names its replacement.

use super::source::{line_of, word_positions};
use super::tree::{File, Tree};

/// Where a ban looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the code of Rust files, comments and literals apart.
    Code,
    /// In every line of every tracked file.
    Everywhere,
}

struct Ban {
    word: &'static str,
    place: Place,
    instead: &'static str,
}

/// The words are put together here, so that this file does not hold them.
const BANS: &[Ban] = &[
    Ban {
        word: concat!("to", "do!"),
        place: Place::Code,
        instead: "write it",
    },
    Ban {
        word: concat!("unimple", "mented!"),
        place: Place::Code,
        instead: "write it",
    },
    Ban {
        word: concat!("#[ign", "ore"),
        place: Place::Code,
        instead: "mend the test or delete it",
    },
    Ban {
        word: concat!("thread::", "sleep"),
        place: Place::Code,
        instead: "wait on a channel, a descriptor or a child",
    },
    Ban {
        word: concat!("un", "safe"),
        place: Place::Code,
        instead: "rustix; see docs/adr",
    },
    Ban {
        word: concat!("TO", "DO"),
        place: Place::Everywhere,
        instead: "do it, or open an issue",
    },
    Ban {
        word: concat!("FIX", "ME"),
        place: Place::Everywhere,
        instead: "mend it",
    },
    Ban {
        word: concat!("X", "XX"),
        place: Place::Everywhere,
        instead: "mend it",
    },
    Ban {
        word: concat!("for ", "now"),
        place: Place::Everywhere,
        instead: "say what holds, not what will",
    },
    Ban {
        word: concat!("language ", "model"),
        place: Place::Everywhere,
        instead: "say model or advisor",
    },
    Ban {
        word: concat!("this ", "session"),
        place: Place::Everywhere,
        instead: "speak of the product only",
    },
];

/// Beginnings of paths that exist on somebody's machine only.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
];

/// Files that may hold a word, and why. Only shrinks.
const ALLOWED: &[(&str, &str, &str)] = &[];

/// A crate whose every file may hold a word, and why.
const ALLOWED_BELOW: &[(&str, &str, &str)] = &[(
    "crates/spawner/",
    concat!("un", "safe"),
    "forks and execs; the only such crate",
)];

pub(crate) fn findings(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    let mut used = Vec::new();
    for file in tree
        .files
        .iter()
        .filter(|file| !file.path.ends_with("Cargo.lock"))
    {
        for ban in BANS {
            for (line, matter) in matches(file, ban) {
                if let Some(entry) = allowance(&file.path, ban.word) {
                    used.push(entry);
                } else {
                    findings.push(format!("{}:{line}: {matter}: {}", file.path, ban.instead));
                }
            }
        }
        findings.extend(machine_paths(file));
    }
    for (path, word, _reason) in ALLOWED.iter().chain(ALLOWED_BELOW) {
        if !used.contains(&(*path, *word)) && tree.files.iter().any(|it| it.path.starts_with(path))
        {
            findings.push(format!(
                "tidy/words.rs: {path} needs no leave for {word} any more"
            ));
        }
    }
    findings
}

fn matches<'a>(file: &'a File, ban: &'a Ban) -> Vec<(usize, &'a str)> {
    let text = match ban.place {
        Place::Code => file.code.as_deref().unwrap_or_default(),
        Place::Everywhere => &file.text,
    };
    word_positions(text, ban.word)
        .map(|start| (line_of(text, start), ban.word))
        .collect()
}

fn allowance(path: &str, word: &str) -> Option<(&'static str, &'static str)> {
    let exact = ALLOWED.iter().filter(|(allowed, ..)| *allowed == path);
    let below = ALLOWED_BELOW
        .iter()
        .filter(|(allowed, ..)| path.starts_with(allowed));
    exact
        .chain(below)
        .find(|(_, allowed, _)| *allowed == word)
        .map(|(path, word, _)| (*path, *word))
}

fn machine_paths(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    for beginning in MACHINE_PATHS {
        for (start, _) in file.text.match_indices(beginning) {
            // Inside a longer path it is a folder of that name, not the machine's.
            let before = file.text[..start].chars().next_back();
            let inside = before.is_some_and(|it| it.is_alphanumeric() || "_-.})$*/".contains(it));
            if !inside {
                let line = line_of(&file.text, start);
                findings.push(format!(
                    "{}:{line}: {beginning}: a path of one machine; take it from outside",
                    file.path
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, count: usize) {
        let found = findings(&Tree::of(&[(path, text)]));
        assert_eq!(found.len(), count, "{text}: {found:?}");
    }

    #[test]
    fn banned_words_are_found_where_they_count() {
        check("a.rs", concat!("fn f() { to", "do!() }"), 1);
        check("a.rs", concat!("fn f() { \"to", "do!\" }"), 0);
        check("a.rs", concat!("#[ign", "ore = \"x\"]\nfn f() {}"), 1);
        check("a.rs", concat!("std::thread::", "sleep(d)"), 1);
        check("a.rs", concat!("un", "safe { }"), 1);
        check("a.rs", concat!("forbid(un", "safe_code)"), 0);
        check("a.md", concat!("TO", "DO: x"), 1);
        check("a.md", concat!("this holds for ", "now."), 1);
        check("a.md", "this holds for nowhere", 0);
        check("a.md", concat!("mktemp X", "XXXXX"), 0);
    }

    #[test]
    fn the_crate_that_forks_may_be_unsafe() {
        check("crates/spawner/src/a.rs", concat!("un", "safe { }"), 0);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        check("a.md", concat!("see /wo", "rk/x"), 1);
        check("a.md", concat!("see dream/wo", "rk/x"), 0);
        check("a.rs", concat!("\"/ho", "me/me\""), 1);
    }
}
