//! A daemon and the commands that talk to it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::place::Place;

/// A daemon; killed when the test ends without having stopped it.
struct Daemon {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Daemon {
    /// Starts one and waits until it says that it is ready.
    fn start(place: &Place) -> Self {
        let mut child = place
            .command(&["serve"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("ready"), "{line:?}");
        Self { child, stdout }
    }

    /// Asks it to go and waits for its end.
    fn stop(mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn commands_talk_to_the_daemon_and_a_second_one_is_refused() {
    let place = Place::new(
        "[[worker]]\non = \"Q_A\"\ntask = \"echo\"\n[[task]]\nname = \"echo\"\ncommand = [\"cat\"]\n",
    );
    let daemon = Daemon::start(&place);
    place.run(&["serve"]).refused(75, "store.held");
    let status = place.json(&["status"]);
    assert_eq!(
        (&status["mode"], &status["slots"]),
        (&"normal".into(), &4.into())
    );
    let id = place.json(&["signal", "emit", "Q_A"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    place.run(&["signal", "emit", "Q_A", "--wait"]).done();
    assert!(place.run(&["why", &id]).done().contains("run "));
    place.run(&["stop", "pause", "--reason", "a test"]).done();
    assert_eq!(place.json(&["status"])["starts_work"], Value::Bool(false));
    assert!(place.run(&["stop", "pause"]).done().contains("already"));
    place.run(&["stop", "resume"]).done();
    place.run(&["task", "disable", "echo"]).done();
    assert_eq!(place.json(&["task", "list"])["enabled"], Value::Bool(false));
    daemon.stop();
    assert!(!place.file("antiphon.sock").exists());
    place.json(&["ledger", "verify"]);
}

#[test]
fn a_tail_follows_live() {
    let place = Place::new("");
    let daemon = Daemon::start(&place);
    place.run(&["signal", "emit", "Q_BEFORE"]).done();
    let mut tail = place
        .command(&["signal", "tail", "-f", "--output", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || {
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["signal"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(next(), "Q_BEFORE");
    place.run(&["signal", "emit", "Q_AFTER"]).done();
    assert_eq!(next(), "Q_AFTER");
    daemon.stop();
    assert!(lines.next().is_none());
    assert!(tail.wait().unwrap().success());
}
