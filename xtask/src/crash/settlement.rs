//! After a crash and at the end: what must hold of a root, and the evidence that the account is
//! drawn from.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::account::{Account, Evidence};
use super::arena::{Arena, LOAD};
use super::load::{Load, Promises};
use crate::process::until;

/// How long the work that is left may take at the end.
const DRAIN_MAX: Duration = Duration::from_mins(2);
/// More signals than any run of the harness makes.
const SIGNALS_MAX: &str = "100000000";
/// Rows that one list holds at most; with as many, the account would not be whole.
const ROWS_MAX: usize = 10_000;
/// Dead letters that the export holds: the newest.
const EXPORTED_MAX: usize = 1_000;

/// The whole log verifies, once there is one.
pub(super) fn verify_log(arena: &Arena) -> Result<()> {
    if !arena.site.root.join("antiphon.db").exists() {
        return Ok(());
    }
    let answers = arena.site.ask(&["ledger", "verify"])?;
    match answers.as_slice() {
        [answer] if answer.get("ok") == Some(&Value::Bool(true)) => Ok(()),
        other => bail!("the log does not verify: {other:?}"),
    }
}

/// Lets the last owner finish what is left, verifies the log and accounts.
pub(super) fn settle(arena: &Arena, load: Load) -> Result<Account> {
    let mut owner = arena.site.serve()?;
    owner.wait_until_ready()?;
    let promises = load.end()?;
    until("the work drains", DRAIN_MAX, || {
        Ok(is_drained(arena)?.then_some(()))
    })?;
    verify_log(arena)?;
    let account = draw(arena, &promises)?;
    owner.stop()?;
    Ok(account)
}

fn is_drained(arena: &Arena) -> Result<bool> {
    for entry in std::fs::read_dir(arena.site.root.join("intents"))? {
        if entry?
            .path()
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            return Ok(false);
        }
    }
    let answers = arena.site.ask(&["status"])?;
    let [status] = answers.as_slice() else {
        bail!("status printed {} documents", answers.len());
    };
    let figure = |name: &str| status.get(name).and_then(Value::as_u64);
    let live = ["runs_planned", "runs_leased", "runs_stopping"].map(figure);
    if live != [Some(0); 3] || figure("views") != figure("records") {
        return Ok(false);
    }
    if is_pruned(status) {
        // Letters went with their bodies; the export is written when letters come.
        return Ok(true);
    }
    // It follows the views.
    let letters = letters(arena)?.len().min(EXPORTED_MAX);
    Ok(export(arena)?.lines().count() == letters)
}

fn is_pruned(status: &Value) -> bool {
    let pruned_to = status.get("pruned_to").and_then(Value::as_u64);
    pruned_to.is_some_and(|pruned_to| pruned_to > 0)
}

fn letters(arena: &Arena) -> Result<Vec<Value>> {
    let limit = ROWS_MAX.to_string();
    let letters = arena.site.ask(&["dlq", "list", "--limit", &limit])?;
    whole(letters, "letters")
}

/// The export of the dead letters; empty when there is none yet.
fn export(arena: &Arena) -> Result<String> {
    match std::fs::read_to_string(arena.site.root.join("failed_signals.jsonl")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        text => Ok(text?),
    }
}

/// Whatever the instant of the crash, a declared file is there whole or not at all.
pub(super) fn check_export(arena: &Arena) -> Result<()> {
    let text = export(arena)?;
    let is_whole = text
        .split_inclusive('\n')
        .all(|line| line.ends_with('\n') && serde_json::from_str::<Value>(line).is_ok());
    ensure!(is_whole, "the export was left in pieces:\n{text}");
    Ok(())
}

fn whole(rows: Vec<Value>, what: &str) -> Result<Vec<Value>> {
    if rows.len() >= ROWS_MAX {
        bail!("{ROWS_MAX} {what} are more than a list holds: crash less often in one go");
    }
    Ok(rows)
}

fn draw(arena: &Arena, promises: &Promises) -> Result<Account> {
    let signals = arena
        .site
        .ask(&["signal", "list", "--name", LOAD, "--limit", SIGNALS_MAX])?;
    let limit = ROWS_MAX.to_string();
    let runs = whole(arena.site.ask(&["run", "list", "--limit", &limit])?, "runs")?;
    let sink = std::fs::read_to_string(&arena.sink)?;
    let is_pruned = arena.site.ask(&["status"])?.iter().any(is_pruned);
    Ok(Account::draw(&Evidence {
        promises,
        is_pruned,
        signals: &signals,
        letters: &letters(arena)?,
        export: &export(arena)?,
        runs: &runs,
        sink: &sink,
    }))
}
