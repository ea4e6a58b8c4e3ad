//! `antiphon status`: what is going on.

use antiphon_http::model::Status;
use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::tone::Tone;
use crate::output::{Output, clean, duration};
use crate::wire::{Context, Need};

/// Records that the views may be behind without a word: they always are by some.
const BEHIND_MAX: u64 = 10_000;
/// A record that no checkpoint covers for so long is worth a word: one comes within a second.
const CHECKPOINT_AGE_MS_MAX: u64 = 5_000;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let status: Status = context.talk(Need::Answers, async |mut client| {
        Ok(client.get("/api/v1/status").await?)
    })?;
    context
        .output
        .one(&status, |status| tell(context.output, status))?;
    Ok(Exit::Done)
}

fn tell(output: Output, status: &Status) -> String {
    let work = match &status.stopped_because {
        None => output.paint(Tone::Good, "starts"),
        Some(why) => format!("{}: {why}", output.paint(Tone::Warn, "does not start")),
    };
    let signals = match &status.refused_because {
        None => output.paint(Tone::Good, "are accepted"),
        Some(code) => format!("{} ({code})", output.paint(Tone::Bad, "are refused")),
    };
    let mut lines = vec![
        format!(
            "log        {} ({} records, epoch {})",
            status.log, status.records, status.epoch
        ),
        format!(
            "mode       {} (guards: record {})",
            status.mode, status.guards_seq
        ),
        format!("work       {work}"),
        format!("signals    {signals}"),
        format!(
            "runs       {} waiting, {} running, {} stopping, {} slots",
            status.runs_planned, status.runs_leased, status.runs_stopping, status.slots
        ),
        format!("letters    {}", status.letters),
        format!("policy     {}", status.policy),
        format!("sealed     {}", sealed(output, status)),
    ];
    if status.slots == 0 {
        lines.push("owner      none runs; this command stood in for it".to_owned());
    }
    let behind = status.records.saturating_sub(status.views);
    if status.slots > 0 && behind > BEHIND_MAX {
        lines.push(format!("views      {behind} records behind"));
    }
    if status.pruned_to > 0 {
        lines.push(format!(
            "pruned     bodies below record {}",
            status.pruned_to
        ));
    }
    if let Some(error) = &status.reload_error {
        let refused = output.paint(Tone::Bad, "the last reload was refused");
        lines.push(format!("policy     {refused}: {}", clean(error)));
    }
    for ask in &status.asks {
        lines.push(format!(
            "ask        {} of {} by rule {} about signal {}, for {}",
            output.paint(Tone::Name, &ask.id.to_string()),
            ask.asks,
            ask.rule,
            ask.signal_id,
            duration(ask.remaining_ms)
        ));
    }
    for alarm in &status.alarms {
        let detail = output.paint(Tone::Bad, &clean(&alarm.detail));
        lines.push(format!("alarm      {detail} ({})", alarm.code));
    }
    for failing in &status.monitors_failing {
        lines.push(format!(
            "monitor    {}",
            output.paint(Tone::Bad, &clean(failing))
        ));
    }
    lines.join("\n")
}

/// How far the log is sealed, and cosigned where somebody is asked.
fn sealed(output: Output, status: &Status) -> String {
    let Some(size) = status.checkpoint else {
        return output.paint(Tone::Warn, "not yet");
    };
    let mut told = format!("to {size} of {} records", status.records);
    if let Some(cosigned) = status.cosigned {
        told = format!("{told}, cosigned to {cosigned}");
    }
    if status.checkpoint_age_ms >= CHECKPOINT_AGE_MS_MAX {
        let age = duration(status.checkpoint_age_ms);
        let late = output.paint(Tone::Bad, &format!("{age} late"));
        told = format!("{told}, {late}");
    }
    told
}
