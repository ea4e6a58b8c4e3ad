//! Retention: which bodies go, when, and what is left of a log that has lost some.

use std::collections::BTreeSet;
use std::time::Duration;

use antiphon_engine::error::EngineError;
use antiphon_engine::ports::store::StoreError;
use antiphon_engine::recover::recover;
use antiphon_ledger::verify::{Statement, Verifier};
use antiphon_testkit::fakes::{Contents, Disk};

use super::support::{Running, World, plain, settle, signal, sized};

const AGE: Duration = Duration::from_hours(720);

fn world() -> World {
    let mut world = World::new();
    world.options.retention_ms = Some(u64::try_from(AGE.as_millis()).unwrap());
    world
}

/// A world in which an owner has accepted signals; all of them are old enough, those of one more
/// owner are not.
async fn aged() -> World {
    let world = world();
    let running = world.start(plain()).await;
    for _signal in 0..300 {
        running.emit(signal("Q_OLD")).await;
    }
    running.go().await.unwrap();
    tokio::time::advance(AGE).await;
    world
}

/// Lets an owner prune all that was there before it.
async fn prune(world: &World) {
    prune_to(world, world.disk.contents().head.next_seq).await;
}

/// Lets an owner prune what lies below `end`.
async fn prune_to(world: &World, end: u64) {
    let running = world.start(plain()).await;
    running.emit(signal("Q_YOUNG")).await;
    let mut status = running.handle.watch_status();
    status.wait_for(|now| now.pruned_to >= end).await.unwrap();
    running.go().await.unwrap();
}

/// Lets an owner run for longer than pruning needs, if it prunes.
async fn run(world: &World) {
    let running = world.start(plain()).await;
    running.emit(signal("Q_YOUNG")).await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    running.go().await.unwrap();
}

/// The kinds of all records, and whether each has its body.
fn kinds(contents: &Contents) -> Vec<(String, bool)> {
    let records = contents
        .turns
        .iter()
        .flat_map(|turn| turn.records().unwrap());
    let kind = |envelope| {
        antiphon_ledger::envelope::Envelope::decode(envelope)
            .unwrap()
            .kind
    };
    records
        .map(|record| (kind(record.envelope).to_owned(), record.body.is_some()))
        .collect()
}

fn verify(contents: &Contents) -> Statement {
    let mut verifier = Verifier::new();
    for turn in &contents.turns {
        for record in turn.records().unwrap() {
            verifier.record(record.envelope, record.body);
        }
        verifier.turn_root(&turn.root);
    }
    verifier.finish()
}

