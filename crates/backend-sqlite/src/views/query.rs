//! Queries over the views, each on a connection of its own from a small pool.

use std::sync::{Mutex, PoisonError};

use antiphon_core::id::{Digest, Id};
use antiphon_core::name::TaskName;
use antiphon_engine::ports::views::{
    LetterRow, RunFilter, RunRow, SignalFilter, SignalRow, ViewError, Views,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use super::ViewFile;
use super::builder::read_complete_to;
use super::project::SPAN_RECORDS;
use crate::connection::open_read_only;
use crate::error::Error;

/// Connections that are kept for the next query.
const IDLE_MAX: usize = 4;
const CACHE_KIB: u32 = 2 * 1024;
const RUN_COLUMNS: &str = "key, id, task, agent, signal, planned_seq, state, attempt, started_ms, \
                           finished_ms, exit_code, evidence_sha256";

/// The queries of one root.
#[derive(Debug)]
pub(super) struct SqliteViews {
    file: ViewFile,
    idle: Mutex<Vec<Connection>>,
}

impl SqliteViews {
    pub(super) fn open(file: ViewFile) -> Result<Self, Error> {
        let first = open_read_only(&file.path(), CACHE_KIB)?;
        Ok(Self {
            file,
            idle: Mutex::new(vec![first]),
        })
    }

    /// Runs `query` in one read transaction.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, ViewError> {
        self.try_read(query)
            .map_err(|error| self.file.failed("read", error))
    }

    fn try_read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_read_only(&self.file.path(), CACHE_KIB)?,
        };
        let transaction = connection.unchecked_transaction()?;
        let answer = query(&transaction)?;
        transaction.commit()?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(answer)
    }
}

impl Views for SqliteViews {
    fn complete_to(&self) -> Result<u64, ViewError> {
        self.read(read_complete_to)
    }

    fn signals(&self, filter: &SignalFilter) -> Result<Vec<SignalRow>, ViewError> {
        self.read(|connection| {
            let mut query = Query::new("SELECT id, seq FROM signal WHERE TRUE");
            if let Some(name) = &filter.name {
                let text = name.as_str().to_owned();
                query.and(
                    "name = (SELECT id FROM name WHERE text = ?)",
                    Value::Text(text),
                );
            }
            if let Some(correlation) = &filter.correlation {
                let first = "SELECT seq FROM signal WHERE id = ? AND correlation IS NULL";
                let others = "SELECT seq FROM signal WHERE correlation = ?";
                let chain = [blob(correlation), blob(correlation)];
                query.and_all(&format!("seq IN ({first} UNION ALL {others})"), chain);
            }
            if let Some(since_ms) = filter.since_ms {
                let blocks = "(SELECT min(block) FROM span WHERE time_ms_max >= ?)";
                let first = format!("seq >= {SPAN_RECORDS} * {blocks} AND time_ms >= ?");
                query.and_all(&first, [Value::Integer(since_ms), Value::Integer(since_ms)]);
            }
            if let Some(after_seq) = filter.after_seq {
                query.and("seq > ?", Value::Integer(i64::try_from(after_seq)?));
            }
            let order = if filter.ascending {
                "seq ASC"
            } else {
                "seq DESC"
            };
            query.rows(connection, order, filter.limit, signal_row)
        })
    }

    fn signal(&self, id: &Id) -> Result<Option<SignalRow>, ViewError> {
        self.read(|connection| {
            let mut query = Query::new("SELECT id, seq FROM signal WHERE TRUE");
            query.and("id = ?", blob(id));
            Ok(query.rows(connection, "seq", 1, signal_row)?.pop())
        })
    }

    fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, ViewError> {
        self.read(|connection| {
            let mut query = Query::new(&format!("SELECT {RUN_COLUMNS} FROM run WHERE TRUE"));
            if let Some(task) = &filter.task {
                query.and("task = ?", Value::Text(task.as_str().to_owned()));
            }
            if let Some(state) = &filter.state {
                query.and("state = ?", Value::Text(state.clone()));
            }
            if let Some(signal) = &filter.signal {
                query.and("signal = ?", blob(signal));
            }
            if let Some(correlation) = &filter.correlation {
                query.and("correlation = ?", blob(correlation));
            }
            let rows = query.rows(connection, "key DESC", filter.limit, run_row)?;
            rows.into_iter()
                .map(|(key, row)| with_events(connection, key, row))
                .collect()
        })
    }

