//! The first verb: takes what waits from the lanes, looks up its keys, and says whether it may
//! come in.
//!
//! Lanes go control, outcome, time, signal. Only signals are ever refused for want of room.

use std::collections::{HashMap, VecDeque};

use antiphon_core::input::Event;
use tokio::sync::{mpsc, oneshot};

use super::Turn;
use super::attest::Prepared;
use super::known::key_of;
use super::seal::{Attested, STAGED_INPUTS_MAX};
use crate::error::EngineError;
use crate::fail;
use crate::handle::{Answered, Request, SubmitError};
use crate::keys::Known;
use crate::ports::executor::ExecutorEvent;
use crate::ports::store::Space;
use crate::suspects::{Suspicion, parked};

/// The ends of the lanes into the loop, in the order in which they are emptied.
pub(crate) struct Lanes {
    pub(crate) controls: mpsc::Receiver<Request>,
    pub(crate) outcomes: mpsc::Receiver<Event>,
    pub(crate) executor: mpsc::Receiver<ExecutorEvent>,
    pub(crate) signals: mpsc::Receiver<Request>,
}

/// Something that has left its lane.
pub(crate) enum Taken {
    Control(Request),
    Outcome(Event),
    Executor(Option<ExecutorEvent>),
    Signal(Request),
}

impl Taken {
    /// Its lane's place in the order in which lanes are emptied.
    fn rank(&self) -> u8 {
        match self {
            Taken::Control(_) => 0,
            Taken::Outcome(_) | Taken::Executor(_) => 1,
            Taken::Signal(_) => 2,
        }
    }

    fn is_signal(&self) -> bool {
        matches!(self, Taken::Signal(_))
    }
}

impl Lanes {
    /// Waits until something is there and takes the first of it.
    ///
    /// # Cancel safety
    /// Nothing is taken unless the future resolves.
    pub(crate) async fn wait(&mut self, taken: &mut VecDeque<Taken>) {
        if !taken.is_empty() {
            return;
        }
        let first = tokio::select! {
            biased;
            Some(request) = self.controls.recv() => Taken::Control(request),
            Some(event) = self.outcomes.recv() => Taken::Outcome(event),
            event = self.executor.recv() => Taken::Executor(event),
            Some(request) = self.signals.recv() => Taken::Signal(request),
            else => std::future::pending().await,
        };
        taken.push_back(first);
    }

    /// Takes what else is there: at most `limit` from the urgent lanes, and signals up to `limit`
    /// in all. Within a lane, what was there first stays first.
    fn drain(&mut self, taken: &mut VecDeque<Taken>, limit: usize) {
        let mut urgent = taken.iter().filter(|taken| !taken.is_signal()).count();
        while urgent < limit {
            let Some(next) = self.next_urgent() else {
                break;
            };
            taken.push_back(next);
            urgent = urgent.saturating_add(1);
        }
        while taken.len() < limit
            && let Ok(request) = self.signals.try_recv()
        {
            taken.push_back(Taken::Signal(request));
        }
        taken.make_contiguous().sort_by_key(Taken::rank);
    }

    fn next_urgent(&mut self) -> Option<Taken> {
        if let Ok(request) = self.controls.try_recv() {
            return Some(Taken::Control(request));
        }
        if let Ok(event) = self.outcomes.try_recv() {
            return Some(Taken::Outcome(event));
        }
        let event = self.executor.try_recv().ok()?;
        Some(Taken::Executor(Some(event)))
    }
}

/// Whether signals are taken.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Bytes that are kept for outcomes and guards.
    reserve_bytes: u64,
    /// Bytes that were free when last asked, less what was written since.
    free_bytes: u64,
    /// Bytes that may be written before it is asked again.
    ask_after_bytes: u64,
    /// When it was asked, by boot time, ms.
    asked_ms: u64,
}

/// Smallest reserve of disk, bytes.
const RESERVE_BYTES_MIN: u64 = 64 << 20;
/// The reserve is at least one part in so many of the disk.
const RESERVE_PARTS: u64 = 20;
/// The free space is asked again after so many bytes of records …
const ASK_AFTER_BYTES: u64 = 4 << 20;
/// … or when a signal comes this long after the last time, ms: others fill the disk too, and free
/// it.
const ASK_AFTER_MS: u64 = 500;
/// The log and its journal may each need a record's bytes.
const BYTES_PER_BYTE: u64 = 3;

