//! Rows as they are written, within whoever's transaction.

use antiphon_engine::ports::store::{Batch, Snapshot, Tile};
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use super::reader::tile_place;
use crate::error::Error;

/// A turn and the tiles that it filled.
pub(crate) fn insert_batch(connection: &Connection, batch: &Batch) -> Result<(), Error> {
    let Batch {
        turn,
        tiles,
        last_leaf,
    } = batch;
    connection
        .prepare_cached(
            "INSERT INTO turn (first_seq, n, root, last_leaf, envelopes, bodies)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            i64::try_from(turn.first_seq)?,
            turn.count,
            turn.root,
            last_leaf,
            &turn.envelopes,
            turn.bodies.as_deref(),
        ))?;
    for Tile {
        level,
        index,
        hashes,
    } in tiles
    {
        connection
            .prepare_cached("INSERT INTO tile (place, hashes) VALUES (?1, ?2)")?
            .execute((tile_place(*level, *index)?, hashes))?;
    }
    Ok(())
}

/// A snapshot, in the place of one at the same record.
pub(crate) fn insert_snapshot(connection: &Connection, snapshot: &Snapshot) -> Result<(), Error> {
    let Snapshot { at_seq, bytes } = snapshot;
    connection.execute(
        "INSERT OR REPLACE INTO snapshot (at_seq, sha256, bytes) VALUES (?1, ?2, ?3)",
        (
            i64::try_from(*at_seq)?,
            Sha256::digest(bytes).as_slice(),
            bytes,
        ),
    )?;
    Ok(())
}

/// A number beside the log.
pub(crate) fn set_meta(connection: &Connection, key: &str, value: u64) -> Result<(), Error> {
    let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";
    connection.execute(sql, (key, i64::try_from(value)?))?;
    Ok(())
}
