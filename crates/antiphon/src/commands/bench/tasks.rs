//! Chains of tasks, one behind the other: the end of each task is the signal that starts the next.
//!
//! Floor: a loop that appends a kilobyte, syncs it, and starts and awaits the same program. Ours: an
//! owner in a process of its own; every outcome, completion signal, decision and lease is durable
//! before the next task starts.

use antiphon_core::limits::CHAIN_DEPTH_MAX;
use antiphon_core::time::parse_rfc3339;
use antiphon_http::client::Client;
use antiphon_http::model::{Settled, Signal, SignalDetail};

use super::Bench;
use super::floor::spawn;
use super::place::Place;
use super::report::{Figure, Report, value};
use super::served::{Served, emit};
use crate::failure::Failure;
use crate::wire;

/// Tasks when nothing else is said.
pub(super) const TASKS: u32 = 1_000;
/// Tasks that take turns: one that came again within a few ancestors would feed itself and be
/// stopped.
const TURNS: u32 = 16;
/// The longest that a chain may take, ms.
const WITHIN_MS: u64 = 600_000;

pub(super) fn run(bench: &mut Bench, count: u32) -> Result<(), Failure> {
    let chains = Chains::of(count);
    let count = chains.tasks();
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
        |place| Ok(figures(chains.run(place)?, count)),
    )?;
    let ratio = value(&rounds.figures, "total") / value(&rounds.floor, "total");
    let report = Report {
        workload: "tasks",
        setting: vec![
            Figure::new("count", count, "tasks"),
            Figure::new("chains", chains.count, "chains"),
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

/// Chains of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chains {
    count: u32,
    /// Tasks of each, as many as a chain may have at most.
    length: u32,
}

impl Chains {
    /// The fewest that have `tasks` tasks together, or the least above that.
    fn of(tasks: u32) -> Self {
        let count = tasks.div_ceil(CHAIN_DEPTH_MAX);
        let length = tasks.div_ceil(count);
        Self { count, length }
    }

    fn tasks(self) -> u32 {
        self.count * self.length
    }

    /// Runs each with one owner; gives the ms of all together.
    fn run(self, place: &Place) -> Result<f64, Failure> {
        let root = place.root(&configuration(self.length))?;
        wire::runtime()?.block_on(async {
            let (served, mut client) = Served::start(root.path()).await?;
            let mut took_ms = 0.0;
            for _chain in 0..self.count {
                took_ms += chain(&mut client, self.length).await?;
            }
            served.stop()?;
            Ok(took_ms)
        })
    }
}

/// From the acceptance of the first signal to that of the last, ms.
async fn chain(client: &mut Client, length: u32) -> Result<f64, Failure> {
    let first = emit(client, "Q_BENCH_0").await?.id;
    let path = format!("/api/v1/signals/{first}/settled?within_ms={WITHIN_MS}");
    let settled: Settled = client.get(&path).await?;
    let first: SignalDetail = client.get(&format!("/api/v1/signals/{first}")).await?;
    let (name, chain) = (length % TURNS, first.correlation);
    let path = format!("/api/v1/signals?name=Q_BENCH_{name}&correlation={chain}&limit=1");
    let newest: Vec<Signal> = client.get(&path).await?;
    let last: Option<SignalDetail> = match newest.first() {
        Some(last) => Some(client.get(&format!("/api/v1/signals/{}", last.id)).await?),
        None => None,
    };
    match last {
        Some(last) if settled.settled && last.depth == length => between_ms(&first, &last),
        _ => Err(Failure::bench("the chain broke")),
    }
}

fn between_ms(first: &SignalDetail, last: &SignalDetail) -> Result<f64, Failure> {
    let times = parse_rfc3339(&first.accepted_at).zip(parse_rfc3339(&last.accepted_at));
    let took_ms = times.and_then(|(first_ms, last_ms)| u32::try_from(last_ms - first_ms).ok());
    took_ms
        .map(f64::from)
        .ok_or_else(|| Failure::bench("the chain has no length"))
}

fn configuration(length: u32) -> String {
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
when = "signal.depth < {length}"
succeeded = "Q_BENCH_{next}"
"#
        );
        text.push_str(&part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_as_few_as_may_be_and_have_at_least_what_was_asked_for() {
        let check = |tasks: u32, count: u32, length: u32| {
            assert_eq!(Chains::of(tasks), Chains { count, length }, "{tasks}");
        };
        check(1, 1, 1);
        check(1_024, 1, 1_024);
        check(1_025, 2, 513);
        check(10_000, 10, 1_000);
        check(100_000, 98, 1_021);
    }
}
