//! What the machine derives from the state to find work fast: who waits, who runs, what is due.
//!
//! Never stored and never compared: it can be built anew from any state.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::Id;
use crate::limits::{DEAD_LETTER_AGE_MS_MAX, PRIORITY_POINT_MS};
use crate::name::{LockName, TaskName};
use crate::record::{Body, Record};
use crate::run::{Phase, Plan, Run};
use crate::state::State;
use crate::task::Task;

/// Something that is due at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A run may be leased.
    Due(Id),
    /// A run has waited longer than its task lets it.
    TooLate(Id),
    /// An attempt's time is over.
    Deadline(Id),
    /// An expectation of a chain is not met.
    Expectation { chain: Id, id: Id },
    /// An ask counts as denied.
    Ask(Id),
    /// A dead letter is too old.
    Letter(Id),
}

/// The place of a run among those of its task that wait: what waits long overtakes what matters
/// more, one point of priority for every [`PRIORITY_POINT_MS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) rank: i64,
    pub(super) planned_seq: u64,
    pub(super) run: Id,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    timers: BTreeSet<(u64, Timer)>,
    ready: BTreeMap<TaskName, BTreeSet<Place>>,
    leases: BTreeMap<u64, Id>,
    running: BTreeMap<TaskName, u32>,
    locks: BTreeMap<LockName, u64>,
    /// Expectations of all chains together.
    armed: usize,
}

impl Index {
    pub(super) fn build(state: &State) -> Self {
        let mut index = Self::default();
        for (id, run) in &state.runs {
            index.add_run(state, id, run);
        }
        for chain in state.expectations.keys() {
            index.add_expectations(state, chain);
        }
        for id in state.asks.keys() {
            index.add_ask(state, id);
        }
        for id in state.letters.keys() {
            index.add_letter(state, id);
        }
        index
    }

