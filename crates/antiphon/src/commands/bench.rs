//! `antiphon bench`: this machine against its floors.

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What to measure; everything when left out
    #[arg(value_enum)]
    pub(crate) what: Vec<What>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// The machine alone: decisions a second
    Machine,
    /// Signals made durable a second
    Append,
    /// From a dropped file to a running process
    React,
    /// A chain of tasks
    Tasks,
    /// From start to the first signal
    Start,
}

pub(crate) fn run(_context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    Err(Failure::Bug {
        what: "bench is not wired".to_owned(),
        source: None,
    })
}
