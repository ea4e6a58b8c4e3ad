//! A start: what it makes of the log, what it refuses, and what it does with leases that were lost.

use antiphon_core::id::Digest;
use antiphon_core::record::{Body, SnapshotTaken};
use antiphon_core::report::{Exit, Fate};
use antiphon_core::run::Outcome;
use antiphon_core::state::{STATE_VERSION, State};
use antiphon_core::task::Interrupted;
use antiphon_engine::ports::signer::Signer;
use antiphon_engine::ports::store::{Head, Snapshot, Turn};
use antiphon_engine::recover::{Recovered, recover};
use antiphon_testkit::fakes::{Contents, Disk, FakeExecutor, Manner, report};

use super::support::{World, keyed, plain, policy, settle, signal, task, worker};

/// A log with a bit of everything, more than two tiles of it.
async fn history() -> Contents {
    let mut world = World::new();
    world.manner = Manner::Succeeds;
    let policy = policy(|source| {
        source.tasks.push(task("next"));
        source.workers.push(worker("Q_DONE", "next"));
    });
    let running = world.start(policy).await;
    for round in 0..70 {
        for number in 0..5 {
            let key = format!("{round}/{number}");
            running.emit(keyed(signal("Q_NOTE"), &key)).await;
        }
        running.emit(signal("Q_WORK")).await;
        settle().await;
    }
    running
        .stop(antiphon_core::guard::Mode::Pause)
        .await
        .unwrap();
    running.emit(signal("Q_WORK")).await;
    running.go().await.unwrap();
    let contents = world.disk.contents();
    assert!(contents.head.next_seq > 512, "{}", contents.head.next_seq);
    contents
}

fn fold(contents: &Contents) -> Recovered {
    recover(Disk::of(contents.clone()).reader().as_mut(), 0).unwrap()
}

/// The log as it was after its first `turns`.
fn cut(contents: &Contents, turns: usize) -> Contents {
    let mut cut = contents.clone();
    cut.turns.truncate(turns);
    let size = cut.turns.last().map_or(0, Turn::next_seq);
    let next = &contents.turns[turns].records().unwrap()[0];
    let next = antiphon_ledger::envelope::Envelope::decode(next.envelope).unwrap();
    cut.head = Head {
        next_seq: size,
        last_leaf: next.prev,
        root: cut.turns.last().unwrap().root,
    };
    cut
}

fn taken(snapshot: &Snapshot) -> Body {
    Body::SnapshotTaken(Box::new(SnapshotTaken {
        at_seq: snapshot.at_seq,
        sha256: Digest::of(&snapshot.bytes),
        state_version: STATE_VERSION,
    }))
}

#[tokio::test]
async fn a_fold_from_every_snapshot_gives_the_same_state() {
    let contents = history().await;
    let mut used = 0;
    for turns in (1..contents.turns.len()).step_by(19) {
        let state = fold(&cut(&contents, turns)).state;
        let snapshot = Snapshot {
            at_seq: state.next_seq - 1,
            bytes: state.to_bytes().unwrap(),
        };
        let disk = Disk::of(contents.clone());
        disk.forge(&taken(&snapshot));
        let from_start = fold(&disk.contents());
        disk.change(|contents| contents.snapshots.push(snapshot));
        let from_snapshot = fold(&disk.contents());
        assert_eq!(
            from_snapshot.records_since_snapshot,
            from_start.head.next_seq - state.next_seq,
            "the snapshot of record {} was used",
            state.next_seq
        );
        assert_eq!(
            from_snapshot.state.to_bytes().unwrap(),
            from_start.state.to_bytes().unwrap()
        );
        assert_eq!(from_snapshot.tree.root(), from_start.tree.root());
        assert_eq!(from_snapshot.keys, from_start.keys);
        used += 1;
    }
    assert!(used > 15, "{used} snapshots");
}

