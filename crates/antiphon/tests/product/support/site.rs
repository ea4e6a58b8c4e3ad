//! A temporary root and the commands on it.

use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::Owner;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_antiphon");

/// A root, and a folder beside it for what tasks write outside.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) root: PathBuf,
    pub(crate) outside: PathBuf,
    // The folder goes with the site.
    _directory: tempfile::TempDir,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Site {
    /// A new root with this configuration, in which `{out}` stands for the folder outside.
    pub(crate) fn new(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        Self::at(directory, root, configuration)
    }

    /// As [`Site::new`], with the root on another disk.
    pub(crate) fn on(disk: &Path, configuration: &str) -> Self {
        Self::at(
            tempfile::tempdir().unwrap(),
            disk.join("root"),
            configuration,
        )
    }

    /// The root at `root`, of which nothing is known yet: nothing is made or written.
    pub(crate) fn elsewhere(root: PathBuf) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            root,
            outside: directory.path().to_owned(),
            _directory: directory,
        }
    }

    fn at(directory: tempfile::TempDir, root: PathBuf, configuration: &str) -> Self {
        let outside = directory.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let site = Self {
            root,
            outside,
            _directory: directory,
        };
        site.run(&["init"]).must(0);
        site.configure(configuration);
        site
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, configuration: &str) {
        let text = configuration.replace("{out}", self.outside.to_str().unwrap());
        std::fs::write(self.root.join("antiphon.toml"), text).unwrap();
    }

    /// A command on this root, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .arg("--root")
            .arg(&self.root)
            .stdin(Stdio::null())
            .env("XDG_STATE_HOME", &self.outside)
            .current_dir(&self.outside);
        for variable in ["ANTIPHON_ROOT", "STATE_DIRECTORY", "NO_COLOR"] {
            command.env_remove(variable);
        }
        command
    }

    /// A command on this root through `wrapper`, which runs what follows its own arguments; a
    /// process group of its own.
    pub(crate) fn wrap(&self, mut wrapper: Command, arguments: &[&str]) -> Command {
        wrapper
            .arg(BINARY)
            .args(arguments)
            .arg("--root")
            .arg(&self.root)
            .process_group(0);
        wrapper
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).output().unwrap())
    }

    /// Runs the program with these arguments and nothing else.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(&self.outside);
        command
            .env("XDG_STATE_HOME", &self.outside)
            .env_remove("ANTIPHON_ROOT")
            .env_remove("STATE_DIRECTORY");
        Said::of(&command.output().unwrap())
    }

    /// Runs a command that must succeed, and reads the JSON lines that it prints.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Vec<Value> {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--output", "json"]);
        let said = self.run(&arguments);
        said.must(0);
        said.json()
    }

    /// As [`Site::ask`], for a command that prints one document.
    pub(crate) fn ask_one(&self, arguments: &[&str]) -> Value {
        let mut said = self.ask(arguments);
        assert_eq!(said.len(), 1, "{arguments:?}: {said:?}");
        said.remove(0)
    }

    /// Starts an owner and waits until it answers.
    pub(crate) fn serve(&self) -> Owner {
        let mut owner = self.start();
        owner.wait_until_ready();
        owner
    }

    /// Starts an owner and does not wait for it.
    pub(crate) fn start(&self) -> Owner {
        Owner::start(self.command(&["serve"]), self)
    }

    /// Where the owner listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.root.join("antiphon.sock")
    }

    /// Drops an intent: written beside the inbox, then renamed into it.
    pub(crate) fn drop_intent(&self, name: &str, content: &[u8]) {
        let beside = self.root.join(format!(".{name}.part"));
        std::fs::write(&beside, content).unwrap();
        std::fs::rename(beside, self.root.join("intents").join(name)).unwrap();
    }

    /// What the inbox holds, its folder of rejected files apart.
    pub(crate) fn inbox(&self) -> Vec<String> {
        let mut names = names_in(&self.root.join("intents"));
        names.retain(|name| name != "rejected");
        names
    }

    /// What the folder of rejected files holds.
    pub(crate) fn rejected(&self) -> Vec<String> {
        names_in(&self.root.join("intents/rejected"))
    }

    /// Makes an empty file in the root, as an operator does with `touch`.
    pub(crate) fn touch(&self, name: &str) {
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.root.join(name))
            .unwrap();
    }

    /// Checks the whole log; nothing may be wrong with it.
    pub(crate) fn verify(&self) {
        let verdict = self.ask_one(&["ledger", "verify"]);
        assert_eq!(verdict["ok"], true, "{verdict}");
    }
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It ended with this code.
    #[track_caller]
    pub(crate) fn must(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{self:#?}");
    }

    /// It refused with this exit code, and named this error.
    #[track_caller]
    pub(crate) fn must_refuse(&self, code: i32, error: &str) {
        self.must(code);
        assert!(self.err.contains(&format!("error[{error}]")), "{self:#?}");
    }

    /// The JSON documents that it printed.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
