//! Keys that are lost, and what a crash between the steps of a rotation leaves.

use antiphon_core::guard::Mode;
use antiphon_core::key::{KeyText, LOG, OPERATOR, OWNER};
use antiphon_engine::error::EngineError;
use antiphon_engine::handle::SubmitError;
use antiphon_testkit::fakes::{Disk, Fault, MemoryKeys};

use super::ring::{
    active, check_one_key_each, check_whole, recovery, register, revoke, rotate, submit_signed,
};
use super::support::{Running, World, plain, settle, signal};

#[tokio::test(start_paused = true)]
async fn a_key_takes_the_place_of_another_once_that_is_durable() {
    let world = World::new();
    let running = world.start(plain()).await;
    let mut keys = running.handle.keys();
    let old = active(&running, OWNER);
    let next = world.keys.make(&world.options.origin, OWNER);
    keys.mark_unchanged();
    let mut begun = world.disk.begun();
    begun.mark_unchanged();
    world.disk.hold();
    // A large batch, so that the writer holds it and not this thread.
    let large = running.submit(super::support::large("Q_NOTE"));
    begun.changed().await.unwrap();
    let handle = running.handle.clone();
    let control = rotate(&running, OWNER, &next, true);
    let rotated = tokio::spawn(async move { handle.control(control).await });
    settle().await;
    assert!(!keys.has_changed().unwrap() && !rotated.is_finished());
    assert_eq!(active(&running, OWNER), old);
    world.disk.release();
    large.await.unwrap().unwrap();
    rotated.await.unwrap().unwrap();
    assert_eq!(active(&running, OWNER), next);
    running.go().await.unwrap();
    check_whole(&world.disk);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_holds_takes_no_place() {
    let world = World::new();
    let running = world.start(plain()).await;
    let origin = &world.options.origin;
    let unheld = world.keys.apart(origin, OPERATOR).text();
    let refused = running
        .handle
        .control(rotate(&running, OPERATOR, &unheld, true));
    let refused = refused.await.unwrap_err();
    assert_eq!(refused, SubmitError::KeyMissing { key: unheld });
    assert_eq!(refused.code(), "key.missing");
    let unheld = world.keys.apart(origin, "LARS").text();
    let refused = running
        .handle
        .control(register("LARS", &unheld, true))
        .await;
    assert_eq!(refused, Err(SubmitError::KeyMissing { key: unheld }));
    assert_eq!(world.kinds(), [] as [&str; 0]);
    running.stop(Mode::Drain).await.unwrap();
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f23_a_key_that_is_lost_ends_the_owner_and_nothing_is_appended_unsigned() {
    for agent in [OPERATOR, OWNER] {
        let world = World::new();
        let running = world.start(plain()).await;
        let put_back = world.keys.lose(&active(&running, agent));
        let head = world.disk.contents().head;
        let unanswered = match agent {
            OPERATOR => running.stop(Mode::Drain).await,
            _ => running.handle.configure(super::ring::asking()).await,
        };
        assert_eq!(unanswered, Err(SubmitError::Closed));
        check_missing(running.ended().await, agent);
        assert_eq!(world.disk.contents().head, head, "{agent}");

        let opened = world.open(plain()).await;
        check_missing(opened.map(|_opened| ()), agent);
        assert_eq!(world.disk.contents().head, head, "nothing is begun");

        put_back();
        let running = world.start(plain()).await;
        running.stop(Mode::Drain).await.unwrap();
        running.go().await.unwrap();
        check_whole(&world.disk);
    }
}

fn check_missing(ended: Result<(), EngineError>, agent: &str) {
    let error = ended.unwrap_err();
    assert_eq!(error.code(), "key.missing", "{error}");
    assert!(error.to_string().contains(agent), "{error}");
}

#[tokio::test(start_paused = true)]
async fn f23_an_owner_does_not_start_without_the_key_of_its_log() {
    let world = World::new();
    let running = world.start(plain()).await;
    let key = active(&running, LOG);
    running.go().await.unwrap();
    drop(world.keys.lose(&key));
    let head = world.disk.contents().head;
    let error = world.open(plain()).await.map(|_opened| ()).unwrap_err();
    assert_eq!(error.code(), "key.missing");
    assert_eq!(world.disk.contents().head, head);
}

#[tokio::test(start_paused = true)]
async fn f23_a_key_that_was_lost_is_revoked_and_the_log_goes_on() {
    let world = World::new();
    let running = world.start(plain()).await;
    let lost = active(&running, OPERATOR);
    drop(world.keys.lose(&lost));
    let next = world.keys.make(&world.options.origin, OPERATOR);
    let revocation = revoke(&running, OPERATOR, &next, true);
    submit_signed(&running, revocation, &[&recovery(&world)])
        .await
        .unwrap();
    running.stop(Mode::Drain).await.unwrap();
    running.go().await.unwrap();
    let running = world.start(plain()).await;
    assert_eq!(active(&running, OPERATOR), next);
    running.go().await.unwrap();
    check_whole(&world.disk);
}

/// A root that has one key of each agent and was left alone.
async fn founded() -> World {
    let world = World::new();
    world.start(plain()).await.go().await.unwrap();
    world
}

async fn rotate_all(running: &Running, keys: &MemoryKeys) -> Vec<Result<KeyText, SubmitError>> {
    let mut done = Vec::new();
    for agent in [LOG, OPERATOR, OWNER] {
        let next = keys.make("test", agent);
        let rotated = running
            .handle
            .control(rotate(running, agent, &next, true))
            .await;
        done.push(rotated.map(|_reply| next));
    }
    done
}

#[tokio::test(start_paused = true)]
async fn f24_a_crash_before_or_after_the_record_of_a_rotation_leaves_exactly_one_valid_key() {
    for fault in [Fault::Sync, Fault::SyncAfterWriting] {
        let world = founded().await;
        let running = world.start(plain()).await;
        let before = active(&running, OWNER);
        let next = world.keys.make(&world.options.origin, OWNER);
        world.disk.fail(fault);
        let rotated = running
            .handle
            .control(rotate(&running, OWNER, &next, true))
            .await;
        assert_eq!(
            rotated.map(|_reply| ()),
            Err(SubmitError::Closed),
            "{fault:?}"
        );
        running.ended().await.unwrap_err();

        // Both keys are held: which one is valid is what the log says, and nothing is to be mended.
        let after = world.crashed();
        let running = after.start(plain()).await;
        let expected = if fault == Fault::Sync { &before } else { &next };
        assert_eq!(active(&running, OWNER), *expected, "{fault:?}");
        running.stop(Mode::Drain).await.unwrap();
        running.go().await.unwrap();
        check_one_key_each(&after.disk);
    }
}

#[tokio::test(start_paused = true)]
async fn f24_every_prefix_of_a_log_with_rotations_verifies_and_an_owner_goes_on_from_it() {
    let world = founded().await;
    let running = world.start(plain()).await;
    running.emit(signal("Q_NOTE")).await;
    for done in rotate_all(&running, &world.keys).await {
        done.unwrap();
    }
    let next = world.keys.make(&world.options.origin, OWNER);
    let revocation = revoke(&running, OWNER, &next, true);
    submit_signed(&running, revocation, &[&recovery(&world)])
        .await
        .unwrap();
    running.stop(Mode::Drain).await.unwrap();
    running.go().await.unwrap();
    let whole = world.disk.contents();
    for kept in 1..=whole.turns.len() {
        let disk = Disk::of(whole.clone());
        disk.change(|contents| {
            contents.turns.truncate(kept);
            contents.head = super::ring::head_of(contents);
        });
        check_one_key_each(&disk);
        let mut cut = world.crashed();
        cut.disk = disk;
        // A crash within the second in which no checkpoint covers what is durable.
        cut.checkpoints.set(None);
        let running = cut.start(plain()).await;
        running.stop(Mode::Pause).await.unwrap();
        running.go().await.unwrap();
        check_whole(&cut.disk);
    }
}

#[tokio::test(start_paused = true)]
async fn f22_two_failures_in_a_row_leave_no_gap_and_no_signature_that_does_not_fit() {
    let world = founded().await;
    let running = world.start(plain()).await;
    world.disk.fail(Fault::Sync);
    let unanswered = running.stop(Mode::Drain).await;
    assert_eq!(unanswered, Err(SubmitError::Closed));
    running.ended().await.unwrap_err();
    let head = world.disk.contents().head;

    world.disk.fail(Fault::Sync);
    let reloaded = world.open(plain()).await.map(|_opened| ());
    assert_eq!(reloaded.unwrap_err().code(), "store.io");
    assert_eq!(world.disk.contents().head, head);

    let running = world.start(plain()).await;
    running.stop(Mode::Drain).await.unwrap();
    running.go().await.unwrap();
    let seqs: Vec<u64> = world
        .disk
        .records()
        .iter()
        .map(|record| record.seq)
        .collect();
    let expected: Vec<u64> = (0..world.disk.contents().head.next_seq).collect();
    assert_eq!(seqs, expected);
    check_whole(&world.disk);
}
