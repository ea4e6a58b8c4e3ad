//! The cheap clone that adapters hold: submit, control, watch.
//!
//! In: bounded lanes into the loop and the answers that come back once they are durable. Out: what
//! an answer means on a wire (`antiphon-http`), where inputs come from.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_core::control::{Control, Refusal};
use antiphon_core::guard::{Guards, Mode, Switch};
use antiphon_core::id::{Digest, Id};
use antiphon_core::input::{Event, Intent, Malformed, Reply};
use antiphon_core::policy::Policy;
use antiphon_core::signal::{Draft, Origin};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::gate::Gate;
use crate::ports::executor::Answer;
use crate::ports::intake::{Intake, IntakeAnswer};

/// Signals that may wait for the loop; a producer that finds the lane full waits its turn.
pub const SIGNALS_WAITING_MAX: usize = 4_096;
/// Controls that may wait; they go before everything else.
pub const CONTROLS_WAITING_MAX: usize = 64;

/// A signal that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub id: Id,
    /// Its record.
    pub seq: u64,
    /// Whether its key was known: then id and record are those of the first.
    pub duplicate: bool,
}

/// Why an input was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// As much waits or runs as may.
    #[error("as much work waits as may; try again later")]
    Full,
    /// The rest of the disk is kept for outcomes and guards.
    #[error("the disk is nearly full: what is left is kept for outcomes and guards")]
    DiskFull,
    /// Its key came before with something else.
    #[error("the idempotency key came before with another payload, as signal {id}")]
    KeyConflict {
        /// The signal that has the key.
        id: Id,
    },
    /// The machine refused it.
    #[error("{0}")]
    Refused(Refusal),
    /// The new configuration is not usable; the old one stays in force entirely.
    #[error("the configuration is not usable: {0}")]
    Unusable(String),
    /// The owner is going.
    #[error("the owner is shutting down")]
    Closed,
}

impl SubmitError {
    /// Its stable code, as in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            SubmitError::Full => "engine.full",
            SubmitError::DiskFull => "engine.disk_full",
            SubmitError::KeyConflict { .. } => "engine.key_conflict",
            SubmitError::Refused(Refusal::NotFound) => "engine.not_found",
            SubmitError::Refused(_) => "engine.refused",
            SubmitError::Unusable(_) => "config.unusable",
            SubmitError::Closed => "engine.closed",
        }
    }

    /// Whether the same input may be taken later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            SubmitError::Full | SubmitError::DiskFull | SubmitError::Closed => true,
            SubmitError::KeyConflict { .. }
            | SubmitError::Refused(_)
            | SubmitError::Unusable(_) => false,
        }
    }
}

/// How the owner stands, for `status`, health and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The log's id.
    pub log: Id,
    /// The fencing epoch.
    pub epoch: u64,
    /// The sequence number of the next record.
    pub next_seq: u64,
    /// The guards.
    pub guards: Guards,
    /// The policy in force.
    pub policy: Digest,
    /// Why the last reload was refused, if it was.
    pub reload_error: Option<String>,
    /// Whether signals are taken; the code of why not otherwise.
    pub admission: Result<(), &'static str>,
    /// Attempts that may run at one time here.
    pub slots: u32,
    /// Runs that wait.
    pub runs_planned: u64,
    /// Runs whose attempt holds a lease.
    pub runs_leased: u64,
    /// Runs whose attempt was told to stop.
    pub runs_stopping: u64,
    /// Dead letters that are kept.
    pub letters: u64,
    /// The last record that changed them.
    pub letters_seq: u64,
    /// Asks that wait for an answer.
    pub asks: Vec<OpenAsk>,
    /// Tasks that were enabled or disabled over the configuration.
    pub task_overrides: Vec<(String, bool)>,
    /// Monitors whose last look failed, and why.
    pub monitors_failing: Vec<(String, String)>,
    /// Signals answered as duplicates since the owner started.
    pub duplicates: u64,
    /// Inputs refused since the owner started.
    pub refusals: u64,
}

