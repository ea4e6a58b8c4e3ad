//! A machine on a fake clock whose batches are kept or lost, and the transcript of what it did.

use std::sync::Arc;

use antiphon_core::control::Control;
use antiphon_core::guard::{Mode, Switch};
use antiphon_core::id::Id;
use antiphon_core::input::{Event, Input, Output, Owner, Reply};
use antiphon_core::machine::{LOG_FORMAT, Machine};
use antiphon_core::policy::{Policy, PolicySource};
use antiphon_core::record::{FirstKey, LogCreated, Record};
use antiphon_core::report::{Fate, Report};
use antiphon_core::signal::Origin;
use antiphon_core::state::State;
use antiphon_core::time::Instant;

use crate::fixture::{ORIGIN, draft, first_keys};
use crate::transcript::Transcript;

/// Wall time when the log begins, ms since 1970 UTC.
pub(crate) const BIRTH_MS: i64 = 1_800_000_000_000;
/// Boot time when the log begins, ms.
const BOOT_MS: u64 = 5_000_000;
/// Slots that the owner offers, above what any policy here asks for.
const SLOTS: u32 = 16;

pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) now: Instant,
    /// Every record of every batch that was committed.
    pub(crate) log: Vec<Record>,
    pub(crate) transcript: Transcript,
    policy: Arc<Policy>,
    epoch: u64,
}

impl World {
    /// A new log whose owner has put `source` in force.
    pub(crate) fn new(source: PolicySource) -> Self {
        Self::with_keys(source, first_keys())
    }

    /// The same with these keys.
    pub(crate) fn with_keys(source: PolicySource, keys: Vec<FirstKey>) -> Self {
        let now = Instant {
            wall_ms: BIRTH_MS,
            boot_ms: BOOT_MS,
            boot_id: 7,
        };
        let mut world = Self {
            machine: Machine::new(State::default(), SLOTS),
            now,
            log: Vec::new(),
            transcript: Transcript::default(),
            policy: Arc::new(Policy::compile(source).unwrap()),
            epoch: 0,
        };
        let created = LogCreated {
            format: LOG_FORMAT,
            id: Id::of_log(BIRTH_MS, &[1; 32]),
            keys,
            origin: ORIGIN.to_owned(),
            version: "1.0.0".to_owned(),
        };
        let output = world.machine.create(now, created);
        world.keep(output);
        world.open();
        world
    }

    /// A remark in the transcript.
    pub(crate) fn say(&mut self, remark: &str) {
        self.transcript.say(remark);
    }

    /// Time passes, on every clock alike.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.now.boot_ms += ms;
        self.now.wall_ms += i64::try_from(ms).unwrap();
    }

    /// Time passes, and the machine is told.
    pub(crate) fn tick_after(&mut self, ms: u64) -> Output {
        self.wait(ms);
        self.give(Event::Tick)
    }

    /// Steps the machine; the batch is committed.
    pub(crate) fn give(&mut self, event: Event) -> Output {
        self.transcript.event(self.elapsed_ms(), &event);
        let output = self.step(event);
        self.keep(output)
    }

    /// Steps the machine; the owner is killed before the batch is committed.
    pub(crate) fn lose(&mut self, event: Event) -> Output {
        self.transcript.event(self.elapsed_ms(), &event);
        let output = self.step(event);
        self.transcript.lost(&output);
        output
    }

    /// A signal from outside.
    pub(crate) fn signal(&mut self, name: &str, json: &str) -> Output {
        self.give(outside(name, json))
    }

    /// The attempt that holds `token` ended.
    pub(crate) fn report(&mut self, token: u64, report: Report) -> Output {
        let report = Box::new(report);
        self.give(Event::Reported { token, report })
    }

    pub(crate) fn control(&mut self, control: Control) -> Output {
        self.give(Event::Control(control))
    }

    pub(crate) fn mode(&mut self, mode: Mode) -> Output {
        self.control(Control::SetMode {
            mode,
            by: "ada".to_owned(),
            reason: "a test".to_owned(),
        })
    }

    pub(crate) fn switch(&mut self, switch: Switch, maintenance: bool) -> Output {
        self.control(Control::SwitchSeen {
            switch,
            maintenance,
        })
    }

    pub(crate) fn cancel(&mut self, run: Id) -> Output {
        let by = "ada".to_owned();
        self.control(Control::Cancel { run, by })
    }

    /// Puts another policy in force.
    pub(crate) fn configure(&mut self, source: PolicySource) -> Output {
        self.policy = Arc::new(Policy::compile(source).unwrap());
        self.give(Event::Configured(self.policy.clone()))
    }

    /// Goes on from `state`, which no record here led to.
    pub(crate) fn hold(&mut self, state: State) {
        self.machine = Machine::new(state, SLOTS);
        self.give(Event::Configured(self.policy.clone()));
    }

    /// The owner was killed: a new one folds what was committed and learns this of each lease.
    pub(crate) fn restart(&mut self, fate: &Fate) {
        self.transcript.killed();
        self.machine = Machine::new(self.folded(), SLOTS);
        let lost: Vec<u64> = self.tokens();
        self.open();
        for token in lost {
            let fate = fate.clone();
            self.give(Event::Recovered { token, fate });
        }
    }

    /// The state that the committed records give.
    pub(crate) fn folded(&self) -> State {
        let mut state = State::default();
        for record in &self.log {
            state.apply(record).unwrap();
        }
        state
    }

    /// The tokens of live leases, in order.
    pub(crate) fn tokens(&self) -> Vec<u64> {
        self.machine.leases().map(|(token, _run)| token).collect()
    }

    /// The token of the one live lease.
    pub(crate) fn token(&self) -> u64 {
        let tokens = self.tokens();
        assert_eq!(tokens.len(), 1, "one live lease: {tokens:?}");
        tokens[0]
    }

    /// The one run that has not ended.
    pub(crate) fn run(&self) -> Id {
        let runs: Vec<Id> = self.machine.state().runs.keys().copied().collect();
        assert_eq!(runs.len(), 1, "one live run: {runs:?}");
        runs[0]
    }

    /// The one letter that is kept.
    pub(crate) fn letter(&self) -> Id {
        let letters: Vec<Id> = self.machine.state().letters.keys().copied().collect();
        assert_eq!(letters.len(), 1, "one letter: {letters:?}");
        letters[0]
    }

    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.machine.state().time.elapsed_at(self.now)
    }

    fn open(&mut self) {
        self.epoch += 1;
        let owner = Owner {
            epoch: self.epoch,
            leases: true,
            pid: 4_242,
            version: "1.0.0".to_owned(),
        };
        self.give(Event::Started(Box::new(owner)));
        self.give(Event::Configured(self.policy.clone()));
    }

    fn step(&mut self, event: Event) -> Output {
        self.machine.step(Input {
            at: self.now,
            event,
        })
    }

    fn keep(&mut self, output: Output) -> Output {
        self.transcript.kept(&output);
        self.log.extend(output.records.iter().cloned());
        output
    }
}

/// A signal from outside, as an input.
pub(crate) fn outside(name: &str, json: &str) -> Event {
    Event::Signal {
        draft: Box::new(draft(name, json)),
        origin: Origin::External,
    }
}

/// The id of an accepted signal.
pub(crate) fn accepted(output: &Output) -> Id {
    match &output.reply {
        Reply::Accepted { id, .. } => *id,
        other => panic!("no signal was accepted: {other:?}"),
    }
}
