//! The cheap clone that adapters hold: submit, control, watch.
//!
//! In: bounded lanes into the loop and the answers that come back once they are durable. Out: what
//! an answer means on a wire (`antiphon-http`), where inputs come from.

mod error;
mod intake;
mod presigned;
mod status;

use std::sync::Arc;

use antiphon_core::control::{Control, Refusal};
use antiphon_core::guard::{Mode, Switch};
use antiphon_core::id::Id;
use antiphon_core::input::{Event, Reply};
use antiphon_core::policy::Policy;
use antiphon_core::signal::{Draft, Origin};
use antiphon_core::state::Keys;
use antiphon_ledger::TreeHead;
use tokio::sync::{mpsc, oneshot, watch};

use crate::gate::Gate;
use crate::notary::Sealing;
use crate::ports::clock::Clock;
pub use error::SubmitError;
pub use presigned::{Presigned, Preview};
pub use status::{Alarm, Notes, OpenAsk, Status};

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

/// What the loop is asked.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) event: Event,
    pub(crate) answer: oneshot::Sender<Result<Answered, SubmitError>>,
    pub(crate) purpose: Purpose,
}

/// What an event is given for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// To be stepped.
    Step,
    /// To be stepped; whoever asks has shut the gate and waits for the record of that.
    Stop,
    /// To be stepped if what came signed fits.
    Presigned(Box<Presigned>),
    /// To be known before it is signed.
    Preview,
}

impl Request {
    pub(crate) fn new(
        event: Event,
        answer: oneshot::Sender<Result<Answered, SubmitError>>,
    ) -> Self {
        Self {
            event,
            answer,
            purpose: Purpose::Step,
        }
    }
}

/// What the loop answers.
#[derive(Clone, Debug)]
pub(crate) enum Answered {
    /// The machine's reply, durable; to what became a dead letter, the same again.
    Machine(Reply),
    /// The key was known: it is this signal's.
    Duplicate { id: Id, seq: u64 },
    /// What would be recorded.
    Preview(Box<Preview>),
}

impl Answered {
    /// What was done, unless it was not.
    pub(crate) fn done(self) -> Result<Reply, SubmitError> {
        match self {
            Answered::Machine(Reply::Full) => Err(SubmitError::Full),
            Answered::Machine(Reply::Refused(why)) => Err(SubmitError::Refused(why)),
            Answered::Machine(Reply::Parked { letter, .. }) => Err(SubmitError::Suspect { letter }),
            Answered::Machine(reply) => Ok(reply),
            Answered::Duplicate { .. } | Answered::Preview(_) => Ok(Reply::Done),
        }
    }
}

/// The cheap clone that adapters hold.
#[derive(Clone)]
pub struct Handle {
    pub(crate) signals: mpsc::Sender<Request>,
    pub(crate) controls: mpsc::Sender<Request>,
    pub(crate) heads: watch::Receiver<TreeHead>,
    pub(crate) sealing: watch::Receiver<Arc<Sealing>>,
    pub(crate) high_water: watch::Receiver<u64>,
    pub(crate) keys: watch::Receiver<Arc<Keys>>,
    pub(crate) status: watch::Receiver<Arc<Status>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) notes: Arc<Notes>,
    /// The policy in force, for the monitors.
    pub(crate) policies: Arc<watch::Sender<Arc<Policy>>>,
    /// What elapsed time is read by.
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
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
        let answered = ask(&self.signals, event).await?;
        if let Answered::Duplicate { id, seq } = answered {
            return Ok(Submitted {
                id,
                seq,
                duplicate: true,
            });
        }
        match answered.done()? {
            Reply::Accepted { id, seq, .. } => Ok(Submitted {
                id,
                seq,
                duplicate: false,
            }),
            _ => Err(SubmitError::Refused(Refusal::Guarded)),
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
        let event = Event::Control(control);
        ask(&self.controls, event).await?.done()
    }

    /// Stops work: the gate is closed, and for a kill every tree is killed, before this waits for
    /// anything; then the record is awaited. Once polled, no further spawn follows whatever becomes of
    /// the log.
    ///
    /// # Errors
    /// [`SubmitError`] when the stop stands but could not be recorded.
    ///
    /// # Cancel safety
    /// The stop stands once the future was polled, but for one case: dropped while
    /// [`CONTROLS_WAITING_MAX`] others wait for the loop, it is off, and work goes on; what was killed
    /// by then stays so.
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
            ask(&self.controls, event).await?.done().map(|_reply| ())
        } else {
            self.close_and_record(event, true).await
        }
    }

    /// The gate is shut first, then the loop is told, so that it knows why the trees die; none of it
    /// waits for the loop, unless its lane is full.
    async fn close_and_record(&self, event: Event, kill: bool) -> Result<(), SubmitError> {
        let hold = self.gate.shut();
        let (answer, answered) = oneshot::channel();
        let request = Request {
            event,
            answer,
            purpose: Purpose::Stop,
        };
        if let Err(mpsc::error::TrySendError::Full(request)) = self.controls.try_send(request) {
            self.gate.emptied(kill).await;
            // A lane that is closed is seen by the answer that never comes.
            self.controls.send(request).await.ok();
            hold.hand_over();
        } else {
            hold.hand_over();
            self.gate.emptied(kill).await;
        }
        let answered = answered.await.map_err(|_closed| SubmitError::Closed)??;
        answered.done().map(|_reply| ())
    }

    /// The alarm `code` about `subject` stands, in these words, or is over.
    pub fn set_alarm(&self, code: &'static str, subject: &str, detail: Option<String>) {
        self.notes.set_alarm(code, subject, detail);
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
        let answered = ask(&self.controls, Event::Configured(policy)).await?;
        answered.done().map(|_reply| ())
    }

    /// The size and the root of what is durable; changes after every commit, before
    /// [`Handle::high_water`] does. It is what a checkpoint may be signed over.
    #[must_use]
    pub fn heads(&self) -> watch::Receiver<TreeHead> {
        self.heads.clone()
    }

    /// The newest checkpoints, and how far the log is behind them; wakes whenever there is another
    /// one, or a cosignature.
    #[must_use]
    pub fn sealing(&self) -> watch::Receiver<Arc<Sealing>> {
        self.sealing.clone()
    }

    /// The number of durable records; changes after every commit.
    #[must_use]
    pub fn high_water(&self) -> watch::Receiver<u64> {
        self.high_water.clone()
    }

    /// The keys of the log's agents as far as they are durable; wakes whenever one changes.
    #[must_use]
    pub fn keys(&self) -> watch::Receiver<Arc<Keys>> {
        self.keys.clone()
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

    /// ms of elapsed time since the log began, as of now.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        self.status.borrow().time.elapsed_at(self.clock.now())
    }

    /// How the owner stands; refreshed after every turn, and under load ten times a second.
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
