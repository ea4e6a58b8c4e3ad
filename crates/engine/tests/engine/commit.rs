//! Durable before answered, started or deleted; and what a failed commit ends.

use antiphon_core::record::Body;
use antiphon_core::report::Exit;
use antiphon_engine::error::EngineError;
use antiphon_engine::handle::SubmitError;
use antiphon_engine::ports::store::StoreError;
use antiphon_testkit::fakes::{Fault, report};

use super::support::{World, keyed, large, plain, policy, settle, signal, task, worker};

#[tokio::test]
async fn no_effect_before_its_record() {
    let world = World::new();
    let running = world.start(plain()).await;
    let mut begun = world.disk.begun();
    let before = *begun.borrow_and_update();
    world.disk.hold();
    let answer = running.submit(large("Q_WORK"));
    begun.wait_for(|begun| *begun > before).await.unwrap();
    settle().await;
    assert_eq!(running.executor.seen().tokens(), [] as [u64; 0]);
    assert!(!answer.is_finished());
    world.disk.release();
    let submitted = answer.await.unwrap().unwrap();
    let seen = running
        .executor
        .until(|seen| !seen.launched.is_empty())
        .await;
    assert_eq!(seen.launched[0].signal, submitted.id);
    running.go().await.unwrap();
}

#[tokio::test]
async fn every_launch_bears_the_sequence_number_of_its_lease_and_no_other_does() {
    let world = World::new();
    let running = world
        .start(policy(|source| {
            for name in ["second", "third"] {
                source.tasks.push(task(name));
                source.workers.push(worker("Q_WORK", name));
            }
        }))
        .await;
    running.emit(signal("Q_WORK")).await;
    let seen = running
        .executor
        .until(|seen| seen.launched.len() == 3)
        .await;
    let records = world.disk.records().into_iter();
    let records = records.map(|projected| projected.record.unwrap());
    let live = records.filter(|record| matches!(record.body, Body::RunLeased(_)));
    let leases: Vec<u64> = live.map(|record| record.seq).collect();
    let mut tokens = seen.tokens();
    tokens.sort_unstable();
    assert_eq!(tokens, leases);
    running.go().await.unwrap();
}

#[tokio::test]
async fn nothing_is_forgotten_before_its_settlement_is_durable() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.emit(signal("Q_WORK")).await;
    let seen = running
        .executor
        .until(|seen| !seen.launched.is_empty())
        .await;
    let mut begun = world.disk.begun();
    begun.mark_unchanged();
    world.disk.hold();
    let mut large_report = report(Exit::Code(0));
    large_report.stdout.text = "x".repeat(30_000);
    running.executor.finish(seen.tokens()[0], large_report);
    begun.changed().await.unwrap();
    settle().await;
    assert_eq!(running.executor.seen().forgotten, [] as [u64; 0]);
    world.disk.release();
    let token = seen.tokens()[0];
    running
        .executor
        .until(|seen| seen.forgotten == [token])
        .await;
    running.go().await.unwrap();
}

#[tokio::test]
async fn a_signal_and_the_lease_that_follows_from_it_are_one_append() {
    let world = World::new();
    let running = world.start(plain()).await;
    let before = *world.disk.begun().borrow();
    running.emit(signal("Q_WORK")).await;
    running
        .executor
        .until(|seen| !seen.launched.is_empty())
        .await;
    assert_eq!(*world.disk.begun().borrow(), before + 1);
    assert_eq!(world.kinds(), ["signal.accepted", "run.leased"]);
    running.kill().await;
}

#[tokio::test]
async fn the_head_that_is_told_is_the_one_that_is_durable() {
    let world = World::new();
    let running = world.start(plain()).await;
    let mut heads = running.handle.heads();
    let told = *heads.borrow_and_update();
    assert_eq!(told, world.disk.contents().head.tree());
    let mut begun = world.disk.begun();
    begun.mark_unchanged();
    world.disk.hold();
    let answer = running.submit(large("Q_NOTE"));
    begun.changed().await.unwrap();
    settle().await;
    assert!(!heads.has_changed().unwrap());
    world.disk.release();
    answer.await.unwrap().unwrap();
    let told = *heads.borrow_and_update();
    assert_eq!(told, world.disk.contents().head.tree());
    assert_eq!(told.size, *running.handle.high_water().borrow());
    running.kill().await;
}

