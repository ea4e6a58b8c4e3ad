//! Shutting down at every phase: bounded, nothing acknowledged is lost, the next owner goes on.

use std::time::Duration;

use antiphon_core::record::Body;
use antiphon_core::report::Exit;
use antiphon_core::run::Outcome;
use antiphon_engine::handle::SubmitError;
use antiphon_testkit::fakes::{Manner, report};

use super::support::{World, large, plain, settle, signal};

/// The owner's own time for work, for trees to die, and for those that were killed.
const DRAIN_MAX: Duration = Duration::from_secs(1 + 10 + 2 + 2);

fn outcomes(world: &World) -> Vec<Outcome> {
    let bodies = world.bodies().into_iter();
    bodies
        .filter_map(|body| match body {
            Body::RunSettled(body) => Some(body.outcome),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn f55_work_that_ends_in_time_is_settled() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.emit(signal("Q_WORK")).await;
    let seen = running.executor.until(|seen| seen.running.len() == 1).await;
    running.shutdown.cancel();
    settle().await;
    assert!(!running.ended.is_finished(), "it waits for its work");
    assert_eq!(
        running.handle.submit(signal("Q_WORK")).await,
        Err(SubmitError::Closed),
        "and takes no more"
    );
    running
        .executor
        .finish(seen.tokens()[0], report(Exit::Code(0)));
    let executor = running.executor.clone();
    running.ended().await.unwrap();
    assert_eq!(outcomes(&world), [Outcome::Succeeded]);
    assert_eq!(executor.seen().stopped, []);
}

#[tokio::test(start_paused = true)]
async fn f55_work_that_does_not_end_in_time_is_stopped_and_goes_on_under_the_next_owner() {
    for manner in [Manner::Runs, Manner::Ignores] {
        let mut world = World::new();
        world.manner = manner;
        let running = world.start(plain()).await;
        running.emit(signal("Q_WORK")).await;
        let executor = running.executor.clone();
        executor.until(|seen| seen.running.len() == 1).await;
        let began = tokio::time::Instant::now();
        running.go().await.unwrap();
        assert!(began.elapsed() <= DRAIN_MAX, "{:?}", began.elapsed());
        assert_eq!(outcomes(&world), [Outcome::Cancelled], "{manner:?}");
        assert!(executor.seen().running.is_empty());
        let running = world.start(plain()).await;
        let seen = running.executor.until(|seen| seen.running.len() == 1).await;
        assert_eq!(seen.launched[0].attempt, 2);
        assert_eq!(seen.recovered, [] as [u64; 0], "it was handed back");
        running.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn f55_what_cannot_be_stopped_is_left_to_the_next_owner_in_bounded_time() {
    for manner in [Manner::Immortal, Manner::Silent] {
        let mut world = World::new();
        world.manner = manner;
        let running = world.start(plain()).await;
        running.emit(signal("Q_WORK")).await;
        settle().await;
        let began = tokio::time::Instant::now();
        running.go().await.unwrap();
        assert!(
            began.elapsed() <= DRAIN_MAX,
            "{manner:?}: {:?}",
            began.elapsed()
        );
        let opened = world.open(plain()).await.unwrap();
        assert_eq!(opened.executor.seen().recovered.len(), 1, "{manner:?}");
        assert_eq!(outcomes(&world), [Outcome::Unknown]);
    }
}

#[tokio::test(start_paused = true)]
async fn f55_a_launch_under_way_is_seen_through() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.executor.set_yields(50);
    running.emit(signal("Q_WORK")).await;
    let executor = running.executor.clone();
    assert!(executor.seen().launched.is_empty());
    running.go().await.unwrap();
    assert_eq!(executor.seen().launched.len(), 1);
    assert_eq!(outcomes(&world), [Outcome::Cancelled]);
}

#[tokio::test]
async fn f55_a_batch_in_flight_is_answered() {
    let world = World::new();
    let running = world.start(plain()).await;
    world.disk.hold();
    let mut begun = world.disk.begun();
    begun.mark_unchanged();
    let answer = running.submit(large("Q_NOTE"));
    begun.changed().await.unwrap();
    running.shutdown.cancel();
    settle().await;
    assert!(!answer.is_finished() && !running.ended.is_finished());
    world.disk.release();
    let submitted = answer.await.unwrap().unwrap();
    running.ended().await.unwrap();
    assert!(world.disk.contents().head.next_seq > submitted.seq);
}

#[tokio::test]
async fn f55_every_signal_of_a_burst_is_answered_and_only_what_is_in_the_log_with_yes() {
    for delay in [0, 1, 2, 5, 20] {
        let world = World::new();
        let running = world.start(plain()).await;
        let answers: Vec<_> = (0..1_500)
            .map(|_| running.submit(signal("Q_NOTE")))
            .collect();
        super::support::yields(delay).await;
        running.go().await.unwrap();
        let mut accepted = 0;
        for answer in answers {
            match answer.await.unwrap() {
                Ok(_) => accepted += 1,
                Err(error) => assert_eq!(error, SubmitError::Closed),
            }
        }
        assert_eq!(world.count("signal.accepted"), accepted);
    }
}
