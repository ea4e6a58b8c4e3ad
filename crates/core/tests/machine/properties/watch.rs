//! A world that looks at every step: what must hold after each, whatever it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use antiphon_core::control::{Control, Refusal};
use antiphon_core::guard::{Mode, Switch};
use antiphon_core::id::Id;
use antiphon_core::input::{Effect, Event, Input, Output, Owner, Reply};
use antiphon_core::limits::CASCADE_RECORDS_MAX;
use antiphon_core::machine::{LOG_FORMAT, Machine};
use antiphon_core::policy::{Policy, PolicySource};
use antiphon_core::record::{BY_DEADLINE, Body, LogCreated, Record};
use antiphon_core::report::Fate;
use antiphon_core::state::State;
use antiphon_core::time::Instant;

use crate::fixture::{ORIGIN, exited, first_keys};

pub(crate) struct Watched {
    machine: Machine,
    policies: [Arc<Policy>; 2],
    policy: usize,
    now: Instant,
    log: Vec<Record>,
    /// Records of the newest batch, which a kill may lose.
    newest: usize,
    epoch: u64,
}

impl Watched {
    pub(crate) fn new(sources: [PolicySource; 2]) -> Self {
        let now = Instant {
            wall_ms: 1_800_000_000_000,
            boot_ms: 1_000,
            boot_id: 1,
        };
        let mut world = Self {
            machine: Machine::new(State::default(), 8),
            policies: sources.map(|source| Arc::new(Policy::compile(source).unwrap())),
            policy: 0,
            now,
            log: Vec::new(),
            newest: 0,
            epoch: 0,
        };
        let created = LogCreated {
            format: LOG_FORMAT,
            id: Id::of_log(now.wall_ms, &[1; 32]),
            keys: first_keys(),
            origin: ORIGIN.to_owned(),
            version: "1.0.0".to_owned(),
        };
        let output = world.machine.create(now, created);
        world.keep(output);
        world.open();
        world
    }

    pub(crate) fn state(&self) -> &State {
        self.machine.state()
    }

    pub(crate) fn log(&self) -> &[Record] {
        &self.log
    }

    pub(crate) fn tokens(&self) -> Vec<u64> {
        self.machine.leases().map(|(token, _run)| token).collect()
    }

    /// Whether nothing is planned, runs, is asked or is expected.
    pub(crate) fn is_at_rest(&self) -> bool {
        let state = self.state();
        state.runs.is_empty() && state.asks.is_empty() && state.expectations.is_empty()
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        self.now.boot_ms += ms;
        self.now.wall_ms += i64::try_from(ms).unwrap();
    }

    /// The wall clock alone jumps.
    pub(crate) fn jump(&mut self, ms: i64) {
        self.now.wall_ms += ms;
    }

    pub(crate) fn step(&mut self, event: Event) {
        let twin = self.twin_of(&event);
        let preview = self.machine.preview(&event);
        let output = self.stepped(event);
        check_preview(preview, &output);
        if let Some(twin) = twin {
            assert_eq!(
                twin.records, output.records,
                "a machine built anew decides otherwise"
            );
            assert_eq!(twin.effects, output.effects);
        }
        self.keep(output);
    }

    /// A report of a lease that is not live.
    pub(crate) fn stray(&mut self, token: u64) {
        let report = Box::new(exited(0));
        self.step(Event::Reported { token, report });
        let newest = &self.log[self.log.len() - self.newest..];
        let refusals = newest.iter().filter(|record| match &record.body {
            Body::ReportRefused(refused) => refused.token == token,
            _ => false,
        });
        assert_eq!(refusals.count(), 1, "token {token}");
    }

    pub(crate) fn mode(&mut self, mode: Mode, by: String) {
        let reason = String::new();
        self.step(Event::Control(Control::SetMode { mode, by, reason }));
    }

    pub(crate) fn switch(&mut self, switch: Switch, maintenance: bool) {
        self.step(Event::Control(Control::SwitchSeen {
            switch,
            maintenance,
        }));
    }

    pub(crate) fn leave_tasks_to_the_configuration(&mut self) {
        let overridden: Vec<_> = self.state().overrides.keys().cloned().collect();
        for task in overridden {
            self.step(Event::Control(Control::SetTask {
                task,
                enabled: None,
                by: "ada".to_owned(),
            }));
        }
    }

    pub(crate) fn configure(&mut self, which: usize) {
        self.policy = which;
        self.step(Event::Configured(self.policies[which].clone()));
    }

    /// The owner is killed, perhaps before its newest batch was durable and perhaps with the whole
    /// machine; the next one finds `fate` of every lease.
    pub(crate) fn kill(&mut self, loses: bool, reboots: bool, fate: &Fate) {
        // The birth of the log and the first policy stay.
        if loses && self.log.len() > 3 + self.newest {
            self.log.truncate(self.log.len() - self.newest);
        }
        if reboots {
            self.now.boot_id += 1;
            self.now.boot_ms = 500;
        }
        let mut state = State::default();
        for record in &self.log {
            state.apply(record).unwrap();
        }
        self.machine = Machine::new(state, 8);
        let lost = self.tokens();
        self.open();
        for token in lost {
            let fate = fate.clone();
            self.step(Event::Recovered { token, fate });
        }
    }

