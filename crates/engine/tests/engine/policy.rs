//! Which work goes next, and what a new policy changes.

use antiphon_core::name::TaskName;
use antiphon_core::report::Exit;
use antiphon_core::task::{Program, Retry};
use antiphon_testkit::fakes::{Manner, report};

use super::support::{World, plain, policy, settle, signal, task, worker};

fn argv(launch: &antiphon_engine::ports::executor::Launch) -> String {
    match &launch.program {
        Program::Process { argv } => argv.join(" "),
        Program::Builtin { name, .. } => name.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn f53_a_new_policy_is_in_force_whole_and_running_work_keeps_its_task() {
    let retried = |program: &str| {
        policy(|source| {
            source.tasks[0].retry = Retry {
                backoff_ms: 10,
                factor_permille: 1_000,
                limit: 1,
                wait_ms_max: 10,
            };
            source.tasks[0].program = Program::Process {
                argv: vec![program.to_owned()],
            };
        })
    };
    let world = World::new();
    let running = world.start(retried("old")).await;
    let mut followed = running.handle.policy();
    running.emit(signal("Q_WORK")).await;
    let seen = running.executor.until(|seen| seen.running.len() == 1).await;
    let new = retried("new");
    running.handle.configure(new.clone()).await.unwrap();
    assert!(followed.has_changed().unwrap());
    assert_eq!(followed.borrow_and_update().digest(), new.digest());
    running.emit(signal("Q_WORK")).await;
    running
        .executor
        .finish(seen.tokens()[0], report(Exit::Code(1)));
    let seen = running
        .executor
        .until(|seen| seen.launched.len() == 3)
        .await;
    let attempts = seen
        .launched
        .iter()
        .map(|launch| (launch.attempt, argv(launch)));
    let expect = [(1, "old"), (1, "new"), (2, "old")].map(|(n, p)| (n, p.to_owned()));
    assert_eq!(attempts.collect::<Vec<_>>(), expect);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f53_a_configuration_that_was_refused_shows_at_once_and_changes_nothing() {
    let world = World::new();
    let running = world.start(plain()).await;
    let mut status = running.handle.watch_status();
    running
        .handle
        .reload_failed(Some("line 3: what?".to_owned()));
    let began = tokio::time::Instant::now();
    let shown = status
        .wait_for(|status| status.reload_error.is_some())
        .await
        .unwrap()
        .clone();
    assert!(
        began.elapsed().as_millis() < 10,
        "it woke the loop: {:?}",
        began.elapsed()
    );
    assert_eq!(shown.policy, plain().digest());
    running.handle.configure(plain()).await.unwrap();
    status
        .wait_for(|status| status.reload_error.is_none())
        .await
        .unwrap();
    assert_eq!(
        world.kinds(),
        [] as [&str; 0],
        "the same policy is no record"
    );
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_owner_without_slots_accepts_and_never_leases() {
    let mut world = World::new();
    world.options.slots_max = 0;
    let running = world.start(plain()).await;
    running.emit(signal("Q_WORK")).await;
    settle().await;
    assert_eq!(world.kinds(), ["signal.accepted"]);
    running.go().await.unwrap();
    world.options.slots_max = 1;
    let running = world.start(plain()).await;
    running.executor.until(|seen| seen.running.len() == 1).await;
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_next_slot_goes_by_priority_then_by_age_under_the_limits_of_tasks_and_locks() {
    let policy = policy(|source| {
        source.slots = 2;
        source.tasks = ["low", "high", "locked", "also"].map(task).to_vec();
        source.workers = ["low", "high", "locked", "also"]
            .map(|name| worker(&format!("Q_{name}"), name))
            .to_vec();
        source.tasks[0].priority = 0;
        source.tasks[1].priority = 9;
        source.tasks[1].concurrency = 1;
        for locked in [2, 3] {
            source.tasks[locked].lock = Some(antiphon_core::name::LockName::new("one").unwrap());
        }
    });
    let world = World::new();
    let running = world.start(policy).await;
    running
        .stop(antiphon_core::guard::Mode::Pause)
        .await
        .unwrap();
    for name in ["low", "locked", "also", "high", "high"] {
        running.emit(signal(&format!("Q_{name}"))).await;
    }
    running.resume().await;
    let mut expect = Vec::new();
    for (name, launched) in [("high", 2), ("locked", 3), ("high", 4), ("also", 5)] {
        let seen = running
            .executor
            .until(|seen| seen.launched.len() == launched)
            .await;
        assert!(seen.running.len() <= 2, "no more than the slots");
        expect.push(TaskName::new(name).unwrap());
        let token = seen
            .launched
            .iter()
            .find(|launch| launch.task.as_str() == name && seen.running.contains(&launch.token))
            .map(|launch| launch.token);
        running
            .executor
            .finish(token.unwrap(), report(Exit::Code(0)));
    }
    let seen = running
        .executor
        .until(|seen| seen.launched.len() == 5)
        .await;
    let order: Vec<_> = seen
        .launched
        .iter()
        .map(|launch| launch.task.to_string())
        .collect();
    assert_eq!(order, ["high", "locked", "high", "also", "low"]);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_waits_long_overtakes_what_matters_more() {
    let policy = policy(|source| {
        source.slots = 1;
        source.tasks = ["old", "new"].map(task).to_vec();
        source.workers = vec![worker("Q_OLD", "old"), worker("Q_NEW", "new")];
        source.tasks[0].priority = 0;
        source.tasks[1].priority = 1;
    });
    let mut world = World::new();
    world.manner = Manner::Succeeds;
    let running = world.start(policy).await;
    running
        .stop(antiphon_core::guard::Mode::Pause)
        .await
        .unwrap();
    running.emit(signal("Q_OLD")).await;
    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    running.emit(signal("Q_NEW")).await;
    running.resume().await;
    let seen = running
        .executor
        .until(|seen| seen.launched.len() == 2)
        .await;
    let order: Vec<_> = seen
        .launched
        .iter()
        .map(|launch| launch.task.to_string())
        .collect();
    assert_eq!(order, ["old", "new"]);
    running.go().await.unwrap();
}