impl Status {
    /// What is shown before the first turn.
    pub(crate) fn unknown() -> Self {
        Self {
            log: Id::from_bytes([0; 16]),
            epoch: 0,
            next_seq: 0,
            guards: Guards::default(),
            policy: Digest([0; 32]),
            reload_error: None,
            admission: Ok(()),
            slots: 0,
            runs_planned: 0,
            runs_leased: 0,
            runs_stopping: 0,
            letters: 0,
            letters_seq: 0,
            asks: Vec::new(),
            task_overrides: Vec::new(),
            monitors_failing: Vec::new(),
            duplicates: 0,
            refusals: 0,
        }
    }
}

/// An ask that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAsk {
    /// Its id.
    pub id: Id,
    /// The rule that asks.
    pub rule: String,
    /// Who is asked.
    pub asks: String,
    /// The signal that it is about.
    pub signal: Id,
    /// ms of elapsed time until it counts as denied.
    pub remaining_ms: u64,
}

/// What the loop is asked.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) event: Event,
    pub(crate) answer: oneshot::Sender<Result<Answered, SubmitError>>,
    /// Whether whoever asks has shut the gate and waits for the record of that.
    pub(crate) has_shut_gate: bool,
}

impl Request {
    pub(crate) fn new(
        event: Event,
        answer: oneshot::Sender<Result<Answered, SubmitError>>,
    ) -> Self {
        Self {
            event,
            answer,
            has_shut_gate: false,
        }
    }
}

/// What the loop answers.
#[derive(Clone, Debug)]
pub(crate) enum Answered {
    /// The machine's reply, durable.
    Fresh(Reply),
    /// The key was known; `was_parked` when it came with a file that became a dead letter.
    Duplicate { id: Id, seq: u64, was_parked: bool },
}

/// The cheap clone that adapters hold.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) signals: mpsc::Sender<Request>,
    pub(crate) controls: mpsc::Sender<Request>,
    pub(crate) high_water: watch::Receiver<u64>,
    pub(crate) status: watch::Receiver<Arc<Status>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) notes: Arc<Notes>,
    /// The policy in force, for the monitors.
    pub(crate) policies: Arc<watch::Sender<Arc<Policy>>>,
}

/// What is known outside the loop and shown with its status.
#[derive(Debug, Default)]
pub struct Notes {
    inner: Mutex<NotesInner>,
    changed: AtomicBool,
    /// Wakes the loop, which shows them.
    wake: Notify,
}

#[derive(Debug, Default)]
struct NotesInner {
    monitors_failing: BTreeMap<String, String>,
    reload_error: Option<String>,
}

impl Notes {
    /// A look of `monitor` failed, or succeeded again.
    pub(crate) fn monitor(&self, monitor: &str, failure: Option<String>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match failure {
            Some(text) => inner
                .monitors_failing
                .insert(monitor.to_owned(), text)
                .is_none(),
            None => inner.monitors_failing.remove(monitor).is_some(),
        };
        if before {
            self.note_change();
        }
    }

    pub(crate) fn set_reload_error(&self, error: Option<String>) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reload_error = error;
        self.note_change();
    }

    fn note_change(&self) {
        self.changed.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// Waits until something was noted since this last returned.
    ///
    /// # Cancel safety
    /// No change is missed.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn monitors_failing(&self) -> Vec<(String, String)> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .monitors_failing
            .iter()
            .map(|(name, why)| (name.clone(), why.clone()))
            .collect()
    }

    pub(crate) fn reload_error(&self) -> Option<String> {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reload_error
            .clone()
    }

    pub(crate) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::SeqCst)
    }
}

