//! `antiphon demo`: the KLoROS loops live, on real input in a temporary root.

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// End when both loops have closed
    #[arg(long)]
    pub(crate) once: bool,
}

pub(crate) fn run(_context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    Err(Failure::Bug {
        what: "demo is not wired".to_owned(),
        source: None,
    })
}
