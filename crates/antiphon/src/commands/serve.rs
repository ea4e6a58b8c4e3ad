//! `antiphon serve`: the owner of a data root.

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

pub(crate) fn run(_context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    Err(Failure::Bug {
        what: "serve is not wired".to_owned(),
        source: None,
    })
}
