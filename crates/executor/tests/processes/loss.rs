//! Owners, spawners and keepers that die, and what recovery makes of it.

use std::path::Path;
use std::process::{Command, Stdio};

use antiphon_core::report::{Exit, Fate, ResultFile};
use antiphon_core::signal::Facts;
use antiphon_engine::ports::executor::{Executor as _, ExecutorEvent};

use crate::world::{World, kill, launch, shell, spawner_processes, survivors, until};

pub(crate) async fn a_killed_spawner_is_lost() {
    let mut world = World::new().await;
    world
        .executor
        .launch(launch(1, &["sleep", "1000"]))
        .await
        .unwrap();
    kill(i32::try_from(world.spawner_pid).unwrap());
    let event = world.events.recv().await.unwrap();
    assert!(matches!(event, ExecutorEvent::Lost { .. }), "{event:?}");
    // Its keepers still do their duty.
    world.executor.kill_all();
    assert_eq!(world.report(1).await.exit, Exit::Signal(9));
    world.abandon().await;
}

/// An owner that has four attempts and is killed: the first has ended, unsettled.
pub(crate) async fn owner(root: String) {
    let (mut world, _) = World::recover(Path::new(&root), &[]).await;
    let ended = shell(1, r#"echo '{"n": 1}' > "$ANTIPHON_RESULT""#);
    world.run(ended).await;
    world.run(shell(2, "exit 1")).await;
    world.run(shell(3, "true")).await;
    world.executor.forget(3);
    world
        .executor
        .launch(launch(4, &["sleep", "1000"]))
        .await
        .unwrap();
    world
        .executor
        .launch(shell(5, "setsid sleep 1000 & sleep 1000"))
        .await
        .unwrap();
    let sleeping = || {
        survivors(Path::new(&root))
            .iter()
            .filter(|one| one.contains("sleep"))
            .count()
    };
    until(|| sleeping() >= 3).await;
    std::fs::write(Path::new(&root).join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}

async fn start_owner(root: &Path) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let owner = command
        .arg("__owner")
        .arg(root)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    until(|| root.join("ready").exists()).await;
    owner
}

pub(crate) async fn f43_the_death_of_the_owner_ends_its_work_and_recovery_knows_how() {
    let root = tempfile::tempdir().unwrap();
    let mut owner = start_owner(root.path()).await;
    owner.kill().unwrap();
    owner.wait().unwrap();
    let (world, fates) = World::recover(root.path(), &[1, 2, 3, 4, 5, 6]).await;
    assert_eq!(survivors(root.path()), Vec::<String>::new());
    let Fate::Reported(report) = &fates[&1] else {
        panic!("{fates:?}")
    };
    assert_eq!(report.exit, Exit::Code(0));
    assert_eq!(
        report.result,
        ResultFile::Valid(Facts::parse(br#"{"n":1}"#).unwrap())
    );
    assert!(report.exited_before_stop && report.stdout.cut);
    let others: Vec<&Fate> = (2..=6).map(|token| &fates[&token]).collect();
    // The third was forgotten: an engine that asks for it again has a lease without a note.
    let expected = [
        &Fate::Dead,
        &Fate::NeverStarted,
        &Fate::Dead,
        &Fate::Dead,
        &Fate::NeverStarted,
    ];
    assert_eq!(others, expected);
    let marks = std::fs::read_to_string(root.path().join("run/spawner.clean")).unwrap();
    assert_eq!(marks.lines().count(), 1);
    // An owner that is lost before it has settled learns the same again.
    world.end().await;
    let (world, again) = World::recover(root.path(), &[1, 2, 4, 5]).await;
    assert!(
        again.iter().all(|(token, fate)| fates[token] == *fate),
        "{again:?}"
    );
    for token in [1, 2, 4, 5] {
        world.executor.forget(token);
    }
    until(|| world.left_in_run().is_empty()).await;
    world.end().await;
    let (world, none) = World::recover(root.path(), &[]).await;
    assert!(none.is_empty() && !root.path().join("run/spawner.clean").exists());
    world.end().await;
}

pub(crate) async fn f43_strays_of_a_massacre_are_killed_and_nothing_is_claimed() {
    let root = tempfile::tempdir().unwrap();
    let mut owner = start_owner(root.path()).await;
    // Stopped first, so that none of them can answer the death of another.
    let all = spawner_processes(root.path());
    for pid in &all {
        let pid = rustix::process::Pid::from_raw(*pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }
    all.into_iter().for_each(kill);
    owner.kill().unwrap();
    owner.wait().unwrap();
    until(|| spawner_processes(root.path()).is_empty()).await;
    assert!(
        !survivors(root.path()).is_empty(),
        "someone is left to be found"
    );
    let (world, fates) = World::recover(root.path(), &[1, 4, 5]).await;
    assert!(
        fates.values().all(|fate| *fate == Fate::Unproven),
        "{fates:?}"
    );
    assert_eq!(survivors(root.path()), Vec::<String>::new());
    // That this owner ends clean proves nothing about the one before.
    world.end().await;
    let (world, fates) = World::recover(root.path(), &[4]).await;
    assert_eq!(fates[&4], Fate::Unproven);
    world.end().await;
}

pub(crate) async fn a_lease_of_an_earlier_boot_is_dead() {
    let root = tempfile::tempdir().unwrap();
    let (world, _) = World::recover(root.path(), &[]).await;
    world.end().await;
    let run = root.path().join("run");
    std::fs::write(
        run.join("boot.json"),
        r#"{"boot":"another","leases_above":3}"#,
    )
    .unwrap();
    let note = |boot: &str| format!(r#"{{"boot":"{boot}","nonce":"x-5","run":"r","spawner":"x"}}"#);
    std::fs::write(run.join("5.json"), note("another")).unwrap();
    // The note of 7 went with the power: that it is missing proves nothing across a boot.
    let (world, fates) = World::recover(root.path(), &[5, 7]).await;
    assert_eq!((&fates[&5], &fates[&7]), (&Fate::Dead, &Fate::Dead));
    world.end().await;
    let (world, fates) = World::recover(root.path(), &[7, 8]).await;
    assert_eq!((&fates[&7], &fates[&8]), (&Fate::Dead, &Fate::NeverStarted));
    world.end().await;
    // Without the boot file nothing tells whether a note is missing or was lost.
    std::fs::remove_file(run.join("boot.json")).unwrap();
    std::fs::write(run.join("9.json"), note("another")).unwrap();
    std::fs::write(run.join("10.json"), "\0\0\0").unwrap();
    let (world, fates) = World::recover(root.path(), &[8, 9, 10]).await;
    let found: Vec<&Fate> = fates.values().collect();
    assert_eq!(found, [&Fate::Unproven, &Fate::Dead, &Fate::Unproven]);
    world.end().await;
}

pub(crate) async fn what_belongs_to_no_lease_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    std::fs::create_dir_all(run.join("7/deep/deeper")).unwrap();
    std::fs::create_dir_all(run.join("8")).unwrap();
    for name in ["7.json", "7.exit", "8.json", "9.exit.draft", "suspects"] {
        std::fs::write(run.join(name), "").unwrap();
    }
    let (world, fates) = World::recover(root.path(), &[8]).await;
    assert_eq!(fates.len(), 1);
    let mut left = world.left_in_run();
    left.sort();
    assert_eq!(left, ["8", "8.json"]);
    assert!(run.join("suspects").exists());
    world.end().await;
}
