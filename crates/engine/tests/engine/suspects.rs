//! An input that stops the machine: stepped alone, then never again; others go on.

use antiphon_core::id::Digest;
use antiphon_core::record::{Body, Payload, SnapshotTaken};
use antiphon_core::state::STATE_VERSION;
use antiphon_engine::error::EngineError;
use antiphon_engine::handle::SubmitError;
use antiphon_engine::ports::effector::Effector as _;
use antiphon_engine::ports::store::Snapshot;
use antiphon_engine::recover::recover;

use super::support::{World, keyed, plain, policy, signal, task, worker};

/// A root whose state is broken as no owner breaks it: the task `poison` has no text, and the machine
/// trips over it when a signal plans one.
async fn broken(policy: &std::sync::Arc<antiphon_core::policy::Policy>) -> World {
    let world = World::new();
    world.start(policy.clone()).await.go().await.unwrap();
    let mut state = recover(world.disk.reader().as_mut(), 0).unwrap().state;
    let name = antiphon_core::name::TaskName::new("poison").unwrap();
    let version = state.tasks[&name];
    state.versions.remove(&version).unwrap();
    let snapshot = Snapshot {
        at_seq: state.next_seq - 1,
        bytes: state.to_bytes().unwrap(),
    };
    world
        .disk
        .forge(&Body::SnapshotTaken(Box::new(SnapshotTaken {
            at_seq: snapshot.at_seq,
            sha256: Digest::of(&snapshot.bytes),
            state_version: STATE_VERSION,
        })));
    world
        .disk
        .change(|contents| contents.snapshots.push(snapshot));
    world
}

#[tokio::test(start_paused = true)]
async fn f39_an_input_that_stops_the_machine_is_parked_the_third_time_and_others_go_on() {
    let policy = policy(|source| {
        source.tasks.push(task("poison"));
        source.workers.push(worker("Q_POISON", "poison"));
    });
    let world = broken(&policy).await;
    let poison = || keyed(signal("Q_POISON"), "p");
    let mut innocent = None;
    for start in 1..=2 {
        let running = world.start(policy.clone()).await;
        let before = running.submit(keyed(signal("Q_NOTE"), "before"));
        let poisoned = running.submit(poison());
        let behind = running.submit(keyed(signal("Q_NOTE"), "behind"));
        let executor = running.executor.clone();
        let ended = running.ended().await;
        assert!(
            matches!(ended, Err(EngineError::Bug(_))),
            "start {start}: {ended:?}"
        );
        for answer in [before, poisoned, behind] {
            assert_eq!(
                answer.await.unwrap(),
                Err(SubmitError::Closed),
                "start {start}"
            );
        }
        assert!(executor.seen().launched.is_empty());
        assert!(world.files.read("run/suspects").unwrap().is_some());
    }
    let running = world.start(policy.clone()).await;
    let before = running.submit(keyed(signal("Q_NOTE"), "before"));
    let poisoned = running.submit(poison());
    let behind = running.submit(signal("Q_WORK"));
    for answer in [before, behind] {
        innocent = Some(answer.await.unwrap().unwrap());
    }
    let refused = poisoned.await.unwrap();
    running
        .executor
        .until(|seen| seen.launched.len() == 1)
        .await;
    assert!(innocent.is_some_and(|submitted| !submitted.duplicate));
    let letters: Vec<_> = world
        .bodies()
        .into_iter()
        .filter_map(|body| match body {
            Body::LetterParked(letter) => Some(letter),
            _ => None,
        })
        .collect();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].code, "input.suspect");
    assert!(matches!(letters[0].payload, Payload::Bytes { .. }));
    let letter = letters[0].id;
    assert_eq!(refused, Err(SubmitError::Suspect { letter }));
    assert_eq!(running.handle.submit(poison()).await, refused, "again");
    assert_eq!(world.count("letter.parked"), 1);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f39_an_innocent_input_of_a_bad_batch_is_stepped_alone_and_cleared() {
    let policy = policy(|source| {
        source.tasks.push(task("poison"));
        source.workers.push(worker("Q_POISON", "poison"));
    });
    let world = broken(&policy).await;
    let running = world.start(policy.clone()).await;
    let innocent = running.submit(signal("Q_NOTE"));
    let poisoned = running.submit(signal("Q_POISON"));
    assert!(running.ended().await.is_err());
    assert!(innocent.await.unwrap().is_err() && poisoned.await.unwrap().is_err());
    let running = world.start(policy).await;
    for _time in 0..3 {
        running.emit(signal("Q_NOTE")).await;
    }
    let suspects = world.files.read("run/suspects").unwrap().unwrap();
    let suspects: serde_json::Value = serde_json::from_slice(&suspects).unwrap();
    assert_eq!(suspects.as_object().unwrap().len(), 1, "{suspects}");
    running.go().await.unwrap();
}

#[tokio::test]
async fn suspects_that_cannot_be_read_suspect_nobody() {
    let world = World::new();
    world.files.write("run/suspects", b"{\"half").unwrap();
    let running = world.start(plain()).await;
    running.emit(signal("Q_NOTE")).await;
    running.go().await.unwrap();
}
