//! Starting, limits, results, and that nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::report::{Exit, NotStarted, ResultFile};
use antiphon_core::signal::Facts;
use antiphon_core::task::{Program, ResourceLimits};
use antiphon_engine::ports::executor::{Executor as _, Launch};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::world::{World, launch, pids, shell, spawner_processes, state_and_parent};

pub(crate) async fn a_program_that_exits_is_reported_with_its_code() {
    let mut world = World::new().await;
    let report = world.run(launch(1, &["/bin/true"])).await;
    assert_eq!(
        (report.exit, report.exited_before_stop),
        (Exit::Code(0), true)
    );
    assert_eq!(
        (report.result, report.executor_stop),
        (ResultFile::Absent, None)
    );
    assert_eq!(report.processes_killed, 0);
    assert!(report.memory_kib_max > 0);
    assert_eq!(world.run(launch(2, &["false"])).await.exit, Exit::Code(1));
    assert_eq!(world.run(shell(3, "exit 77")).await.exit, Exit::Code(77));
    world.end().await;
}

pub(crate) async fn a_signal_that_ends_a_leader_is_reported() {
    let mut world = World::new().await;
    let report = world.run(shell(1, "kill -SEGV $$")).await;
    assert_eq!(
        (report.exit, report.exited_before_stop),
        (Exit::Signal(11), true)
    );
    world.end().await;
}

