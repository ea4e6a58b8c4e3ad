//! Fences: every crate stands in a layer, and its manifest and `clippy.toml` ban what the layer
//! must not touch. A ban without its replacement is no ban.

use std::collections::BTreeSet;

use super::tree::{File, Tree};

/// What a crate may see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// No clock, disk, network, environment, thread or random order.
    Pure,
    /// The world only through ports.
    Engine,
    /// Its own part of the world, but not the environment.
    Adapter,
    /// The engine's registry; no processes of its own.
    Pack,
    /// Everything: the binary and what stands beside the product.
    Free,
}

const LAYERS: &[(&str, Layer)] = &[
    ("crates/core", Layer::Pure),
    ("crates/ledger", Layer::Pure),
    ("crates/engine", Layer::Engine),
    ("crates/backend-sqlite", Layer::Adapter),
    ("crates/executor", Layer::Adapter),
    ("crates/files", Layer::Adapter),
    ("crates/http", Layer::Adapter),
    ("crates/spawner", Layer::Adapter),
    ("crates/witness", Layer::Adapter),
    ("packs/kloros", Layer::Pack),
    ("crates/antiphon", Layer::Free),
    ("crates/testkit", Layer::Free),
    ("xtask", Layer::Free),
];

const ENVIRONMENT: &[&str] = &[
    "std::env::args",
    "std::env::args_os",
    "std::env::current_dir",
    "std::env::current_exe",
    "std::env::set_current_dir",
    "std::env::set_var",
    "std::env::temp_dir",
    "std::env::var",
    "std::env::var_os",
    "std::env::vars",
    "std::env::vars_os",
];
const WAITING: &[&str] = &[concat!("std::thread::", "sleep")];
const CLOCKS: &[&str] = &["std::time::Instant::now", "std::time::SystemTime::now"];
const DISK: &[&str] = &[
    "std::fs::DirBuilder",
    "std::fs::File",
    "std::fs::OpenOptions",
    "std::fs::copy",
    "std::fs::create_dir",
    "std::fs::create_dir_all",
    "std::fs::metadata",
    "std::fs::read",
    "std::fs::read_dir",
    "std::fs::read_to_string",
    "std::fs::remove_dir_all",
    "std::fs::remove_file",
    "std::fs::rename",
    "std::fs::write",
];
const NETWORK: &[&str] = &[
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os::unix::net::UnixDatagram",
    "std::os::unix::net::UnixListener",
    "std::os::unix::net::UnixStream",
];
const PROCESSES: &[&str] = &["std::process::Command"];
const THREADS: &[&str] = &[
    "std::thread::Builder",
    "std::thread::scope",
    "std::thread::spawn",
];
const RANDOM_ORDER: &[&str] = &["std::collections::HashMap", "std::collections::HashSet"];

impl Layer {
    fn bans(self) -> Vec<&'static [&'static str]> {
        match self {
            Layer::Pure => vec![
                ENVIRONMENT,
                WAITING,
                CLOCKS,
                DISK,
                NETWORK,
                PROCESSES,
                THREADS,
                RANDOM_ORDER,
            ],
            Layer::Engine => vec![ENVIRONMENT, WAITING, CLOCKS, DISK, NETWORK, PROCESSES],
            Layer::Adapter => vec![ENVIRONMENT, WAITING],
            Layer::Pack => vec![ENVIRONMENT, WAITING, PROCESSES],
            Layer::Free => Vec::new(),
        }
    }
}

pub(crate) fn findings(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for manifest in tree.files.iter().filter(|file| is_member(&file.path)) {
        let folder = manifest.path.trim_end_matches("/Cargo.toml");
        let Some((_, layer)) = LAYERS.iter().find(|(listed, _)| *listed == folder) else {
            findings.push(format!(
                "tidy/fences.rs: say in which layer {folder} stands"
            ));
            continue;
        };
        findings.extend(manifest_findings(manifest));
        if *layer != Layer::Free {
            findings.extend(clippy_findings(tree, folder, *layer));
        }
    }
    findings
}

fn is_member(path: &str) -> bool {
    path.ends_with("/Cargo.toml")
        && (path.starts_with("crates/") || path.starts_with("packs/") || path.starts_with("xtask/"))
}

