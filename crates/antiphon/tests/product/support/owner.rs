//! A running owner: `antiphon serve`, asked, signalled, killed.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};

use super::http::{self, Answer};
use super::{PATIENCE, Site, try_until, until};

/// An owner; one that is still there when the test ends is killed.
#[derive(Debug)]
pub(crate) struct Owner {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

/// What an accepted signal was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Emitted {
    pub(crate) id: String,
    pub(crate) seq: u64,
    pub(crate) duplicate: bool,
}

impl Owner {
    pub(crate) fn start(mut command: Command, site: &Site) -> Self {
        let log = site.outside.join("owner.log");
        let open = || File::options().create(true).append(true).open(&log);
        let child = command
            .stdin(Stdio::null())
            .stdout(open().unwrap())
            .stderr(open().unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            socket: site.socket(),
            log,
        }
    }

    /// Waits until it takes signals.
    #[track_caller]
    pub(crate) fn wait_until_ready(&mut self) {
        let ready = try_until(|| {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "the owner ended: {ended:?}\n{}",
                self.words()
            );
            self.readiness()
        });
        if let Err(why) = ready {
            let words = self.words();
            panic!("the owner is not ready within {PATIENCE:?}: {why}\n{words}");
        }
    }

    /// Whether it takes signals.
    pub(crate) fn is_ready(&self) -> bool {
        self.readiness().is_ok()
    }

    /// Nothing when it takes signals, else what it says instead.
    fn readiness(&self) -> Result<(), String> {
        let answer = http::request(&self.socket, "GET /readyz", &[], b"");
        match answer.map_err(|error| error.to_string())? {
            Answer { status: 200, .. } => Ok(()),
            answer => Err(format!(
                "{} {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            )),
        }
    }

    /// What it said so far.
    pub(crate) fn words(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The answer to `GET path`, which must be good.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = http::request(&self.socket, &format!("GET {path}"), &[], b"").unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.json());
        answer.json()
    }

    /// Posts JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> std::io::Result<Answer> {
        let headers = [("Content-Type", "application/json")];
        let line = format!("POST {path}");
        http::request(&self.socket, &line, &headers, body.to_string().as_bytes())
    }

    /// Emits a signal that must be accepted.
    #[track_caller]
    pub(crate) fn emit(&self, signal: &str, facts: &Value) -> Emitted {
        let body = json!({"signal": signal, "source": "test", "facts": facts});
        let answer = self.post("/api/v1/signals", &body).unwrap();
        assert_eq!(answer.status, 202, "{}", answer.json());
        Emitted::of(&answer.json())
    }

    /// Waits until nothing of the signal's chain is left to do, and gives its runs.
    #[track_caller]
    pub(crate) fn settle(&self, id: &str) -> Vec<Value> {
        let path = format!("/api/v1/signals/{id}/settled?within_ms=60000");
        let settled = self.get(&path);
        assert_eq!(settled["settled"], true, "{settled}\n{}", self.words());
        settled["runs"].as_array().unwrap().clone()
    }

    /// Emits, and waits until nothing of it is left to do.
    #[track_caller]
    pub(crate) fn emit_and_settle(&self, signal: &str, facts: &Value) -> Vec<Value> {
        let emitted = self.emit(signal, facts);
        self.settle(&emitted.id)
    }

    /// How it stands.
    pub(crate) fn status(&self) -> Value {
        self.get("/api/v1/status")
    }

    /// How it stands, if it answers.
    pub(crate) fn try_status(&self) -> Option<Value> {
        let answer = http::request(&self.socket, "GET /api/v1/status", &[], b"").ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// Waits until its status is as `wanted` says, and gives it.
    #[track_caller]
    pub(crate) fn wait_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let seen = try_until(|| match self.status() {
            status if wanted(&status) => Ok(status),
            status => Err(status),
        });
        match seen {
            Ok(status) => status,
            Err(status) => {
                let words = self.words();
                panic!("{what}: not within {PATIENCE:?}: {status}\n{words}");
            }
        }
    }

    /// Sends it a signal of the system.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The same owner, whose root was moved.
    pub(crate) fn reached_at(mut self, socket: &Path) -> Self {
        socket.clone_into(&mut self.socket);
        self
    }

    /// This owner once its status is as `wanted` says; nothing if it ended because its log could not
    /// be written.
    pub(crate) fn sees_or_ends(mut self, wanted: impl Fn(&Value) -> bool) -> Option<Self> {
        let ended = until("it sees or it ends", || {
            let seen = self.try_status().is_some_and(|status| wanted(&status));
            let ended = self.has_ended();
            (seen || ended.is_some()).then_some(ended)
        });
        assert!(ended.is_none_or(|code| code == 74), "{}", self.words());
        ended.is_none().then_some(self)
    }

    /// Kills it: itself only, what it started is its spawner's to end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its exit code, if it has ended.
    pub(crate) fn has_ended(&mut self) -> Option<i32> {
        self.child
            .try_wait()
            .unwrap()
            .and_then(|status| status.code())
    }

    /// Kills it and whoever started it, by their group.
    pub(crate) fn kill_group(mut self) {
        if self.has_ended().is_none() {
            kill_process_group(self.pid(), Signal::KILL).unwrap();
        }
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        until("the owner ends", || self.child.try_wait().unwrap())
    }

    /// Waits for its end by this exit code, and gives what it said.
    #[track_caller]
    pub(crate) fn must_end(mut self, code: i32) -> String {
        let status = self.wait();
        let (shown, words) = ((status.code(), status.signal()), self.words());
        assert_eq!(shown, (Some(code), None), "{words}");
        words
    }

    /// Asks it to end, and waits for that: nothing is left to do, so it must be well.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.signal(Signal::TERM);
        self.must_end(0);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Emitted {
    pub(crate) fn of(value: &Value) -> Self {
        Self {
            id: value["id"].as_str().unwrap().to_owned(),
            seq: value["seq"].as_u64().unwrap(),
            duplicate: value["duplicate"].as_bool().unwrap(),
        }
    }
}
