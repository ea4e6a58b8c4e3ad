//! `antiphon ledger witness list`: who is asked, as the configuration says.

use clap::Args;
use serde::Serialize;

use crate::config::Configuration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::Table;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

/// One witness.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    url: String,
    key: String,
}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let read = Configuration::load(&context.root, context.config.as_deref())?;
    let rows: Vec<Row> = read
        .owner
        .witnesses
        .list
        .into_iter()
        .map(|witness| Row {
            name: witness.name,
            url: witness.url,
            key: witness.key.to_string(),
        })
        .collect();
    context.output.list(&rows, "no witness is named", table)?;
    Ok(Exit::Done)
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&["NAME", "URL", "KEY"]);
    for row in rows {
        table.row([
            row.name.as_str().into(),
            row.url.as_str().into(),
            row.key.as_str().into(),
        ]);
    }
    table
}
