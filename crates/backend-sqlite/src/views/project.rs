//! What each kind of record adds to the views.
//!
//! In: one record after another inside the builder's transaction. Out: idempotency keys, which are
//! only collected here ([`crate::keys::build`]). A record whose body was pruned adds nothing.

use std::collections::{BTreeMap, HashMap};

use antiphon_core::id::Id;
use antiphon_core::name::SignalName;
use antiphon_core::record::{
    Body, ConfigApplied, Evidence, Next, Record, RunLeased, RunSettled, SignalAccepted,
};
use antiphon_core::report::{Exit, Report};
use antiphon_core::run::Plan;
use antiphon_core::signal::{Key, Origin};
use antiphon_engine::ports::views::{KnownKey, Projected};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params};
use serde::Deserialize;

use crate::error::Error;
use crate::keys::entry::push_entry;

/// Records of one row of `span`.
pub(super) const SPAN_RECORDS: u64 = 4_096;
/// Signal names whose numbers are remembered between transactions.
const NAMES_MAX: usize = 10_000;

/// Numbers of signal names.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<SignalName, i64>);

/// Adds records to the tables of one transaction.
pub(super) struct Projector<'a> {
    connection: &'a Connection,
    names: &'a mut Names,
    insert_signal: CachedStatement<'a>,
    spans: BTreeMap<u64, i64>,
    keys: Vec<u8>,
}

/// What planned a run.
#[derive(Clone, Copy)]
struct Planner {
    signal: Id,
    correlation: Id,
    seq: i64,
}

/// The part of a policy that the views read.
#[derive(Deserialize)]
struct Agents {
    tasks: Vec<Agent>,
}

/// The part of a task that the views read.
#[derive(Deserialize)]
struct Agent {
    agent: String,
    name: String,
}

impl<'a> Projector<'a> {
    pub(super) fn new(connection: &'a Connection, names: &'a mut Names) -> Result<Self, Error> {
        let insert_signal = connection.prepare_cached(
            "INSERT INTO signal (seq, id, name, time_ms, correlation) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let (spans, keys) = (BTreeMap::new(), Vec::new());
        Ok(Self {
            connection,
            names,
            insert_signal,
            spans,
            keys,
        })
    }

    pub(super) fn project(&mut self, projected: &Projected) -> Result<(), Error> {
        let Some(record) = &projected.record else {
            return Ok(());
        };
        let seq = i64::try_from(record.seq)?;
        match &record.body {
            Body::SignalAccepted(body) => self.signal_accepted(record, body),
            Body::RunLeased(body) => self.run_leased(record, body),
            Body::RunReturned(body) => self.run_returned(seq, &body.run),
            Body::RunStopping(body) => {
                self.run_state(&body.run, "stopping")?;
                self.run_event(&body.run, seq)
            }
            Body::RunSettled(body) => self.run_settled(record, body),
            Body::RunCancelled(body) => {
                self.run_ended(&body.run, "cancelled", record.time_ms)?;
                self.run_event(&body.run, seq)
            }
            Body::RunReplanned(body) => {
                let planner = Planner {
                    signal: body.signal,
                    correlation: body.correlation,
                    seq,
                };
                self.plan(planner, &body.plan)?;
                self.run_event(&body.of, seq)
            }
            Body::AskAnswered(body) => {
                if !body.permit {
                    self.execute("DELETE FROM ask WHERE id = ?1", [body.ask.as_bytes()])?;
                }
                self.event(seq)
            }
            Body::RunPlanned(body) => self.run_planned(seq, &body.ask, &body.runs),
            Body::LetterParked(body) => {
                self.remember(body.key.as_ref(), record.seq, body.id);
                let sql = "INSERT INTO letter (seq, id, replays) VALUES (?1, ?2, ?3)";
                self.execute(sql, (seq, body.id.as_bytes(), body.replays))
            }
            Body::LettersPurged(body) => {
                for letter in &body.letters {
                    let sql = "UPDATE letter SET purged = 1 WHERE id = ?1";
                    self.execute(sql, [letter.as_bytes()])?;
                }
                self.event(seq)
            }
            Body::ConfigApplied(body) => {
                self.config_applied(body)?;
                self.event(seq)
            }
            Body::BreakerChanged(_)
            | Body::ClockJumped(_)
            | Body::GuardChanged(_)
            | Body::KeyRegistered(_)
            | Body::KeyRevoked(_)
            | Body::KeyRotated(_)
            | Body::LogCut(_)
            | Body::LogRestored(_)
            | Body::OwnerStarted(_)
            | Body::ReportRefused(_)
            | Body::TaskChanged(_) => self.event(seq),
            Body::LogCreated(_) | Body::SnapshotTaken(_) => Ok(()),
        }
    }

    /// Writes what is gathered over the transaction; the keys that it met, as entries.
    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        for (block, time_ms) in &self.spans {
            self.execute(
                "INSERT INTO span (block, time_ms_max) VALUES (?1, ?2)
                 ON CONFLICT (block) DO UPDATE
                 SET time_ms_max = max(time_ms_max, excluded.time_ms_max)",
                (i64::try_from(*block)?, time_ms),
            )?;
        }
        if self.names.0.len() > NAMES_MAX {
            *self.names = Names::default();
        }
        Ok(self.keys)
    }

