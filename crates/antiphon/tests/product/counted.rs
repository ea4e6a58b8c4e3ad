//! What durability costs: the syncs of a chain, counted by strace over the owner, its spawner and
//! the tasks.

use std::path::Path;

use rustix::process::Pid;
use serde_json::json;

use crate::support::tools::trace;
use crate::support::{Site, lines_of, until};

/// Tasks of the chain.
const TASKS: usize = 5;

/// An intent that starts a chain of tasks, each of which prints 1 KB and writes a result.
fn configuration() -> String {
    let intent = "[[intent]]\nmatch = 'start'\nemit = 'Q_STEP_0'\n".to_owned();
    (0..TASKS).fold(intent, |text, step| {
        let next = step + 1;
        format!(
            r#"{text}
[[worker]]
on = "Q_STEP_{step}"
task = "step-{step}"
succeeded = "Q_STEP_{next}"

[[task]]
name = "step-{step}"
command = ["sh", "-c", "printf %01024d 7; echo '{{}}' > $ANTIPHON_RESULT"]
"#
        )
    })
}

/// A process and all that descend from it.
fn family(pid: Pid) -> Vec<Pid> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        let path = format!("/proc/{0}/task/{0}/children", parent.as_raw_nonzero());
        let children = std::fs::read_to_string(Path::new(&path)).unwrap();
        family.extend(
            children
                .split_whitespace()
                .map(|child| Pid::from_raw(child.parse().unwrap()).unwrap()),
        );
        next += 1;
    }
    family
}

/// What a traced call means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Sync,
    Start,
}

fn calls(lines: &[String]) -> Vec<Call> {
    let mut calls = Vec::new();
    for line in lines {
        if line.contains("sync(") {
            assert!(
                line.contains("/antiphon.db-wal>"),
                "only the log is synced: {line}"
            );
            calls.push(Call::Sync);
        } else if line.contains("execve(") && line.ends_with(" = 0") {
            calls.push(Call::Start);
        }
    }
    calls
}

#[test]
fn there_is_one_sync_between_an_intent_and_its_process_and_one_for_each_task_of_a_chain() {
    let site = Site::new(&configuration());
    let owner = site.serve();
    let noted = site.outside.join("calls");
    let names = "trace=fsync,fdatasync,sync_file_range,msync,syncfs,sync,execve";
    let tracer = trace(&family(owner.pid()), &["-y", "-e", names], &noted);
    site.drop_intent("1.json", br#"{"type": "start", "id": "1", "data": {}}"#);
    let last = format!("Q_STEP_{TASKS}");
    let end = until("the chain ends", || {
        site.ask(&["signal", "list", "--name", &last]).pop()
    });
    owner.settle(end["id"].as_str().unwrap());
    tracer.detach();
    let mut expected = vec![Call::Sync];
    expected.extend([Call::Start, Call::Sync].repeat(TASKS));
    let lines = lines_of(&noted);
    assert_eq!(calls(&lines), expected, "{lines:#?}");
    let runs = site.ask(&["run", "list"]);
    assert_eq!(runs.len(), TASKS);
    assert!(runs.iter().all(|run| run["state"] == json!("succeeded")));
    owner.stop();
}
