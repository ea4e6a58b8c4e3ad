//! `antiphon config check`: reads and compiles the configuration, and uses none of it.

use clap::Args;
use serde::Serialize;

use crate::config::Configuration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::count;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

/// What a usable configuration holds.
#[derive(Debug, Serialize)]
struct Contents {
    ok: bool,
    files: Vec<String>,
    digest: String,
    intents: usize,
    monitors: usize,
    rules: usize,
    workers: usize,
    tasks: usize,
}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let read = Configuration::load(&context.root, context.config.as_deref())?;
    let files = read
        .files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let (policy, _owner) = read.compile()?;
    let source = policy.source();
    let contents = Contents {
        ok: true,
        files,
        digest: policy.digest().to_string(),
        intents: source.intents.len(),
        monitors: source.monitors.len(),
        rules: source.rules.len(),
        workers: source.workers.len(),
        tasks: source.tasks.len(),
    };
    context.output.one(&contents, tell)?;
    Ok(Exit::Done)
}

fn tell(contents: &Contents) -> String {
    if contents.files.is_empty() {
        return "no configuration: nothing is decided, nothing runs".to_owned();
    }
    let parts = [
        count(contents.intents, "intent"),
        count(contents.monitors, "monitor"),
        count(contents.rules, "rule"),
        count(contents.workers, "worker"),
        count(contents.tasks, "task"),
    ];
    format!("usable: {} (policy {})", parts.join(", "), contents.digest)
}
