//! Builds the views: one transaction per call, from where they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_engine::fail;
use antiphon_engine::ports::views::{Projected, ViewBuilder, ViewError};
use rusqlite::{Connection, TransactionBehavior};

use super::ViewFile;
use super::forget::forget;
use super::project::{Names, Projector};
use crate::error::Error;
use crate::keys::build::{KEY_AGE_MS_MIN, KeyBatch, KeySizes, add_keys};

/// The one writer of `views.db`.
#[derive(Debug)]
pub(super) struct SqliteViewBuilder {
    connection: Connection,
    file: ViewFile,
    names: Names,
    /// How long keys are remembered at least, ms of elapsed time.
    key_age_ms: u64,
    /// Counts committed transactions, so that the key index knows when to look again.
    generation: Arc<AtomicU64>,
}

impl SqliteViewBuilder {
    pub(super) fn new(connection: Connection, file: ViewFile, generation: Arc<AtomicU64>) -> Self {
        let names = Names::default();
        Self {
            connection,
            file,
            names,
            key_age_ms: KEY_AGE_MS_MIN,
            generation,
        }
    }

    fn try_project(&mut self, records: &[Projected]) -> Result<(), Error> {
        let begin = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(begin)?;
        let complete_to = read_complete_to(&transaction)?;
        let known = records
            .iter()
            .take_while(|record| record.seq < complete_to)
            .count();
        let records = records.get(known..).unwrap_or_default();
        let Some(last) = records.last() else {
            return Ok(());
        };
        let mut projector = Projector::new(&transaction, &mut self.names)?;
        let mut next_seq = complete_to;
        for record in records {
            if record.seq != next_seq {
                return Err(Error::Gap {
                    complete_to: next_seq,
                    found: record.seq,
                });
            }
            projector.project(record)?;
            next_seq = next_seq.saturating_add(1);
        }
        let entries = projector.finish()?;
        fail::step("views.projected")?;
        let keys = KeyBatch {
            first_seq: complete_to,
            upto_seq: next_seq,
            elapsed_ms: last.elapsed_ms,
            age_ms: self.key_age_ms,
            entries,
        };
        let sizes = fail::unless_armed(KeySizes::PRODUCTION, KeySizes::ARMED);
        add_keys(&transaction, &keys, sizes)?;
        transaction
            .prepare_cached("UPDATE progress SET complete_to = ?1")?
            .execute([i64::try_from(next_seq)?])?;
        transaction.commit()?;
        fail::step("views.committed")?;
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn try_forget(&mut self, pruned_to: u64) -> Result<bool, Error> {
        let begin = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(begin)?;
        let is_done = forget(&transaction, pruned_to)?;
        transaction.commit()?;
        Ok(is_done)
    }
}

impl ViewBuilder for SqliteViewBuilder {
    fn complete_to(&mut self) -> Result<u64, ViewError> {
        let complete_to = read_complete_to(&self.connection);
        complete_to.map_err(|error| self.file.failed("read", error))
    }

    fn project(&mut self, records: &[Projected]) -> Result<(), ViewError> {
        self.try_project(records).map_err(|error| {
            // Names that the lost transaction gave numbers to must not be remembered.
            self.names = Names::default();
            self.file.failed("built", error)
        })
    }

    fn forget(&mut self, pruned_to: u64) -> Result<bool, ViewError> {
        self.try_forget(pruned_to)
            .map_err(|error| self.file.failed("built", error))
    }

    fn remember_keys(&mut self, age_ms: u64) {
        self.key_age_ms = age_ms.max(KEY_AGE_MS_MIN);
    }
}

/// Every record below this is in the views.
pub(super) fn read_complete_to(connection: &Connection) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached("SELECT complete_to FROM progress")?;
    Ok(u64::try_from(
        statement.query_row([], |row| row.get::<_, i64>(0))?,
    )?)
}
