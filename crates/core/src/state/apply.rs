//! One record changes the state: each kind its own way, and nothing but the record decides how.

mod runs;
mod signals;

use super::{KeyFault, Letter, OpenAsk, State};
use crate::policy::PolicySource;
use crate::record::{Body, ConfigApplied, LetterParked, OwnerStarted, Record, TaskChanged};
use runs::PlanContext;

/// Why a record does not fit the state: the log is damaged or was written by another program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} ({kind}) does not follow from the records before it: {what}")]
pub struct ApplyError {
    /// The record.
    pub seq: u64,
    /// Its kind.
    pub kind: &'static str,
    /// What does not fit.
    pub what: &'static str,
}

impl State {
    /// Changes the state by `record`, the next one of the log.
    ///
    /// # Errors
    /// [`ApplyError`] when the record cannot follow; the state is then not usable any more.
    pub fn apply(&mut self, record: &Record) -> Result<(), ApplyError> {
        let fail = |what| ApplyError {
            seq: record.seq,
            kind: record.body.kind(),
            what,
        };
        if record.seq != self.next_seq {
            return Err(fail("it is not the next record"));
        }
        if record.elapsed_ms < self.time.elapsed_ms {
            return Err(fail("elapsed time goes back"));
        }
        if self.log.is_some() == matches!(record.body, Body::LogCreated(_)) {
            return Err(fail("a log begins with its creation, once"));
        }
        self.next_seq = self.next_seq.saturating_add(1);
        self.time.elapsed_ms = record.elapsed_ms;
        self.time.wall_ms = record.time_ms;
        let permitted = self.permitted.take();
        self.apply_body(record, permitted).map_err(fail)
    }

    fn apply_body(
        &mut self,
        record: &Record,
        permitted: Option<OpenAsk>,
    ) -> Result<(), &'static str> {
        match &record.body {
            Body::LogCreated(body) => {
                self.log = Some(body.id);
                self.keys.created(body).map_err(KeyFault::what)
            }
            Body::LogCut(body) => self.goes_on(record, body.epoch, body.size),
            Body::LogRestored(body) => self.goes_on(record, body.epoch, body.size),
            Body::KeyRegistered(body) => self.keys.registered(record, body).map_err(KeyFault::what),
            Body::KeyRotated(body) => self.keys.rotated(record, body).map_err(KeyFault::what),
            Body::KeyRevoked(body) => self.keys.revoked(record, body).map_err(KeyFault::what),
            Body::OwnerStarted(body) => {
                self.owner_started(body);
                Ok(())
            }
            Body::ConfigApplied(body) => {
                replace(&mut self.changes.policy_seq, record, body.replaces)?;
                self.config_applied(body)
            }
            Body::SignalAccepted(body) => self.signal_accepted(record, body),
            Body::AskAnswered(body) => {
                let open = self.asks.remove(&body.ask).ok_or("there is no such ask")?;
                self.permitted = Some(open).filter(|open| body.permit && open.ask.task.is_some());
                Ok(())
            }
            Body::RunPlanned(body) => {
                let open = permitted.filter(|open| open.ask.id == body.ask);
                let open = open.ok_or("the record before does not permit its ask")?;
                let context = PlanContext::of_ask(&open);
                body.runs
                    .iter()
                    .try_for_each(|plan| self.plan(record, plan, &context))
            }
            Body::RunLeased(body) => self.run_leased(record, body),
            Body::RunReplanned(body) => self.run_replanned(record, body),
            Body::RunReturned(body) => self.run_returned(body),
            Body::RunStopping(body) => self.run_stopping(body),
            Body::RunSettled(body) => self.run_settled(body),
            Body::RunCancelled(body) => self.run_cancelled(body),
            Body::GuardChanged(body) => {
                replace(&mut self.changes.guards_seq, record, body.replaces)?;
                self.guards = body.guards;
                Ok(())
            }
            Body::LetterParked(body) => {
                self.letter_parked(record, body);
                Ok(())
            }
            Body::LettersPurged(body) => {
                body.letters
                    .iter()
                    .for_each(|id| drop(self.letters.remove(id)));
                Ok(())
            }
            Body::BreakerChanged(body) => {
                let memory = self.rules.entry(body.rule.clone()).or_default();
                memory.open_until_ms = body.open_until_ms;
                Ok(())
            }
            Body::TaskChanged(body) => {
                replace(&mut self.changes.tasks_seq, record, body.replaces)?;
                self.task_changed(body);
                Ok(())
            }
            Body::SnapshotTaken(body) => {
                self.snapshot_seq = Some(body.at_seq);
                Ok(())
            }
            Body::ClockJumped(_) | Body::ReportRefused(_) => Ok(()),
        }
    }

    /// The log goes on behind `size` records, in an epoch that is its own.
    fn goes_on(&mut self, record: &Record, epoch: u64, size: u64) -> Result<(), &'static str> {
        if size != record.seq || epoch <= self.epoch {
            return Err("it says of the log what it is not");
        }
        self.epoch = epoch;
        Ok(())
    }

    fn owner_started(&mut self, body: &OwnerStarted) {
        self.time.boot = body.boot;
        self.time.boot_base_ms = body.boot_ms;
        self.time.elapsed_base_ms = self.time.elapsed_ms;
        self.epoch = body.epoch;
    }

    fn config_applied(&mut self, body: &ConfigApplied) -> Result<(), &'static str> {
        let source: PolicySource = serde_json::from_str(body.policy.0.get())
            .map_err(|_error| "its policy cannot be read")?;
        self.policy = Some(body.digest);
        self.tasks = source
            .tasks
            .iter()
            .map(|t| (t.name.clone(), t.version()))
            .collect();
        let live: std::collections::BTreeSet<_> =
            self.runs.values().map(|run| run.plan.version).collect();
        self.versions
            .retain(|version, _task| live.contains(version));
        for task in &source.tasks {
            self.versions.insert(task.version(), task.clone());
        }
        self.rules.retain(|name, _memory| match name.worker() {
            Some((on, task)) => source
                .workers
                .iter()
                .any(|worker| worker.on.as_str() == on && worker.task.as_str() == task),
            None => source.rules.iter().any(|rule| rule.name == *name),
        });
        self.overrides
            .retain(|task, _enabled| self.tasks.contains_key(task));
        Ok(())
    }

    fn task_changed(&mut self, body: &TaskChanged) {
        match body.enabled {
            Some(enabled) => drop(self.overrides.insert(body.task.clone(), enabled)),
            None => drop(self.overrides.remove(&body.task)),
        }
    }

    fn letter_parked(&mut self, record: &Record, body: &LetterParked) {
        let letter = Letter {
            code: body.code.clone(),
            error: body.error.clone(),
            parked_ms: record.elapsed_ms,
            payload: body.payload.clone(),
            replays: body.replays,
            seq: record.seq,
            subject: body.subject.clone(),
            time_ms: record.time_ms,
        };
        self.letters.insert(body.id, letter);
    }
}

/// `record` is the `last` of its kind from now on, in the place of the one that it says to replace: so
/// nobody's word counts twice.
fn replace(last: &mut u64, record: &Record, replaces: u64) -> Result<(), &'static str> {
    if replaces != *last {
        return Err("it replaces another record than the last of its kind");
    }
    *last = record.seq;
    Ok(())
}
