//! The log under processes that are killed: this program runs itself as the process to kill.
//!
//! It is its own harness, so that the process to kill is no test among tests.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test program: it is run by arguments, answers on standard output, and panics"
)]

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use antiphon_backend_sqlite::{SqliteStore, open_views};
use antiphon_core::id::Id;
use antiphon_engine::ports::store::{Batch, Head, Snapshot, Store, StoreError, push_framed};
use antiphon_engine::ports::views::Projected;
use antiphon_testkit::conformance::sample::{accepted, id, key, signal};

const TESTS: &[(&str, fn())] = &[
    (
        "f2_kill_at_any_instant_loses_nothing_acknowledged",
        f2_kill_at_any_instant,
    ),
    (
        "f2_kill_leaves_views_that_are_right_up_to_their_end",
        f2_kill_leaves_views,
    ),
    (
        "f29_of_processes_that_race_exactly_one_owns",
        f29_of_processes_that_race,
    ),
    (
        "f30_the_lock_of_a_killed_owner_is_free_at_once",
        f30_the_lock_of_a_killed_owner,
    ),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["append", root] => append(Path::new(root)),
        ["project", root] => project(Path::new(root)),
        ["own", root] => own(Path::new(root)),
        words => {
            let filter = words.iter().find(|word| !word.starts_with('-'));
            let is_chosen = |name: &str| filter.is_none_or(|filter| name.contains(filter));
            for (name, test) in TESTS.iter().filter(|(name, _)| is_chosen(name)) {
                test();
                println!("test {name} ... ok");
            }
        }
    }
}

/// This program as another process; killed when it is dropped.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(verb: &str, root: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([verb, root.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// Kills it; the last whole number that it said.
    fn kill(mut self) -> Option<u64> {
        self.child.kill().unwrap();
        self.lines
            .by_ref()
            .map_while(Result::ok)
            .filter_map(|line| line.parse().ok())
            .last()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn say(what: &impl std::fmt::Display) {
    println!("{what}");
    std::io::stdout().flush().unwrap();
}

/// A batch whose every byte is told by its place; every third is larger than a page.
fn batch(head: &Head) -> Batch {
    let mut batch = Batch::default();
    batch.turn.first_seq = head.next_seq;
    batch.turn.count = u32::try_from(head.next_seq % 5).unwrap() + 1;
    for seq in (head.next_seq..).take(usize::try_from(batch.turn.count).unwrap()) {
        let length = if seq % 3 == 0 { 9_000 } else { 90 };
        push_framed(&mut batch.turn.envelopes, &seq.to_be_bytes());
        let bodies = batch.turn.bodies.get_or_insert_default();
        push_framed(bodies, &vec![seq.to_le_bytes()[0]; length]);
    }
    batch.turn.root = [1; 32];
    batch.last_leaf = [head.next_seq.to_le_bytes()[0]; 32];
    batch
}

/// Appends until it is killed and says the end of the log after each commit.
fn append(root: &Path) {
    let mut store = SqliteStore::open(root, 0).unwrap();
    let mut head = store.head().unwrap();
    loop {
        let next = batch(&head);
        store.append(&head, &next).unwrap();
        head = next.head();
        say(&head.next_seq);
        if head.next_seq % 40 < 5 {
            let snapshot = Snapshot {
                at_seq: head.next_seq - 1,
                bytes: vec![7; 50_000],
            };
            store.put_snapshot(&snapshot, None).unwrap();
        }
    }
}

fn f2_kill_at_any_instant() {
    let root = tempfile::tempdir().unwrap();
    let mut end = 0;
    for cycle in 0..20_u64 {
        let mut process = Process::start("append", root.path());
        let mut acknowledged = end;
        // Commits go on while we read: the instant of the kill is anywhere in one of them.
        for _ in 0..(cycle * 7) % 23 {
            acknowledged = process.line().parse().unwrap();
        }
        acknowledged = process.kill().unwrap_or(acknowledged);
        let mut store = SqliteStore::open(root.path(), 0).unwrap();
        let head = store.head().unwrap();
        assert!(
            head.next_seq >= acknowledged,
            "{head:?} lacks what was acknowledged"
        );
        assert!(
            head.next_seq <= acknowledged.max(end) + 5,
            "{head:?} goes beyond one batch"
        );
        end = head.next_seq;
    }
    let mut store = SqliteStore::open(root.path(), 0).unwrap();
    let mut head = Head::empty();
    for turn in store.reader().unwrap().turns_from(0, usize::MAX).unwrap() {
        let expect = batch(&head);
        assert_eq!(turn, expect.turn, "every turn is whole");
        head = expect.head();
    }
    assert_eq!(store.head().unwrap(), head);
    assert!(end > 100, "the processes have worked");
}

fn log_id() -> Id {
    id(7, 7)
}

fn keyed(seq: u64) -> Projected {
    let mut signal = signal(seq, "Q_A");
    signal.key = Some(key(seq));
    accepted(seq, signal)
}

/// Projects until it is killed.
fn project(root: &Path) {
    let (mut builder, _index, _views) = open_views(root, log_id(), u64::MAX).unwrap();
    loop {
        let from = builder.complete_to().unwrap();
        let records: Vec<_> = (from..from + 3_000).map(keyed).collect();
        builder.project(&records).unwrap();
        say(&builder.complete_to().unwrap());
    }
}

fn f2_kill_leaves_views() {
    let root = tempfile::tempdir().unwrap();
    for cycle in 0..8 {
        let mut process = Process::start("project", root.path());
        let mut projected = 0;
        for _ in 0..=cycle {
            projected = process.line().parse().unwrap();
        }
        projected = process.kill().unwrap_or(projected);
        let (_builder, mut index, views) = open_views(root.path(), log_id(), u64::MAX).unwrap();
        let end = index.complete_to().unwrap();
        assert!(end >= projected, "a kill costs no committed transaction");
        assert_eq!(views.complete_to().unwrap(), end);
        let hashes: Vec<_> = (0..end + 10).map(|number| key(number).hash).collect();
        let known = index.lookup(&hashes).unwrap();
        assert_eq!(
            known.len(),
            usize::try_from(end).unwrap(),
            "its keys and no others are known"
        );
    }
}

/// Says whether it owns the root, and holds it until its input ends.
fn own(root: &Path) {
    let store = SqliteStore::open(root, 0);
    match &store {
        Ok(_) => say(&"owner"),
        Err(StoreError::Held { .. }) => say(&"held"),
        Err(error) => say(error),
    }
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(store);
}

fn f29_of_processes_that_race() {
    let root = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let mut processes: Vec<_> = (0..6).map(|_| Process::start("own", root.path())).collect();
        let mut said: Vec<_> = processes.iter_mut().map(Process::line).collect();
        said.sort();
        assert_eq!(said, ["held", "held", "held", "held", "held", "owner"]);
    }
}

fn f30_the_lock_of_a_killed_owner() {
    let root = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let mut process = Process::start("own", root.path());
        assert_eq!(process.line(), "owner");
        let held = SqliteStore::open(root.path(), 0).map(|store| store.epoch());
        let owner = format!("antiphon process {} ", process.child.id());
        assert!(
            matches!(&held, Err(StoreError::Held { owner: hint, .. }) if hint.starts_with(&owner)),
            "{held:?}"
        );
        drop(process);
        SqliteStore::open(root.path(), 0).unwrap();
    }
}
