//! The fifth verb: what an attempt needs to run, and how its end comes back as an input.

use antiphon_core::id::Id;
use antiphon_core::input::Event;
use antiphon_core::run::Phase;

use super::Turn;
use crate::error::EngineError;
use crate::fail;
use crate::ports::executor::{ExecutorEvent, Launch};
use crate::probe::Probes;

impl Turn {
    /// Everything that starting the attempt which holds `token` needs; `None` when its lease is
    /// gone. One that was told to stop since is launched too: its stop follows.
    pub(super) fn launch_of(&self, token: u64, id: &Id) -> Option<Launch> {
        let state = self.machine.state();
        let run = state
            .runs
            .get(id)
            .filter(|run| run.phase.token() == Some(token))?;
        let task = state.task_of(run)?;
        let now = self.clock.now();
        let left_ms = match run.phase {
            Phase::Leased { deadline_ms, .. } => {
                deadline_ms.saturating_sub(state.time.elapsed_at(now))
            }
            Phase::Planned { .. } | Phase::Stopping { .. } => 0,
        };
        #[cfg(antiphon_plant)]
        let token = if crate::plant::is("token_reused") {
            token & !1
        } else {
            token
        };
        Some(Launch {
            token,
            run: *id,
            attempt: run.attempt,
            task: task.name.clone(),
            agent: task.agent.clone(),
            signal: run.signal,
            correlation: run.correlation,
            program: task.program.clone(),
            working_directory: task.working_directory.clone(),
            environment: task.environment.clone(),
            limits: task.limits,
            facts: run.facts.clone(),
            deadline_wall_ms: now
                .wall_ms
                .saturating_add(i64::try_from(left_ms).unwrap_or(i64::MAX)),
            grace_ms: task.grace_ms,
        })
    }
}

/// What an executor's event is to the machine; nothing when it is a probe's.
pub(super) fn event_of(
    event: Option<ExecutorEvent>,
    probes: &Probes,
) -> Result<Option<Event>, EngineError> {
    match event {
        Some(ExecutorEvent::Reported { token, report }) => {
            fail::step("execute.report_received")?;
            match probes.take(token, report) {
                Ok(()) => Ok(None),
                Err(report) => Ok(Some(Event::Reported { token, report })),
            }
        }
        Some(ExecutorEvent::Lost { reason }) => Err(EngineError::ExecutorLost(reason)),
        None => Err(EngineError::ExecutorLost("it ended".to_owned())),
    }
}
