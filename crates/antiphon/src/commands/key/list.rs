//! `antiphon key list`.

use antiphon_http::model::KeyInfo;
use clap::Args;

use super::all;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::duration;
use crate::output::table::{Cell, Table};
use crate::output::tone::Tone;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Archived and revoked ones, too
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut keys = context.talk(Need::Answers, async |mut client| all(&mut client).await)?;
    if !arguments.all {
        keys.retain(|key| !matches!(key.state.as_str(), "archived" | "revoked"));
    }
    context.output.list(&keys, "no keys", table)?;
    Ok(Exit::Done)
}

fn table(keys: &[KeyInfo]) -> Table {
    let mut table = Table::new(&["AGENT", "ID", "STATE", "HELD", "FROM", "TO", "AGE"]);
    for key in keys {
        let or_dash =
            |place: Option<u64>| place.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let age = key.age_ms.map_or_else(|| "-".to_owned(), duration);
        table.row([
            Cell::new(&key.agent, Tone::Name),
            key.id.as_str().into(),
            state(key),
            held(key).into(),
            or_dash(key.from).into(),
            or_dash(key.to).into(),
            age.into(),
        ]);
    }
    table
}

/// The state of a key, in its tone.
fn state(key: &KeyInfo) -> Cell {
    match (key.state.as_str(), key.due_ms) {
        ("active", Some(0)) => Cell::new("active, overdue", Tone::Warn),
        ("active", _) => Cell::new("active", Tone::Good),
        ("revoked", _) => Cell::new("revoked", Tone::Bad),
        (other, _) => Cell::new(other, Tone::Faint),
    }
}

/// Who holds its secret.
pub(super) fn held(key: &KeyInfo) -> &'static str {
    if key.custodial {
        "here (custodial)"
    } else {
        "outside"
    }
}