impl Handle {
    /// Puts a signal into the log and gives its id once it is durable.
    ///
    /// # Errors
    /// [`SubmitError`] says why it was not taken.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the signal back: it may be in the log already. Give it a
    /// key, and submitting it again answers with the first one's id.
    pub async fn submit(&self, draft: Draft) -> Result<Submitted, SubmitError> {
        let event = Event::Signal {
            draft: Box::new(draft),
            origin: Origin::External,
        };
        match ask(&self.signals, event).await? {
            Answered::Duplicate { id, seq, .. } => Ok(Submitted {
                id,
                seq,
                duplicate: true,
            }),
            Answered::Fresh(Reply::Accepted { id, seq, .. }) => Ok(Submitted {
                id,
                seq,
                duplicate: false,
            }),
            Answered::Fresh(reply) => Err(refusal(&reply)),
        }
    }

    /// Asks for something that is no signal; the answer comes once it is durable.
    ///
    /// # Errors
    /// [`SubmitError`] says why it was not done.
    ///
    /// # Cancel safety
    /// As [`Handle::submit`].
    pub async fn control(&self, control: Control) -> Result<Reply, SubmitError> {
        match ask(&self.controls, Event::Control(control)).await? {
            Answered::Fresh(reply @ (Reply::Full | Reply::Refused(_))) => Err(refusal(&reply)),
            Answered::Fresh(reply) => Ok(reply),
            Answered::Duplicate { .. } => Ok(Reply::Done),
        }
    }

    /// Stops work: the gate is closed, and for a kill every tree is killed, before this waits for
    /// anything; then the record is awaited. Once polled, no further spawn follows whatever becomes of
    /// the log.
    ///
    /// # Errors
    /// [`SubmitError`] when the stop stands but could not be recorded.
    ///
    /// # Cancel safety
    /// The stop stands once the future was polled.
    pub async fn stop(&self, mode: Mode, by: String, reason: String) -> Result<(), SubmitError> {
        let event = Event::Control(Control::SetMode { mode, by, reason });
        self.close_and_record(event, mode == Mode::Kill).await
    }

    /// Tells the loop what the guard files say; an engaged switch stops work as
    /// [`Handle::stop`] does.
    ///
    /// # Errors
    /// As [`Handle::stop`].
    ///
    /// # Cancel safety
    /// As [`Handle::stop`].
    pub async fn switch_seen(&self, switch: Switch, maintenance: bool) -> Result<(), SubmitError> {
        let event = Event::Control(Control::SwitchSeen {
            switch,
            maintenance,
        });
        if switch == Switch::Clear {
            ask(&self.controls, event).await.map(|_answered| ())
        } else {
            self.close_and_record(event, true).await
        }
    }

    /// The gate is shut first, then the loop is told, so that it knows why the trees die; none of it
    /// waits for the loop. A future that is dropped while the lane is full leaves the gate shut.
    async fn close_and_record(&self, event: Event, kill: bool) -> Result<(), SubmitError> {
        self.gate.shut();
        let (answer, answered) = oneshot::channel();
        let request = Request {
            event,
            answer,
            has_shut_gate: true,
        };
        let sent = self.controls.try_send(request);
        self.gate.emptied(kill).await;
        match sent {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(request)) => {
                let sent = self.controls.send(request).await;
                sent.map_err(|_closed| SubmitError::Closed)?;
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(SubmitError::Closed),
        }
        match answered.await.map_err(|_closed| SubmitError::Closed)?? {
            Answered::Fresh(reply @ (Reply::Full | Reply::Refused(_))) => Err(refusal(&reply)),
            Answered::Fresh(_) | Answered::Duplicate { .. } => Ok(()),
        }
    }

    /// Says that a new configuration was not usable, or clears what was said; the old one stands.
    pub fn reload_failed(&self, error: Option<String>) {
        self.notes.set_reload_error(error);
    }

