//! `antiphon stop`: stop work, and let it go on.

use std::path::PathBuf;

use antiphon_core::guard::Mode;
use antiphon_http::model::{Done, Reason};
use clap::Args;

use crate::commands::sign;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::signing;
use crate::wire::{Context, Need};

/// The modes.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Finish what runs, start nothing new
    Drain(Arguments),
    /// As drain, and mean to come back
    Pause(Arguments),
    /// Kill what runs, start nothing
    Kill(Arguments),
    /// Let work go on
    Resume(Arguments),
}

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Why, for the log
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        conflicts_with = "signed"
    )]
    reason: String,
    /// The change as `sign stop` signed it; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    signed: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    let (mode, word, now, arguments) = match command {
        Command::Drain(arguments) => (
            Mode::Drain,
            "drain",
            "what runs is finished, nothing new starts",
            arguments,
        ),
        Command::Pause(arguments) => (
            Mode::Pause,
            "pause",
            "nothing new starts until a resume",
            arguments,
        ),
        Command::Kill(arguments) => (
            Mode::Kill,
            "kill",
            "nothing starts, what ran is killed",
            arguments,
        ),
        Command::Resume(arguments) => (Mode::Normal, "resume", "work goes on", arguments),
    };
    let signed = match &arguments.signed {
        Some(path) => Some(sign::read_mode(path, mode)?),
        None => None,
    };
    let path = format!("/api/v1/stop/{word}");
    let reason = Reason {
        reason: arguments.reason,
    };
    let done: Done = context.talk(Need::Answers, async |mut client| match &signed {
        Some(record) => signing::submit(&mut client, record).await,
        None => Ok(client.post(&path, &reason).await?),
    })?;
    context.output.one(&done, |done| {
        if done.changed {
            now.to_owned()
        } else {
            format!("it was so already: {now}")
        }
    })?;
    Ok(Exit::Done)
}
