//! `antiphon signal`: publish and read signals.

pub(crate) mod emit;
pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod tail;

use antiphon_http::model::Signal;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::tone::Tone;
use crate::output::{Output, clip};
use crate::wire::Context;

/// Characters of facts in a row.
const FACTS_LENGTH_MAX: usize = 80;

/// The commands of the group.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Publish a signal
    Emit(emit::Arguments),
    /// List signals, oldest first
    List(list::Arguments),
    /// Show a signal and what was decided on it
    Show(show::Arguments),
    /// Show the last signals, and follow
    Tail(tail::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Emit(arguments) => emit::run(context, &arguments),
        Command::List(arguments) => list::run(context, &arguments),
        Command::Show(arguments) => show::run(context, &arguments),
        Command::Tail(arguments) => tail::run(context, &arguments),
    }
}

/// Signals as a table.
fn table(signals: &[Signal]) -> Table {
    let mut table = Table::new(&["TIME", "SEQ", "SIGNAL", "SOURCE", "ID", "FACTS"]);
    for signal in signals {
        table.row([
            signal.timestamp.as_str().into(),
            signal.seq.into(),
            Cell::new(&signal.signal, Tone::Name),
            signal.source.as_str().into(),
            signal.id.into(),
            clip(signal.facts.text(), FACTS_LENGTH_MAX).into(),
        ]);
    }
    table
}

/// One signal on a line, for a stream.
fn line(output: Output, signal: &Signal) -> String {
    format!(
        "{} {} {} {} {}",
        output.paint(Tone::Faint, &signal.timestamp),
        output.paint(Tone::Name, &clip(&signal.signal, FACTS_LENGTH_MAX)),
        clip(&signal.source, FACTS_LENGTH_MAX),
        output.paint(Tone::Faint, &signal.id.to_string()),
        clip(signal.facts.text(), FACTS_LENGTH_MAX),
    )
}
