//! What is due happens by itself, on elapsed time, whatever else comes.

use std::time::Duration;

use antiphon_core::guard::Mode;
use antiphon_core::name::SignalName;
use antiphon_core::policy::MonitorKind;
use antiphon_core::record::Body;
use antiphon_core::report::{Exit, NotStarted, StopCause};
use antiphon_core::task::Retry;
use antiphon_testkit::fakes::report;

use super::support::{World, monitor, plain, policy, settle, signal};

const TIMEOUT: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn the_deadline_of_an_attempt_comes_by_itself() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.emit(signal("Q_WORK")).await;
    let began = tokio::time::Instant::now();
    let seen = running
        .executor
        .until(|seen| !seen.stopped.is_empty())
        .await;
    assert_eq!(seen.stopped, [(seen.tokens()[0], StopCause::Deadline)]);
    let late = began.elapsed().checked_sub(TIMEOUT).unwrap();
    assert!(late < Duration::from_millis(10), "{late:?}");
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_tried_again_after_its_wait() {
    let world = World::new();
    let policy = policy(|source| {
        source.tasks[0].retry = Retry {
            backoff_ms: 5_000,
            factor_permille: 1_000,
            limit: 1,
            wait_ms_max: 5_000,
        };
    });
    let running = world.start(policy).await;
    running.emit(signal("Q_WORK")).await;
    let seen = running.executor.until(|seen| seen.running.len() == 1).await;
    let began = tokio::time::Instant::now();
    running
        .executor
        .finish(seen.tokens()[0], report(Exit::Code(1)));
    let seen = running
        .executor
        .until(|seen| seen.launched.len() == 2)
        .await;
    assert_eq!(seen.launched[1].attempt, 2);
    let waited = began.elapsed();
    assert!(
        waited > Duration::from_secs(2) && waited < Duration::from_secs(6),
        "{waited:?}"
    );
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_expectation_that_is_not_met_says_so_and_one_that_is_met_does_not() {
    let expect = MonitorKind::Expect {
        after: SignalName::new("Q_ASKED").unwrap(),
        expect: vec![SignalName::new("Q_ANSWERED").unwrap()],
        within_ms: 30_000,
    };
    let world = World::new();
    let running = world
        .start(policy(|source| {
            source.monitors.push(monitor("answers", expect));
        }))
        .await;
    running.emit(signal("Q_ASKED")).await;
    let met = running.emit(signal("Q_ASKED")).await;
    let mut answer = signal("Q_ANSWERED");
    answer.correlation = Some(met.id);
    running.emit(answer).await;
    let began = tokio::time::Instant::now();
    running
        .durable(&world, |world| world.count("signal.accepted") == 4)
        .await;
    assert!(began.elapsed() >= Duration::from_secs(29));
    tokio::time::sleep(Duration::from_mins(2)).await;
    let seen = world.bodies().into_iter().filter(|body| match body {
        Body::SignalAccepted(body) => body.signal.as_str() == "Q_SEEN",
        _ => false,
    });
    assert_eq!(seen.count(), 1);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f26_a_jump_of_the_wall_clock_is_a_record_and_moves_no_deadline() {
    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    for jump_ms in [-3 * DAY_MS, 365 * DAY_MS] {
        let world = World::new();
        let running = world.start(plain()).await;
        running.emit(signal("Q_WORK")).await;
        let began = tokio::time::Instant::now();
        running.executor.until(|seen| seen.running.len() == 1).await;
        world.clock.move_wall(jump_ms);
        running.emit(signal("Q_NOTE")).await;
        let jumps: Vec<i64> = world
            .bodies()
            .into_iter()
            .filter_map(|body| match body {
                Body::ClockJumped(body) => Some(body.by_ms),
                _ => None,
            })
            .collect();
        assert_eq!(jumps, [jump_ms]);
        running
            .executor
            .until(|seen| !seen.stopped.is_empty())
            .await;
        let late = began.elapsed().checked_sub(TIMEOUT).unwrap();
        assert!(late < Duration::from_millis(10), "{jump_ms}: {late:?}");
        running.go().await.unwrap();
        let records = world.disk.records();
        assert!(records.is_sorted_by_key(|record| record.elapsed_ms));
        assert_eq!(
            jumps.len(),
            world.count("clock.jumped"),
            "it is recorded once"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn inputs_that_leave_no_record_do_not_fill_a_batch() {
    const WAITING: u32 = 600;
    let world = World::new();
    let running = world.start(policy(|source| source.slots = 1)).await;
    for _run in 0..WAITING {
        running
            .executor
            .refuse(NotStarted::Later("EAGAIN".to_owned()));
        running.emit(signal("Q_WORK")).await;
        settle().await;
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    running.stop(Mode::Pause).await.unwrap();
    // Each becomes due by itself, and none may start.
    tokio::time::sleep(Duration::from_secs(5)).await;
    running.emit(signal("Q_NOTE")).await;
    running.resume().await;
    running.executor.until(|seen| seen.running.len() == 1).await;
    running.go().await.unwrap();
}