#[tokio::test]
async fn what_waits_is_one_turn_with_one_append() {
    let world = World::new();
    let running = world.start(plain()).await;
    let before = *world.disk.begun().borrow();
    let answers: Vec<_> = (0..100).map(|_| running.submit(signal("Q_NOTE"))).collect();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(*world.disk.begun().borrow(), before + 1);
    assert_eq!(world.disk.contents().turns.last().unwrap().count, 100);
    running.go().await.unwrap();
}

#[tokio::test]
async fn of_much_that_waits_the_first_part_is_written_while_the_rest_is_stepped() {
    let world = World::new();
    let running = world.start(plain()).await;
    let before = *world.disk.begun().borrow();
    let answers: Vec<_> = (0..40).map(|_| running.submit(large("Q_NOTE"))).collect();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert!(*world.disk.begun().borrow() > before + 1);
    assert!(world.disk.contents().turns.last().unwrap().count < 40);
    running.go().await.unwrap();
}

#[tokio::test]
async fn exactly_one_batch_is_in_flight_while_the_next_is_stepped() {
    let world = World::new();
    let running = world.start(plain()).await;
    let mut begun = world.disk.begun();
    let before = *begun.borrow_and_update();
    world.disk.hold();
    let first = running.submit(large("Q_NOTE"));
    begun.wait_for(|begun| *begun > before).await.unwrap();
    let second = running.submit(large("Q_NOTE"));
    settle().await;
    let third = running.submit(large("Q_NOTE"));
    settle().await;
    assert_eq!(*begun.borrow(), before + 1, "the next one waits");
    assert!(!first.is_finished() && !second.is_finished() && !third.is_finished());
    world.disk.release();
    for answer in [first, second, third] {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(*begun.borrow(), before + 2, "what waited is one batch");
    assert_eq!(world.disk.contents().turns.last().unwrap().count, 2);
    running.go().await.unwrap();
}

#[tokio::test]
async fn a_duplicate_of_one_in_flight_is_answered_when_that_is_durable() {
    let world = World::new();
    let running = world.start(plain()).await;
    let mut begun = world.disk.begun();
    let before = *begun.borrow_and_update();
    world.disk.hold();
    let first = running.submit(keyed(large("Q_NOTE"), "k"));
    begun.wait_for(|begun| *begun > before).await.unwrap();
    let again = running.submit(keyed(large("Q_NOTE"), "k"));
    let other = running.submit(keyed(signal("Q_NOTE"), "k"));
    settle().await;
    assert!(!again.is_finished() && !other.is_finished());
    world.disk.release();
    let first = first.await.unwrap().unwrap();
    let again = again.await.unwrap().unwrap();
    assert_eq!((again.id, again.seq), (first.id, first.seq));
    assert!(!first.duplicate && again.duplicate);
    assert_eq!(
        other.await.unwrap(),
        Err(SubmitError::KeyConflict { id: first.id }),
        "the same key with something else is refused"
    );
    assert_eq!(world.count("signal.accepted"), 1);
    running.go().await.unwrap();
}

#[tokio::test]
async fn f7_a_failed_append_is_final_answers_nobody_and_is_not_tried_again() {
    for fault in [Fault::Sync, Fault::SyncAfterWriting] {
        let world = World::new();
        let running = world.start(plain()).await;
        let before = *world.disk.begun().borrow();
        world.disk.fail(fault);
        let answer = running.submit(signal("Q_WORK"));
        let also = running.submit(signal("Q_WORK"));
        let executor = running.executor.clone();
        let ended = running.ended().await;
        assert!(
            matches!(ended, Err(EngineError::Store(StoreError::Io { .. }))),
            "{ended:?}"
        );
        assert_eq!(answer.await.unwrap(), Err(SubmitError::Closed));
        assert_eq!(also.await.unwrap(), Err(SubmitError::Closed));
        assert_eq!(executor.seen().tokens(), [] as [u64; 0]);
        assert_eq!(
            *world.disk.begun().borrow(),
            before + 1,
            "one sync, and no second"
        );
    }
}

#[tokio::test]
async fn f7_what_was_stepped_behind_a_failed_append_is_answered_to_nobody() {
    let world = World::new();
    let running = world.start(plain()).await;
    let mut begun = world.disk.begun();
    let before = *begun.borrow_and_update();
    world.disk.hold();
    world.disk.fail(Fault::Sync);
    let first = running.submit(large("Q_WORK"));
    begun.wait_for(|begun| *begun > before).await.unwrap();
    let behind = running.submit(signal("Q_WORK"));
    settle().await;
    world.disk.release();
    let executor = running.executor.clone();
    assert!(matches!(running.ended().await, Err(EngineError::Store(_))));
    assert_eq!(first.await.unwrap(), Err(SubmitError::Closed));
    assert_eq!(behind.await.unwrap(), Err(SubmitError::Closed));
    assert_eq!(executor.seen().tokens(), [] as [u64; 0]);
    assert_eq!(*world.disk.begun().borrow(), before + 1);
}

#[tokio::test]
async fn a_signal_that_was_written_by_a_failed_append_is_there_for_the_next_owner() {
    let world = World::new();
    let running = world.start(plain()).await;
    world.disk.fail(Fault::SyncAfterWriting);
    let answer = running.submit(keyed(signal("Q_NOTE"), "k"));
    assert!(running.ended().await.is_err());
    assert_eq!(answer.await.unwrap(), Err(SubmitError::Closed));
    let running = world.start(plain()).await;
    assert!(running.emit(keyed(signal("Q_NOTE"), "k")).await.duplicate);
    running.go().await.unwrap();
}

#[tokio::test]
async fn a40_an_owner_whose_log_another_has_opened_appends_nothing_and_ends() {
    let world = World::new();
    let running = world.start(plain()).await;
    let _other = world.disk.take_over();
    let answer = running.submit(signal("Q_WORK"));
    let executor = running.executor.clone();
    let ended = running.ended().await;
    assert!(
        matches!(
            ended,
            Err(EngineError::Store(StoreError::StaleEpoch { .. }))
        ),
        "{ended:?}"
    );
    assert_eq!(answer.await.unwrap(), Err(SubmitError::Closed));
    assert_eq!(executor.seen().tokens(), [] as [u64; 0]);
    assert_eq!(world.count("signal.accepted"), 0);
}

#[tokio::test]
async fn an_owner_whose_log_ends_elsewhere_ends() {
    let world = World::new();
    let running = world.start(plain()).await;
    world.disk.fail(Fault::Head);
    let answer = running.submit(signal("Q_WORK"));
    let ended = running.ended().await;
    assert!(
        matches!(ended, Err(EngineError::Store(StoreError::StaleHead { .. }))),
        "{ended:?}"
    );
    assert_eq!(answer.await.unwrap(), Err(SubmitError::Closed));
}

#[tokio::test]
async fn f29_a_second_owner_of_one_root_is_refused() {
    let world = World::new();
    let running = world.start(plain()).await;
    let second = world.open(plain()).await.map(|_opened| ());
    assert!(
        matches!(second, Err(EngineError::Store(StoreError::Held { .. }))),
        "{second:?}"
    );
    running.emit(signal("Q_NOTE")).await;
    running.go().await.unwrap();
}

#[tokio::test]
async fn a_lost_executor_ends_the_owner() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.executor.lose();
    let ended = running.ended().await;
    assert!(
        matches!(ended, Err(EngineError::ExecutorLost(_))),
        "{ended:?}"
    );
}

#[tokio::test]
async fn views_that_cannot_be_built_end_the_owner() {
    let world = World::new();
    let running = world.start(plain()).await;
    world.views.break_down();
    running.emit(signal("Q_NOTE")).await;
    let ended = running.ended().await;
    assert!(matches!(ended, Err(EngineError::Views(_))), "{ended:?}");
}