    fn execute(&self, sql: &str, parameters: impl Params) -> Result<(), Error> {
        self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    }

    fn event(&self, seq: i64) -> Result<(), Error> {
        self.execute("INSERT INTO event (seq) VALUES (?1)", [seq])
    }

    fn remember(&mut self, key: Option<&Key>, seq: u64, id: Id) {
        if let Some(key) = key {
            push_entry(&mut self.keys, &KnownKey { key: *key, seq, id });
        }
    }

    fn signal_accepted(&mut self, record: &Record, body: &SignalAccepted) -> Result<(), Error> {
        let seq = i64::try_from(record.seq)?;
        let name = self.name(&body.signal)?;
        let correlation = (body.correlation != body.id).then_some(body.correlation.as_bytes());
        let row = (seq, body.id.as_bytes(), name, record.time_ms, correlation);
        self.insert_signal.execute(row)?;
        let latest = self
            .spans
            .entry(record.seq / SPAN_RECORDS)
            .or_insert(record.time_ms);
        *latest = record.time_ms.max(*latest);
        self.remember(body.key.as_ref(), record.seq, body.id);
        let planner = Planner {
            signal: body.id,
            correlation: body.correlation,
            seq,
        };
        for plan in &body.runs {
            self.plan(planner, plan)?;
        }
        for ask in body
            .decisions
            .iter()
            .filter_map(|decision| decision.ask.as_ref())
            .filter(|ask| ask.task.is_some())
        {
            self.execute(
                "INSERT OR REPLACE INTO ask (id, signal, correlation) VALUES (?1, ?2, ?3)",
                (
                    ask.id.as_bytes(),
                    body.id.as_bytes(),
                    body.correlation.as_bytes(),
                ),
            )?;
        }
        if let Origin::Replay(letter) = &body.origin {
            let sql = "UPDATE letter SET replays = replays + 1 WHERE id = ?1";
            self.execute(sql, [letter.as_bytes()])?;
        }
        Ok(())
    }

    fn name(&mut self, name: &SignalName) -> Result<i64, Error> {
        if let Some(number) = self.names.0.get(name) {
            return Ok(*number);
        }
        let sql = "INSERT INTO name (text) VALUES (?1)
                   ON CONFLICT (text) DO UPDATE SET text = text RETURNING id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let number = statement.query_row([name.as_str()], |row| row.get(0))?;
        self.names.0.insert(name.clone(), number);
        Ok(number)
    }