pub(crate) async fn a_valid_result_is_reported_and_an_invalid_one_says_why() {
    let mut world = World::new().await;
    let report = world
        .run(shell(1, r#"echo '{"n": 1}' > "$ANTIPHON_RESULT""#))
        .await;
    assert_eq!(
        report.result,
        ResultFile::Valid(Facts::parse(br#"{"n":1}"#).unwrap())
    );
    let report = world
        .run(shell(2, r#"echo 'no' > "$ANTIPHON_RESULT""#))
        .await;
    assert!(
        matches!(report.result, ResultFile::Invalid(_)),
        "{:?}",
        report.result
    );
    let report = world
        .run(shell(3, r#"ln -s /etc/passwd "$ANTIPHON_RESULT""#))
        .await;
    let why = "a symbolic link, which is not followed".to_owned();
    assert_eq!(report.result, ResultFile::Invalid(why));
    world.end().await;
}

pub(crate) async fn facts_come_on_standard_input() {
    let mut world = World::new().await;
    let facts = Facts::parse(br#"{"b": [1, 2], "a": "x"}"#).unwrap();
    let report = world
        .run(Launch {
            facts: facts.clone(),
            ..launch(1, &["cat"])
        })
        .await;
    assert_eq!(report.stdout.text, facts.text());
    world.end().await;
}

pub(crate) async fn the_environment_is_exactly_the_allowed_one() {
    let mut world = World::new().await;
    let environment = BTreeMap::from([
        ("TZ".to_owned(), "Europe/Paris".to_owned()),
        ("ANTIPHON_TOKEN".to_owned(), "forged".to_owned()),
    ]);
    let asked = Launch {
        environment,
        ..launch(7, &["/usr/bin/env"])
    };
    let text = world.run(asked).await.stdout.text;
    let mut found: BTreeMap<&str, &str> = text
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .collect();
    let nonce = found.remove("ANTIPHON_NONCE").unwrap();
    assert!(nonce.len() == 38 && nonce.ends_with("-7"), "{nonce}");
    let root = world.root().to_str().unwrap();
    let (home, result) = (format!("{root}/run/7"), format!("{root}/run/7/result.json"));
    let trace = format!("00-{}-0000000000000007-01", "ab".repeat(16));
    let expected = BTreeMap::from([
        ("ANTIPHON_ATTEMPT", "2"),
        (
            "ANTIPHON_CORRELATION_ID",
            "abababab-abab-abab-abab-abababababab",
        ),
        ("ANTIPHON_DEADLINE", "1970-01-01T00:00:01.000Z"),
        ("ANTIPHON_RESULT", &result),
        ("ANTIPHON_ROOT", root),
        ("ANTIPHON_RUN_ID", "01010101-0101-0101-0101-010101010101"),
        ("ANTIPHON_SIGNAL_ID", "02020202-0202-0202-0202-020202020202"),
        ("ANTIPHON_TOKEN", "7"),
        ("HOME", &home),
        ("LANG", "C.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("TRACEPARENT", &trace),
        ("TZ", "Europe/Paris"),
    ]);
    assert_eq!(found, expected);
    world.end().await;
}

pub(crate) async fn nothing_is_inherited_but_three_descriptors() {
    let mut world = World::new().await;
    // The fourth is the folder that ls reads.
    let report = world.run(launch(1, &["ls", "/proc/self/fd"])).await;
    assert_eq!(report.stdout.text, "0\n1\n2\n3\n");
    let report = world.run(launch(2, &["cat", "/proc/self/status"])).await;
    let lines: BTreeSet<&str> = report.stdout.text.lines().collect();
    for line in [
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(lines.contains(line), "{line} is not in {lines:?}");
    }
    world.end().await;
}

pub(crate) async fn f48_limits_and_directory_are_as_the_task_says() {
    let mut world = World::new().await;
    let limits = ResourceLimits {
        cpu_seconds: Some(10),
        file_bytes: Some(4_096),
        memory_bytes: Some(1 << 30),
        open_files: Some(64),
        output_bytes: None,
    };
    let script = "cat /proc/self/limits; pwd; head -c 9000 /dev/zero > $HOME/large";
    let asked = Launch {
        limits,
        working_directory: Some("run".to_owned()),
        ..shell(1, script)
    };
    let report = world.run(asked).await;
    let squeezed: Vec<String> = report.stdout.text.lines().map(squeeze).collect();
    for line in [
        "Max cpu time 10 11 seconds",
        "Max file size 4096 4096 bytes",
        "Max core file size 0 0 bytes",
        "Max open files 64 64 files",
        "Max address space 1073741824 1073741824 bytes",
        world.root().join("run").to_str().unwrap(),
    ] {
        assert!(
            squeezed.iter().any(|found| found == line),
            "{line} is not in {squeezed:?}"
        );
    }
    let large = std::fs::metadata(world.root().join("run/1/large")).unwrap();
    assert_eq!(large.len(), 4_096);
    world.end().await;
}

fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The built-in of [`a_builtin_runs_as_the_binary_itself`].
pub(crate) fn builtin(name: &str, arguments: &[&str]) {
    println!("{name} {arguments:?}");
}

pub(crate) async fn a_builtin_runs_as_the_binary_itself() {
    let mut world = World::new().await;
    let program = Program::Builtin {
        arguments: vec!["a b".to_owned()],
        name: "pack.task".to_owned(),
    };
    let report = world
        .run(Launch {
            program,
            ..launch(1, &[])
        })
        .await;
    assert_eq!(
        (report.exit, &*report.stdout.text),
        (Exit::Code(0), "pack.task [\"a b\"]\n")
    );
    world.end().await;
}

pub(crate) async fn what_cannot_be_executed_will_never_be() {
    let mut world = World::new().await;
    let missing = world.refused(launch(1, &["no-such-program"])).await;
    let text = "cannot run `no-such-program`: No such file or directory (os error 2)".to_owned();
    assert_eq!(missing, NotStarted::Never(text));
    let elsewhere = Some("nowhere".to_owned());
    let refused = [
        launch(2, &["/etc/passwd"]),
        launch(3, &["/no/such/program"]),
        launch(4, &[]),
        launch(5, &["a\0b"]),
        launch(6, &["true", &"x".repeat(200 * 1024)]),
        Launch {
            working_directory: elsewhere,
            ..launch(7, &["true"])
        },
    ];
    for launch in refused {
        let token = launch.token;
        let outcome = world.refused(launch).await;
        assert!(
            matches!(outcome, NotStarted::Never(_)),
            "{token}: {outcome:?}"
        );
    }
    assert_eq!(world.left_in_run(), Vec::<String>::new());
    assert_eq!(world.run(launch(8, &["true"])).await.exit, Exit::Code(0));
    world.end().await;
}

pub(crate) async fn f12_without_descriptors_a_launch_is_for_later() {
    let mut world = World::new().await;
    world.run(launch(1, &["true"])).await;
    let usual = getrlimit(Resource::Nofile);
    let open = u64::try_from(open_descriptors().len()).unwrap();
    for room in 0..6 {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(open + room),
                ..usual
            },
        )
        .unwrap();
        let outcome = world.executor.launch(launch(2, &["true"])).await;
        setrlimit(Resource::Nofile, usual).unwrap();
        match outcome {
            Ok(()) => drop(world.report(2).await),
            Err(refused) => assert!(matches!(refused, NotStarted::Later(_)), "{refused:?}"),
        }
        world.executor.forget(2);
        assert!(
            room > 2
                || world.left_in_run() == ["1", "1.json"]
                || world.left_in_run() == ["1.json", "1"]
        );
    }
    assert_eq!(world.run(launch(2, &["true"])).await.exit, Exit::Code(0));
    world.end().await;
}

pub(crate) async fn f42_many_short_runs_leave_nothing_behind() {
    let mut world = World::new().await;
    world.run(launch(1, &["true"])).await;
    world.executor.forget(1);
    let before = open_descriptors();
    for token in 2..502 {
        let report = world
            .run(shell(token, "echo out; echo err >&2; touch $HOME/file"))
            .await;
        assert_eq!(
            (&*report.stdout.text, &*report.stderr.text),
            ("out\n", "err\n")
        );
        world.executor.forget(token);
    }
    assert_eq!(open_descriptors(), before);
    let keepers = spawner_processes(world.root());
    assert!(
        keepers.len() <= 3,
        "spawner, one keeper and a spare: {keepers:?}"
    );
    for keeper in &keepers {
        let open = std::fs::read_dir(format!("/proc/{keeper}/fd"))
            .unwrap()
            .count();
        assert!(open <= 8, "{open} descriptors in {keeper}");
    }
    let ours = |pid: i32| {
        state_and_parent(pid).filter(|(state, parent)| *state == 'Z' && keepers.contains(parent))
    };
    assert_eq!(pids().filter_map(ours).count(), 0, "zombies");
    let root = world.root().to_owned();
    crate::world::until(|| world.left_in_run().is_empty()).await;
    world.end().await;
    assert_eq!(spawner_processes(&root), Vec::<i32>::new());
}

fn open_descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Measures `count` times `/bin/true` one after another: until it runs, and until it is forgotten.
pub(crate) async fn chain(count: u64) {
    let mut world = World::new().await;
    world.run(launch(1, &["/bin/true"])).await;
    let (mut started, mut whole) = (Vec::new(), Vec::new());
    for token in 2..count + 2 {
        let start = std::time::Instant::now();
        world
            .executor
            .launch(launch(token, &["/bin/true"]))
            .await
            .unwrap();
        started.push(start.elapsed());
        world.report(token).await;
        world.executor.forget(token);
        whole.push(start.elapsed());
    }
    for (what, mut laps) in [("until it runs", started), ("until it is forgotten", whole)] {
        let mean = laps.iter().sum::<std::time::Duration>() / u32::try_from(count).unwrap();
        laps.sort();
        let (median, p99) = (laps[laps.len() / 2], laps[laps.len() * 99 / 100]);
        println!("{what}: mean {mean:?}, median {median:?}, p99 {p99:?}");
    }
    world.end().await;
}
