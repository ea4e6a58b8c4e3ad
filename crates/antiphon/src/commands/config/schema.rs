//! `antiphon config schema`: the JSON Schema of `antiphon.toml`, for editors.

use clap::Args;

use crate::config::schema::schema;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    context.output.json(&schema())?;
    Ok(Exit::Done)
}
