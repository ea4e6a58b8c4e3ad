//! `antiphon signal list`: the newest signals, oldest of them first.

use std::collections::VecDeque;

use antiphon_core::id::Id;
use antiphon_core::name::SignalName;
use antiphon_http::LIMIT_MAX;
use antiphon_http::client::Client;
use antiphon_http::model::Signal;
use clap::Args;

use crate::commands::{LIMIT, parse_id, parse_name, parse_time, path};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only signals of this name
    #[arg(long, value_parser = parse_name::<SignalName>)]
    name: Option<SignalName>,
    /// Only those accepted since then: RFC 3339, or a duration before now
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<String>,
    /// Only those of this chain
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    correlation: Option<Id>,
    /// At most so many: the newest
    #[arg(long, default_value = LIMIT)]
    limit: usize,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let signals = context.talk(Need::Answers, async |mut client| {
        if arguments.limit <= LIMIT_MAX {
            newest(&mut client, arguments).await
        } else {
            walk(&mut client, arguments).await
        }
    })?;
    context.output.list(&signals, "no signals", super::table)?;
    Ok(Exit::Done)
}

/// The newest in one answer, turned around.
async fn newest(client: &mut Client, arguments: &Arguments) -> Result<Vec<Signal>, Failure> {
    let mut signals: Vec<Signal> = client.get(&page(arguments, arguments.limit, None)).await?;
    signals.reverse();
    Ok(signals)
}

/// More than one answer holds: from the first on, keeping the last.
async fn walk(client: &mut Client, arguments: &Arguments) -> Result<Vec<Signal>, Failure> {
    let mut kept: VecDeque<Signal> = VecDeque::new();
    // Record 0 begins the log and is no signal.
    let mut after = 0;
    loop {
        let signals: Vec<Signal> = client.get(&page(arguments, LIMIT_MAX, Some(after))).await?;
        let Some(last) = signals.last() else {
            return Ok(kept.into());
        };
        after = last.seq;
        kept.extend(signals);
        kept.drain(..kept.len().saturating_sub(arguments.limit));
    }
}

fn page(arguments: &Arguments, limit: usize, after: Option<u64>) -> String {
    path(
        "/api/v1/signals",
        &[
            ("name", arguments.name.as_ref().map(ToString::to_string)),
            ("since", arguments.since.clone()),
            (
                "correlation",
                arguments.correlation.map(|id| id.to_string()),
            ),
            ("limit", Some(limit.to_string())),
            ("after", after.map(|seq| seq.to_string())),
        ],
    )
}
