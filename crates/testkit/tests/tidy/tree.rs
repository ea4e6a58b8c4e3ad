//! The tracked files, read once.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::source;

/// A tracked text file.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path from the repository's root.
    pub(crate) path: String,
    pub(crate) text: String,
    /// For Rust: the text with comments and the insides of literals blanked, byte for byte.
    pub(crate) code: Option<String>,
}

/// The tracked files of the repository.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl File {
    pub(crate) fn new(path: &str, text: String) -> Self {
        let code = has_extension(path, "rs").then(|| source::blank(&text));
        Self {
            path: path.to_owned(),
            text,
            code,
        }
    }

    /// Whether it exists for tests only.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

impl Tree {
    /// Reads what git tracks; what is no text or is deleted in the work tree is left out.
    pub(crate) fn load() -> Self {
        let listed = run("git", &["-c", "safe.directory=*", "ls-files", "-z"]);
        let files = listed
            .split('\0')
            .filter(|path| !path.is_empty())
            .filter_map(|path| {
                let text = std::fs::read_to_string(repository().join(path)).ok()?;
                Some(File::new(path, text))
            })
            .collect();
        Self { files }
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File::new(path, (*text).to_owned()))
            .collect();
        Self { files }
    }

    pub(crate) fn find(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The Rust files, each with its blanked code.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&File, &str)> {
        self.files
            .iter()
            .filter_map(|file| Some((file, file.code.as_deref()?)))
    }

    /// Whether some Rust file defines a function of this name.
    pub(crate) fn has_function(&self, name: &str) -> bool {
        self.rust()
            .any(|(_, code)| source::defines_function(code, name))
    }
}

pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| found == extension)
}

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What `cargo metadata` says, with `arguments`.
pub(crate) fn cargo_metadata(arguments: &[&str]) -> Value {
    let mut all = vec!["metadata", "--format-version", "1", "--locked"];
    all.extend(arguments);
    serde_json::from_str(&run("cargo", &all)).unwrap()
}

/// Runs a program in the repository's root and gives what it prints.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(repository())
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {}: {problem}",
        arguments.join(" ")
    );
    String::from_utf8(output.stdout).unwrap()
}
