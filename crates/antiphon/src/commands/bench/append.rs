//! Signals made durable: the whole turn, with rules, keys, chain, tree and checkpoints, against
//! files that only sync.
//!
//! The owner runs in this process, its producers on its own runtime, as its routes do. Floors: with
//! one producer, append and sync; with more, a preallocated segment with group commit.

mod load;

use std::path::Path;
use std::time::Instant;

use antiphon_http::AppState;

use super::floor::{group_commit, sync};
use super::place::Root;
use super::report::{Figure, Report, value};
use super::samples::Samples;
use super::{Arguments, Bench};
use crate::failure::Failure;
use crate::owner;
use crate::wire::{self, Context, Need};
use load::{FACTS_BYTES, Load, Until};

/// One signal in a hundred fires this rule.
const CONFIGURATION: &str = r#"
[[rule]]
name = "bench-match"
on = "Q_BENCH_APPEND"
when = "facts.n % 100 == 0"
emit = "Q_BENCH_MATCHED"
facts = '{"n": facts.n}'
"#;
/// Signals in flight when nothing else is said: one, and as many as a busy machine has.
const PRODUCERS: [u32; 2] = [1, 256];
/// Producers that fill a root before it is measured.
const FILLERS: u32 = 256;
/// A floor is steady: it needs no more of the time than this part.
const FLOOR_PART: u32 = 4;

pub(super) fn run(bench: &mut Bench, arguments: &Arguments) -> Result<(), Failure> {
    match arguments.producers {
        Some(producers) => measure(bench, arguments, producers),
        None => PRODUCERS
            .iter()
            .try_for_each(|producers| measure(bench, arguments, *producers)),
    }
}

fn measure(bench: &mut Bench, arguments: &Arguments, producers: u32) -> Result<(), Failure> {
    let longest = arguments.seconds;
    let before = arguments.records_before;
    let context = bench.context.clone();
    let rounds = bench.rounds(
        &format!("append, {producers} in flight"),
        |place| {
            let folder = place.folder()?;
            let longest = longest / FLOOR_PART;
            let samples = if producers == 1 {
                sync::append(folder.path(), sync::Until::Over(longest))?
            } else {
                group_commit::run(folder.path(), producers, longest)?
            };
            Ok(samples.figures("messages/s"))
        },
        |place| {
            let root = place.root(CONFIGURATION)?;
            owned(&context, &root, async |state| {
                if before > 0 {
                    fill(state, before, FACTS_BYTES).await?;
                    place.settle()?;
                }
                let load = Load {
                    label: "load",
                    producers,
                    until: Until::Over(longest),
                    facts_bytes: FACTS_BYTES,
                };
                let samples = load.run(&state.handle).await?;
                let ended = Instant::now();
                views_catch_up(state).await?;
                let mut figures = samples.figures("signals/s");
                let behind_ms = ended.elapsed().as_secs_f64() * 1_000.0;
                figures.push(Figure::new("views_behind", behind_ms, "ms"));
                Ok(figures)
            })
        },
    )?;
    let of = if producers == 1 {
        "of append + fdatasync"
    } else {
        "of group commit"
    };
    let rate = value(&rounds.figures, "rate") / value(&rounds.floor, "rate");
    let report = Report {
        workload: "append",
        setting: vec![
            Figure::new("producers", producers, "in flight"),
            Figure::new("records_before", before, "records before"),
            Figure::new("seconds", longest.as_secs_f64(), "s"),
            Figure::new("rounds", bench.rounds, "rounds"),
        ],
        machine: bench.machine.clone(),
        floor: rounds.floor,
        figures: rounds.figures,
        ratio: vec![Figure::new("rate", rate, of)],
    };
    bench.tell(&report)
}

/// A root that holds at least `records` signals, its owner gone in good order.
pub(super) fn filled(bench: &Bench, records: u32) -> Result<Root, Failure> {
    filled_with(bench, records, FACTS_BYTES)
}

/// The same, with about so many bytes of facts in each signal.
pub(super) fn filled_with(
    bench: &Bench,
    records: u32,
    facts_bytes: usize,
) -> Result<Root, Failure> {
    bench.step(&format!("filling a root with {records} records"));
    let root = bench.place.root(CONFIGURATION)?;
    owned(&bench.context, &root, async |state| {
        fill(state, records, facts_bytes).await
    })?;
    Ok(root)
}

/// Puts `records` signals into the log and waits for the views.
async fn fill(state: &AppState, records: u32, facts_bytes: usize) -> Result<(), Failure> {
    let load = Load {
        label: "fill",
        producers: FILLERS,
        until: Until::Count(records.div_ceil(FILLERS)),
        facts_bytes,
    };
    let _samples: Samples = load.run(&state.handle).await?;
    views_catch_up(state).await
}

/// Waits until the views have seen everything that is durable.
async fn views_catch_up(state: &AppState) -> Result<(), Failure> {
    let durable = *state.handle.high_water().borrow();
    let mut mark = state.views_mark.clone();
    let seen = mark.wait_for(|mark| *mark >= durable).await;
    seen.map(drop)
        .map_err(|_gone| Failure::bench("the views ended"))
}

/// Lets `load` work with an owner of `root` in this process.
fn owned<T>(
    context: &Context,
    root: &Root,
    load: impl AsyncFnOnce(&AppState) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let context = context_of(context, root.path());
    wire::runtime()?.block_on(async {
        let owner = owner::open(&context, Need::Work).await?;
        let state = owner.state();
        let result = load(&state).await;
        drop(state);
        owner.close().await?;
        result
    })
}

fn context_of(context: &Context, root: &Path) -> Context {
    Context {
        root: root.to_owned(),
        passphrase: None,
        config: None,
        ..context.clone()
    }
}
