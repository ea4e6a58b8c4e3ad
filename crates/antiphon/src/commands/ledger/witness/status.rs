//! `antiphon ledger witness status`: what each witness has cosigned, and what is wrong with it.

use antiphon_http::model::{LedgerStatus, Status};
use clap::Args;
use serde::Serialize;

use crate::config::Configuration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::tone::Tone;
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

/// How one witness stands.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    url: String,
    /// Records of the last checkpoint that it has cosigned since the owner started; `null` when it
    /// has cosigned none.
    cosigned: Option<u64>,
    /// Whether that is the newest checkpoint.
    current: bool,
    /// What is wrong with it, in words.
    problems: Vec<String>,
}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let read = Configuration::load(&context.root, context.config.as_deref())?;
    let (ledger, status) = context.talk(Need::Answers, async |mut client| {
        let ledger: LedgerStatus = client.get("/api/v1/ledger").await?;
        let status: Status = client.get("/api/v1/status").await?;
        Ok((ledger, status))
    })?;
    let witnesses = read.owner.witnesses.list.into_iter();
    let rows: Vec<Row> = witnesses
        .map(|witness| row(witness.name, witness.url, &ledger, &status))
        .collect();
    context.output.list(&rows, "no witness is named", table)?;
    let newest = ledger.checkpoint.as_ref().map_or(0, |newest| newest.size);
    context
        .output
        .note(&format!("sealed to {newest} of {} records", ledger.records))?;
    Ok(Exit::Done)
}

fn row(name: String, url: String, ledger: &LedgerStatus, status: &Status) -> Row {
    let cosigned = ledger.witnesses.iter().find(|it| it.name == name);
    let cosigned = cosigned.map(|it| it.size);
    let newest = ledger.checkpoint.as_ref().map(|newest| newest.size);
    let alarms = status.alarms.iter().filter(|alarm| alarm.subject == name);
    Row {
        current: cosigned.is_some() && cosigned == newest,
        problems: alarms
            .map(|alarm| format!("{} ({})", alarm.detail, alarm.code))
            .collect(),
        name,
        url,
        cosigned,
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&["NAME", "URL", "COSIGNED", "STATE"]);
    for row in rows {
        let state = match row.problems.as_slice() {
            [] if row.current => Cell::new("current", Tone::Good),
            [] => Cell::new("behind", Tone::Warn),
            problems => Cell::new(&problems.join("; "), Tone::Bad),
        };
        let cosigned = row
            .cosigned
            .map_or("none".to_owned(), |size| size.to_string());
        let (name, url) = (row.name.as_str(), row.url.as_str());
        table.row([name.into(), url.into(), cosigned.into(), state]);
    }
    table
}
