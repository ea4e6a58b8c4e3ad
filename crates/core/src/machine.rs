//! The machine: inputs in, records and effects out.
//!
//! In: [`Machine::step`], which decides. Out: replaying, which is [`State::apply`]'s alone; sealing
//! and doing, which are the engine's. Invariants: `step` changes the state only through `apply`; it never
//! waits, never fails and never looks; refusal and failure are values in its records.

mod accept;
mod answer;
mod decide;
mod index;
mod lease;
mod park;
mod room;
mod settle;
mod signed;
mod timers;

use std::sync::Arc;

use crate::control::Control;
use crate::id::Id;
use crate::input::{Event, Input, Output, Owner, Reply};
use crate::limits::{LIVE_RUNS_MAX, WALL_JUMP_MS};
use crate::policy::Policy;
use crate::record::{Body, ClockJumped, LogCreated, OwnerStarted, Record, SnapshotTaken};
use crate::signal::Origin;
use crate::state::{ApplyError, STATE_VERSION, State};
use crate::time::Boot;
use accept::Arrival;
use index::Index;

/// The version of the expression evaluator, recorded with every policy.
pub const EVALUATOR: &str = "cel-0.15";

/// The version of the log's format that this program writes.
pub const LOG_FORMAT: u32 = 1;

/// State, policy, and what is derived from them for speed.
#[derive(Debug)]
pub struct Machine {
    state: State,
    index: Index,
    policy: Arc<Policy>,
    /// Whether its owner has said which policy that is. Until then nothing is due and nothing is
    /// leased: rules that should hear of it are not there yet.
    is_configured: bool,
    slots_max: u32,
    is_draining: bool,
}

impl Machine {
    /// A machine over `state`, which may lease as many attempts as the policy's slots and
    /// `slots_max` allow. Until it is configured it decides by the empty policy.
    #[must_use]
    pub fn new(state: State, slots_max: u32) -> Self {
        let index = Index::build(&state);
        Self {
            state,
            index,
            policy: Arc::new(Policy::empty()),
            is_configured: false,
            slots_max,
            is_draining: false,
        }
    }

    /// The state as of the last record.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Attempts that hold a lease, with their tokens in order.
    pub fn leases(&self) -> impl Iterator<Item = (u64, Id)> + '_ {
        self.index.leases()
    }

    /// Attempts that may run at one time here.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.policy.source().slots.min(self.slots_max)
    }

    /// From now on nothing new is leased: the owner is going.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// Elapsed ms at which something is due, if anything is.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.index.next_due_ms()
    }

    /// The records that begin a log, before any input.
    pub fn create(&mut self, at: crate::time::Instant, log: LogCreated) -> Output {
        let mut step = Step::begin(self, at);
        step.elapsed_ms = 0;
        step.record(Body::LogCreated(Box::new(log)));
        step.output
    }

    /// Decides on `input`.
    pub fn step(&mut self, input: Input) -> Output {
        if let Event::Started(owner) = input.event {
            return self.start(input.at, &owner);
        }
        let mut step = Step::begin(self, input.at);
        step.notice_clock();
        if step.machine.is_configured {
            step.run_timers();
        }
        step.handle(input.event);
        if step.machine.is_configured {
            step.lease_all();
        }
        step.output
    }

    fn start(&mut self, at: crate::time::Instant, owner: &Owner) -> Output {
        let mut step = Step::begin(self, at);
        step.elapsed_ms = step.machine.state.time.restarted(at).elapsed_ms;
        let jumped_ms = step.wall_jump_ms();
        step.record(Body::OwnerStarted(Box::new(OwnerStarted {
            boot: Boot(at.boot_id),
            boot_ms: at.boot_ms,
            epoch: owner.epoch,
            leases: owner.leases,
            pid: owner.pid,
            version: owner.version.clone(),
        })));
        step.note_jump(jumped_ms);
        step.output
    }

    fn apply(&mut self, record: &Record) -> Result<(), ApplyError> {
        let Machine { state, index, .. } = self;
        index.around(state, record, |state| state.apply(record))
    }
}

/// One step under way.
struct Step<'m> {
    machine: &'m mut Machine,
    at: crate::time::Instant,
    elapsed_ms: u64,
    output: Output,
}

impl<'m> Step<'m> {
    fn begin(machine: &'m mut Machine, at: crate::time::Instant) -> Self {
        let elapsed_ms = machine.state.time.elapsed_at(at);
        Self {
            machine,
            at,
            elapsed_ms,
            output: Output::default(),
        }
    }

