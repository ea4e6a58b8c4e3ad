//! `antiphon signal emit`: publish a signal, and wait for what comes of it when asked to.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use antiphon_core::limits::FACTS_BYTES_MAX;
use antiphon_core::name::{SignalName, SourceName};
use antiphon_core::signal::Facts;
use antiphon_http::client::Client;
use antiphon_http::model::{Emit, Emitted, Run, Settled};
use clap::Args;

use crate::commands::{self, parse_duration, parse_name, parse_time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Its name, by convention `Q_ACTION_STATE`
    #[arg(value_parser = parse_name::<SignalName>)]
    name: SignalName,
    /// What it says: a JSON object
    #[arg(long, value_name = "JSON", conflicts_with = "facts_file")]
    facts: Option<String>,
    /// The same from a file, or from standard input when it is -
    #[arg(long, value_name = "FILE")]
    facts_file: Option<PathBuf>,
    /// Who emits it
    #[arg(long, value_name = "NAME", default_value = "cli", value_parser = parse_name::<SourceName>)]
    source: SourceName,
    /// An idempotency key: the same key again answers with the first signal
    #[arg(long)]
    key: Option<String>,
    /// When it happened: RFC 3339, or a duration before now
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    timestamp: Option<String>,
    /// Wait until nothing of its chain waits or runs any more
    #[arg(long)]
    wait: bool,
    /// The longest wait
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration)]
    timeout: Duration,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let emit = Emit {
        signal: arguments.name.to_string(),
        source: arguments.source.to_string(),
        facts: facts(arguments)?,
        timestamp: arguments.timestamp.clone(),
        key: arguments.key.clone(),
    };
    let need = if arguments.wait {
        Need::Work
    } else {
        Need::Answers
    };
    context.talk(need, async |mut client| {
        let emitted: Emitted = client.post("/api/v1/signals", &emit).await?;
        context.output.one(&emitted, tell)?;
        if arguments.wait {
            wait(context.output, &mut client, &emitted, arguments.timeout).await
        } else {
            Ok(Exit::Done)
        }
    })
}

fn tell(emitted: &Emitted) -> String {
    let how = if emitted.duplicate {
        "was there already"
    } else {
        "accepted"
    };
    format!("signal {} {how}, record {}", emitted.id, emitted.seq)
}

fn facts(arguments: &Arguments) -> Result<Facts, Failure> {
    let text = match (&arguments.facts, &arguments.facts_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => read(path)?,
        (None, None) => return Ok(Facts::empty()),
    };
    Facts::parse(text.as_bytes()).map_err(|error| Failure::Usage {
        message: format!("the facts are no JSON object within the limits: {error}"),
        hint: Some(r#"write --facts '{"question": "why"}'"#.to_owned()),
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    let unreadable = |source| Failure::File {
        verb: "read",
        path: path.to_owned(),
        source,
    };
    // One byte more than may be, so that too much is told from just enough.
    let most = u64::try_from(FACTS_BYTES_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin()
            .take(most)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
    } else {
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(most)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
    }
    Ok(text)
}

async fn wait(
    output: Output,
    client: &mut Client,
    emitted: &Emitted,
    timeout: Duration,
) -> Result<Exit, Failure> {
    let path = format!(
        "/api/v1/signals/{}/settled?within_ms={}",
        emitted.id,
        timeout.as_millis()
    );
    let settled: Settled = client.get(&path).await?;
    if output.is_json() {
        output.json(&settled)?;
    } else {
        output.list(&settled.runs, "nothing was to do", commands::run::table)?;
        if !settled.settled {
            output.note("the time is over, and not everything is done")?;
        }
    }
    let is_good = |run: &Run| run.state == "succeeded";
    Ok(match (settled.settled, settled.runs.iter().all(is_good)) {
        (false, _) => Exit::TimedOut,
        (true, true) => Exit::Done,
        (true, false) => Exit::WorkFailed,
    })
}