    fn open(&mut self) {
        self.epoch += 1;
        let owner = Owner {
            epoch: self.epoch,
            leases: true,
            pid: 1,
            version: "1.0.0".to_owned(),
        };
        let output = self.stepped(Event::Started(Box::new(owner)));
        self.keep(output);
        let output = self.stepped(Event::Configured(self.policies[self.policy].clone()));
        self.keep(output);
    }

    fn stepped(&mut self, event: Event) -> Output {
        self.machine.step(Input {
            at: self.now,
            event,
        })
    }

    /// What a machine that was built from the state says to the same input.
    fn twin_of(&self, event: &Event) -> Option<Output> {
        let mut twin = Machine::new(self.state().clone(), 8);
        // At the time of the last record nothing new is due.
        let time = self.state().time;
        let at = Instant {
            wall_ms: time.wall_ms,
            boot_ms: time.boot_base_ms + (time.elapsed_ms - time.elapsed_base_ms),
            boot_id: time.boot.0,
        };
        let event_of_policy = Event::Configured(self.machine.policy().clone());
        let settled = twin.step(Input {
            at,
            event: event_of_policy,
        });
        // What waits for a slot that a reload freed is leased with the next step of either.
        settled.records.is_empty().then(|| {
            twin.step(Input {
                at: self.now,
                event: event.clone(),
            })
        })
    }

    fn keep(&mut self, output: Output) {
        self.check_batch(&output);
        self.newest = output.records.len();
        self.log.extend(output.records);
        self.check_leases();
        self.check_ids();
    }

    fn check_batch(&self, output: &Output) {
        let state = self.state();
        let leased: Vec<(u64, Id)> = output
            .records
            .iter()
            .filter_map(|record| match &record.body {
                Body::RunLeased(body) => Some((record.seq, body.run)),
                _ => None,
            })
            .collect();
        let launched: Vec<(u64, Id)> = output
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Launch { token, run } => Some((*token, *run)),
                Effect::Stop { .. } => None,
            })
            .collect();
        assert_eq!(leased, launched, "a launch for each lease and no other");
        let slots = usize::try_from(self.machine.slots()).unwrap();
        if !leased.is_empty() {
            assert!(state.guards.start_work(), "{:?}", state.guards);
            assert!(self.tokens().len() <= slots, "more than {slots} slots");
        }
        for (_token, run) in &leased {
            let run = &state.runs[run];
            let task = state.task_of(run).unwrap();
            let same = state
                .runs
                .values()
                .filter(|other| other.phase.token().is_some() && other.plan.task == run.plan.task);
            assert!(same.count() <= usize::try_from(state.concurrency_of(task)).unwrap());
            assert!(state.task_enabled(&task.name), "{} is off", task.name);
        }
        // Timers, and the cascade of one input with its letters and leases.
        assert!(output.records.len() <= 3 * CASCADE_RECORDS_MAX);
    }

    fn check_leases(&self) {
        let state = self.state();
        let mut locks = BTreeSet::new();
        let mut tokens = BTreeMap::new();
        for (id, run) in &state.runs {
            let Some(token) = run.phase.token() else {
                continue;
            };
            assert_eq!(tokens.insert(token, *id), None, "token {token} twice");
            let lock = state.task_of(run).and_then(|task| task.lock.clone());
            assert!(lock.is_none_or(|lock| locks.insert(lock)), "a lock twice");
        }
        let live: BTreeMap<u64, Id> = self.machine.leases().collect();
        assert_eq!(tokens, live);
    }

    /// F58: ids are unique by their place in the log, whatever the clock says.
    fn check_ids(&self) {
        let newest = &self.log[self.log.len() - self.newest..];
        let mut ids = Vec::new();
        for record in newest {
            match &record.body {
                Body::SignalAccepted(body) => {
                    ids.push(body.id);
                    ids.extend(body.runs.iter().map(|plan| plan.id));
                    ids.extend(body.arms.iter().map(|armed| armed.id));
                    let asks = body.decisions.iter().filter_map(|said| said.ask.as_ref());
                    ids.extend(asks.map(|ask| ask.id));
                }
                Body::RunPlanned(body) => ids.extend(body.runs.iter().map(|plan| plan.id)),
                Body::RunReplanned(body) => ids.push(body.plan.id),
                Body::LetterParked(body) => ids.push(body.id),
                _ => {}
            }
        }
        let distinct: BTreeSet<&Id> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "an id twice");
    }
}

/// What was to be signed is what was recorded, or was refused; the program itself answers asks whose
/// time was over before it.
fn check_preview(preview: Result<Option<Body>, Refusal>, output: &Output) {
    let signed = output.records.iter().map(|record| &record.body);
    let mut signed: Vec<&Body> = signed
        .filter(|body| body.signed_subject().is_some())
        .collect();
    signed
        .retain(|body| !matches!(body, Body::AskAnswered(answered) if answered.by == BY_DEADLINE));
    let expected = match preview {
        Ok(Some(body)) if !matches!(output.reply, Reply::Refused(_)) => vec![body],
        Ok(_) => Vec::new(),
        Err(refusal) => {
            assert_eq!(output.reply, Reply::Refused(refusal));
            Vec::new()
        }
    };
    assert_eq!(signed, expected.iter().collect::<Vec<&Body>>());
}
