//! Pruning within one write transaction of the log: bodies, and the mark of how far it has come.

use antiphon_engine::fail;
use antiphon_engine::ports::store::PrunedTurn;
use rusqlite::{Connection, OptionalExtension as _};

use crate::error::Error;

/// Puts what is left of their bodies in the place of those of `turns`, and moves the mark.
pub(super) fn replace_bodies(
    connection: &Connection,
    turns: &[PrunedTurn],
    pruned_to: u64,
) -> Result<(), Error> {
    for PrunedTurn { first_seq, bodies } in turns {
        connection
            .prepare_cached("UPDATE turn SET bodies = ?2 WHERE first_seq = ?1")?
            .execute((i64::try_from(*first_seq)?, bodies))?;
    }
    fail::step("prune.replaced")?;
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES ('pruned_to', ?1)
             ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
        )?
        .execute([i64::try_from(pruned_to)?])?;
    Ok(())
}

/// The end of the records that the older of two snapshots holds; 0 when there are not two.
pub(super) fn older_snapshot_end(connection: &Connection) -> Result<u64, Error> {
    let sql = "SELECT at_seq FROM snapshot ORDER BY at_seq DESC LIMIT 1 OFFSET 1";
    let older: Option<i64> = connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(older
        .map_or(Ok(0), u64::try_from)?
        .saturating_add(u64::from(older.is_some())))
}
