//! `antiphon run show`: a run and its attempts.

use antiphon_core::id::Id;
use antiphon_http::model::{Attempt, RunDetail};
use clap::Args;

use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::chain::sealed;
use crate::output::{Output, clean, duration};
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The run
    #[arg(value_parser = parse_id)]
    id: Id,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = format!("/api/v1/runs/{}", arguments.id);
    let detail: RunDetail = context.talk(Need::Answers, async |mut client| {
        Ok(client.get(&path).await?)
    })?;
    context
        .output
        .one(&detail, |detail| tell(context.output, detail))?;
    Ok(Exit::Done)
}

fn tell(output: Output, detail: &RunDetail) -> String {
    let run = &detail.run;
    let mut lines = vec![
        format!("run          {}", run.id),
        format!("task         {} by {}", run.task, run.agent),
        format!("state        {}", run.state),
        format!("signal       {} {}", detail.signal, run.signal_id),
        format!("correlation  {}", detail.correlation),
        format!(
            "planned      {} in record {}",
            detail.planned_at, detail.planned_seq
        ),
    ];
    lines.extend(
        detail
            .rule
            .as_ref()
            .map(|rule| format!("rule         {rule}")),
    );
    lines.extend(detail.retry_of.map(|run| format!("retry of     {run}")));
    lines.push(format!("facts        {}", clean(detail.facts.text())));
    for attempt in &detail.attempts {
        lines.extend(tell_attempt(attempt));
    }
    lines.push(sealed(output, &detail.seal));
    lines.join("\n")
}

fn tell_attempt(attempt: &Attempt) -> Vec<String> {
    let mut head = format!("attempt {}    {}", attempt.attempt, attempt.state);
    if let Some(exit) = &attempt.exit {
        head = format!("{head}, {exit}");
    }
    if let Some(took) = attempt.duration_ms {
        head = format!("{head}, {}", duration(took));
    }
    let mut lines = vec![head, format!("  started    {}", attempt.started_at)];
    lines.extend(
        attempt
            .finished_at
            .as_ref()
            .map(|at| format!("  finished   {at}")),
    );
    lines.extend(
        attempt
            .reason
            .as_ref()
            .map(|why| format!("  reason     {}", clean(why))),
    );
    lines.extend(
        attempt
            .cpu_ms
            .map(|cpu| format!("  CPU        {}", duration(cpu))),
    );
    lines.extend(
        attempt
            .memory_kib_max
            .map(|kib| format!("  memory     {kib} KiB")),
    );
    if let (Some(stdout), Some(stderr)) = (attempt.stdout_bytes, attempt.stderr_bytes) {
        lines.push(format!(
            "  wrote      {stdout} bytes, and {stderr} to standard error"
        ));
    }
    let result = attempt.result.as_ref();
    lines.extend(result.map(|facts| format!("  result     {}", clean(facts.text()))));
    lines
}
