//! An owner that has nothing to do: what it holds, and how often it wakes.
//!
//! The owner, its spawner and whatever else they started count together. The KLoROS configuration is
//! in force, its monitors look. Floor: a process that sleeps.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::process::{Activity, Meter};
use super::report::{Figure, Report, value};
use super::served::Served;
use super::{Bench, failed};
use crate::failure::Failure;
use crate::wire;

/// What an owner does at its start is over by then.
const QUIET_AFTER: Duration = Duration::from_secs(2);
/// Threads come and go: their activity is added up this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) fn run(bench: &mut Bench, longest: Duration) -> Result<(), Failure> {
    let rounds = bench.rounds(
        "idle",
        |_place| {
            let mut sleeping = Command::new("sleep")
                .arg("1000")
                .stdin(Stdio::null())
                .spawn()
                .map_err(failed("a process cannot be started"))?;
            let watched = wire::runtime()?.block_on(watch(sleeping.id(), longest / 10));
            let ended = sleeping.kill().and_then(|()| sleeping.wait());
            ended.map_err(failed("a process cannot be ended"))?;
            watched
        },
        |place| {
            let root = place.root("")?;
            wire::runtime()?.block_on(async {
                let (served, client) = Served::start(root.path()).await?;
                drop(client);
                tokio::time::sleep(QUIET_AFTER).await;
                let figures = watch(served.process(), longest).await?;
                served.stop()?;
                Ok(figures)
            })
        },
    )?;
    let ratio = value(&rounds.figures, "resident") / value(&rounds.floor, "resident");
    let report = Report {
        workload: "idle",
        setting: vec![
            Figure::new("seconds", longest.as_secs_f64(), "s"),
            Figure::new("rounds", bench.rounds, "rounds"),
        ],
        machine: bench.machine.clone(),
        floor: rounds.floor,
        figures: rounds.figures,
        ratio: vec![Figure::new("resident", ratio, "of a process that sleeps")],
    };
    bench.tell(&report)
}

/// What the process `root` and its descendants hold and do in so long.
async fn watch(root: u32, longest: Duration) -> Result<Vec<Figure>, Failure> {
    let unreadable = || failed("a process cannot be watched");
    let started = Instant::now();
    let mut meter = Meter::start(root).map_err(unreadable())?;
    let mut activity = Activity::default();
    while started.elapsed() < longest {
        tokio::time::sleep(LOOK_EVERY.min(longest)).await;
        activity.add(meter.look().map_err(unreadable())?);
    }
    let seconds = started.elapsed().as_secs_f64();
    let memory = meter.memory().map_err(unreadable())?;
    Ok(vec![
        Figure::new("resident", memory.resident_mb, "MB"),
        Figure::new("proportional", memory.proportional_mb, "MB"),
        Figure::new("processes", memory.processes, "processes"),
        Figure::new(
            "cpu",
            activity.cpu.as_secs_f64() * 1_000.0 / seconds,
            "ms/s",
        ),
        Figure::new("wakeups", f64::from(activity.wakeups) / seconds, "/s"),
    ])
}
