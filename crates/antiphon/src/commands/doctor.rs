//! `antiphon doctor`: checks of this machine and this data root, and every limit.
//!
//! It changes nothing and starts nothing but `python3 --version`.

mod keys;
mod limits;
mod machine;
mod root;

use clap::Args;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::tone::Tone;
use crate::wire::Context;

#[derive(Args, Debug)]
pub(crate) struct Arguments {}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As it should be.
    Ok,
    /// It works, with less.
    Warning,
    /// It does not work.
    Failed,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    detail: String,
    hint: Option<&'static str>,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Ok,
            detail: detail.into(),
            hint: None,
        }
    }

    fn warning(name: &'static str, detail: impl Into<String>, hint: &'static str) -> Self {
        Self {
            name,
            state: State::Warning,
            detail: detail.into(),
            hint: Some(hint),
        }
    }

    fn failed(name: &'static str, detail: impl Into<String>, hint: &'static str) -> Self {
        Self {
            name,
            state: State::Failed,
            detail: detail.into(),
            hint: Some(hint),
        }
    }
}

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Findings {
    ok: bool,
    checks: Vec<Check>,
    limits: Vec<limits::Limit>,
}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    let mut checks = machine::checks();
    checks.extend(root::checks(context));
    let findings = Findings {
        ok: checks.iter().all(|check| check.state != State::Failed),
        checks,
        limits: limits::all(),
    };
    if context.output.is_json() {
        context.output.json(&findings)?;
    } else {
        context.output.list(&findings.checks, "", table)?;
        context.output.note("")?;
        if context.verbose > 0 {
            context.output.list(&findings.limits, "", limits::table)?;
        } else {
            context.output.note("every limit: antiphon doctor -v")?;
        }
    }
    Ok(if findings.ok {
        Exit::Done
    } else {
        Exit::Unusable
    })
}

fn table(checks: &[Check]) -> Table {
    let mut table = Table::new(&["CHECK", "STATE", "FOUND", "HINT"]);
    for check in checks {
        let state = match check.state {
            State::Ok => Cell::new("ok", Tone::Good),
            State::Warning => Cell::new("warning", Tone::Warn),
            State::Failed => Cell::new("failed", Tone::Bad),
        };
        let detail = check.detail.as_str().into();
        table.row([
            check.name.into(),
            state,
            detail,
            check.hint.unwrap_or_default().into(),
        ]);
    }
    table
}
