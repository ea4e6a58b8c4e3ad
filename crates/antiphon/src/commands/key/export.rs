//! `antiphon key export`: what a verifier needs to trust this log, as a trust file.
//!
//! Whoever takes it from here believes this root about its keys once; from then on a log that says
//! otherwise is refused. Source: `docs/reference/ledger.md`.

use std::path::PathBuf;

use antiphon_core::key::{LOG, RECOVERY};
use antiphon_http::client::{Client, ClientError};
use antiphon_http::model::KeyInfo;
use antiphon_ledger::key::VerifierKey;
use antiphon_ledger::trust::{Sealed, Trust};
use clap::Args;
use serde::Serialize;

use super::{active, all, origin};
use crate::commands::init::write_new;
use crate::config::Configuration;
use crate::config::witnesses::Witnesses;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The new file [default: standard output]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    file: PathBuf,
    origin: String,
    log_key: String,
    size: Option<u64>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let trust = context.talk(Need::Answers, async |mut client| {
        let keys = all(&mut client).await?;
        let read = Configuration::load(&context.root, context.config.as_deref())?;
        trust(&keys, &read.owner.witnesses, head(&mut client).await?)
    })?;
    let Some(file) = &arguments.to else {
        context.output.raw(&trust.to_json())?;
        return Ok(Exit::Done);
    };
    if !write_new(file, trust.to_json().as_bytes())? {
        return Err(Failure::Usage {
            message: format!("{} is there already", file.display()),
            hint: Some(
                "what a verifier has seen is worth more than what it is told anew".to_owned(),
            ),
        });
    }
    let written = Written {
        file: file.clone(),
        origin: trust.origin.clone(),
        log_key: trust.log_key.to_string(),
        size: trust.head.as_ref().map(|head| head.checkpoint().size()),
    };
    context.output.one(&written, |written| {
        let seen = written.size.map_or_else(
            || "no checkpoint yet".to_owned(),
            |size| format!("{size} records seen"),
        );
        format!("{}: {}, {seen}", written.file.display(), written.origin)
    })?;
    Ok(Exit::Done)
}

/// What is believed from now on: the keys that are valid now, and the head that is there.
fn trust(keys: &[KeyInfo], witnesses: &Witnesses, head: Option<Sealed>) -> Result<Trust, Failure> {
    let log = active(keys, LOG);
    let recovery = active(keys, RECOVERY);
    // The place at which both are valid.
    let key_size = log.iter().chain(&recovery).filter_map(|key| key.from).max();
    Ok(Trust {
        origin: origin(keys)?.to_owned(),
        log_key: verifier(log.ok_or_else(|| Failure::NotFound {
            what: "the key of the log".to_owned(),
        })?)?,
        key_size: key_size.unwrap_or_default(),
        recovery_key: recovery.map(verifier).transpose()?,
        witnesses: witnesses.list.iter().map(|it| it.key.clone()).collect(),
        cosignatures_required: u64::try_from(witnesses.policy.required).unwrap_or(u64::MAX),
        head,
    })
}

fn verifier(key: &KeyInfo) -> Result<VerifierKey, Failure> {
    key.key.parse().map_err(not_understood)
}

/// The newest checkpoint, if there is one.
async fn head(client: &mut Client) -> Result<Option<Sealed>, Failure> {
    match client.get_text("/checkpoint").await {
        Ok(note) => {
            let sealed = Sealed::parse(note.as_bytes());
            sealed.map(Some).map_err(not_understood)
        }
        Err(ClientError::Refused(problem)) if problem.status == 404 => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn not_understood(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Bug {
        what: "the owner's answer is not understood".to_owned(),
        source: Some(Box::new(error)),
    }
}
