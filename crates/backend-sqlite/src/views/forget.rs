//! What the views forget when bodies of the log are pruned: what a building anew would not find.
//!
//! In: some rows at a time, in one transaction. Out: runs that have not ended, which are shown as
//! long as they live; idempotency keys, which end by their own age ([`crate::keys::build`]).

use antiphon_engine::fail;
use rusqlite::Connection;

use super::project::{SPAN_RECORDS, evidence_place};
use crate::error::Error;

/// Rows of one kind that one transaction forgets.
const ROWS_MAX: usize = 2_048;

/// Forgets some of what records below `pruned_to` said; whether nothing of it is left.
pub(super) fn forget(connection: &Connection, pruned_to: u64) -> Result<bool, Error> {
    let below = i64::try_from(pruned_to)?;
    let block = i64::try_from(pruned_to / SPAN_RECORDS)?;
    let sql = "DELETE FROM signal WHERE seq IN
                   (SELECT seq FROM signal WHERE seq < ?1 ORDER BY seq LIMIT ?2)";
    let signals = execute(connection, sql, below)?;
    let sql = "DELETE FROM span WHERE block IN
                   (SELECT block FROM span WHERE block < ?1 ORDER BY block LIMIT ?2)";
    execute(connection, sql, block)?;
    let sql = "DELETE FROM letter WHERE seq IN
                   (SELECT seq FROM letter WHERE seq < ?1 ORDER BY seq LIMIT ?2)";
    let letters = execute(connection, sql, below)?;
    let sql = "DELETE FROM evidence WHERE place IN
                   (SELECT place FROM evidence WHERE place < ?1 ORDER BY place LIMIT ?2)";
    let evidence = execute(connection, sql, evidence_place(pruned_to)?)?;
    let runs = ended_runs(connection, below)?;
    for run in &runs {
        let sql = "DELETE FROM run_event WHERE run = ?1";
        connection.prepare_cached(sql)?.execute([run])?;
        let sql = "DELETE FROM run WHERE key = ?1";
        connection.prepare_cached(sql)?.execute([run])?;
    }
    fail::step("views.forgotten")?;
    let most = [signals, letters, evidence, runs.len()].into_iter().max();
    Ok(most.is_none_or(|rows| rows < ROWS_MAX))
}

fn execute(connection: &Connection, sql: &str, below: i64) -> Result<usize, Error> {
    let rows_max = i64::try_from(ROWS_MAX)?;
    Ok(connection.prepare_cached(sql)?.execute((below, rows_max))?)
}

/// Runs that have ended, planned below a record. Keys of runs grow in the order of planning.
fn ended_runs(connection: &Connection, below: i64) -> Result<Vec<i64>, Error> {
    let sql = "SELECT key, planned_seq, finished_ms IS NOT NULL FROM run ORDER BY key";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut ended = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? >= below || ended.len() >= ROWS_MAX {
            break;
        }
        if row.get(2)? {
            ended.push(row.get(0)?);
        }
    }
    Ok(ended)
}
