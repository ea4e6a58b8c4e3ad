//! `antiphon run logs`: what a run's last attempt wrote, as it wrote it.

use std::io::IsTerminal as _;

use antiphon_core::id::Id;
use antiphon_http::model::AttemptLogs;
use clap::Args;

use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::clean;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_parser = parse_id)]
    id: Id,
    /// This attempt instead of the last
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Standard error instead of standard output
    #[arg(long)]
    stderr: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = format!("/api/v1/runs/{}/logs", arguments.id);
    let logs: Vec<AttemptLogs> = context.talk(Need::Answers, async |mut client| {
        Ok(client.get(&path).await?)
    })?;
    if context.output.is_json() {
        logs.iter().try_for_each(|logs| context.output.json(logs))?;
        return Ok(Exit::Done);
    }
    let is_asked = |logs: &&AttemptLogs| {
        arguments
            .attempt
            .is_none_or(|attempt| attempt == logs.attempt)
    };
    let Some(logs) = logs.iter().rev().find(is_asked) else {
        if let Some(attempt) = arguments.attempt {
            return Err(Failure::NotFound {
                what: format!("output of attempt {attempt}"),
            });
        }
        context.output.note("no attempt of this run has ended")?;
        return Ok(Exit::Done);
    };
    let kept = if arguments.stderr {
        &logs.stderr
    } else {
        &logs.stdout
    };
    if std::io::stdout().is_terminal() {
        for line in kept.text.lines() {
            context.output.line(&clean(line))?;
        }
    } else {
        context.output.raw(&kept.text)?;
    }
    if kept.cut && std::io::stdout().is_terminal() {
        context.output.note(&format!(
            "(a part of {} bytes is missing between)",
            kept.bytes
        ))?;
    }
    Ok(Exit::Done)
}