impl Admission {
    /// What a start finds; without a reserve of its own, that of the house.
    pub(crate) fn new(space: Space, reserve_bytes: Option<u64>) -> Self {
        let part = space.total.checked_div(RESERVE_PARTS).unwrap_or(0);
        Self {
            reserve_bytes: reserve_bytes.unwrap_or_else(|| RESERVE_BYTES_MIN.max(part)),
            free_bytes: space.free,
            ask_after_bytes: 0,
            asked_ms: 0,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.free_bytes > self.reserve_bytes
    }

    pub(crate) fn wrote(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .saturating_mul(BYTES_PER_BYTE);
        self.free_bytes = self.free_bytes.saturating_sub(bytes);
        self.ask_after_bytes = self.ask_after_bytes.saturating_sub(bytes);
    }

    fn is_due(&self, now_ms: u64) -> bool {
        let waited_ms = now_ms.saturating_sub(self.asked_ms);
        waited_ms >= ASK_AFTER_MS || (self.is_open() && self.ask_after_bytes == 0)
    }

    fn answered(&mut self, now_ms: u64, free_bytes: u64) {
        self.asked_ms = now_ms;
        self.free_bytes = free_bytes;
        self.ask_after_bytes = ASK_AFTER_BYTES;
    }
}

/// Who waits for the answer of an input, if anyone.
type Answerer = Option<oneshot::Sender<Result<Answered, SubmitError>>>;

impl Turn {
    /// Takes what waits and steps it, as far as the staged batch has room.
    pub(super) fn ingest(&mut self) -> Result<(), EngineError> {
        // First, whatever waits: inputs that are answered unstepped run no timers.
        self.step_if_due()?;
        let room = STAGED_INPUTS_MAX.saturating_sub(self.staged.inputs);
        self.lanes.drain(&mut self.taken, room);
        if self.taken.is_empty() {
            return Ok(());
        }
        fail::step("ingest.taken")?;
        let known = self.known_keys()?;
        fail::step("ingest.keys_known")?;
        while self.staged.has_room() {
            let Some(taken) = self.taken.pop_front() else {
                break;
            };
            match taken {
                Taken::Outcome(event) => self.input(event, None, None)?,
                Taken::Executor(event) => {
                    if let Some(event) = super::execute::event_of(event, &self.probes)? {
                        self.input(event, None, None)?;
                    }
                }
                Taken::Control(request) | Taken::Signal(request) => {
                    self.request(request, &known)?;
                }
            }
            self.hand_over()?;
        }
        self.keys.trim().map_err(EngineError::from)
    }

    fn step_if_due(&mut self) -> Result<(), EngineError> {
        let now = self.clock.now();
        let elapsed_ms = self.machine.state().time.elapsed_at(now);
        let is_due = self
            .machine
            .next_due_ms()
            .is_some_and(|due_ms| due_ms <= elapsed_ms);
        if is_due && self.staged.has_room() {
            self.step_own(Event::Tick)
        } else {
            Ok(())
        }
    }

    fn request(
        &mut self,
        request: Request,
        known: &HashMap<[u8; 16], Known>,
    ) -> Result<(), EngineError> {
        let Request {
            event,
            answer,
            purpose,
        } = request;
        if let Some(hash) = key_of(&event)
            && let Some(found) = self
                .keys
                .recent(&hash)
                .or_else(|| known.get(&hash).copied())
        {
            let known = self.known(&event, found);
            self.board.note_known(known.is_ok());
            self.staged.answer(answer, known);
            return Ok(());
        }
        if is_refusable(&event)
            && let Some(refusal) = self.refusal()?
        {
            self.board.refusals = self.board.refusals.saturating_add(1);
            self.staged.answer(answer, Err(refusal));
            return Ok(());
        }
        let attested = match self.prepared(&event, purpose) {
            Ok(Prepared::Step(attested)) => attested,
            Ok(Prepared::Answer(answered)) => {
                self.staged.answer(answer, Ok(answered));
                return Ok(());
            }
            Err(error) => {
                self.board.refusals = self.board.refusals.saturating_add(1);
                self.staged.answer(answer, Err(error));
                return Ok(());
            }
        };
        self.input(event, Some(answer), attested.as_ref())
    }

    /// Steps one input, alone or not at all when it is under suspicion.
    pub(crate) fn input(
        &mut self,
        event: Event,
        answer: Answerer,
        attested: Option<&Attested>,
    ) -> Result<(), EngineError> {
        match self.suspects.judge(&event) {
            Suspicion::None => self.step(event, answer, attested),
            Suspicion::StepAlone => {
                self.suspects.strike(std::iter::once(&event));
                self.step(event.clone(), answer, attested)?;
                self.suspects.clear(&event);
                Ok(())
            }
            Suspicion::Park => self.step(parked(event), answer, None),
        }
    }

    /// Why signals are not taken, if they are not; the store is asked for its room now and then.
    fn refusal(&mut self) -> Result<Option<SubmitError>, EngineError> {
        let now_ms = self.clock.now().boot_ms;
        if self.admission.is_due(now_ms)
            && let Some(space) = self.committer.space()?
        {
            self.admission.answered(now_ms, space.free);
        }
        if !self.admission.is_open() {
            return Ok(Some(SubmitError::DiskFull));
        }
        let refuses = self.board.notes.refuses_signals();
        Ok(refuses.map(|_code| SubmitError::Uncosigned))
    }
}

fn is_refusable(event: &Event) -> bool {
    matches!(
        event,
        Event::Signal { .. } | Event::Intent(_) | Event::Malformed { .. }
    )
}