fn fold(contents: &Contents) -> Vec<u8> {
    let recovered = recover(Disk::of(contents.clone()).reader().as_mut(), 0).unwrap();
    recovered.state.to_bytes().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_old_loses_its_bodies_and_nothing_else_changes() {
    let world = aged().await;
    let before = world.disk.contents();
    prune(&world).await;
    let after = world.disk.contents();
    let envelopes = |contents: &Contents| -> Vec<_> {
        let turns = contents.turns.iter().take(before.turns.len());
        turns
            .map(|turn| (turn.root, turn.envelopes.clone()))
            .collect()
    };
    assert_eq!(envelopes(&after), envelopes(&before));
    assert_eq!(after.pruned_to, before.head.next_seq, "all that was old");
    for (seq, (kind, has_body)) in kinds(&after).into_iter().enumerate() {
        let is_young = u64::try_from(seq).unwrap() >= after.pruned_to;
        let is_kept = ["log.created", "config.applied", "guard.changed"].contains(&kind.as_str());
        assert_eq!(has_body, is_young || is_kept, "record {seq}, {kind}");
    }
    let statement = verify(&after);
    assert!(statement.is_intact(), "{:?}", statement.problems);
    assert!(statement.pruned >= 300, "{}", statement.pruned);
    assert_eq!(world.views.forgotten_to(), after.pruned_to);
    let running = world.start(plain()).await;
    assert_eq!(running.handle.status().pruned_to, after.pruned_to);
    running.go().await.unwrap();
    assert_eq!(world.disk.contents().pruned_to, after.pruned_to, "once");
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_without_a_retention_or_from_an_owner_that_never_leases() {
    let changes: [fn(&mut World); 2] = [
        |world| world.options.retention_ms = None,
        |world| world.options.slots_max = 0,
    ];
    for change in changes {
        let mut world = aged().await;
        change(&mut world);
        run(&world).await;
        assert_eq!(world.disk.contents().pruned_to, 0);
        assert_eq!(world.count("snapshot.taken"), 0, "none was wanted");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_that_the_views_have_not_read() {
    let mut world = aged().await;
    world = world.crashed();
    world.views.stall();
    run(&world).await;
    assert_eq!(world.disk.contents().pruned_to, 0);
    assert_eq!(
        world.count("snapshot.taken"),
        0,
        "a snapshot would not help"
    );
}

#[tokio::test(start_paused = true)]
async fn a_state_is_folded_from_either_of_two_snapshots_after_pruning() {
    let world = aged().await;
    prune(&world).await;
    let whole = world.disk.contents();
    let state = fold(&whole);
    assert_eq!(whole.snapshots.len(), 2);
    for lost in 0..2 {
        let mut contents = whole.clone();
        contents.snapshots[lost].bytes.push(b' ');
        assert_eq!(fold(&contents), state, "without snapshot {lost}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pruned_log_that_lost_its_snapshots_says_so() {
    let world = aged().await;
    prune(&world).await;
    world.disk.change(|contents| contents.snapshots.clear());
    let Err(error) = world.open(plain()).await else {
        panic!("there is nothing to fold from");
    };
    let is_named = matches!(
        error,
        EngineError::Store(StoreError::SnapshotMissing { pruned_to }) if pruned_to > 0
    );
    assert!(is_named, "{error}");
    assert_eq!(error.code(), "store.snapshot_missing");
}

#[tokio::test(start_paused = true)]
async fn f16_a_body_that_is_gone_behind_the_snapshot_is_refused() {
    let world = aged().await;
    prune(&world).await;
    world.disk.change(|contents| {
        let last = contents.turns.last_mut().unwrap();
        last.bodies = last.pruned(|_record| false).unwrap().bodies;
    });
    let Err(error) = world.open(plain()).await else {
        panic!("a record that must be applied is not there");
    };
    assert!(error.to_string().contains("pruned"), "{error}");
}

/// However often an owner dies between a snapshot and its record, the one that a record names stays.
#[tokio::test(start_paused = true)]
async fn f1_snapshots_that_no_record_names_never_displace_the_one_that_is_needed() {
    let world = aged().await;
    prune(&world).await;
    let named = world.disk.contents().snapshots[0].at_seq;
    let state = fold(&world.disk.contents());
    for later in 1..4 {
        let recovered = recover(world.disk.reader().as_mut(), 0).unwrap();
        assert_eq!(recovered.snapshot_seq, Some(named));
        let unnamed = antiphon_engine::ports::store::Snapshot {
            at_seq: named + later,
            bytes: b"{}".to_vec(),
        };
        let mut store = world.disk.open().unwrap();
        let recorded = recovered.snapshot_seq;
        antiphon_engine::ports::store::Store::put_snapshot(&mut store, &unnamed, recorded).unwrap();
        assert_eq!(fold(&world.disk.contents()), state);
    }
}

/// Between any two steps a crash leaves a log that folds and verifies, and the next owner goes on.
#[tokio::test(start_paused = true)]
async fn f2_a_crash_between_steps_of_pruning_leaves_a_log_that_is_pruned_on() {
    let world = world();
    let running = world.start(plain()).await;
    for _signal in 0..30 {
        running.emit(sized("Q_OLD", 30_000)).await;
    }
    running.go().await.unwrap();
    tokio::time::advance(AGE).await;
    let end = world.disk.contents().head.next_seq;
    let mut marks = BTreeSet::new();
    for steps in 0..4 {
        let world = world.crashed();
        world.disk.fail_prune_after(steps);
        let running = world.start(plain()).await;
        let error = running.ended().await.unwrap_err();
        assert_eq!(error.code(), "store.io");
        let contents = world.disk.contents();
        marks.insert(contents.pruned_to);
        assert!(verify(&contents).is_intact());
        fold(&contents);
        let world = world.crashed();
        prune_to(&world, end).await;
        assert!(world.disk.contents().pruned_to >= end);
        assert!(world.views.forgotten_to() >= end);
    }
    assert_eq!(marks.len(), 4, "{marks:?}");
}

/// An owner whose disk has begun with a step of pruning and holds it.
async fn held(world: &World) -> Running {
    world.disk.hold_prune();
    let mut pruning = world.disk.pruning();
    pruning.mark_unchanged();
    let running = world.start(plain()).await;
    pruning.changed().await.unwrap();
    running
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_slow_at_pruning_holds_no_turn() {
    let world = aged().await;
    let end = world.disk.contents().head.next_seq;
    let running = held(&world).await;
    let answers = [(); 2].map(|()| running.submit(signal("Q_YOUNG")));
    settle().await;
    assert!(
        answers.iter().all(|answer| !answer.is_finished()),
        "answered before it is durable"
    );
    assert_eq!(running.handle.status().pruned_to, 0, "nor is this");
    let before = world.disk.contents().turns.len();
    world.disk.release();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    let turns = world.disk.contents().turns;
    assert_eq!(turns[before].count, 2, "one turn, stepped meanwhile");
    let mut status = running.handle.watch_status();
    status.wait_for(|now| now.pruned_to >= end).await.unwrap();
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_goes_while_the_disk_prunes_waits_for_it() {
    let world = aged().await;
    let running = held(&world).await;
    let answer = running.submit(signal("Q_YOUNG"));
    settle().await;
    running.shutdown.cancel();
    settle().await;
    assert!(!running.ended.is_finished());
    world.disk.release();
    answer.await.unwrap().unwrap();
    running.ended().await.unwrap();
    assert!(world.disk.contents().pruned_to > 0);
    assert_eq!(world.views.forgotten_to(), world.disk.contents().pruned_to);
}

#[tokio::test(start_paused = true)]
async fn f2_a_crash_while_the_disk_prunes_leaves_what_was_there_before() {
    let world = aged().await;
    let end = world.disk.contents().head.next_seq;
    let running = held(&world).await;
    let answer = running.submit(signal("Q_YOUNG"));
    settle().await;
    let after = world.crashed();
    assert_eq!(after.disk.contents().pruned_to, 0);
    assert!(!answer.is_finished(), "what is not there was not promised");
    world.disk.release();
    running.kill().await;
    let statement = verify(&after.disk.contents());
    assert!(statement.is_intact() && statement.pruned == 0);
    prune_to(&after, end).await;
    assert!(verify(&after.disk.contents()).is_intact());
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_step_of_pruning_that_fails_is_not_answered() {
    let world = aged().await;
    let before = world.disk.contents();
    world.disk.fail_prune_after(0);
    let running = held(&world).await;
    let answer = running.submit(signal("Q_YOUNG"));
    settle().await;
    world.disk.release();
    assert!(answer.await.unwrap().is_err());
    assert_eq!(running.ended().await.unwrap_err().code(), "store.io");
    let after = world.disk.contents();
    assert_eq!(after.pruned_to, before.pruned_to);
    assert_eq!(world.count("signal.accepted"), 300, "of the first owner");
}