    /// Runs `apply` on the state and keeps the index in step with what `record` touches.
    pub(super) fn around<R>(
        &mut self,
        state: &mut State,
        record: &Record,
        apply: impl FnOnce(&mut State) -> R,
    ) -> R {
        let touched = Touched::by(&record.body);
        touched.each(|thing| self.remove(state, thing));
        let result = apply(state);
        touched.each(|thing| self.add(state, thing));
        result
    }

    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.timers.first().map(|(due_ms, _timer)| *due_ms)
    }

    /// Takes the first timer that is due at `elapsed_ms`.
    pub(super) fn pop_due(&mut self, elapsed_ms: u64) -> Option<Timer> {
        let (due_ms, _timer) = self.timers.first()?;
        if *due_ms > elapsed_ms {
            None
        } else {
            self.timers.pop_first().map(|(_due, timer)| timer)
        }
    }

    /// A run whose time has come waits among those of its task.
    pub(super) fn make_ready(&mut self, state: &State, id: &Id) {
        if let Some(run) = state.runs.get(id) {
            self.ready
                .entry(run.plan.task.clone())
                .or_default()
                .insert(place(id, run));
        }
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = (u64, Id)> + '_ {
        self.leases.iter().map(|(token, run)| (*token, *run))
    }

    pub(super) fn lease_count(&self) -> usize {
        self.leases.len()
    }

    pub(super) fn run_of(&self, token: u64) -> Option<Id> {
        self.leases.get(&token).copied()
    }

    /// Expectations that are armed.
    pub(super) fn armed(&self) -> usize {
        self.armed
    }

    /// The first waiting run of each task, in order of the tasks' names.
    pub(super) fn ready_heads(&self) -> impl Iterator<Item = (&TaskName, &Place)> {
        self.ready
            .iter()
            .filter_map(|(task, places)| Some((task, places.first()?)))
    }

    /// Whether `task` may have one more attempt and its lock is free.
    pub(super) fn has_room(&self, state: &State, task: &Task) -> bool {
        let running = self.running.get(&task.name).copied().unwrap_or(0);
        let is_free = |lock: &LockName| !self.locks.contains_key(lock);
        running < state.concurrency_of(task) && task.lock.as_ref().is_none_or(is_free)
    }

    fn add(&mut self, state: &State, thing: Thing<'_>) {
        match thing {
            Thing::Run(id) => {
                if let Some(run) = state.runs.get(id) {
                    self.add_run(state, id, run);
                }
            }
            Thing::Chain(chain) => self.add_expectations(state, chain),
            Thing::Ask(id) => self.add_ask(state, id),
            Thing::Letter(id) => self.add_letter(state, id),
        }
    }

    fn remove(&mut self, state: &State, thing: Thing<'_>) {
        match thing {
            Thing::Run(id) => {
                if let Some(run) = state.runs.get(id) {
                    self.remove_run(state, id, run);
                }
            }
            Thing::Chain(chain) => {
                for expectation in state.expectations.get(chain).into_iter().flatten() {
                    let timer = Timer::Expectation {
                        chain: *chain,
                        id: expectation.id,
                    };
                    self.timers.remove(&(expectation.deadline_ms, timer));
                    self.armed = self.armed.saturating_sub(1);
                }
            }
            Thing::Ask(id) => {
                if let Some(open) = state.asks.get(id) {
                    self.timers.remove(&(open.ask.deadline_ms, Timer::Ask(*id)));
                }
            }
            Thing::Letter(id) => {
                if let Some(letter) = state.letters.get(id) {
                    self.timers
                        .remove(&(letter_due_ms(letter.parked_ms), Timer::Letter(*id)));
                }
            }
        }
    }

    fn add_run(&mut self, state: &State, id: &Id, run: &Run) {
        if let Some(late_ms) = late_ms(state, run) {
            self.timers.insert((late_ms, Timer::TooLate(*id)));
        }
        match run.phase {
            Phase::Planned { due_ms } if due_ms <= state.time.elapsed_ms => {
                self.make_ready(state, id);
            }
            Phase::Planned { due_ms } => drop(self.timers.insert((due_ms, Timer::Due(*id)))),
            Phase::Leased { deadline_ms, token } => {
                self.timers.insert((deadline_ms, Timer::Deadline(*id)));
                self.hold(state, id, run, token);
            }
            Phase::Stopping { token, .. } => self.hold(state, id, run, token),
        }
    }

    fn remove_run(&mut self, state: &State, id: &Id, run: &Run) {
        if let Some(late_ms) = late_ms(state, run) {
            self.timers.remove(&(late_ms, Timer::TooLate(*id)));
        }
        match run.phase {
            Phase::Planned { due_ms } => {
                self.timers.remove(&(due_ms, Timer::Due(*id)));
                if let Some(places) = self.ready.get_mut(&run.plan.task) {
                    places.remove(&place(id, run));
                    if places.is_empty() {
                        self.ready.remove(&run.plan.task);
                    }
                }
            }
            Phase::Leased { deadline_ms, token } => {
                self.timers.remove(&(deadline_ms, Timer::Deadline(*id)));
                self.let_go(state, run, token);
            }
            Phase::Stopping { token, .. } => self.let_go(state, run, token),
        }
    }

    fn hold(&mut self, state: &State, id: &Id, run: &Run, token: u64) {
        self.leases.insert(token, *id);
        let running = self.running.entry(run.plan.task.clone()).or_default();
        *running = running.saturating_add(1);
        if let Some(lock) = lock_of(state, run) {
            self.locks.insert(lock.clone(), token);
        }
    }

    fn let_go(&mut self, state: &State, run: &Run, token: u64) {
        self.leases.remove(&token);
        if let Some(running) = self.running.get_mut(&run.plan.task) {
            *running = running.saturating_sub(1);
            if *running == 0 {
                self.running.remove(&run.plan.task);
            }
        }
        if let Some(lock) = lock_of(state, run)
            && self.locks.get(lock) == Some(&token)
        {
            self.locks.remove(lock);
        }
    }

    fn add_expectations(&mut self, state: &State, chain: &Id) {
        for expectation in state.expectations.get(chain).into_iter().flatten() {
            let timer = Timer::Expectation {
                chain: *chain,
                id: expectation.id,
            };
            self.timers.insert((expectation.deadline_ms, timer));
            self.armed = self.armed.saturating_add(1);
        }
    }

    fn add_ask(&mut self, state: &State, id: &Id) {
        if let Some(open) = state.asks.get(id) {
            self.timers.insert((open.ask.deadline_ms, Timer::Ask(*id)));
        }
    }

    fn add_letter(&mut self, state: &State, id: &Id) {
        if let Some(letter) = state.letters.get(id) {
            self.timers
                .insert((letter_due_ms(letter.parked_ms), Timer::Letter(*id)));
        }
    }
}

