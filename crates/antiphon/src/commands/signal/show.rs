//! `antiphon signal show`: a signal and what was decided on it.

use antiphon_core::id::Id;
use antiphon_http::model::SignalDetail;
use clap::Args;

use crate::commands::parse_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::clean;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The signal
    #[arg(value_parser = parse_id)]
    id: Id,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = format!("/api/v1/signals/{}", arguments.id);
    let detail: SignalDetail = context.talk(Need::Answers, async |mut client| {
        Ok(client.get(&path).await?)
    })?;
    context.output.one(&detail, tell)?;
    Ok(Exit::Done)
}

fn tell(detail: &SignalDetail) -> String {
    let mut lines = vec![
        format!("signal       {}", clean(&detail.signal)),
        format!("id           {}", detail.id),
        format!("record       {}", detail.seq),
        format!("timestamp    {}", detail.timestamp),
        format!("accepted     {}", detail.accepted_at),
        format!("source       {}", clean(&detail.source)),
        format!("origin       {}", detail.origin),
        format!("correlation  {}", detail.correlation),
    ];
    lines.extend(detail.cause.map(|cause| format!("cause        {cause}")));
    lines.push(format!("policy       {}", detail.policy));
    lines.push(format!("facts        {}", clean(detail.facts.text())));
    for decision in &detail.decisions {
        let more = decision
            .detail
            .as_ref()
            .map(|detail| format!(" ({})", clean(detail)));
        lines.push(format!(
            "rule {} {}{}",
            decision.rule,
            decision.why,
            more.unwrap_or_default()
        ));
    }
    lines.extend(
        detail
            .runs
            .iter()
            .map(|run| format!("run {} of {}", run.run, run.task)),
    );
    lines.join("\n")
}