#[tokio::test]
async fn a_snapshot_that_no_record_names_is_not_used() {
    let contents = history().await;
    let truth = fold(&contents).state.to_bytes().unwrap();
    let turns = contents.turns.len() - 3;
    let harmless = |state: &mut State| state.signals.clear();
    let unusable = |state: &mut State| state.log = None;
    let cannot_follow = |state: &mut State| state.runs.clear();
    let changes: [fn(&mut State); 3] = [harmless, unusable, cannot_follow];
    for (number, change) in changes.into_iter().enumerate() {
        let mut state = fold(&cut(&contents, turns)).state;
        change(&mut state);
        let snapshot = Snapshot {
            at_seq: state.next_seq - 1,
            bytes: state.to_bytes().unwrap(),
        };
        let mut with = contents.clone();
        with.snapshots.push(snapshot.clone());
        let recovered = fold(&with);
        assert_eq!(
            recovered.state.to_bytes().unwrap(),
            truth,
            "change {number}"
        );
        // A record that names another snapshot of the same place does not help it.
        let disk = Disk::of(with);
        disk.forge(&taken(&Snapshot {
            bytes: b"another".to_vec(),
            ..snapshot
        }));
        let recovered = fold(&disk.contents());
        assert_eq!(recovered.records_since_snapshot, recovered.head.next_seq);
    }
}

#[tokio::test]
async fn an_owner_that_goes_leaves_a_snapshot_that_its_log_names() {
    let world = World::new();
    let running = world.start(plain()).await;
    let answers: Vec<_> = (0..1_100)
        .map(|_| running.submit(signal("Q_NOTE")))
        .collect();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    running.go().await.unwrap();
    assert_eq!(world.count("snapshot.taken"), 1);
    let recovered = fold(&world.disk.contents());
    assert_eq!(
        recovered.records_since_snapshot, 1,
        "only the record that names it"
    );
    let running = world.start(plain()).await;
    running.emit(signal("Q_NOTE")).await;
    running.go().await.unwrap();
}

/// What was done to the log, and what the refusal says.
struct Damage {
    what: &'static str,
    change: fn(&mut Contents),
    says: &'static str,
}

fn flip(blob: &mut [u8], text: &str) {
    let found = blob
        .windows(text.len())
        .rposition(|bytes| bytes == text.as_bytes());
    blob[found.unwrap()] ^= 1;
}

fn turn_of(contents: &mut Contents, seq: u64) -> &mut Turn {
    let index = contents.turns.partition_point(|turn| turn.first_seq <= seq) - 1;
    &mut contents.turns[index]
}

const DAMAGES: [Damage; 8] = [
    Damage {
        what: "a body that still reads",
        change: |contents| flip(turn_of(contents, 100).bodies.as_mut().unwrap(), "test"),
        says: "record 100",
    },
    Damage {
        what: "a body that does not",
        change: |contents| flip(turn_of(contents, 100).bodies.as_mut().unwrap(), "{"),
        says: "record 100",
    },
    Damage {
        what: "an envelope",
        change: |contents| flip(&mut turn_of(contents, 100).envelopes, "time"),
        says: "record 100",
    },
    Damage {
        what: "a record that is not there",
        change: |contents| {
            let index = contents.turns.partition_point(|turn| turn.first_seq <= 100) - 1;
            contents.turns.remove(index);
        },
        says: "record 100",
    },
    Damage {
        what: "an end that is not there",
        change: |contents| drop(contents.turns.pop()),
        says: "is missing",
    },
    Damage {
        what: "a root",
        change: |contents| turn_of(contents, 100).root[0] ^= 1,
        says: "record 100",
    },
    Damage {
        what: "another last leaf",
        change: |contents| contents.head.last_leaf[0] ^= 1,
        says: "head",
    },
    Damage {
        what: "another root of the whole",
        change: |contents| contents.head.root[0] ^= 1,
        says: "head",
    },
];

