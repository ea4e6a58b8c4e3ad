//! A data root in a temporary folder, and the program run upon it.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder with a root in it, or without.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// A folder without a root.
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A root with this configuration.
    pub(crate) fn new(configuration: &str) -> Self {
        let place = Self::empty();
        place.run(&["init"]).done();
        std::fs::write(place.file("antiphon.toml"), configuration).unwrap();
        place
    }

    /// A path below the root.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("root").join(name)
    }

    /// The program with these arguments, with nothing of our environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        command
            .env("ANTIPHON_ROOT", self.folder.path().join("root"))
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// The one document that the program prints as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self
            .run(&[arguments, &["--output", "json"]].concat())
            .done();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Ended {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// What was printed by a command that must have done its work.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// Checks that it ended so, saying why on standard error.
    pub(crate) fn refused(&self, code: i32, error: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(
            self.stderr.starts_with(&format!("error[{error}]: ")),
            "{self:?}"
        );
    }
}
