//! `antiphon bench`: what this machine can do, what Antiphon does on it, and the ratio of the two.
//!
//! In: what to measure. Out: one report for each measurement. A floor is the least that a program
//! with the same promise has to do; it is measured in the same run, in turns with ours, and every
//! figure is the median of the rounds. Everything lies in a temporary folder that is removed.
//! How each figure is measured: `docs/reference/bench.md`.

mod append;
mod floor;
mod idle;
mod machine;
mod place;
mod process;
mod react;
mod report;
mod samples;
mod served;
mod start;
mod tasks;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use crate::commands::parse_duration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::wire::Context;
use machine::Machine;
use place::Place;
use report::{Figure, Report};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What to measure; everything when left out
    #[arg(value_enum)]
    what: Vec<What>,
    /// Where: a folder on the disk that counts [default: the temporary folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Rounds of floor and ours, of which the medians are taken
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// How long each round of append and idle takes
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = parse_duration)]
    seconds: Duration,
    /// append: signals in flight [default: 1, then 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    producers: Option<u32>,
    /// append, start: records that the root holds before
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100_000_000))]
    records_before: u32,
    /// verify: records of the log
    #[arg(long, value_name = "N", default_value_t = verify::RECORDS, value_parser = clap::value_parser!(u32).range(1_000..=100_000_000))]
    records: u32,
    /// tasks, react: tasks, files of a round [default: 1000, 300]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: Option<u32>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The machine alone: its syncs and its process starts
    Machine,
    /// Signals made durable
    Append,
    /// From a dropped file to a running process
    React,
    /// A chain of tasks
    Tasks,
    /// From start to the first signal
    Start,
    /// An owner that has nothing to do
    Idle,
    /// A whole log verified
    Verify,
}

const EVERYTHING: [What; 7] = [
    What::Machine,
    What::Append,
    What::React,
    What::Tasks,
    What::Start,
    What::Idle,
    What::Verify,
];

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let place = Place::new(arguments.dir.as_deref())?;
    let mut bench = Bench {
        machine: Machine::of(&place)?,
        place,
        progress: progress(context.output),
        context: context.clone(),
        rounds: arguments.rounds,
        told: 0,
    };
    let what = if arguments.what.is_empty() {
        &EVERYTHING[..]
    } else {
        &arguments.what
    };
    for what in what {
        match what {
            What::Machine => machine::run(&mut bench)?,
            What::Append => append::run(&mut bench, arguments)?,
            What::React => react::run(&mut bench, arguments.count.unwrap_or(react::FILES))?,
            What::Tasks => tasks::run(&mut bench, arguments.count.unwrap_or(tasks::TASKS))?,
            What::Start => start::run(&mut bench, arguments.records_before)?,
            What::Idle => idle::run(&mut bench, arguments.seconds)?,
            What::Verify => verify::run(&mut bench, arguments.records)?,
        }
    }
    Ok(Exit::Done)
}

/// What every measurement needs.
struct Bench {
    machine: Machine,
    place: Place,
    progress: ProgressBar,
    context: Context,
    rounds: u32,
    /// Reports that were printed.
    told: u32,
}

impl Bench {
    /// Says what is being measured, on a terminal.
    fn step(&self, what: &str) {
        self.progress.set_message(what.to_owned());
        self.progress.tick();
    }

    /// Runs `floor` and `ours` in turns and gives the medians of each.
    fn rounds(
        &mut self,
        name: &str,
        mut floor: impl FnMut(&Place) -> Result<Vec<Figure>, Failure>,
        mut ours: impl FnMut(&Place) -> Result<Vec<Figure>, Failure>,
    ) -> Result<Rounds, Failure> {
        let (mut floors, mut figures) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds {
            let of = self.rounds;
            self.step(&format!("{name}: round {round} of {of}, the floor"));
            self.place.settle()?;
            floors.push(floor(&self.place)?);
            self.step(&format!("{name}: round {round} of {of}"));
            self.place.settle()?;
            figures.push(ours(&self.place)?);
        }
        Ok(Rounds {
            floor: report::medians(&floors),
            figures: report::medians(&figures),
        })
    }

    fn tell(&mut self, report: &Report) -> Result<(), Failure> {
        self.progress.set_message("");
        self.progress.tick();
        if self.context.output.is_json() {
            self.context.output.json(report)?;
        } else {
            if self.told > 0 {
                self.context.output.line("")?;
            }
            report.tell(self.context.output)?;
        }
        self.told = self.told.saturating_add(1);
        Ok(())
    }
}

/// The medians of some rounds.
struct Rounds {
    floor: Vec<Figure>,
    figures: Vec<Figure>,
}

/// A spinner on a terminal, for people; nothing otherwise. It moves only between measurements.
fn progress(output: Output) -> ProgressBar {
    if output.is_quiet() {
        ProgressBar::hidden()
    } else {
        ProgressBar::new_spinner()
    }
}

/// What could not be measured, and why.
fn failed(what: &str) -> impl FnOnce(std::io::Error) -> Failure {
    let what = what.to_owned();
    move |source| Failure::Bench {
        what,
        hint: None,
        source: Some(source),
    }
}
