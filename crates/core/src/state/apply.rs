//! One record changes the state.

use super::{Expectation, Letter, OpenAsk, State};
use crate::guard::Guards;
use crate::id::Id;
use crate::limits::SIGNAL_NAMES_MAX;
use crate::policy::PolicySource;
use crate::record::{
    Armed, Body, Cleared, ConfigApplied, LetterParked, Next, OwnerStarted, Record, RuleVerdict,
    RunLeased, RunReplanned, RunReturned, RunSettled, SignalAccepted, TaskChanged, Verdict,
};
use crate::rule::WORKER;
use crate::run::{Phase, Plan, Run};
use crate::signal::Origin;

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
        self.next_seq = self.next_seq.saturating_add(1);
        self.time.elapsed_ms = record.elapsed_ms;
        self.time.wall_ms = record.time_ms;
        self.apply_body(record).map_err(fail)
    }

    fn apply_body(&mut self, record: &Record) -> Result<(), &'static str> {
        match &record.body {
            Body::LogCreated(body) => match self.log.replace(body.id) {
                None => Ok(()),
                Some(_) => Err("the log was created before"),
            },
            Body::OwnerStarted(body) => {
                self.owner_started(body);
                Ok(())
            }
            Body::ConfigApplied(body) => self.config_applied(body),
            Body::SignalAccepted(body) => self.signal_accepted(record, body),
            Body::AskAnswered(body) => {
                let ask = self.asks.remove(&body.ask).ok_or("there is no such ask")?;
                let context = PlanContext::of_ask(&ask);
                body.runs
                    .iter()
                    .try_for_each(|plan| self.plan(record, plan, &context))
            }
            Body::RunLeased(body) => self.run_leased(record, body),
            Body::RunReplanned(body) => self.run_replanned(record, body),
            Body::RunReturned(body) => self.run_returned(body),
            Body::RunStopping(body) => {
                let phase = Phase::Stopping {
                    cause: body.cause,
                    token: body.token,
                };
                self.leased(&body.run, body.token)?.phase = phase;
                Ok(())
            }
            Body::RunSettled(body) => self.run_settled(body),
            Body::RunCancelled(body) => self
                .runs
                .remove(&body.run)
                .map(|_run| ())
                .ok_or("there is no such run"),
            Body::GuardChanged(body) => {
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
        self.rules
            .retain(|name, _memory| match name.as_str().strip_prefix(WORKER) {
                Some(task) => self.tasks.contains_key(task),
                None => source.rules.iter().any(|rule| rule.name == *name),
            });
        self.overrides
            .retain(|task, _enabled| self.tasks.contains_key(task));
        Ok(())
    }

    fn signal_accepted(
        &mut self,
        record: &Record,
        body: &SignalAccepted,
    ) -> Result<(), &'static str> {
        self.count_signal(record, body);
        for cleared in &body.clears {
            self.clear(cleared);
        }
        for verdict in &body.decisions {
            self.remember(record, body, verdict);
        }
        if !body.meets.is_empty() {
            self.meet(body);
        }
        for armed in &body.arms {
            self.arm(body, armed);
        }
        if let Origin::Replay(letter) = &body.origin
            && let Some(letter) = self.letters.get_mut(letter)
        {
            letter.replays = letter.replays.saturating_add(1);
        }
        if body.runs.is_empty() {
            return Ok(());
        }
        let context = PlanContext::of_signal(body);
        body.runs
            .iter()
            .try_for_each(|plan| self.plan(record, plan, &context))
    }

    fn count_signal(&mut self, record: &Record, body: &SignalAccepted) {
        if let Some(memory) = self.signals.get_mut(&body.signal) {
            memory.count = memory.count.saturating_add(1);
            memory.last_ms = record.elapsed_ms;
        } else if self.signals.len() < SIGNAL_NAMES_MAX {
            let memory = super::SignalMemory {
                count: 1,
                last_ms: record.elapsed_ms,
            };
            self.signals.insert(body.signal.clone(), memory);
        }
    }

    fn clear(&mut self, cleared: &Cleared) {
        if let Some(memory) = self.rules.get_mut(&cleared.rule) {
            match cleared.correlation {
                Some(chain) => memory.dedupe.retain(|_key, fired_in| *fired_in != chain),
                None => memory.dedupe.clear(),
            }
        }
    }

    fn remember(&mut self, record: &Record, body: &SignalAccepted, verdict: &RuleVerdict) {
        if !matches!(verdict.verdict, Verdict::Fired | Verdict::Deferred) {
            return;
        }
        let memory = self.rules.entry(verdict.rule.clone()).or_default();
        memory.last_fired_ms = Some(record.elapsed_ms);
        if verdict.remember > 0 {
            memory.fired.push_back(record.elapsed_ms);
            let keep = usize::try_from(verdict.remember).unwrap_or(usize::MAX);
            while memory.fired.len() > keep {
                memory.fired.pop_front();
            }
        }
        if let Some(key) = &verdict.dedupe_key {
            memory.dedupe.insert(key.clone(), body.correlation);
        }
        if let Some(ask) = &verdict.ask {
            let open = OpenAsk {
                ask: (**ask).clone(),
                correlation: body.correlation,
                depth: body.depth,
                lineage: body.lineage.clone(),
                rule: verdict.rule.clone(),
                signal: body.id,
                signal_name: body.signal.clone(),
            };
            self.asks.insert(ask.id, open);
        }
    }

    fn meet(&mut self, body: &SignalAccepted) {
        if let Some(armed) = self.expectations.get_mut(&body.correlation) {
            armed.retain(|expectation| !body.meets.contains(&expectation.id));
            if armed.is_empty() {
                self.expectations.remove(&body.correlation);
            }
        }
    }

    fn arm(&mut self, body: &SignalAccepted, armed: &Armed) {
        self.expectations
            .entry(body.correlation)
            .or_default()
            .push(Expectation {
                deadline_ms: armed.deadline_ms,
                depth: body.depth,
                emit: armed.emit.clone(),
                expect: armed.expect.clone(),
                id: armed.id,
                monitor: armed.monitor.clone(),
                signal: body.id,
                signal_name: body.signal.clone(),
            });
    }

    fn plan(
        &mut self,
        record: &Record,
        plan: &Plan,
        context: &PlanContext<'_>,
    ) -> Result<(), &'static str> {
        let task = self
            .versions
            .get(&plan.version)
            .ok_or("its task is not known")?;
        let run = Run {
            attempt: 0,
            correlation: context.correlation,
            depth: context.depth,
            facts: plan.facts.as_ref().unwrap_or(context.facts).clone(),
            lineage: context.lineage.to_vec(),
            phase: Phase::Planned {
                due_ms: record.elapsed_ms,
            },
            plan: plan.clone(),
            planned_ms: record.elapsed_ms,
            planned_seq: record.seq,
            priority: task.priority,
            signal: context.signal,
            signal_name: context.signal_name.clone(),
        };
        match self.runs.insert(plan.id, run) {
            None => Ok(()),
            Some(_) => Err("a run of that id is there"),
        }
    }

    fn run_leased(&mut self, record: &Record, body: &RunLeased) -> Result<(), &'static str> {
        let run = self.run(&body.run)?;
        if !matches!(run.phase, Phase::Planned { .. }) {
            return Err("the run has a lease");
        }
        run.phase = Phase::Leased {
            deadline_ms: body.deadline_ms,
            token: record.seq,
        };
        run.attempt = body.attempt;
        Ok(())
    }

    /// The attempt is uncounted: the next lease has its number again.
    fn run_returned(&mut self, body: &RunReturned) -> Result<(), &'static str> {
        let run = self.leased(&body.run, body.token)?;
        run.phase = Phase::Planned {
            due_ms: body.due_ms,
        };
        run.attempt = run.attempt.saturating_sub(1);
        Ok(())
    }

    fn task_changed(&mut self, body: &TaskChanged) {
        match body.enabled {
            Some(enabled) => drop(self.overrides.insert(body.task.clone(), enabled)),
            None => drop(self.overrides.remove(&body.task)),
        }
    }

    fn run_replanned(&mut self, record: &Record, body: &RunReplanned) -> Result<(), &'static str> {
        let context = PlanContext {
            correlation: body.correlation,
            depth: body.depth,
            facts: &body.facts,
            lineage: &[],
            signal: body.signal,
            signal_name: &body.signal_name,
        };
        self.plan(record, &body.plan, &context)
    }

    fn run_settled(&mut self, body: &RunSettled) -> Result<(), &'static str> {
        let run = self.leased(&body.run, body.token)?;
        match body.next {
            Next::Planned { due_ms } => run.phase = Phase::Planned { due_ms },
            Next::Ended => drop(self.runs.remove(&body.run)),
        }
        Ok(())
    }

    fn letter_parked(&mut self, record: &Record, body: &LetterParked) {
        let letter = Letter {
            code: body.code.clone(),
            error: body.error.clone(),
            parked_ms: record.elapsed_ms,
            payload: body.payload.clone(),
            seq: record.seq,
            replays: 0,
            subject: body.subject.clone(),
            time_ms: record.time_ms,
        };
        self.letters.insert(body.id, letter);
    }

    fn run(&mut self, id: &Id) -> Result<&mut Run, &'static str> {
        self.runs.get_mut(id).ok_or("there is no such run")
    }

    fn leased(&mut self, id: &Id, token: u64) -> Result<&mut Run, &'static str> {
        let run = self.run(id)?;
        if run.phase.token() == Some(token) {
            Ok(run)
        } else {
            Err("the lease is not its own")
        }
    }
}

/// What a planned run takes from the signal that plans it.
struct PlanContext<'a> {
    correlation: Id,
    depth: u32,
    facts: &'a crate::signal::Facts,
    lineage: &'a [crate::name::RuleName],
    signal: Id,
    signal_name: &'a crate::name::SignalName,
}

impl<'a> PlanContext<'a> {
    fn of_signal(body: &'a SignalAccepted) -> Self {
        Self {
            correlation: body.correlation,
            depth: body.depth,
            facts: &body.facts,
            lineage: &body.lineage,
            signal: body.id,
            signal_name: &body.signal,
        }
    }

    fn of_ask(open: &'a OpenAsk) -> Self {
        Self {
            correlation: open.correlation,
            depth: open.depth,
            facts: &open.ask.facts,
            lineage: &open.lineage,
            signal: open.signal,
            signal_name: &open.signal_name,
        }
    }
}

impl Guards {
    /// Whether a change from `self` to `next` lets work start that could not before: only such a
    /// change needs its record first.
    #[must_use]
    pub fn opens(&self, next: &Guards) -> bool {
        !self.start_work() && next.start_work()
    }
}
