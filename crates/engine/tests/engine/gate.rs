//! Stopping: at once, whatever the log does; going on: only when that is durable.

use antiphon_core::control::Control;
use antiphon_core::guard::{Mode, Switch};
use antiphon_core::record::Body;
use antiphon_core::report::StopCause;
use antiphon_core::task::Interrupted;
use antiphon_engine::handle::{CONTROLS_WAITING_MAX, SubmitError};
use antiphon_testkit::fakes::Fault;

use super::support::{
    Random, World, large, on_its_own_thread, plain, policy, resume, settle, signal, yields,
};

const RACES: u64 = 1_000;
const RACES_OF_ONE_OWNER: u64 = 50;

#[tokio::test(start_paused = true)]
async fn f54_nothing_starts_once_a_kill_was_answered_in_1_000_races() {
    for first in (0..RACES).step_by(usize::try_from(RACES_OF_ONE_OWNER).unwrap()) {
        let world = World::new();
        // What was stopped is over: only what never started waits for the next race.
        let running = world
            .start(policy(|source| source.tasks[0].on_stop = Interrupted::End))
            .await;
        for seed in first..first + RACES_OF_ONE_OWNER {
            let mut random = Random::of(seed);
            running.executor.set_yields(random.below(6));
            let mut answers = Vec::new();
            for _signal in 0..=random.below(4) {
                answers.push(running.submit(signal("Q_WORK")));
                yields(random.below(4)).await;
            }
            yields(random.below(30)).await;
            running.stop(Mode::Kill).await.unwrap();
            let answered = running.executor.seen();
            answers.push(running.submit(signal("Q_WORK")));
            for answer in answers {
                answer.await.unwrap().unwrap();
            }
            settle().await;
            let later = running.executor.seen();
            assert_eq!(later.tokens(), answered.tokens(), "seed {seed}");
            assert!(later.running.is_empty(), "seed {seed}");
            running.resume().await;
            let launched = later.launched.len();
            let seen = running
                .executor
                .until(|seen| seen.launched.len() > launched);
            seen.await;
        }
        running.go().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn f54_nothing_starts_once_a_kill_was_answered_although_the_log_fails() {
    for seed in 0..100 {
        let mut random = Random::of(seed);
        let world = World::new();
        let running = world.start(plain()).await;
        running.executor.set_yields(random.below(6));
        let first = running.submit(signal("Q_WORK"));
        yields(random.below(20)).await;
        world.disk.fail(Fault::Sync);
        let stopped = running.stop(Mode::Kill).await;
        assert_eq!(
            stopped,
            Err(SubmitError::Closed),
            "seed {seed}: it stands unrecorded"
        );
        let answered = running.executor.seen();
        settle().await;
        assert_eq!(
            running.executor.seen().tokens(),
            answered.tokens(),
            "seed {seed}"
        );
        assert!(running.executor.seen().running.is_empty(), "seed {seed}");
        drop(first);
        assert!(running.ended().await.is_err());
    }
}

#[tokio::test]
async fn f54_a_kill_does_not_wait_for_a_log_that_hangs() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.emit(signal("Q_WORK")).await;
    running.executor.until(|seen| seen.running.len() == 1).await;
    world.disk.hold();
    let mut begun = world.disk.begun();
    begun.mark_unchanged();
    let in_flight = running.submit(large("Q_WORK"));
    begun.changed().await.unwrap();
    let handle = running.handle.clone();
    let stop =
        tokio::spawn(async move { handle.stop(Mode::Kill, "test".into(), String::new()).await });
    running
        .executor
        .until(|seen| seen.kills > 0 && seen.running.is_empty())
        .await;
    settle().await;
    assert!(!stop.is_finished(), "its record waits");
    world.disk.release();
    stop.await.unwrap().unwrap();
    in_flight.await.unwrap().unwrap();
    settle().await;
    assert_eq!(running.executor.seen().launched.len(), 1);
    running.go().await.unwrap();
}

#[test]
fn f54_a_kill_from_another_thread_does_not_wait_for_a_commit_on_the_loops_own() {
    let world = World::new();
    on_its_own_thread(&world, async |running| {
        running.emit(signal("Q_WORK")).await;
        running.executor.until(|seen| seen.running.len() == 1).await;
        let mut begun = world.disk.begun();
        begun.mark_unchanged();
        world.disk.hold();
        let small = running.submit(signal("Q_WORK"));
        begun.changed().await.unwrap();
        let handle = running.handle.clone();
        let by = "test".to_owned();
        let stop = tokio::spawn(async move { handle.stop(Mode::Kill, by, String::new()).await });
        running
            .executor
            .until(|seen| seen.kills > 0 && seen.running.is_empty())
            .await;
        settle().await;
        assert!(!stop.is_finished() && !small.is_finished(), "they wait");
        world.disk.release();
        stop.await.unwrap().unwrap();
        small.await.unwrap().unwrap();
        assert_eq!(running.executor.seen().launched.len(), 1);
    });
}

#[tokio::test]
async fn f54_a_stop_that_is_given_up_before_the_loop_could_take_it_is_off() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.emit(signal("Q_WORK")).await;
    running.executor.until(|seen| seen.running.len() == 1).await;
    world.disk.hold();
    let mut begun = world.disk.begun();
    begun.mark_unchanged();
    let in_flight = running.submit(large("Q_NOTE"));
    begun.changed().await.unwrap();
    // More than the next batch takes, and more than the lane holds.
    let controls: Vec<_> = (0..=512 + CONTROLS_WAITING_MAX)
        .map(|_control| {
            let handle = running.handle.clone();
            tokio::spawn(async move { handle.control(resume()).await })
        })
        .collect();
    settle().await;
    tokio::select! {
        biased;
        stopped = running.stop(Mode::Kill) => panic!("its record waits: {stopped:?}"),
        () = settle() => {}
    }
    assert!(
        running.executor.seen().running.is_empty(),
        "what ran is dead"
    );
    world.disk.release();
    in_flight.await.unwrap().unwrap();
    for control in controls {
        control.await.unwrap().unwrap();
    }
    running.emit(signal("Q_WORK")).await;
    running
        .executor
        .until(|seen| seen.launched.len() == 2)
        .await;
    assert_eq!(world.count("guard.changed"), 0);
    running.go().await.unwrap();
}

