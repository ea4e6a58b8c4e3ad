//! Retention: bodies that are old enough go, a few at a time, between the commits.
//!
//! In: which turns may go, found on another thread; one short transaction for each step, on the
//! writer's, so that a slow disk holds no turn.
//! Out: the bytes on the disk (the store), what views and evidence then forget (whoever watches the
//! mark).
//! Invariants: a body goes only below the older of two recorded snapshots and below what the views
//! have read; bodies of the kinds that [`is_never_pruned`] names never go. Source:
//! `docs/adr/0008-retention-prunes-bodies.md`.

use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::signature::is_never_pruned;
use tokio::sync::{mpsc, watch};

use super::Turn;
use crate::error::EngineError;
use crate::fail;
use crate::ports::store::{LogReader, PrunedTurn, StoredRecord};
use crate::read::ReadError;

/// Bytes of turns that one step prunes, which takes as long as a commit of as many; a single larger
/// turn is a step of its own.
const STEP_BYTES: usize = 128 * 1024;
/// Rest between two steps, ms.
const REST_MS: u64 = 20;
/// When nothing may go, it is looked again after this time, ms.
const LOOK_AGAIN_MS: u64 = 60_000;
/// The age of bodies that go, and the time between two looks, while a fail-point is armed, ms.
const ARMED_MS: u64 = 200;

/// How far pruning is, and what it finds next.
pub(crate) struct Pruner {
    /// The age at which bodies go, ms of elapsed time; `None` keeps them for ever.
    age_ms: Option<u64>,
    /// Here, unless it is lent to the thread that looks.
    log: Option<Box<dyn LogReader>>,
    /// Boot time of the next look, ms.
    look_at_ms: u64,
    found: mpsc::Receiver<Found>,
    finder: mpsc::Sender<Found>,
    /// What was found and waits for its step.
    ready: Option<Found>,
    /// How far it is, for whoever follows.
    pruned_to: watch::Sender<u64>,
}

/// What a look gives back.
struct Found {
    log: Box<dyn LogReader>,
    step: Result<Step, EngineError>,
}

/// What one step prunes.
#[derive(Debug)]
struct Step {
    turns: Vec<PrunedTurn>,
    pruned_to: u64,
    then: Then,
}

/// Why a step ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It has enough.
    More,
    /// What follows is too young or not in the views yet, or nothing follows.
    Wait,
    /// What follows is old enough, and no snapshot stands for it.
    Uncovered,
}

/// Where a look begins and where it must end.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    from: u64,
    /// Only records below this: the views have read them.
    seen_to: u64,
    /// Only records below this: the older of two snapshots holds them.
    covered_to: u64,
    /// Only records up to this elapsed time, ms.
    until_ms: u64,
}

impl Pruner {
    /// Goes on at `pruned_to` with bodies that are older than `age_ms`.
    pub(crate) fn new(age_ms: Option<u64>, log: Box<dyn LogReader>, pruned_to: u64) -> Self {
        let (finder, found) = mpsc::channel(1);
        Self {
            age_ms: age_ms.map(|age_ms| fail::unless_armed(age_ms, ARMED_MS)),
            log: Some(log),
            look_at_ms: 0,
            found,
            finder,
            ready: None,
            pruned_to: watch::Sender::new(pruned_to),
        }
    }

    /// How far it is; wakes with each step.
    pub(crate) fn mark(&self) -> watch::Receiver<u64> {
        self.pruned_to.subscribe()
    }

    /// How far it is.
    pub(super) fn pruned_to(&self) -> u64 {
        *self.pruned_to.borrow()
    }

    /// Looks again at the next turn: there is a snapshot more.
    pub(super) fn look_soon(&mut self) {
        self.look_at_ms = 0;
    }

    /// ms of boot time from `now_ms` until the next look; `None` when there is none.
    pub(super) fn until_look_ms(&self, now_ms: u64) -> Option<u64> {
        let rests = self.age_ms.is_some() && self.log.is_some();
        rests.then(|| self.look_at_ms.saturating_sub(now_ms))
    }

    /// Waits until a step is ready.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn ready(&mut self) {
        if self.ready.is_none() {
            self.ready = self.found.recv().await;
        }
    }
}