    fn run_planned(&self, seq: i64, ask: &Id, runs: &[Plan]) -> Result<(), Error> {
        let sql = "DELETE FROM ask WHERE id = ?1 RETURNING signal, correlation";
        let mut statement = self.connection.prepare_cached(sql)?;
        let asked = statement.query_row([ask.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)));
        // The ask itself stands for a signal whose body was pruned.
        let (signal, correlation) = asked.optional()?.map_or((*ask, *ask), |(signal, chain)| {
            (Id::from_bytes(signal), Id::from_bytes(chain))
        });
        runs.iter().try_for_each(|plan| {
            self.plan(
                Planner {
                    signal,
                    correlation,
                    seq,
                },
                plan,
            )
        })
    }

    fn config_applied(&self, body: &ConfigApplied) -> Result<(), Error> {
        match serde_json::from_str::<Agents>(body.policy.0.get()) {
            Ok(policy) => policy.tasks.iter().try_for_each(|task| {
                let sql = "INSERT OR REPLACE INTO task (name, agent) VALUES (?1, ?2)";
                self.execute(sql, (&task.name, &task.agent))
            }),
            Err(error) => {
                // Runs show no agent until they are leased; that is no reason to stop the views.
                tracing::warn!(%error, "a policy names no agents");
                Ok(())
            }
        }
    }

    fn plan(&self, planner: Planner, plan: &Plan) -> Result<(), Error> {
        let Planner {
            signal,
            correlation,
            seq,
        } = planner;
        self.execute(
            "INSERT INTO run (id, task, agent, signal, correlation, planned_seq)
             VALUES (?1, ?2, coalesce((SELECT agent FROM task WHERE name = ?2), ''), ?3, ?4, ?5)",
            (
                plan.id.as_bytes(),
                plan.task.as_str(),
                signal.as_bytes(),
                correlation.as_bytes(),
                seq,
            ),
        )
    }

    fn run_event(&self, run: &Id, seq: i64) -> Result<(), Error> {
        self.execute(
            "INSERT INTO run_event (run, seq) SELECT key, ?2 FROM run WHERE id = ?1",
            (run.as_bytes(), seq),
        )
    }

    fn run_state(&self, run: &Id, state: &str) -> Result<(), Error> {
        self.execute(
            "UPDATE run SET state = ?2 WHERE id = ?1",
            (run.as_bytes(), state),
        )
    }

    fn run_ended(&self, run: &Id, state: &str, time_ms: i64) -> Result<(), Error> {
        let sql = "UPDATE run SET state = ?2, finished_ms = ?3 WHERE id = ?1";
        self.execute(sql, (run.as_bytes(), state, time_ms))
    }

    fn run_leased(&self, record: &Record, body: &RunLeased) -> Result<(), Error> {
        self.execute(
            "UPDATE run SET state = 'leased', agent = ?2, attempt = ?3, started_ms = ?4,
                 exit_code = NULL, evidence_sha256 = NULL
             WHERE id = ?1",
            (
                body.run.as_bytes(),
                body.agent.as_str(),
                body.attempt,
                record.time_ms,
            ),
        )?;
        self.run_event(&body.run, i64::try_from(record.seq)?)
    }

    /// A lease that never ran does not count as an attempt.
    fn run_returned(&self, seq: i64, run: &Id) -> Result<(), Error> {
        self.execute(
            "UPDATE run SET state = 'planned', attempt = max(attempt - 1, 0), started_ms = NULL
             WHERE id = ?1",
            [run.as_bytes()],
        )?;
        self.run_event(run, seq)
    }

    fn run_settled(&self, record: &Record, body: &RunSettled) -> Result<(), Error> {
        let (exit_code, sha256) = match &body.evidence {
            Evidence::Report(report) => {
                self.evidence(record.seq, report)?;
                let exit_code = match report.exit {
                    Exit::Code(code) => Some(code),
                    Exit::Signal(_) => None,
                };
                (exit_code, Some(report.stdout.sha256.to_string()))
            }
            Evidence::NotStarted(_) | Evidence::OwnerLost { .. } => (None, None),
        };
        self.execute(
            "UPDATE run SET exit_code = ?2, evidence_sha256 = ?3 WHERE id = ?1",
            (body.run.as_bytes(), exit_code, sha256),
        )?;
        match body.next {
            Next::Ended => self.run_ended(&body.run, body.outcome.as_str(), record.time_ms)?,
            Next::Planned { .. } => self.run_state(&body.run, "planned")?,
        }
        self.run_event(&body.run, i64::try_from(record.seq)?)
    }

    /// What a settlement names beyond its own text.
    fn evidence(&self, seq: u64, report: &Report) -> Result<(), Error> {
        let streams = [(0, &report.stdout), (1, &report.stderr)];
        for (stream, output) in streams {
            if let Some(digest) = &output.evidence {
                let place = evidence_place(seq)? | stream;
                let sql = "INSERT INTO evidence (place, sha256) VALUES (?1, ?2)";
                self.execute(sql, (place, digest.0))?;
            }
        }
        Ok(())
    }
}

/// The first place of what record `seq` names.
pub(super) fn evidence_place(seq: u64) -> Result<i64, Error> {
    Ok(i64::try_from(seq.saturating_mul(2))?)
}
