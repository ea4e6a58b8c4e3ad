//! Choosing the next run, and what happens to leases before they are settled.

use super::Step;
use super::index::Place;
use crate::attempt::{Happening, Transition, transition};
use crate::id::Id;
use crate::input::Effect;
use crate::record::{Body, Returned, RunCancelled, RunLeased, RunReturned, RunStopping};
use crate::report::StopCause;

impl Step<'_> {
    /// Leases as long as a slot is free and a run may have it.
    pub(super) fn lease_all(&mut self) {
        if self.machine.is_draining || !self.state().guards.start_work() {
            return;
        }
        let slots = usize::try_from(self.machine.slots()).unwrap_or(usize::MAX);
        while self.machine.index.lease_count() < slots {
            let Some(place) = self.next_ready() else {
                return;
            };
            self.lease(&place.run);
        }
    }

    /// The waiting run that goes next: by rank, then by the record that planned it.
    fn next_ready(&self) -> Option<Place> {
        let index = &self.machine.index;
        let state = self.state();
        index
            .ready_heads()
            .filter(|(task, place)| {
                let run = state.runs.get(&place.run);
                run.and_then(|run| state.task_of(run))
                    .is_some_and(|text| index.has_room(state, text))
                    && state.task_enabled(task)
            })
            .map(|(_task, place)| *place)
            .min()
    }

    fn lease(&mut self, id: &Id) {
        let state = self.state();
        let Some(run) = state.runs.get(id) else {
            return;
        };
        let Some(task) = state.task_of(run) else {
            return;
        };
        debug_assert_eq!(
            transition(&run.phase, Happening::Slot, task),
            Transition::Lease
        );
        let leased = RunLeased {
            agent: task.agent.clone(),
            attempt: run.attempt.saturating_add(1),
            deadline_ms: self.elapsed_ms.saturating_add(task.timeout_ms),
            run: *id,
            task: task.name.clone(),
        };
        let token = self.record(Body::RunLeased(Box::new(leased)));
        self.output.effects.push(Effect::Launch { token, run: *id });
    }

    /// A run has waited longer than its task lets it.
    pub(super) fn too_late(&mut self, id: &Id) {
        self.cancel_run(id, Happening::TooLate, "deadline");
    }

    /// Ends a run that waits, if the table says so; gives whether it does.
    pub(super) fn cancel_run(&mut self, id: &Id, happening: Happening<'_>, by: &str) -> bool {
        let state = self.state();
        let waiting = state.runs.get(id).filter(|run| {
            let task = state.task_of(run);
            task.is_some_and(|task| transition(&run.phase, happening, task) == Transition::Cancel)
        });
        let Some(task) = waiting.map(|run| run.plan.task.clone()) else {
            return false;
        };
        self.record(Body::RunCancelled(Box::new(RunCancelled {
            by: by.to_owned(),
            run: *id,
            task,
        })));
        true
    }

    /// The time of an attempt is over.
    pub(super) fn deadline(&mut self, id: &Id) {
        self.stop_run(id, Happening::Deadline, None);
    }

    /// Every tree is told to stop.
    pub(super) fn stop_all(&mut self) {
        let runs: Vec<Id> = self.machine.leases().map(|(_token, run)| run).collect();
        for id in runs {
            self.stop_run(&id, Happening::Stopped, None);
        }
    }

    /// Tells the tree of a run to stop, if the table says so; gives whether it does.
    pub(super) fn stop_run(
        &mut self,
        id: &Id,
        happening: Happening<'_>,
        by: Option<String>,
    ) -> bool {
        let Some((cause, token)) = self.stop_cause(id, happening) else {
            return false;
        };
        self.record(Body::RunStopping(Box::new(RunStopping {
            by,
            cause,
            run: *id,
            token,
        })));
        self.output.effects.push(Effect::Stop { token, cause });
        true
    }

    fn stop_cause(&self, id: &Id, happening: Happening<'_>) -> Option<(StopCause, u64)> {
        let state = self.state();
        let run = state.runs.get(id)?;
        match transition(&run.phase, happening, state.task_of(run)?) {
            Transition::Stop(cause) => Some((cause, run.phase.token()?)),
            Transition::None
            | Transition::Lease
            | Transition::Return(_)
            | Transition::Settle(_)
            | Transition::Cancel => None,
        }
    }

    /// Gives a lease back uncounted; the run waits at least `wait_ms`.
    pub(super) fn give_back(&mut self, run: Id, token: u64, wait_ms: u64, why: Returned) {
        let due_ms = self.elapsed_ms.saturating_add(wait_ms);
        self.record(Body::RunReturned(Box::new(RunReturned {
            due_ms,
            run,
            token,
            why,
        })));
    }
}
