//! `antiphon signal tail`: the last signals, and with `-f` those that follow, live.

use antiphon_core::name::SignalName;
use antiphon_http::LIMIT_MAX;
use antiphon_http::client::ClientError;
use antiphon_http::model::{Signal, Status};
use clap::Args;

use crate::commands::{parse_name, path};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Go on with those that follow
    #[arg(short, long)]
    follow: bool,
    /// So many of the last
    #[arg(short = 'n', long, default_value_t = 10)]
    lines: usize,
    /// Only signals of this name
    #[arg(long, value_parser = parse_name::<SignalName>)]
    name: Option<SignalName>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let name = arguments.name.as_ref().map(ToString::to_string);
    context.talk(Need::Answers, async |mut client| {
        // The end of the log is asked for first: what comes meanwhile is told twice by the log,
        // and dropped here by its number.
        let status: Status = client.get("/api/v1/status").await?;
        let mut seen = status.records.checked_sub(1);
        if arguments.lines > 0 {
            let limit = Some(arguments.lines.min(LIMIT_MAX).to_string());
            let last = path(
                "/api/v1/signals",
                &[("limit", limit), ("name", name.clone())],
            );
            let mut signals: Vec<Signal> = client.get(&last).await?;
            signals.reverse();
            for signal in &signals {
                print(context, signal)?;
                seen = seen.max(Some(signal.seq));
            }
        }
        if !arguments.follow {
            return Ok(Exit::Done);
        }
        let after = seen.map(|seq| seq.to_string());
        let stream = path(
            "/api/v1/signals/stream",
            &[("name", name), ("after", after)],
        );
        let mut events = client.events(&stream).await?;
        while let Some(json) = events.next().await? {
            let signal: Signal = serde_json::from_str(&json).map_err(ClientError::Answer)?;
            print(context, &signal)?;
        }
        Ok(Exit::Done)
    })
}

fn print(context: &Context, signal: &Signal) -> Result<(), Failure> {
    context
        .output
        .one(signal, |signal| super::line(context.output, signal))
}
