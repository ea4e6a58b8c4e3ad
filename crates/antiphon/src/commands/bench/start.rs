//! From start to the first signal, on an empty root and on one that holds records; and folding the
//! whole log.
//!
//! Floors: what it takes to start and await the least program, and this one when it has nothing to
//! do.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use antiphon_backend_sqlite::SqliteStore;
use antiphon_http::client::Client;
use antiphon_http::model::Status;

use super::floor::spawn;
use super::place::{Root, written};
use super::report::{self, Figure, Report, value};
use super::served::{Served, emit};
use super::{Bench, append, failed};
use crate::failure::Failure;
use crate::owner::clock::SystemClock;
use crate::wire;

/// Processes that a round of the floor starts.
const SPAWNS: u32 = 20;

pub(super) fn run(bench: &mut Bench, records: u32) -> Result<(), Failure> {
    let rounds = bench.rounds(
        "start",
        |_place| floor(),
        |place| {
            let root = place.root("")?;
            let started = start(&root)?;
            Ok(vec![
                Figure::new("ready", started.ready_ms, "ms"),
                Figure::new("first_signal", started.first_signal_ms, "ms"),
            ])
        },
    )?;
    tell(bench, 0, rounds.floor, rounds.figures)?;
    if records == 0 {
        return Ok(());
    }
    let root = append::filled(bench, records)?;
    let rounds = bench.rounds(
        "start on records",
        |_place| floor(),
        |_place| {
            let started = start(&root)?;
            Ok(vec![
                Figure::new("ready", started.ready_ms, "ms"),
                Figure::new("first_signal", started.first_signal_ms, "ms"),
            ])
        },
    )?;
    let mut folds = Vec::new();
    for round in 1..=bench.rounds {
        bench.step(&format!("start without snapshot and views: round {round}"));
        forget(&root)?;
        bench.place.settle()?;
        let started = start(&root)?;
        let rate = started.records / (started.ready_ms / 1_000.0);
        folds.push(vec![
            Figure::new("ready_without_snapshot_and_views", started.ready_ms, "ms"),
            Figure::new("fold_rate", rate, "records/s"),
        ]);
    }
    let mut figures = rounds.figures;
    figures.extend(report::medians(&folds));
    tell(bench, records, rounds.floor, figures)
}

fn tell(
    bench: &mut Bench,
    records: u32,
    floor: Vec<Figure>,
    figures: Vec<Figure>,
) -> Result<(), Failure> {
    let ratio = value(&figures, "first_signal") / value(&floor, "spawn_self");
    let report = Report {
        workload: "start",
        setting: vec![
            Figure::new("records_before", records, "records before"),
            Figure::new("rounds", bench.rounds, "rounds"),
        ],
        machine: bench.machine.clone(),
        floor,
        figures,
        ratio: vec![Figure::new("first_signal", ratio, "of antiphon --version")],
    };
    bench.tell(&report)
}

fn floor() -> Result<Vec<Figure>, Failure> {
    let least = spawn::run(SPAWNS)?;
    let executable = std::env::current_exe().map_err(failed("the program is not found"))?;
    let started = Instant::now();
    for _start in 0..SPAWNS {
        Command::new(&executable)
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .map_err(failed("the program cannot be started"))?;
    }
    let each_ms = started.elapsed().as_secs_f64() * 1_000.0 / f64::from(SPAWNS);
    Ok(vec![
        Figure::new("spawn_true", least.percentile_us(50) / 1_000.0, "ms"),
        Figure::new("spawn_self", each_ms, "ms"),
    ])
}

/// How a start went.
struct Started {
    /// Until the socket took a connection.
    ready_ms: f64,
    /// Until the first signal was durable and answered.
    first_signal_ms: f64,
    /// Records that the log held then.
    records: f64,
}

fn start(root: &Root) -> Result<Started, Failure> {
    wire::runtime()?.block_on(async {
        let before = Instant::now();
        let (served, mut client) = Served::start(root.path()).await?;
        emit(&mut client, "Q_BENCH_STARTED").await?;
        let first_signal = before.elapsed();
        let records = records(&mut client).await?;
        let ready = served.ready_after;
        served.stop()?;
        Ok(Started {
            ready_ms: ready.as_secs_f64() * 1_000.0,
            first_signal_ms: first_signal.as_secs_f64() * 1_000.0,
            records,
        })
    })
}

async fn records(client: &mut Client) -> Result<f64, Failure> {
    let status: Status = client.get("/api/v1/status").await?;
    Ok(u32::try_from(status.records).map_or(f64::INFINITY, f64::from))
}

/// Deletes the snapshots and the views of `root`.
fn forget(root: &Root) -> Result<(), Failure> {
    SqliteStore::open(root.path(), SystemClock::wall_ms())?.forget_snapshots()?;
    for name in ["views.db", "views.db-wal", "views.db-shm"] {
        let path: &Path = &root.path().join(name);
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(written(path, error));
            }
            _ => {}
        }
    }
    Ok(())
}
