//! Witnesses: F21, and what they find when a log is rolled back or forked.

use std::time::Duration;

use antiphon_core::key::LOG;
use antiphon_core::report::Exit;
use antiphon_engine::cosign::OnMissing;
use antiphon_engine::handle::SubmitError;
use antiphon_engine::ports::witness::Witness;
use antiphon_ledger::cosignature::cosigned_at_s;
use antiphon_testkit::fakes::{FakeWitness, WitnessManner, report};
use std::sync::Arc;

use super::support::{Running, World, plain, settle, signal};

/// A world whose log has these witnesses, which know its key.
async fn world(witnesses: &[&FakeWitness], required: usize, on_missing: OnMissing) -> World {
    let mut world = World::new();
    world.options.cosigning.required = required;
    world.options.cosigning.on_missing = on_missing;
    let running = world.start(plain()).await;
    let keys = running.handle.keys().borrow().clone();
    running.go().await.unwrap();
    for witness in witnesses {
        witness.trust(keys.active(LOG).unwrap().key.as_str());
        world.witnesses.push(Witness {
            name: witness.key().name().to_owned(),
            key: witness.key(),
            way: Arc::new(FakeWitness::clone(witness)),
        });
    }
    world
}

/// Waits until so many witnesses have cosigned everything, on disk.
async fn cosigned(world: &World, count: usize) {
    let size = world.disk.contents().head.next_seq;
    let is_there = |cosigned: usize| cosigned >= count;
    world
        .checkpoints
        .until(|saved| {
            let keys = world.witnesses.iter();
            let cosigned = keys.filter(|it| cosigned_at_s(&saved.note, &it.key).is_some());
            saved.checkpoint.size() >= size && is_there(cosigned.count())
        })
        .await;
}

fn alarms(running: &Running) -> Vec<&'static str> {
    let status = running.handle.status();
    status.alarms.iter().map(|alarm| alarm.code).collect()
}

