//! `antiphon config show`: the configuration as it is understood, defaults included.

use antiphon_core::policy::PolicySource;
use clap::Args;
use serde::Serialize;

use crate::config::Configuration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

/// What is in force when the owner starts.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    files: Vec<String>,
    log_level: &'a str,
    disk_reserve_bytes: Option<u64>,
    retention_ms: Option<u64>,
    policy: &'a PolicySource,
}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let read = Configuration::load(&context.root, context.config.as_deref())?;
    let shown = Shown {
        files: read
            .files
            .iter()
            .map(|file| file.display().to_string())
            .collect(),
        log_level: read.owner.log_level,
        disk_reserve_bytes: read.owner.disk_reserve_bytes,
        retention_ms: read.owner.retention_ms,
        policy: &read.policy,
    };
    if context.output.is_json() {
        context.output.json(&shown)?;
    } else {
        let text = serde_json::to_string_pretty(&shown).map_err(|source| Failure::Bug {
            what: "the configuration has no JSON form".to_owned(),
            source: Some(Box::new(source)),
        })?;
        context.output.line(&text)?;
    }
    Ok(Exit::Done)
}
