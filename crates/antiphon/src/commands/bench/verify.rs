//! A whole log verified, by `ledger verify` in a process of its own: how fast, and in how much memory.
//!
//! The log is one that an owner wrote under load. Floor: SHA-256 over the same bytes, in the same
//! run, on one thread.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::floor::sha256::{self, Hashed};
use super::report::{Figure, Report, value};
use super::{Bench, append, failed, process};
use crate::failure::Failure;

/// Records of the log when nothing else is said.
pub(super) const RECORDS: u32 = 100_000;
/// Bytes of each signal's facts: its record has 1.2 KB.
const FACTS_BYTES: usize = 590;
/// How often the verifier's memory is looked at: the kernel keeps the most that it was.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One way to verify.
struct Manner {
    name: &'static str,
    threads: &'static str,
    hashes_only: bool,
}

/// Chain, tree, tiles and signatures; then that bodies are canonical JSON, too.
const MANNERS: [Manner; 4] = [
    manner("hashes_on_1", "1", true),
    manner("hashes_on_2", "2", true),
    manner("whole_on_1", "1", false),
    manner("whole_on_2", "2", false),
];

const fn manner(name: &'static str, threads: &'static str, hashes_only: bool) -> Manner {
    Manner {
        name,
        threads,
        hashes_only,
    }
}

pub(super) fn run(bench: &mut Bench, records: u32) -> Result<(), Failure> {
    let root = append::filled_with(bench, records, FACTS_BYTES)?;
    let log = sha256::run(root.path())?;
    let rounds = bench.rounds(
        "verify",
        |_place| {
            let Hashed {
                megabytes, took, ..
            } = sha256::run(root.path())?;
            Ok(vec![Figure::new("sha256", rate(megabytes, took), "MB/s")])
        },
        |place| {
            let memory = place.folder()?;
            let mut figures = Vec::new();
            let mut resident_mb_max = 0.0_f64;
            for manner in &MANNERS {
                let (took, resident_mb) = verify(root.path(), memory.path(), manner)?;
                figures.push(Figure::new(manner.name, rate(log.megabytes, took), "MB/s"));
                resident_mb_max = resident_mb_max.max(resident_mb);
            }
            figures.push(Figure::new("resident", resident_mb_max, "MB"));
            Ok(figures)
        },
    )?;
    let floor = value(&rounds.floor, "sha256");
    let ratio = |manner: &Manner| {
        let rate = value(&rounds.figures, manner.name);
        Figure::new(manner.name, rate / floor, "of SHA-256")
    };
    let record_bytes = log.megabytes * 1e6 / f64::from(log.records);
    let report = Report {
        workload: "verify",
        setting: vec![
            Figure::new("records", log.records, "records"),
            Figure::new("record_bytes", record_bytes, "bytes each"),
            Figure::new("rounds", bench.rounds, "rounds"),
        ],
        machine: bench.machine.clone(),
        ratio: MANNERS.iter().map(ratio).collect(),
        floor: rounds.floor,
        figures: rounds.figures,
    };
    bench.tell(&report)
}

fn rate(megabytes: f64, took: Duration) -> f64 {
    megabytes / took.as_secs_f64()
}

/// Lets `ledger verify` judge the log of `root`, with `memory` for what it remembers; gives how long
/// it took from its start, and the most that it held, MB.
fn verify(root: &Path, memory: &Path, manner: &Manner) -> Result<(Duration, f64), Failure> {
    const WHAT: &str = "the verifier cannot be run";
    let executable = std::env::current_exe().map_err(failed("the program is not found"))?;
    let mut command = Command::new(executable);
    command
        .args(["--quiet", "ledger", "verify", "--threads", manner.threads])
        .args(manner.hashes_only.then_some("--hashes-only"))
        .arg(root)
        .env("XDG_STATE_HOME", memory)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().map_err(failed(WHAT))?;
    let process = child.id();
    let (status, took, resident_mb) = std::thread::scope(|scope| {
        let (running, ended) = channel::<()>();
        let watch = scope.spawn(move || {
            let mut resident_mb = 0.0;
            loop {
                // The last that was read stands when it is gone.
                resident_mb = process::resident_mb_max(process).unwrap_or(resident_mb);
                if ended.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                    return resident_mb;
                }
            }
        });
        let status = child.wait();
        let took = begun.elapsed();
        drop(running);
        (status, took, watch.join().unwrap_or(f64::NAN))
    });
    let status = status.map_err(failed(WHAT))?;
    if status.success() {
        Ok((took, resident_mb))
    } else {
        Err(Failure::bench(&format!(
            "the log does not verify: {status}"
        )))
    }
}
