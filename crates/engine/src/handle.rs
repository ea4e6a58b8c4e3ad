//! The cheap clone that adapters hold: submit, control, watch.
//!
//! In: bounded lanes into the loop and the answers that come back once they are durable. Out: what
//! an answer means on a wire (`antiphon-http`), where inputs come from.

use std::sync::Arc;

use antiphon_core::control::{Control, Refusal};
use antiphon_core::guard::Guards;
use antiphon_core::id::{Digest, Id};
use antiphon_core::input::{Event, Reply};
use antiphon_core::policy::Policy;
use antiphon_core::signal::{Draft, Origin};
use tokio::sync::{mpsc, oneshot, watch};

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
}

/// What the loop answers.
#[derive(Clone, Debug)]
pub(crate) enum Answered {
    /// The machine's reply, durable.
    Fresh(Reply),
    /// The key was known.
    Duplicate { id: Id, seq: u64 },
}

/// The cheap clone that adapters hold.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) signals: mpsc::Sender<Request>,
    pub(crate) controls: mpsc::Sender<Request>,
    pub(crate) high_water: watch::Receiver<u64>,
    pub(crate) status: watch::Receiver<Arc<Status>>,
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
        let event = Event::Signal { draft: Box::new(draft), origin: Origin::External };
        match ask(&self.signals, event).await? {
            Answered::Duplicate { id, seq } => Ok(Submitted { id, seq, duplicate: true }),
            Answered::Fresh(Reply::Accepted { id, seq, .. }) => {
                Ok(Submitted { id, seq, duplicate: false })
            }
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

    /// Puts a new policy in force, whole; running work keeps the tasks that it was planned with.
    ///
    /// # Errors
    /// [`SubmitError`]; the old policy stays in force entirely.
    pub async fn configure(&self, policy: Arc<Policy>) -> Result<(), SubmitError> {
        match ask(&self.controls, Event::Configured(policy)).await? {
            Answered::Fresh(reply @ (Reply::Full | Reply::Refused(_))) => Err(refusal(&reply)),
            Answered::Fresh(_) | Answered::Duplicate { .. } => Ok(()),
        }
    }

    /// The number of durable records; changes after every commit.
    #[must_use]
    pub fn high_water(&self) -> watch::Receiver<u64> {
        self.high_water.clone()
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
    lane.send(Request { event, answer }).await.map_err(|_closed| SubmitError::Closed)?;
    answered.await.map_err(|_closed| SubmitError::Closed)?
}