    /// Makes `body` the next record and applies it; gives its sequence number.
    fn record(&mut self, body: Body) -> u64 {
        let seq = self.machine.state.next_seq;
        let record = Record {
            seq,
            time_ms: self.at.wall_ms,
            elapsed_ms: self.elapsed_ms,
            body,
        };
        let applied = self.machine.apply(&record);
        assert_eq!(applied, Ok(()), "the machine decided what it cannot apply");
        self.output.records.push(record);
        seq
    }

    /// The id of thing number `index` that the next record creates.
    fn next_id(&self, index: u32) -> Id {
        let log = self.machine.state.log.unwrap_or(Id::from_bytes([0; 16]));
        Id::derive(&log, self.at.wall_ms, self.machine.state.next_seq, index)
    }

    fn state(&self) -> &State {
        &self.machine.state
    }

    fn notice_clock(&mut self) {
        self.note_jump(self.wall_jump_ms());
    }

    fn wall_jump_ms(&self) -> i64 {
        self.state()
            .time
            .wall_jump_ms(self.at.wall_ms, self.elapsed_ms)
    }

    fn note_jump(&mut self, by_ms: i64) {
        if by_ms.unsigned_abs() > WALL_JUMP_MS {
            self.record(Body::ClockJumped(Box::new(ClockJumped { by_ms })));
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Signal { draft, origin } => self.signal(*draft, origin),
            Event::Intent(intent) => self.intent(&intent),
            Event::Malformed { what, key } => self.malformed(*what, key),
            Event::Reported { token, report } => self.reported(token, report),
            Event::NotStarted { token, why } => self.not_started(token, &why),
            Event::Recovered { token, fate } => self.recovered(token, fate),
            Event::Control(control) => self.control(control),
            Event::Configured(policy) => self.configure(policy),
            Event::OwnerGoing => self.stop_all(),
            Event::SnapshotWritten { at_seq, sha256 } => {
                let taken = SnapshotTaken {
                    at_seq,
                    sha256,
                    state_version: STATE_VERSION,
                };
                self.record(Body::SnapshotTaken(Box::new(taken)));
            }
            // A start is handled before a step begins; a tick has run its timers by now.
            Event::Started(_) | Event::Tick => {}
        }
    }

    fn signal(&mut self, draft: crate::signal::Draft, origin: Origin) {
        if self.live_room() == 0 {
            self.output.reply = Reply::Full;
            return;
        }
        let key = draft.key;
        let (id, seq) = self.accept(Arrival::first(draft, origin));
        self.output.reply = Reply::Accepted { id, seq, key };
    }

    /// Runs that may be added to those that live. An ask is a unit of work like any other: what is
    /// planned and what asks first share a limit.
    fn live_room(&self) -> usize {
        let state = self.state();
        LIVE_RUNS_MAX.saturating_sub(state.runs.len().saturating_add(state.asks.len()))
    }

    fn configure(&mut self, policy: Arc<Policy>) {
        match signed::of_policy(self.state(), &policy) {
            Ok(applied) => {
                if let Some(applied) = applied {
                    self.record_signed(applied);
                }
                self.machine.policy = policy;
                self.machine.is_configured = true;
            }
            Err(refusal) => self.output.reply = Reply::Refused(refusal),
        }
    }

    fn control(&mut self, control: Control) {
        match signed::of_control(self.state(), &control) {
            Ok(Some(body)) => self.record_signed(body),
            Ok(None) => self.control_unsigned(control),
            Err(refusal) => self.output.reply = Reply::Refused(refusal),
        }
    }

    fn control_unsigned(&mut self, control: Control) {
        match control {
            Control::Cancel { run, by } => self.cancel(&run, by),
            Control::RetryRun { ended, by } => self.replan(&ended, by),
            Control::ReplayLetter { letter, by } => self.replay(&letter, &by),
            Control::PurgeLetters {
                letters,
                older_than_ms,
                by,
            } => {
                self.purge(letters, older_than_ms, &by);
            }
            Control::CloseBreaker { rule, by } => self.close_breaker(rule, by),
            // What is signed when it changes something changed nothing.
            Control::SetMode { .. }
            | Control::SwitchSeen { .. }
            | Control::Answer { .. }
            | Control::SetTask { .. }
            | Control::RegisterKey(_)
            | Control::RotateKey(_)
            | Control::RevokeKey(_) => {}
        }
    }
}