    fn run(&self, id: &Id) -> Result<Option<RunRow>, ViewError> {
        self.read(|connection| {
            let mut query = Query::new(&format!("SELECT {RUN_COLUMNS} FROM run WHERE TRUE"));
            query.and("id = ?", blob(id));
            let row = query.rows(connection, "key", 1, run_row)?.pop();
            row.map(|(key, row)| with_events(connection, key, row))
                .transpose()
        })
    }

    fn letters(&self, limit: usize, with_purged: bool) -> Result<Vec<LetterRow>, ViewError> {
        self.read(|connection| {
            let query = if with_purged { "TRUE" } else { "purged = 0" };
            Query::new(&format!(
                "SELECT id, seq, replays, purged FROM letter WHERE {query}"
            ))
            .rows(connection, "seq DESC", limit, letter_row)
        })
    }

    fn letter(&self, id: &Id) -> Result<Option<LetterRow>, ViewError> {
        self.read(|connection| {
            let sql = "SELECT id, seq, replays, purged FROM letter WHERE id = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement
                .query_row([id.as_bytes()], letter_row)
                .optional()?)
        })
    }

    fn names_evidence(&self, digest: &Digest) -> Result<bool, ViewError> {
        self.read(|connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM evidence WHERE sha256 = ?1)";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_row([digest.0], |row| row.get(0))?)
        })
    }

    fn events(&self, limit: usize) -> Result<Vec<u64>, ViewError> {
        self.read(|connection| {
            let query = Query::new("SELECT seq FROM event WHERE TRUE");
            query.rows(connection, "seq DESC", limit, |row| number(row, 0))
        })
    }
}

/// A statement whose conditions are put together, and its parameters.
struct Query {
    sql: String,
    parameters: Vec<Value>,
}

impl Query {
    fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            parameters: Vec::new(),
        }
    }

    fn and(&mut self, condition: &str, parameter: Value) {
        self.and_all(condition, [parameter]);
    }

    fn and_all<const N: usize>(&mut self, condition: &str, parameters: [Value; N]) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.parameters.extend(parameters);
    }

    /// At most `limit` rows, at least one if there is one.
    fn rows<T>(
        mut self,
        connection: &Connection,
        order: &str,
        limit: usize,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(order);
        self.sql.push_str(" LIMIT ?");
        self.parameters.push(Value::Integer(
            i64::try_from(limit.max(1)).unwrap_or(i64::MAX),
        ));
        let mut statement = connection.prepare_cached(&self.sql)?;
        let rows = statement.query_map(params_from_iter(self.parameters), read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn blob(id: &Id) -> Value {
    Value::Blob(id.as_bytes().to_vec())
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).or(Err(rusqlite::Error::IntegralValueOutOfRange(column, value)))
}

fn signal_row(row: &Row<'_>) -> rusqlite::Result<SignalRow> {
    Ok(SignalRow {
        id: Id::from_bytes(row.get(0)?),
        seq: number(row, 1)?,
    })
}

fn letter_row(row: &Row<'_>) -> rusqlite::Result<LetterRow> {
    let id = Id::from_bytes(row.get(0)?);
    Ok(LetterRow {
        id,
        seq: number(row, 1)?,
        replays: row.get(2)?,
        purged: row.get(3)?,
    })
}

/// A run and its key, without its records.
fn run_row(row: &Row<'_>) -> rusqlite::Result<(i64, RunRow)> {
    let task: String = row.get(2)?;
    let task = TaskName::new(&task).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into())
    })?;
    let run = RunRow {
        id: Id::from_bytes(row.get(1)?),
        task,
        agent: row.get(3)?,
        signal_id: Id::from_bytes(row.get(4)?),
        planned_seq: number(row, 5)?,
        state: row.get(6)?,
        attempt: row.get(7)?,
        started_ms: row.get(8)?,
        finished_ms: row.get(9)?,
        exit_code: row.get(10)?,
        evidence_sha256: row.get(11)?,
        record_seqs: Vec::new(),
    };
    Ok((row.get(0)?, run))
}

fn with_events(connection: &Connection, key: i64, mut run: RunRow) -> Result<RunRow, Error> {
    let sql = "SELECT seq FROM run_event WHERE run = ?1 ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let seqs = statement.query_map([key], |row| number(row, 0))?;
    run.record_seqs = seqs.collect::<Result<_, _>>()?;
    Ok(run)
}
