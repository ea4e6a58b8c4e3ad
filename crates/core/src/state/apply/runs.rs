//! Runs: planned, leased, given back, settled.

use crate::id::Id;
use crate::record::{
    Next, Record, RunCancelled, RunLeased, RunReplanned, RunReturned, RunSettled, RunStopping,
    SignalAccepted,
};
use crate::run::{Phase, Plan, Run};
use crate::state::{OpenAsk, State};

impl State {
    pub(super) fn plan(
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
            replays: context.replays,
            signal: context.signal,
            signal_name: context.signal_name.clone(),
        };
        match self.runs.insert(plan.id, run) {
            None => Ok(()),
            Some(_) => Err("a run of that id is there"),
        }
    }

    pub(super) fn run_replanned(
        &mut self,
        record: &Record,
        body: &RunReplanned,
    ) -> Result<(), &'static str> {
        let context = PlanContext {
            correlation: body.correlation,
            depth: body.depth,
            facts: &body.facts,
            lineage: &[],
            replays: 0,
            signal: body.signal,
            signal_name: &body.signal_name,
        };
        self.plan(record, &body.plan, &context)
    }

    pub(super) fn run_leased(
        &mut self,
        record: &Record,
        body: &RunLeased,
    ) -> Result<(), &'static str> {
        let run = self.run(&body.run)?;
        if !matches!(run.phase, Phase::Planned { .. }) {
            return Err("the run has a lease");
        }
        if body.attempt != run.attempt.saturating_add(1) {
            return Err("the attempt is not its next");
        }
        run.phase = Phase::Leased {
            deadline_ms: body.deadline_ms,
            token: record.seq,
        };
        run.attempt = body.attempt;
        Ok(())
    }

    /// The first cause wins: what is stopping is not told again.
    pub(super) fn run_stopping(&mut self, body: &RunStopping) -> Result<(), &'static str> {
        let run = self.leased(&body.run, body.token)?;
        if !matches!(run.phase, Phase::Leased { .. }) {
            return Err("the lease is stopping");
        }
        run.phase = Phase::Stopping {
            cause: body.cause,
            token: body.token,
        };
        Ok(())
    }

    pub(super) fn run_cancelled(&mut self, body: &RunCancelled) -> Result<(), &'static str> {
        if !matches!(self.run(&body.run)?.phase, Phase::Planned { .. }) {
            return Err("the run has a lease");
        }
        self.runs.remove(&body.run);
        Ok(())
    }

    /// The attempt is uncounted: the next lease has its number again.
    pub(super) fn run_returned(&mut self, body: &RunReturned) -> Result<(), &'static str> {
        let run = self.leased(&body.run, body.token)?;
        run.phase = Phase::Planned {
            due_ms: body.due_ms,
        };
        run.attempt = run.attempt.saturating_sub(1);
        Ok(())
    }

    pub(super) fn run_settled(&mut self, body: &RunSettled) -> Result<(), &'static str> {
        let run = self.leased(&body.run, body.token)?;
        match body.next {
            Next::Planned { due_ms } => run.phase = Phase::Planned { due_ms },
            Next::Ended => drop(self.runs.remove(&body.run)),
        }
        Ok(())
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
pub(super) struct PlanContext<'a> {
    correlation: Id,
    depth: u32,
    facts: &'a crate::signal::Facts,
    lineage: &'a [crate::name::RuleName],
    replays: u32,
    signal: Id,
    signal_name: &'a crate::name::SignalName,
}

impl<'a> PlanContext<'a> {
    /// Of a signal that was accepted, or for the so many-th time replayed.
    pub(super) fn of_signal(body: &'a SignalAccepted, replays: u32) -> Self {
        Self {
            correlation: body.correlation,
            depth: body.depth,
            facts: &body.facts,
            lineage: &body.lineage,
            replays,
            signal: body.id,
            signal_name: &body.signal,
        }
    }

    pub(super) fn of_ask(open: &'a OpenAsk) -> Self {
        Self {
            correlation: open.correlation,
            depth: open.depth,
            facts: &open.ask.facts,
            lineage: &open.lineage,
            replays: 0,
            signal: open.signal,
            signal_name: &open.signal_name,
        }
    }
}
