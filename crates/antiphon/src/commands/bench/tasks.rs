//! A chain of tasks: the end of each is the signal that starts the next.
//!
//! Floor: a loop that appends a kilobyte, syncs it, and starts and awaits the same program. Ours: an
//! owner in a process of its own; every outcome, completion signal, decision and lease is durable
//! before the next task starts.

use antiphon_core::time::parse_rfc3339;
use antiphon_http::model::{Settled, Signal, SignalDetail};

use super::Bench;
use super::floor::spawn;
use super::place::Place;
use super::report::{Figure, Report, value};
use super::served::{Served, emit};
use crate::failure::Failure;
use crate::wire;

/// Tasks of a chain when nothing else is said.
pub(super) const TASKS: u32 = 1_000;
/// Tasks that take turns: one that came again within a few ancestors would feed itself and be
/// stopped.
const TURNS: u32 = 16;
/// The longest that a chain may take, ms.
const WITHIN_MS: u64 = 600_000;

pub(super) fn run(bench: &mut Bench, count: u32) -> Result<(), Failure> {
    let rounds = bench.rounds(
        "tasks",
        |place| {
            let folder = place.folder()?;
            let took_ms = spawn::run_with_sync(folder.path(), count)?.took_ms();
            let alone_ms = spawn::run(count)?.took_ms();
            let mut figures = figures(took_ms, count);
            figures.push(Figure::new("total_without_sync", alone_ms, "ms"));
            Ok(figures)
        },
        |place| Ok(figures(chain(place, count)?, count)),
    )?;
    let ratio = value(&rounds.figures, "total") / value(&rounds.floor, "total");
    let report = Report {
        workload: "tasks",
        setting: vec![
            Figure::new("count", count, "tasks"),
            Figure::new("rounds", bench.rounds, "rounds"),
        ],
        machine: bench.machine.clone(),
        floor: rounds.floor,
        figures: rounds.figures,
        ratio: vec![Figure::new("total", ratio, "of spawn + fdatasync")],
    };
    bench.tell(&report)
}

fn figures(total_ms: f64, count: u32) -> Vec<Figure> {
    let each_us = total_ms * 1_000.0 / f64::from(count);
    vec![
        Figure::new("total", total_ms, "ms"),
        Figure::new("each", each_us, "us"),
    ]
}

/// From the acceptance of the first signal to that of the last, ms.
fn chain(place: &Place, count: u32) -> Result<f64, Failure> {
    let root = place.root(&configuration(count))?;
    wire::runtime()?.block_on(async {
        let (served, mut client) = Served::start(root.path()).await?;
        let first = emit(&mut client, "Q_BENCH_0").await?.id;
        let path = format!("/api/v1/signals/{first}/settled?within_ms={WITHIN_MS}");
        let settled: Settled = client.get(&path).await?;
        let path = format!("/api/v1/signals?name=Q_BENCH_{}&limit=1", count % TURNS);
        let newest: Vec<Signal> = client.get(&path).await?;
        let first: SignalDetail = client.get(&format!("/api/v1/signals/{first}")).await?;
        let last: Option<SignalDetail> = match newest.first() {
            Some(last) => Some(client.get(&format!("/api/v1/signals/{}", last.id)).await?),
            None => None,
        };
        served.stop()?;
        match last {
            Some(last) if settled.settled && last.depth == count => between_ms(&first, &last),
            _ => Err(Failure::bench("the chain broke")),
        }
    })
}

fn between_ms(first: &SignalDetail, last: &SignalDetail) -> Result<f64, Failure> {
    let times = parse_rfc3339(&first.accepted_at).zip(parse_rfc3339(&last.accepted_at));
    let took_ms = times.and_then(|(first_ms, last_ms)| u32::try_from(last_ms - first_ms).ok());
    took_ms
        .map(f64::from)
        .ok_or_else(|| Failure::bench("the chain has no length"))
}

fn configuration(count: u32) -> String {
    let mut text = String::new();
    for turn in 0..TURNS {
        let next = (turn + 1) % TURNS;
        let program = spawn::PROGRAM;
        let part = format!(
            r#"
[[task]]
name = "bench-{turn}"
command = ["{program}"]
timeout = "1m"

[[worker]]
on = "Q_BENCH_{turn}"
task = "bench-{turn}"
when = "signal.depth < {count}"
succeeded = "Q_BENCH_{next}"
"#
        );
        text.push_str(&part);
    }
    text
}