fn letter_due_ms(parked_ms: u64) -> u64 {
    parked_ms.saturating_add(DEAD_LETTER_AGE_MS_MAX)
}

/// Elapsed ms at which a run that waits for its first attempt has waited too long, if ever.
fn late_ms(state: &State, run: &Run) -> Option<u64> {
    let waits = matches!(run.phase, Phase::Planned { .. }) && run.attempt == 0;
    let within_ms = state.task_of(run).filter(|_task| waits)?.start_within_ms?;
    Some(run.planned_ms.saturating_add(within_ms))
}

fn place(id: &Id, run: &Run) -> Place {
    let planned_ms = i64::try_from(run.planned_ms).unwrap_or(i64::MAX);
    let ahead_ms = u64::from(run.priority).saturating_mul(PRIORITY_POINT_MS);
    let rank = planned_ms.saturating_sub(i64::try_from(ahead_ms).unwrap_or(i64::MAX));
    Place {
        rank,
        planned_seq: run.planned_seq,
        run: *id,
    }
}

fn lock_of<'a>(state: &'a State, run: &Run) -> Option<&'a LockName> {
    state.task_of(run)?.lock.as_ref()
}

/// Something in the state that the index follows.
#[derive(Clone, Copy)]
enum Thing<'a> {
    Run(&'a Id),
    Chain(&'a Id),
    Ask(&'a Id),
    Letter(&'a Id),
}

/// What a record touches.
enum Touched<'a> {
    Nothing,
    One(Thing<'a>),
    Runs {
        plans: &'a [Plan],
        chain: Option<&'a Id>,
        asks: Vec<&'a Id>,
    },
    Letters(&'a [Id]),
}

impl<'a> Touched<'a> {
    fn by(body: &'a Body) -> Self {
        match body {
            Body::SignalAccepted(body) => {
                let chain =
                    (!body.arms.is_empty() || !body.meets.is_empty()).then_some(&body.correlation);
                let asks: Vec<&Id> = body
                    .decisions
                    .iter()
                    .filter_map(|d| Some(&d.ask.as_ref()?.id))
                    .collect();
                Touched::Runs {
                    plans: &body.runs,
                    chain,
                    asks,
                }
            }
            Body::AskAnswered(body) => Touched::One(Thing::Ask(&body.ask)),
            Body::RunPlanned(body) => Touched::Runs {
                plans: &body.runs,
                chain: None,
                asks: Vec::new(),
            },
            Body::RunLeased(body) => Touched::One(Thing::Run(&body.run)),
            Body::RunReplanned(body) => Touched::One(Thing::Run(&body.plan.id)),
            Body::RunReturned(body) => Touched::One(Thing::Run(&body.run)),
            Body::RunStopping(body) => Touched::One(Thing::Run(&body.run)),
            Body::RunSettled(body) => Touched::One(Thing::Run(&body.run)),
            Body::RunCancelled(body) => Touched::One(Thing::Run(&body.run)),
            Body::LetterParked(body) => Touched::One(Thing::Letter(&body.id)),
            Body::LettersPurged(body) => Touched::Letters(&body.letters),
            Body::BreakerChanged(_)
            | Body::ClockJumped(_)
            | Body::ConfigApplied(_)
            | Body::GuardChanged(_)
            | Body::KeyRegistered(_)
            | Body::KeyRevoked(_)
            | Body::KeyRotated(_)
            | Body::LogCreated(_)
            | Body::LogCut(_)
            | Body::LogRestored(_)
            | Body::OwnerStarted(_)
            | Body::ReportRefused(_)
            | Body::SnapshotTaken(_)
            | Body::TaskChanged(_) => Touched::Nothing,
        }
    }

    fn each(&self, mut visit: impl FnMut(Thing<'a>)) {
        match self {
            Touched::Nothing => {}
            Touched::One(thing) => visit(*thing),
            Touched::Runs { plans, chain, asks } => {
                plans.iter().for_each(|plan| visit(Thing::Run(&plan.id)));
                if let Some(chain) = chain {
                    visit(Thing::Chain(chain));
                }
                for ask in asks {
                    visit(Thing::Ask(ask));
                }
            }
            Touched::Letters(letters) => letters.iter().for_each(|id| visit(Thing::Letter(id))),
        }
    }
}