impl Turn {
    /// Prunes what was found, and lets look for more when it is time. Only while nothing is in
    /// flight.
    pub(super) fn prune_if_due(&mut self) -> Result<(), EngineError> {
        if !self.committer.is_idle() {
            return Ok(());
        }
        let found = self.pruner.ready.take();
        if let Some(Found { log, step }) = found.or_else(|| self.pruner.found.try_recv().ok()) {
            self.pruner.log = Some(log);
            self.prune(step?)?;
        }
        self.look_if_due()
    }

    fn prune(&mut self, step: Step) -> Result<(), EngineError> {
        let Step {
            turns,
            pruned_to,
            then,
        } = step;
        let rest_ms = match then {
            Then::More => REST_MS,
            Then::Wait => fail::unless_armed(LOOK_AGAIN_MS, ARMED_MS),
            Then::Uncovered => {
                self.snapshots.want();
                fail::unless_armed(LOOK_AGAIN_MS, ARMED_MS)
            }
        };
        self.pruner.look_at_ms = self.clock.now().boot_ms.saturating_add(rest_ms);
        if pruned_to > self.pruner.pruned_to() {
            fail::step("prune.found")?;
            self.committer.prune_there(turns, pruned_to)?;
        }
        Ok(())
    }

    /// Bodies below this are pruned, durably.
    pub(super) fn pruned(&mut self, pruned_to: u64) {
        self.pruner.pruned_to.send_replace(pruned_to);
        self.board.is_stale = true;
        // However slow the disk was, what waited behind it comes before the next step.
        let rested_ms = self.clock.now().boot_ms.saturating_add(REST_MS);
        self.pruner.look_at_ms = self.pruner.look_at_ms.max(rested_ms);
    }

    fn look_if_due(&mut self) -> Result<(), EngineError> {
        if !self.committer.is_idle() {
            return Ok(());
        }
        let now = self.clock.now();
        let Some(age_ms) = self.pruner.age_ms else {
            return Ok(());
        };
        if self.pruner.look_at_ms > now.boot_ms {
            return Ok(());
        }
        let Some(mut log) = self.pruner.log.take() else {
            return Ok(());
        };
        let elapsed_ms = self.machine.state().time.elapsed_at(now);
        let bounds = Bounds {
            from: self.pruner.pruned_to(),
            seen_to: self.keys.indexed_to()?,
            covered_to: self.snapshots.covered_to(),
            until_ms: elapsed_ms.saturating_sub(age_ms),
        };
        let finder = self.pruner.finder.clone();
        self.spawns.spawn_blocking(move || {
            let step = find(log.as_mut(), bounds);
            // Nobody receives when the loop is gone; the next owner looks again.
            finder.blocking_send(Found { log, step }).ok();
        });
        Ok(())
    }
}

/// The next turns that may be pruned.
fn find(log: &mut dyn LogReader, bounds: Bounds) -> Result<Step, EngineError> {
    let mut step = Step {
        turns: Vec::new(),
        pruned_to: bounds.from,
        then: Then::Wait,
    };
    for turn in log.turns_from(bounds.from, STEP_BYTES)? {
        let end = turn.next_seq();
        let last = turn.records()?.last().map(|last| envelope(end, last));
        let elapsed_ms = last.transpose()?.map(|last| last.elapsed_ms);
        step.then = match elapsed_ms {
            Some(elapsed_ms) if elapsed_ms <= bounds.until_ms && end <= bounds.seen_to => {
                if end <= bounds.covered_to {
                    Then::More
                } else {
                    Then::Uncovered
                }
            }
            Some(_) | None => Then::Wait,
        };
        if step.then != Then::More {
            break;
        }
        let pruned = turn.pruned(|record| {
            #[cfg(antiphon_plant)]
            if crate::plant::is("signed_body_pruned") {
                return false;
            }
            // An envelope that cannot be read is the verifier's to name; its body stays.
            envelope(end, record).map_or(true, |envelope| is_never_pruned(envelope.kind))
        })?;
        if pruned.bodies != turn.bodies {
            step.turns.push(pruned);
        }
        step.pruned_to = end;
    }
    Ok(step)
}

fn envelope<'a>(seq: u64, record: &StoredRecord<'a>) -> Result<Envelope<'a>, ReadError> {
    Envelope::decode(record.envelope).map_err(|source| ReadError::Envelope { seq, source })
}
