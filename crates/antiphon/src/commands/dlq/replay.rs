//! `antiphon dlq replay`: accept what dead letters hold once more.

use antiphon_core::id::Id;
use antiphon_http::LIMIT_MAX;
use antiphon_http::model::{Letter, Replay, Replayed};
use clap::Args;

use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::tone::Tone;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The dead letters
    #[arg(value_parser = parse_id, required_unless_present_any = ["all", "code"])]
    ids: Vec<Id>,
    /// All that hold a signal
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// All that were parked with this code
    #[arg(long, conflicts_with = "ids")]
    code: Option<String>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let replayed = context.talk(Need::Answers, async |mut client| {
        let mut letters = arguments.ids.clone();
        if letters.is_empty() {
            let path = format!("/api/v1/letters?limit={LIMIT_MAX}");
            let kept: Vec<Letter> = client.get(&path).await?;
            let is_asked = |letter: &Letter| {
                let code = arguments.code.as_ref();
                letter.signal.is_some() && code.is_none_or(|code| *code == letter.code)
            };
            letters = kept
                .into_iter()
                .filter(is_asked)
                .map(|letter| letter.id)
                .collect();
            // The list has the newest first; they are accepted again in the order of their parking.
            letters.reverse();
        }
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        let replayed: Vec<Replayed> = client
            .post("/api/v1/letters/replay", &Replay { letters })
            .await?;
        Ok(replayed)
    })?;
    context
        .output
        .list(&replayed, "no dead letter holds a signal", table)?;
    let refused = replayed
        .iter()
        .filter_map(|replayed| replayed.code.as_deref());
    let is_missing = |code: &str| code == "engine.not_found";
    Ok(
        match refused.map(is_missing).reduce(|all, one| all && one) {
            None => Exit::Done,
            Some(true) => Exit::NotFound,
            Some(false) => Exit::Refused,
        },
    )
}

fn table(replayed: &[Replayed]) -> Table {
    let mut table = Table::new(&["LETTER", "SIGNAL", "WHY NOT"]);
    for one in replayed {
        let signal = one.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let why = one.error.as_deref().unwrap_or_default();
        table.row([one.letter.into(), signal.into(), Cell::new(why, Tone::Bad)]);
    }
    table
}