/// Waits until no alarm stands.
async fn over(running: &Running) {
    let mut status = running.handle.watch_status();
    let is_over = status.wait_for(|status| status.alarms.is_empty());
    is_over.await.unwrap();
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn every_checkpoint_is_cosigned_by_every_witness_on_disk() {
    let (one, two) = (FakeWitness::new("one"), FakeWitness::new("other"));
    let world = world(&[&one, &two], 2, OnMissing::Stop).await;
    let running = world.start(plain()).await;
    for _signal in 0..3 {
        running.emit(signal("Q_NOTE")).await;
        cosigned(&world, 2).await;
        let sealing = running.handle.sealing().borrow().clone();
        assert_eq!(sealing.cosigned, sealing.newest);
        assert_eq!(sealing.uncosigned_since, None);
    }
    assert_eq!(one.head(), world.disk.contents().head.tree());
    assert_eq!(alarms(&running), [] as [&str; 0]);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f21_a_witness_that_knows_more_or_less_than_expected_is_met_where_it_is() {
    let witness = FakeWitness::new("w");
    let world = world(&[&witness], 0, OnMissing::Alarm).await;
    let running = world.start(plain()).await;
    cosigned(&world, 1).await;
    let first = witness.head();
    for _signal in 0..300 {
        running.emit(signal("Q_NOTE")).await;
    }
    cosigned(&world, 1).await;
    // It lost its newest state, as after the restore of an older one.
    witness.remember(first);
    running.emit(signal("Q_NOTE")).await;
    cosigned(&world, 1).await;
    assert_eq!(witness.head(), world.disk.contents().head.tree());
    let asked = witness.asked();
    let (old_size, _) = asked[asked.len() - 1];
    assert_eq!(old_size, first.size, "the conflict told where it is");
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f21_a_dead_or_silent_witness_delays_nothing_is_asked_seldom_and_comes_back_by_itself() {
    for manner in [
        WitnessManner::Dead,
        WitnessManner::Silent,
        WitnessManner::Status(503),
    ] {
        let witness = FakeWitness::new("w");
        let world = world(&[&witness], 1, OnMissing::Alarm).await;
        witness.set_manner(manner);
        let running = world.start(plain()).await;
        let before = witness.asked().len();
        for _second in 0..300 {
            running.emit(signal("Q_NOTE")).await;
            pass(1).await;
        }
        let asked = witness.asked().len() - before;
        assert!((3..30).contains(&asked), "{manner:?}: asked {asked} times");
        assert_eq!(alarms(&running), ["cosignature.missing"], "{manner:?}");
        running.emit(signal("Q_NOTE")).await;
        witness.set_manner(WitnessManner::Honest);
        pass(90).await;
        cosigned(&world, 1).await;
        over(&running).await;
        running.go().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn f21_what_a_witness_refuses_or_signs_with_another_key_is_an_alarm_that_names_it() {
    for (manner, code) in [
        (WitnessManner::WrongKey, "witness.cosignature"),
        (WitnessManner::Status(400), "witness.malformed"),
        (WitnessManner::Status(403), "witness.unsigned"),
        (WitnessManner::Status(404), "witness.unknown_log"),
        (WitnessManner::Status(422), "head.fork"),
    ] {
        let witness = FakeWitness::new("w");
        let world = world(&[&witness], 0, OnMissing::Alarm).await;
        let running = world.start(plain()).await;
        cosigned(&world, 1).await;
        witness.set_manner(manner);
        running.emit(signal("Q_NOTE")).await;
        pass(3).await;
        assert_eq!(alarms(&running), [code], "{manner:?}");
        assert_eq!(running.handle.status().alarms[0].subject, "w");
        let newest = running.handle.sealing().borrow().newest.clone().unwrap();
        assert_eq!(
            newest.note.signatures().len(),
            1,
            "{manner:?}: nothing was added"
        );
        witness.set_manner(WitnessManner::Honest);
        pass(70).await;
        cosigned(&world, 1).await;
        over(&running).await;
        running.go().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn f21_a_cosignature_that_comes_late_counts_for_its_own_checkpoint() {
    let (quick, late) = (FakeWitness::new("w"), FakeWitness::new("late"));
    let world = world(&[&quick, &late], 1, OnMissing::Alarm).await;
    let running = world.start(plain()).await;
    cosigned(&world, 2).await;
    late.answer_once(WitnessManner::Dead);
    running.emit(signal("Q_NOTE")).await;
    cosigned(&world, 1).await;
    let behind = running.handle.sealing().borrow().clone();
    assert_eq!(behind.witnesses["w"], behind.size().unwrap());
    assert!(behind.witnesses["late"] < behind.size().unwrap());
    running.emit(signal("Q_NOTE")).await;
    cosigned(&world, 2).await;
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f21_without_enough_cosignatures_stop_refuses_signals_and_nothing_else_and_ends_by_itself()
{
    let witness = FakeWitness::new("w");
    let world = world(&[&witness], 1, OnMissing::Stop).await;
    let running = world.start(plain()).await;
    cosigned(&world, 1).await;
    running.emit(signal("Q_WORK")).await;
    let seen = running.executor.until(|seen| seen.running.len() == 1).await;
    witness.set_manner(WitnessManner::Dead);
    running.emit(signal("Q_NOTE")).await;
    pass(59).await;
    running.emit(signal("Q_NOTE")).await;
    pass(3).await;
    let refused = running.handle.submit(signal("Q_NOTE")).await;
    assert_eq!(refused, Err(SubmitError::Uncosigned));
    assert!(SubmitError::Uncosigned.is_retryable());
    assert_eq!(
        running.handle.status().admission,
        Err("cosignature.missing")
    );
    running
        .executor
        .finish(seen.tokens()[0], report(Exit::Code(0)));
    running
        .durable(&world, |world| world.count("run.settled") == 1)
        .await;
    running
        .stop(antiphon_core::guard::Mode::Pause)
        .await
        .unwrap();
    running.resume().await;
    witness.set_manner(WitnessManner::Honest);
    pass(70).await;
    cosigned(&world, 1).await;
    over(&running).await;
    running.emit(signal("Q_NOTE")).await;
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f20_a_root_that_was_rolled_back_whole_is_refused_by_what_its_witness_has_seen() {
    let witness = FakeWitness::new("w");
    let world = world(&[&witness], 0, OnMissing::Alarm).await;
    let (disk, checkpoints) = (world.disk.contents(), world.checkpoints.copy());
    let running = world.start(plain()).await;
    running.emit(signal("Q_NOTE")).await;
    cosigned(&world, 1).await;
    running.go().await.unwrap();
    world.disk.change(|contents| *contents = disk.clone());
    world.checkpoints.set(checkpoints.file());
    let refused = world.open(plain()).await.map(|_opened| ()).unwrap_err();
    assert_eq!(refused.code(), "head.ahead", "{refused}");
    assert_eq!(
        world.disk.contents().head,
        disk.head,
        "nothing was appended"
    );
    witness.set_manner(WitnessManner::Dead);
    let running = world.start(plain()).await;
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f19_of_two_copies_of_a_root_the_one_that_publishes_second_is_found_out() {
    let witness = FakeWitness::new("w");
    let world = world(&[&witness], 0, OnMissing::Alarm).await;
    let mut fork = world.crashed();
    fork.checkpoints = world.checkpoints.copy();
    fork.witnesses.clone_from(&world.witnesses);
    let first = world.start(plain()).await;
    first.emit(signal("Q_ONE")).await;
    first.emit(signal("Q_ONE")).await;
    cosigned(&world, 1).await;
    // The copy starts while it cannot ask.
    witness.set_manner(WitnessManner::Dead);
    let second = fork.start(plain()).await;
    witness.set_manner(WitnessManner::Honest);
    for _signal in 0..9 {
        second.emit(signal("Q_OTHER")).await;
    }
    pass(3).await;
    let found = alarms(&second);
    assert!(
        found == ["head.fork"] || found == ["head.ahead"],
        "{found:?}"
    );
    assert_eq!(alarms(&first), [] as [&str; 0]);
    second.go().await.unwrap();
    let again = fork.open(plain()).await.map(|_opened| ()).unwrap_err();
    assert!(
        ["head.fork", "head.ahead"].contains(&again.code()),
        "{again}"
    );
    first.go().await.unwrap();
}
