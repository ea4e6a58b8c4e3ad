//! `antiphon why`: the whole chain around a signal, a run or a dead letter.

use antiphon_core::id::Id;
use antiphon_http::client::ClientError;
use antiphon_http::model::Chain;
use clap::Args;

use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::chain;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// A signal, a run or a dead letter
    #[arg(value_parser = parse_id)]
    id: Id,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = format!("/api/v1/why/{}", arguments.id);
    let text = context.talk(Need::Answers, async |mut client| {
        Ok(client.get_text(&path).await?)
    })?;
    if context.output.is_json() {
        context.output.line(&text)?;
        return Ok(Exit::Done);
    }
    let chain: Chain = serde_json::from_str(&text).map_err(ClientError::Answer)?;
    for line in chain::lines(context.output, &chain) {
        context.output.line(&line)?;
    }
    Ok(Exit::Done)
}