#[tokio::test]
async fn opening_needs_its_durable_record_first() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.stop(Mode::Pause).await.unwrap();
    running.emit(signal("Q_WORK")).await;
    world.disk.hold();
    let mut begun = world.disk.begun();
    begun.mark_unchanged();
    let handle = running.handle.clone();
    let resumed = tokio::spawn(async move { handle.control(resume()).await });
    let with_it = running.submit(large("Q_NOTE"));
    begun.changed().await.unwrap();
    settle().await;
    assert!(!resumed.is_finished());
    assert!(running.executor.seen().launched.is_empty());
    world.disk.release();
    resumed.await.unwrap().unwrap();
    with_it.await.unwrap().unwrap();
    running
        .executor
        .until(|seen| seen.launched.len() == 1)
        .await;
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a41_a_switch_that_nobody_told_of_stops_a_lease_at_the_gate() {
    for switch in [Switch::Engaged, Switch::Unreadable] {
        let world = World::new();
        let running = world.start(plain()).await;
        world.switch.set(switch);
        running.emit(signal("Q_WORK")).await;
        settle().await;
        assert!(running.executor.seen().launched.is_empty());
        running
            .durable(&world, |world| world.count("run.returned") == 1)
            .await;
        world.switch.set(Switch::Clear);
        let seen = running
            .executor
            .until(|seen| seen.launched.len() == 1)
            .await;
        assert_eq!(seen.launched[0].attempt, 1, "the attempt was not counted");
        running.go().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn f54_an_engaged_switch_kills_and_work_goes_on_after_its_removal_and_a_resume() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.emit(signal("Q_WORK")).await;
    running.executor.until(|seen| seen.running.len() == 1).await;
    world.switch.set(Switch::Engaged);
    running
        .handle
        .switch_seen(Switch::Engaged, false)
        .await
        .unwrap();
    let seen = running.executor.until(|seen| seen.running.is_empty()).await;
    assert!(seen.kills > 0);
    running.emit(signal("Q_WORK")).await;
    let refused = running.handle.control(resume()).await;
    assert!(
        matches!(refused, Err(SubmitError::Refused(_))),
        "{refused:?}"
    );
    world.switch.set(Switch::Clear);
    running
        .handle
        .switch_seen(Switch::Clear, false)
        .await
        .unwrap();
    settle().await;
    assert_eq!(
        running.executor.seen().launched.len(),
        1,
        "a removal is no resume"
    );
    running.resume().await;
    running
        .executor
        .until(|seen| seen.launched.len() == 3)
        .await;
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_comes_before_the_process_of_its_launch_is_not_lost() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.executor.set_yields(100);
    running.emit(signal("Q_WORK")).await;
    let run = world.bodies().iter().find_map(|body| match body {
        Body::RunLeased(body) => Some(body.run),
        _ => None,
    });
    let cancel = Control::Cancel {
        run: run.unwrap(),
        by: "test".to_owned(),
    };
    running.handle.control(cancel).await.unwrap();
    assert!(
        running.executor.seen().launched.is_empty(),
        "it is still under way"
    );
    let seen = running
        .executor
        .until(|seen| !seen.stopped.is_empty())
        .await;
    assert_eq!(seen.stopped, [(seen.tokens()[0], StopCause::Cancelled)]);
    running
        .durable(&world, |world| world.count("run.settled") == 1)
        .await;
    running.go().await.unwrap();
}

#[tokio::test]
async fn controls_keep_their_order() {
    let world = World::new();
    let running = world.start(plain()).await;
    let modes = [Mode::Pause, Mode::Drain, Mode::Pause, Mode::Normal];
    let set = |mode| {
        let handle = running.handle.clone();
        let control = Control::SetMode {
            mode,
            by: "test".to_owned(),
            reason: String::new(),
        };
        tokio::spawn(async move { handle.control(control).await })
    };
    for answer in modes.map(set) {
        answer.await.unwrap().unwrap();
    }
    let changes = world.bodies().into_iter().filter_map(|body| match body {
        Body::GuardChanged(body) => Some(body.guards.mode),
        _ => None,
    });
    assert_eq!(changes.collect::<Vec<_>>(), modes);
    running.go().await.unwrap();
}