    /// Puts a new policy in force, whole; running work keeps the tasks that it was planned with.
    ///
    /// # Errors
    /// [`SubmitError`]; the old policy stays in force entirely.
    pub async fn configure(&self, policy: Arc<Policy>) -> Result<(), SubmitError> {
        match ask(&self.controls, Event::Configured(policy)).await? {
            Answered::Fresh(reply @ (Reply::Full | Reply::Refused(_))) => Err(refusal(&reply)),
            Answered::Fresh(_) | Answered::Duplicate { .. } => {
                self.notes.set_reload_error(None);
                Ok(())
            }
        }
    }

    /// The number of durable records; changes after every commit.
    #[must_use]
    pub fn high_water(&self) -> watch::Receiver<u64> {
        self.high_water.clone()
    }

    /// The policy in force; wakes whenever another comes into force.
    #[must_use]
    pub fn policy(&self) -> watch::Receiver<Arc<Policy>> {
        self.policies.subscribe()
    }

    /// Waits until the loop has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) {
        self.controls.closed().await;
    }

    /// How the owner stands; refreshed after every turn.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        self.status.borrow().clone()
    }

    /// Wakes whenever [`Handle::status`] changes.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }
}

impl Intake for Handle {
    fn intent(&self, intent: Intent) -> Answer<'_, IntakeAnswer> {
        hand_over(&self.signals, Event::Intent(Box::new(intent)))
    }

    fn malformed(&self, malformed: Malformed, key: [u8; 16]) -> Answer<'_, IntakeAnswer> {
        let event = Event::Malformed {
            what: Box::new(malformed),
            key: Some(key),
        };
        hand_over(&self.signals, event)
    }
}

fn hand_over(lane: &mpsc::Sender<Request>, event: Event) -> Answer<'static, IntakeAnswer> {
    let (answer, answered) = oneshot::channel();
    let sent = lane.try_send(Request::new(event, answer));
    Box::pin(async move {
        match sent {
            Ok(()) => answered.await.map_or(IntakeAnswer::Closed, intake_answer),
            Err(mpsc::error::TrySendError::Full(_)) => IntakeAnswer::Later,
            Err(mpsc::error::TrySendError::Closed(_)) => IntakeAnswer::Closed,
        }
    })
}

fn intake_answer(answered: Result<Answered, SubmitError>) -> IntakeAnswer {
    match answered {
        Ok(Answered::Fresh(Reply::Accepted { id, seq, .. })) => IntakeAnswer::Accepted {
            id,
            seq,
            duplicate: false,
        },
        Ok(Answered::Fresh(Reply::Parked {
            letter,
            code,
            error,
        })) => IntakeAnswer::Parked {
            letter,
            code,
            error,
        },
        Ok(Answered::Duplicate {
            id,
            was_parked: true,
            ..
        }) => IntakeAnswer::Parked {
            letter: id,
            code: "intent.parked_before".to_owned(),
            error: format!("dead letter {id} says what is wrong with it"),
        },
        Ok(Answered::Duplicate {
            id,
            seq,
            was_parked: false,
        }) => IntakeAnswer::Accepted {
            id,
            seq,
            duplicate: true,
        },
        Ok(Answered::Fresh(_)) | Err(_) => IntakeAnswer::Later,
    }
}

fn refusal(reply: &Reply) -> SubmitError {
    match reply {
        Reply::Full => SubmitError::Full,
        Reply::Refused(why) => SubmitError::Refused(*why),
        Reply::Done
        | Reply::Accepted { .. }
        | Reply::Parked { .. }
        | Reply::Planned { .. }
        | Reply::Changed { .. } => SubmitError::Refused(Refusal::Guarded),
    }
}

pub(crate) async fn ask(
    lane: &mpsc::Sender<Request>,
    event: Event,
) -> Result<Answered, SubmitError> {
    let (answer, answered) = oneshot::channel();
    lane.send(Request::new(event, answer))
        .await
        .map_err(|_closed| SubmitError::Closed)?;
    answered.await.map_err(|_closed| SubmitError::Closed)?
}