#[tokio::test]
async fn a_damaged_log_is_refused_and_its_first_bad_record_named() {
    let world = World::new();
    let running = world.start(plain()).await;
    for _signal in 0..150 {
        running.emit(signal("Q_NOTE")).await;
    }
    running.kill().await;
    for Damage { what, change, says } in DAMAGES {
        let damaged = world.crashed();
        damaged.disk.change(change);
        let before = damaged.disk.contents().head;
        let Err(error) = damaged.open(plain()).await else {
            panic!("{what}: it was not refused");
        };
        assert!(error.to_string().contains(says), "{what}: {error}");
        assert_eq!(
            damaged.disk.contents().head,
            before,
            "{what}: nothing was added"
        );
    }
}

#[tokio::test]
async fn what_stands_before_the_snapshot_is_read_in_the_background_and_refused() {
    let contents = history().await;
    let state = fold(&contents).state;
    let disk = Disk::of(contents);
    let snapshot = Snapshot {
        at_seq: state.next_seq - 1,
        bytes: state.to_bytes().unwrap(),
    };
    disk.forge(&taken(&snapshot));
    disk.change(|contents| {
        contents.snapshots.push(snapshot);
        flip(turn_of(contents, 100).bodies.as_mut().unwrap(), "test");
    });
    tokio::time::pause();
    let mut world = World::new();
    // The same keys that the history began with.
    drop(world.keys.begin(&world.options.origin));
    world.disk = disk;
    world.views.stall();
    let running = world.start(plain()).await;
    let error = running.ended().await.unwrap_err();
    assert!(error.to_string().contains("(body.hash)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn leases_of_a_lost_owner_are_recovered_once() {
    for (fate, outcome) in [
        (None, Some(Outcome::Unknown)),
        (Some(Fate::Unproven), Some(Outcome::Unknown)),
        (Some(Fate::Dead), Some(Outcome::Unknown)),
        (
            Some(Fate::Reported(Box::new(report(Exit::Code(0))))),
            Some(Outcome::Succeeded),
        ),
        (Some(Fate::NeverStarted), None),
    ] {
        let world = World::new();
        let running = world.start(plain()).await;
        running.emit(signal("Q_WORK")).await;
        let seen = running.executor.until(|seen| seen.running.len() == 1).await;
        let token = seen.tokens()[0];
        running.kill().await;
        let (executor, events) = FakeExecutor::new(Manner::Runs);
        if let Some(fate) = fate.clone() {
            executor.set_fate(token, fate);
        }
        let opened = world.open_with(plain(), executor, events).await.unwrap();
        assert_eq!(opened.executor.seen().recovered, [token]);
        let settled = world.bodies().into_iter().find_map(|body| match body {
            Body::RunSettled(body) => Some((body.token, body.outcome)),
            _ => None,
        });
        assert_eq!(settled, outcome.map(|outcome| (token, outcome)), "{fate:?}");
        let running = opened.run();
        if outcome.is_none() {
            let seen = running.executor.until(|seen| seen.running.len() == 1).await;
            assert_eq!(
                seen.launched[0].attempt, 1,
                "it never started: it is not counted"
            );
        }
        running.go().await.unwrap();
        let again = world.open(plain()).await.unwrap();
        assert_eq!(again.executor.seen().recovered, [] as [u64; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_from_a_recovered_outcome_is_heard_by_the_rules() {
    let chain = || {
        policy(|source| {
            source.tasks.push(task("next"));
            source.workers.push(worker("Q_DONE", "next"));
            source.tasks[0].on_lost = Interrupted::Retry;
        })
    };
    let world = World::new();
    let running = world.start(chain()).await;
    running.emit(signal("Q_WORK")).await;
    let seen = running.executor.until(|seen| seen.running.len() == 1).await;
    running.kill().await;
    let (executor, events) = FakeExecutor::new(Manner::Runs);
    let fate = Fate::Reported(Box::new(report(Exit::Code(0))));
    executor.set_fate(seen.tokens()[0], fate);
    let running = world
        .open_with(chain(), executor, events)
        .await
        .unwrap()
        .run();
    let seen = running.executor.until(|seen| seen.running.len() == 1).await;
    assert_eq!(seen.launched[0].task.as_str(), "next");
    running.go().await.unwrap();
}
