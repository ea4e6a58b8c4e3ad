//! `antiphon task list`.

use antiphon_http::model::TaskInfo;
use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::tone::Tone;
use crate::output::{clip, duration};
use crate::wire::{Context, Need};

/// Characters of a command in a row.
const PROGRAM_LENGTH_MAX: usize = 60;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let tasks: Vec<TaskInfo> = context.talk(Need::Answers, async |mut client| {
        Ok(client.get("/api/v1/tasks").await?)
    })?;
    context
        .output
        .list(&tasks, "no tasks: the configuration names none", table)?;
    Ok(Exit::Done)
}

fn table(tasks: &[TaskInfo]) -> Table {
    let mut table = Table::new(&[
        "NAME", "AGENT", "ENABLED", "TIMEOUT", "RETRIES", "ANSWERS", "PROGRAM",
    ]);
    for task in tasks {
        table.row([
            Cell::new(&task.name, Tone::Name),
            task.agent.as_str().into(),
            enabled(task),
            duration(task.timeout_ms).into(),
            task.retries.into(),
            task.answers.join(" ").into(),
            clip(&task.program.join(" "), PROGRAM_LENGTH_MAX).into(),
        ]);
    }
    table
}

fn enabled(task: &TaskInfo) -> Cell {
    let (word, tone) = if task.enabled {
        ("yes", Tone::Good)
    } else {
        ("no", Tone::Warn)
    };
    let by = if task.overridden { " (operator)" } else { "" };
    Cell::new(&format!("{word}{by}"), tone)
}
