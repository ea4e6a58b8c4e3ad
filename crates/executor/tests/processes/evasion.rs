//! Trees that do not want to die, and signals to the right ones.

use antiphon_core::report::{Exit, StopCause};
use antiphon_engine::ports::executor::{Executor as _, Launch};

use crate::world::{
    World, kill, launch, running, shell, spawner_processes, state_and_parent, survivors, until,
};

/// The program that evades; its first argument says how, its second marks its processes.
const EVADE: &str = include_str!("evade.py");
/// Every way it knows after which its leader exits.
const LEAVING: [&str; 6] = [
    "double_fork",
    "new_session",
    "holds_pipe",
    "closes_all",
    "writes_on",
    "fork_storm",
];
/// Every way in which its leader stays and has to be stopped.
const STAYING: [&str; 3] = ["ignores_term", "stops_itself", "forks_on_term"];
/// Times that all of them are run at once.
const ROUNDS: u64 = 20;

fn evader(token: u64, way: &str, root: &std::path::Path) -> Launch {
    let launch = launch(
        token,
        &["python3", "-c", EVADE, way, root.to_str().unwrap()],
    );
    Launch {
        grace_ms: 50,
        ..launch
    }
}

pub(crate) async fn a21_g21_no_evasive_child_survives() {
    let mut world = World::new().await;
    let mut token = 0;
    for _ in 0..ROUNDS {
        let first = token + 1;
        for way in LEAVING.iter().chain(&STAYING) {
            token += 1;
            let launch = evader(token, way, world.root());
            world.executor.launch(launch).await.unwrap();
        }
        let staying = first + LEAVING.len() as u64..=token;
        for token in staying.clone() {
            let up = world.root().join(format!("run/{token}/up"));
            until(|| up.exists()).await;
            world.executor.stop(token, StopCause::Deadline);
        }
        for _ in first..=token {
            let (ended, report) = world.any_report().await;
            if staying.contains(&ended) {
                assert_eq!(report.exit, Exit::Signal(9), "{ended}: {report:?}");
            } else {
                assert_eq!(
                    report.exit,
                    Exit::Code(0),
                    "{ended}: {}",
                    report.stderr.text
                );
                assert!(report.processes_killed > 0, "{ended}: nobody evaded");
            }
            let place = usize::try_from(ended - first).unwrap();
            let way = LEAVING.iter().chain(&STAYING).nth(place).unwrap();
            if *way == "fork_storm" {
                assert!(report.processes_killed >= 50, "{}", report.processes_killed);
            }
            world.executor.forget(ended);
        }
        assert_eq!(survivors(world.root()), Vec::<String>::new());
    }
    until(|| world.left_in_run().is_empty()).await;
    world.end().await;
}

pub(crate) async fn f45_a_tree_that_ignores_sigterm_is_killed_after_its_grace() {
    let mut world = World::new().await;
    let script =
        "trap '' TERM; (trap '' TERM; sleep 1000) & touch $HOME/up; while :; do wait; done";
    world
        .executor
        .launch(Launch {
            grace_ms: 20,
            ..shell(1, script)
        })
        .await
        .unwrap();
    let up = world.root().join("run/1/up");
    until(|| up.exists()).await;
    world.executor.stop(1, StopCause::Cancelled);
    world.executor.stop(1, StopCause::Deadline);
    let report = world.report(1).await;
    assert_eq!(
        (report.exit, report.exited_before_stop),
        (Exit::Signal(9), false)
    );
    assert_eq!(report.executor_stop, None);
    assert!(report.duration_ms >= 20);
    world.executor.stop(1, StopCause::Deadline);
    world.end().await;
}

pub(crate) async fn a_tree_that_obeys_sigterm_is_not_killed() {
    let mut world = World::new().await;
    let script = "trap 'echo bye; exit 5' TERM; touch $HOME/up; while :; do sleep 0.01; done";
    world.executor.launch(shell(1, script)).await.unwrap();
    let up = world.root().join("run/1/up");
    until(|| up.exists()).await;
    world.executor.stop(1, StopCause::Stopped);
    let report = world.report(1).await;
    assert_eq!(
        (report.exit, &*report.stdout.text),
        (Exit::Code(5), "bye\n")
    );
    assert!(!report.exited_before_stop);
    world.end().await;
}

pub(crate) async fn a_leader_that_had_exited_was_not_stopped() {
    let mut world = World::new().await;
    for token in 1..50 {
        world
            .executor
            .launch(launch(token, &["true"]))
            .await
            .unwrap();
        world.executor.stop(token, StopCause::Deadline);
        let report = world.report(token).await;
        // Either it was in time or the signal ended it; never both.
        match report.exit {
            Exit::Code(code) => assert_eq!(code, 0),
            Exit::Signal(signal) => assert_eq!((signal, report.exited_before_stop), (15, false)),
        }
    }
    world.end().await;
}

pub(crate) async fn kill_all_ends_every_tree_and_no_other() {
    let mut world = World::new().await;
    let mut other = World::new().await;
    other
        .executor
        .launch(shell(1, "read line; exit 6"))
        .await
        .unwrap_or_else(|_| panic!());
    assert_eq!(other.report(1).await.exit, Exit::Code(6));
    other
        .executor
        .launch(launch(2, &["sleep", "1000"]))
        .await
        .unwrap();
    for token in 1..=8 {
        world
            .executor
            .launch(shell(token, "sleep 1000 & sleep 1000"))
            .await
            .unwrap();
    }
    world.executor.kill_all();
    for _ in 1..=8 {
        let (_, report) = world.any_report().await;
        assert_eq!(
            (report.exit, report.exited_before_stop),
            (Exit::Signal(9), false)
        );
    }
    assert_eq!(survivors(world.root()), Vec::<String>::new());
    assert_eq!(survivors(other.root()).len(), 1);
    world.end().await;
    other.executor.stop(2, StopCause::Cancelled);
    assert_eq!(other.report(2).await.exit, Exit::Signal(15));
    other.end().await;
}

pub(crate) async fn a_killed_keeper_takes_its_tree_along_and_no_other() {
    let mut world = World::new().await;
    world
        .executor
        .launch(launch(1, &["sleep", "1000"]))
        .await
        .unwrap();
    let spared = running(world.root(), &["sleep", "1000"]).await;
    let (_, spared) = state_and_parent(spared).unwrap();
    world
        .executor
        .launch(evader(2, "double_fork_and_stay", world.root()))
        .await
        .unwrap();
    let up = world.root().join("run/2/up");
    until(|| up.exists()).await;
    let spawner = i32::try_from(world.spawner_pid).unwrap();
    let processes = spawner_processes(world.root());
    let busy = processes
        .into_iter()
        .filter(|pid| ![spawner, spared].contains(pid));
    let doomed: Vec<i32> = busy.filter(|keeper| has_child(*keeper)).collect();
    assert_eq!(doomed.len(), 1);
    doomed.into_iter().for_each(kill);
    let report = world.report(2).await;
    assert_eq!(
        (report.exit, report.exited_before_stop),
        (Exit::Signal(9), false)
    );
    assert_eq!(survivors(world.root()).len(), 1, "only the other tree");
    world.executor.stop(1, StopCause::Cancelled);
    assert_eq!(world.report(1).await.exit, Exit::Signal(15));
    assert_eq!(world.run(launch(3, &["true"])).await.exit, Exit::Code(0));
    world.end().await;
}

fn has_child(parent: i32) -> bool {
    crate::world::pids().any(|pid| state_and_parent(pid).is_some_and(|(_, found)| found == parent))
}
