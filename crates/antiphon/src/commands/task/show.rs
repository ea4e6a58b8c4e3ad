//! `antiphon task show`.

use antiphon_core::name::TaskName;
use antiphon_http::model::TaskInfo;
use clap::Args;

use crate::commands::parse_name;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{clean, duration};
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The task
    #[arg(value_parser = parse_name::<TaskName>)]
    name: TaskName,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let tasks: Vec<TaskInfo> = context.talk(Need::Answers, async |mut client| {
        Ok(client.get("/api/v1/tasks").await?)
    })?;
    let task = tasks
        .iter()
        .find(|task| task.name == arguments.name.as_str());
    let what = format!("task {}", arguments.name);
    let task = task.ok_or(Failure::NotFound { what })?;
    context.output.one(task, tell)?;
    Ok(Exit::Done)
}

fn tell(task: &TaskInfo) -> String {
    let by = if task.overridden {
        ", set by an operator"
    } else {
        ""
    };
    let enabled = if task.enabled { "yes" } else { "no" };
    let answers = if task.answers.is_empty() {
        "-".to_owned()
    } else {
        task.answers.join(" ")
    };
    let start_within = task
        .start_within_ms
        .map_or_else(|| "-".to_owned(), duration);
    [
        format!("task         {}", task.name),
        format!("agent        {}", task.agent),
        format!("program      {}", clean(&task.program.join(" "))),
        format!("enabled      {enabled}{by}"),
        format!("answers      {answers}"),
        format!("timeout      {}", duration(task.timeout_ms)),
        format!("start within {start_within}"),
        format!("retries      {}", task.retries),
        format!("lock         {}", task.lock.as_deref().unwrap_or("-")),
        format!("concurrency  {}", task.concurrency),
        format!("priority     {}", task.priority),
        format!("version      {}", task.version),
    ]
    .join("\n")
}
