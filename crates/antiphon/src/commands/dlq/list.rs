//! `antiphon dlq list`.

use antiphon_http::LIMIT_MAX;
use antiphon_http::model::Letter;
use clap::Args;

use crate::commands::{LIMIT, path};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::clip;
use crate::output::table::{Cell, Table};
use crate::output::tone::Tone;
use crate::wire::{Context, Need};

/// Characters of an error in a row.
const ERROR_LENGTH_MAX: usize = 80;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// At most so many: the newest
    #[arg(long, default_value = LIMIT)]
    limit: usize,
    /// Purged ones too
    #[arg(long)]
    purged: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let limit = Some(arguments.limit.min(LIMIT_MAX).to_string());
    let purged = arguments.purged.then(|| "true".to_owned());
    let path = path("/api/v1/letters", &[("limit", limit), ("purged", purged)]);
    let letters: Vec<Letter> = context.talk(Need::Answers, async |mut client| {
        Ok(client.get(&path).await?)
    })?;
    context.output.list(&letters, "no dead letters", table)?;
    Ok(Exit::Done)
}

fn table(letters: &[Letter]) -> Table {
    let mut table = Table::new(&["ID", "PARKED", "SUBJECT", "CODE", "REPLAYS", "ERROR"]);
    for letter in letters {
        let tone = if letter.purged {
            Tone::Faint
        } else {
            Tone::Bad
        };
        table.row([
            letter.id.into(),
            letter.parked_at.as_str().into(),
            letter.subject.as_str().into(),
            Cell::new(&letter.code, tone),
            letter.replays.into(),
            clip(&letter.error, ERROR_LENGTH_MAX).into(),
        ]);
    }
    table
}
