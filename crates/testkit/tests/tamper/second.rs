//! The second verifier, `tools/verify_ledger.py`, as one process that answers questions.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The process; it ends when it is dropped.
pub(crate) struct Second {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Second {
    /// Starts it; it needs `python3` and its package `cryptography`.
    pub(crate) fn start() -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/answer.py");
        let mut child = Command::new("python3")
            .args(["-B", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            questions: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Its answer to one question: an object whose `op` says what is asked.
    pub(crate) fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions.as_mut().unwrap(), "{question}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("no answer to {question}: {error}"))
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // No more questions: it ends.
        self.questions = None;
        let status = self.child.wait().unwrap();
        assert!(
            status.success() || std::thread::panicking(),
            "the second verifier failed: {status}"
        );
    }
}
