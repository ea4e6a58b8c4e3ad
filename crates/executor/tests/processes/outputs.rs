//! Standard output and error: evidence, never control, and never too much.

use antiphon_core::id::Digest;
use antiphon_core::limits::INLINE_OUTPUT_BYTES_MAX;
use antiphon_core::report::{Exit, ResultFile, StopCause};
use antiphon_core::task::ResourceLimits;
use antiphon_engine::ports::evidence::Evidence as _;
use antiphon_engine::ports::executor::{Executor as _, Launch};
use sha2::{Digest as _, Sha256};

use crate::world::{World, launch, running, shell};

/// Bytes of the flood.
const FLOOD_BYTES: usize = 200 * 1024 * 1024;

pub(crate) async fn a19_f46_a_flood_is_hashed_whole_and_takes_no_memory() {
    let mut world = World::new().await;
    let before = resident_kib();
    let script = format!("head -c {FLOOD_BYTES} /dev/zero");
    let limits = ResourceLimits {
        output_bytes: Some(1 << 30),
        ..ResourceLimits::default()
    };
    let report = world
        .run(Launch {
            limits,
            ..shell(1, &script)
        })
        .await;
    let mut hash = Sha256::new();
    let zeros = vec![0; 1 << 20];
    (0..FLOOD_BYTES >> 20).for_each(|_| hash.update(&zeros));
    assert_eq!(report.exit, Exit::Code(0));
    assert_eq!(report.stdout.bytes, u64::try_from(FLOOD_BYTES).unwrap());
    assert_eq!(report.stdout.sha256, Digest(hash.finalize().into()));
    assert!(report.stdout.cut);
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more");
    world.end().await;
}

pub(crate) async fn a19_f46_a_flood_beyond_its_cap_is_killed() {
    let mut world = World::new().await;
    let limits = ResourceLimits {
        output_bytes: Some(1 << 20),
        ..ResourceLimits::default()
    };
    let report = world
        .run(Launch {
            limits,
            ..launch(1, &["yes"])
        })
        .await;
    assert_eq!(
        (report.exit, report.executor_stop),
        (Exit::Signal(9), Some(StopCause::Output))
    );
    assert!(!report.exited_before_stop);
    assert!(report.stdout.bytes > 1 << 20);
    world.end().await;
}

pub(crate) async fn a20_what_is_printed_is_never_control() {
    let mut world = World::new().await;
    let script =
        r#"printf '{"exit":{"code":0},"result":{"valid":{}}}\nRESULT ok\n\003\007'; exit 3"#;
    let report = world.run(shell(1, script)).await;
    assert_eq!(
        (report.exit, report.result),
        (Exit::Code(3), ResultFile::Absent)
    );
    world.end().await;
}

pub(crate) async fn a_large_output_is_evidence_under_its_hash() {
    let mut world = World::new().await;
    let report = world.run(shell(1, "seq 1 20000; printf '\\377' >&2")).await;
    let expected: Vec<String> = (1..=20_000).map(|n| n.to_string()).collect();
    let expected = expected.join(
        "
",
    ) + "
";
    let digest = Digest::of(expected.as_bytes());
    assert_eq!(
        (report.stdout.sha256, report.stdout.evidence),
        (digest, Some(digest))
    );
    assert!(report.stdout.text.len() <= INLINE_OUTPUT_BYTES_MAX);
    assert!(report.stdout.text.starts_with("1\n2\n") && report.stdout.text.ends_with("20000\n"));
    let evidence = world.executor.evidence();
    assert_eq!(
        evidence.read(&digest).unwrap().unwrap(),
        expected.as_bytes()
    );
    assert_eq!(
        evidence.read(&report.stderr.sha256).unwrap().unwrap(),
        [0xff]
    );
    world.end().await;
}

pub(crate) async fn f44_a_pipe_held_by_a_stranger_delays_nothing() {
    let mut world = World::new().await;
    world
        .executor
        .launch(shell(1, "echo before; exec sleep 1000"))
        .await
        .unwrap();
    // This process is in no tree; it takes the writing end through /proc.
    let leader = running(world.root(), &["sleep", "1000"]).await;
    let path = format!("/proc/{leader}/fd/1");
    let held = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    world.executor.kill_all();
    let report = world.report(1).await;
    assert_eq!(
        (report.exit, &*report.stdout.text),
        (Exit::Signal(9), "before\n")
    );
    drop(held);
    world.end().await;
}

pub(crate) async fn f47_closed_and_late_outputs_change_nothing() {
    let mut world = World::new().await;
    let report = world.run(shell(1, "exec >&- 2>&-; exit 4")).await;
    assert_eq!(
        (report.exit, report.stdout.bytes, report.stderr.bytes),
        (Exit::Code(4), 0, 0)
    );
    // The child is killed with the tree, whatever it still meant to write.
    let late = "(trap '' HUP; while :; do echo late; done) & echo first; exit 0";
    let report = world.run(shell(2, late)).await;
    assert_eq!((report.exit, report.processes_killed), (Exit::Code(0), 1));
    let failed = r#"echo '{"ok":false}' > "$ANTIPHON_RESULT.part"; exit 0"#;
    assert_eq!(world.run(shell(3, failed)).await.result, ResultFile::Absent);
    world.end().await;
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
