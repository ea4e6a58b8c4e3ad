//! A data root as `init` makes it, and programs that run in it under their contract.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
#[expect(
    clippy::disallowed_types,
    reason = "the tests stand in for the executor"
)]
use std::process::{Child, Command, Stdio};

use antiphon_core::signal::Facts;
use antiphon_engine::registry::{BuiltinCall, LookCall, Observation, Registry};
use serde_json::{Value, json};

/// 2026-11-20T15:36:52.001Z.
pub(crate) const NOW_MS: i64 = 1_795_189_012_001;

/// What came of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What stood in its result file.
    pub(crate) result: Value,
    /// What it told.
    pub(crate) stdout: String,
}

/// A data root.
pub(crate) struct Stage {
    root: tempfile::TempDir,
    run: tempfile::TempDir,
    registry: Registry,
    environment: Vec<(String, String)>,
}

impl Stage {
    /// A new root with the starter files of the pack.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        antiphon_kloros::register(&mut registry);
        let root = tempfile::tempdir().unwrap();
        for file in registry.packs()[0].files {
            let path = root.path().join(file.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file.content).unwrap();
        }
        let run = tempfile::tempdir().unwrap();
        Self {
            root,
            run,
            registry,
            environment: Vec::new(),
        }
    }

    /// The same with a search that takes no time.
    pub(crate) fn quick() -> Self {
        let stage = Self::new();
        let quick = [("GENERATIONS", "2"), ("POPULATION", "4"), ("EPOCHS", "2")];
        let named = |(name, value)| (format!("KLOROS_DREAM_{name}"), String::from(value));
        let environment = quick.map(named).to_vec();
        Self {
            environment,
            ..stage
        }
    }

    /// Sets a variable of the task.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path)).unwrap()
    }

    pub(crate) fn lines(&self, path: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(path)).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, program: &str, run_id: &str, facts: &Value) -> Ended {
        let program = format!("kloros/programs/{program}.py");
        self.end(self.start(&["-B", &program], run_id, facts))
    }

    /// Starts `python3` with `arguments` as the executor would.
    #[expect(
        clippy::disallowed_types,
        reason = "the tests stand in for the executor"
    )]
    pub(crate) fn start(&self, arguments: &[&str], run_id: &str, facts: &Value) -> Child {
        let _absent = fs::remove_file(self.result());
        let mut child = Command::new("python3")
            .args(arguments)
            .current_dir(self.root.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("ANTIPHON_ROOT", self.root.path())
            .env("ANTIPHON_RUN_ID", run_id)
            .env("ANTIPHON_SIGNAL_ID", "0199a000-0000-7000-8000-00000000000a")
            .env(
                "ANTIPHON_CORRELATION_ID",
                "0199a000-0000-7000-8000-00000000000b",
            )
            .env("ANTIPHON_ATTEMPT", "1")
            .env("ANTIPHON_DEADLINE", "2026-11-20T16:06:52.001Z")
            .env("ANTIPHON_RESULT", self.result())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 must be installed");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(facts.to_string().as_bytes()).unwrap();
        child
    }

    /// Waits for the end of a program.
    pub(crate) fn end(&self, child: Child) -> Ended {
        let output = child.wait_with_output().unwrap();
        let result = fs::read(self.result()).unwrap_or_default();
        assert!(result.len() <= 16 * 1024, "a result is bounded");
        Ended {
            code: output.status.code(),
            result: serde_json::from_slice(&result).unwrap_or_default(),
            stdout: String::from_utf8(output.stdout).unwrap(),
        }
    }

    fn result(&self) -> PathBuf {
        self.run.path().join("result.json")
    }

    /// Runs a built-in; whether it succeeded, and its result.
    pub(crate) fn builtin(&self, name: &str, run_id: &str, facts: &Value) -> (bool, Value) {
        let facts = Facts::parse(facts.to_string().as_bytes()).unwrap();
        let end = self.registry.find_builtin(name).unwrap()(&BuiltinCall {
            root: self.root.path(),
            arguments: &[],
            facts: &facts,
            run_id,
            now_ms: NOW_MS,
        });
        assert!(end.result.text().len() <= 16 * 1024, "a result is bounded");
        (
            end.succeeded,
            serde_json::from_str(end.result.text()).unwrap(),
        )
    }

    /// What a monitor sees, its facts as JSON.
    pub(crate) fn look(&self, kind: &str) -> Vec<(Observation, Value)> {
        let call = LookCall {
            root: self.root.path(),
            options: &Facts::empty(),
            now_ms: NOW_MS,
        };
        let seen = self.registry.find_look(kind).unwrap()(&call).unwrap();
        let with_facts = |one: Observation| {
            let facts = serde_json::from_str(one.facts.text()).unwrap();
            (one, facts)
        };
        seen.into_iter().map(with_facts).collect()
    }

    /// Every file below the root with its content.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        files_below(self.root.path())
    }
}

fn files_below(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Whether a file name ends with `.` and this extension.
pub(crate) fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == extension)
}

/// The facts of a question about a package.
pub(crate) fn question(path: &str) -> Value {
    let name = path.rsplit('/').next().unwrap();
    json!({
        "question": format!("What does {name} do?"),
        "question_id": format!("discover.module.{name}"),
        "priority": "normal",
        "evidence": [format!("path:{path}")],
        "hypothesis": "",
        "capability_key": "",
        "action_class": "investigate",
        "module_path": "",
    })
}

/// A promotion with these changes.
pub(crate) fn promotion(changes: &Value) -> String {
    json!({"schema": "v1", "id": "p", "timestamp": 1, "fitness": 0.5, "changes": changes})
        .to_string()
}
