//! `antiphon run deny`: deny what a rule asks for before it acts.

use std::path::PathBuf;

use antiphon_core::id::Id;
use clap::Args;

use super::answer;
use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The ask, as `antiphon status` lists it
    #[arg(value_parser = parse_id)]
    ask: Id,
    /// The answer as `sign ask` signed it; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    signed: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let done = answer(context, &arguments.ask, "deny", arguments.signed.as_deref())?;
    context
        .output
        .one(&done, |_| format!("ask {} is denied", arguments.ask))?;
    Ok(Exit::Done)
}