fn manifest_findings(manifest: &File) -> Vec<String> {
    let mut findings = Vec::new();
    let mut finding = |what: &str| findings.push(format!("{}: {what}", manifest.path));
    if !manifest.text.contains("\n[lints]\n") && !manifest.text.contains("\n[lints.rust]\n") {
        finding("take the workspace's lints");
    }
    if !manifest.text.contains("\ndescription = \"") || manifest.text.contains("description = \"\"")
    {
        finding("say in `description` what the crate is");
    }
    let mut in_dependencies = false;
    let versioned = manifest.text.lines().find(|line| {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
        }
        in_dependencies
            && [" = \"", "version = ", "path = "]
                .iter()
                .any(|it| line.contains(it))
    });
    if let Some(line) = versioned {
        finding(&format!("`{line}`: name it in [workspace.dependencies]"));
    }
    findings
}

fn clippy_findings(tree: &Tree, folder: &str, layer: Layer) -> Vec<String> {
    let path = format!("{folder}/clippy.toml");
    let Some(file) = tree.find(&path) else {
        return vec![format!("{path}: missing: its layer has bans")];
    };
    let mut findings = Vec::new();
    let common = tree
        .find("clippy.toml")
        .map_or("", |root| root.text.as_str());
    let keys = |text: &str| -> BTreeSet<String> {
        let lines = text
            .lines()
            .filter(|line| line.contains(" = ") && !line.starts_with([' ', '#']));
        lines
            .filter(|line| !line.ends_with('['))
            .map(str::to_owned)
            .collect()
    };
    for key in keys(common).difference(&keys(&file.text)) {
        findings.push(format!("{path}: repeat the root's `{key}`"));
    }
    let mut banned = BTreeSet::new();
    for line in file
        .text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("{ path = "))
    {
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        match quoted.as_slice() {
            [ban, reason] if !reason.is_empty() => {
                banned.insert((*ban).to_owned());
            }
            _ => findings.push(format!(
                "{path}: `{line}`: name the replacement as its reason"
            )),
        }
    }
    for ban in layer.bans().into_iter().flatten() {
        if !banned.contains(*ban) {
            findings.push(format!("{path}: its layer bans {ban}"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(clippy: &str, found: &[&str]) {
        let manifest = "[package]\ndescription = \"x\"\n[lints]\nworkspace = true\n";
        let tree = Tree::of(&[
            ("clippy.toml", "a = true\n"),
            ("crates/files/Cargo.toml", manifest),
            ("crates/files/clippy.toml", clippy),
        ]);
        let findings = findings(&tree).join("\n");
        assert_eq!(findings.is_empty(), found.is_empty(), "{findings}");
        for expected in found {
            assert!(findings.contains(expected), "{expected}: {findings}");
        }
    }

    #[test]
    fn a_fence_with_a_hole_is_found() {
        let bans: Vec<String> = [ENVIRONMENT, WAITING]
            .concat()
            .iter()
            .map(|path| format!("    {{ path = \"{path}\", reason = \"r\" }},"))
            .collect();
        let whole = format!("a = true\ndisallowed-methods = [\n{}\n]\n", bans.join("\n"));
        check(&whole, &[]);
        check(
            &whole.replace("a = true", ""),
            &["repeat the root's `a = true`"],
        );
        check(
            &whole.replace("std::env::var\"", "std::env::x\""),
            &["bans std::env::var"],
        );
        check(
            &whole.replacen("reason = \"r\"", "reason = \"\"", 1),
            &["name the replacement"],
        );
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        let tree = Tree::of(&[("crates/common/Cargo.toml", "")]);
        assert_eq!(
            findings(&tree),
            ["tidy/fences.rs: say in which layer crates/common stands"]
        );
    }

    #[test]
    fn a_manifest_names_no_version_of_its_own() {
        let check = |text: &str, count: usize| {
            let found = manifest_findings(&File::new("crates/files/Cargo.toml", text.to_owned()));
            assert_eq!(found.len(), count, "{found:?}");
        };
        let good =
            "[package]\ndescription = \"x\"\n\n[lints]\nworkspace = true\n\n[dependencies]\n";
        check(&format!("{good}serde.workspace = true\n"), 0);
        check(&format!("{good}serde = \"1\"\n"), 1);
        check(&format!("{good}serde = {{ version = \"1\" }}\n"), 1);
        check(&format!("{good}\n[[test]]\nname = \"crash\"\n"), 0);
        check("[package]\ndescription = \"\"\n", 2);
    }
}
