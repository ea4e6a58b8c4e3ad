//! The notary: signs checkpoints of what is durable, beside the loop and never waited for by it.
//!
//! In: the heads of the log as they become durable, its keys, cosignatures of witnesses. Out: the
//! newest checkpoint, on disk and then for everyone to see; how far it is behind. It wakes for the
//! first record that no checkpoint covers, waits a moment for its company, and signs; an idle log
//! wakes nobody.
//!
//! Invariants: a checkpoint covers durable records only; it is on disk before anyone sees it; from
//! one to the next there is [`INTERVAL`] or more; a disk that fails delays checkpoints and stops
//! nothing else.
//! Not here: asking witnesses ([`crate::cosign`]), serving (`antiphon-http`), which key is valid
//! where (the log).
//! Source: C2SP tlog-checkpoint; `docs/adr/0007-checkpoints-beside-the-log.md`.

mod sealing;
mod sign;
mod start;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use antiphon_ledger::TreeHead;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handle::Handle;
use crate::ports::checkpoints::Checkpoints;
use crate::ports::signer::Signer;
pub use sealing::{Cosignature, Sealing, Signed};
pub use sign::SignError;
pub(crate) use start::verify_stored;

/// From one checkpoint to the next, at least.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// How long the first record that no checkpoint covers waits for others.
const GATHERING: Duration = Duration::from_millis(200);
/// A log that is behind for so long is an alarm, and so is one that no witness cosigns.
pub const LATE: Duration = Duration::from_mins(1);
/// The longest wait after a checkpoint could not be signed or saved.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Cosignatures that may wait for the notary.
const COSIGNATURES_WAITING_MAX: usize = 64;

/// What a notary is made of.
pub(crate) struct Parts {
    /// Whose heads are signed.
    pub(crate) handle: Handle,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    pub(crate) signer: Arc<dyn Signer>,
    /// The checkpoint that was found at the start.
    pub(crate) stored: Option<Signed>,
    /// Cosignatures that make a checkpoint a cosigned one; 0 when nobody is asked.
    pub(crate) quorum: usize,
    /// Where it is shown how far the log is sealed.
    pub(crate) shown: watch::Sender<Arc<Sealing>>,
}

/// Signs, saves and shows checkpoints.
pub(crate) struct Notary {
    handle: Handle,
    heads: watch::Receiver<TreeHead>,
    checkpoints: Arc<dyn Checkpoints>,
    signer: Arc<dyn Signer>,
    shown: watch::Sender<Arc<Sealing>>,
    cosignatures: mpsc::Receiver<Cosignature>,
    quorum: usize,
    /// When the newest checkpoint was begun.
    began: Option<Instant>,
    /// The wait after the last failure; none after a success.
    backoff: Option<Duration>,
    /// When to try again after a failure.
    again: Option<Instant>,
    /// Whether the newest checkpoint has cosignatures that are not on disk.
    is_unsaved: bool,
    saving: Option<Saving>,
}

/// A save under way.
struct Saving {
    work: Work,
    result: JoinHandle<Result<Signed, SaveError>>,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// A new checkpoint, over all that is durable.
    Sign,
    /// The newest one once more, with the cosignatures that came.
    Add,
}

/// Why a checkpoint is not on disk.
#[derive(Debug, thiserror::Error)]
enum SaveError {
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("it cannot be saved: {0}")]
    Save(io::Error),
    #[error("the notary panicked: {0}")]
    Panic(String),
}

impl Notary {
    /// The code of the alarm that checkpoints are late.
    fn code() -> &'static str {
        "checkpoint.behind"
    }

    /// A notary, and where cosignatures are given to it.
    pub(crate) fn new(parts: Parts) -> (Self, mpsc::Sender<Cosignature>) {
        let (sender, cosignatures) = mpsc::channel(COSIGNATURES_WAITING_MAX);
        let sealing = Sealing::begin(parts.stored, parts.quorum);
        parts.shown.send_replace(Arc::new(sealing));
        let notary = Self {
            heads: parts.handle.heads(),
            handle: parts.handle,
            checkpoints: parts.checkpoints,
            signer: parts.signer,
            shown: parts.shown,
            cosignatures,
            quorum: parts.quorum,
            began: None,
            backoff: None,
            again: None,
            is_unsaved: false,
            saving: None,
        };
        (notary, sender)
    }

    /// Signs until `shutdown`, then gives itself back for a last [`Notary::seal`].
    ///
    /// # Cancel safety
    /// Not cancel safe: a save may be under way.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Self {
        self.note_head();
        loop {
            let behind_since = self.shown.borrow().behind_since;
            let due = self.due(behind_since);
            let late = behind_since
                .map(|since| since + LATE)
                .filter(|_late| !self.handle.notes.has_alarm(Self::code(), ""));
            tokio::select! {
                () = shutdown.cancelled() => return self,
                (work, saved) = joined(&mut self.saving) => self.saved(work, saved),
                Some(cosignature) = self.cosignatures.recv() => self.cosigned(cosignature),
                changed = self.heads.changed(), if behind_since.is_none() => match changed {
                    Ok(()) => self.note_head(),
                    Err(_closed) => {
                        shutdown.cancelled().await;
                        return self;
                    }
                },
                work = at(due) => self.begin(work),
                () = at(late.map(|late| (late, ()))) => self.alarm(),
            }
        }
    }

    /// A checkpoint over everything that is durable, if there is anything that none covers; the loop
    /// has not begun, or has ended.
    pub(crate) async fn seal(&mut self) {
        if self.saving.is_some() {
            let (work, saved) = joined(&mut self.saving).await;
            self.saved(work, saved);
        }
        self.note_head();
        let work = match self.shown.borrow().behind_since {
            Some(_since) => Work::Sign,
            None if self.is_unsaved => Work::Add,
            None => return,
        };
        self.begin(work);
        let (work, saved) = joined(&mut self.saving).await;
        self.saved(work, saved);
    }

    /// What there is to do next, and when; nothing while a save is under way.
    fn due(&self, behind_since: Option<Instant>) -> Option<(Instant, Work)> {
        if self.saving.is_some() {
            return None;
        }
        let now = Instant::now();
        let not_before = self.again.unwrap_or(now);
        let sign = behind_since.map(|since| {
            let paced = self.began.map_or(since, |began| began + INTERVAL);
            (paced.max(since + GATHERING).max(not_before), Work::Sign)
        });
        match sign {
            // The new checkpoint takes the place of the one that would be saved again.
            Some((at, _)) if at <= now || !self.is_unsaved => sign,
            _ => self.is_unsaved.then_some((not_before, Work::Add)),
        }
    }

    /// Sees whether the newest checkpoint covers what is durable.
    fn note_head(&mut self) {
        let head = *self.heads.borrow_and_update();
        let is_behind = self.shown.borrow().size() != Some(head.size) && head.size > 0;
        self.shown.send_if_modified(|sealing| {
            if is_behind == sealing.behind_since.is_some() {
                return false;
            }
            Arc::make_mut(sealing).behind_since = is_behind.then(Instant::now);
            true
        });
    }

    /// Signs and saves, off the loop's thread.
    fn begin(&mut self, work: Work) {
        let (signer, checkpoints) = (self.signer.clone(), self.checkpoints.clone());
        let newest = self.shown.borrow().newest.clone();
        let head = *self.heads.borrow_and_update();
        let keys = self.handle.keys().borrow().clone();
        let elapsed_ms = self.handle.elapsed_ms();
        if work == Work::Sign {
            self.began = Some(Instant::now());
        }
        self.is_unsaved = false;
        let result = tokio::task::spawn_blocking(move || {
            let made = match newest {
                Some(newest) if work == Work::Add => Signed::clone(&newest),
                _ => sign::sign(&keys, head, elapsed_ms, &*signer)?,
            };
            let note = made.note.to_string();
            checkpoints.save(note.as_bytes()).map_err(SaveError::Save)?;
            Ok(made)
        });
        self.saving = Some(Saving { work, result });
    }

    fn saved(&mut self, work: Work, saved: Result<Signed, SaveError>) {
        match saved {
            Ok(signed) => {
                if self.backoff.take().is_some() {
                    tracing::info!(ledger.size = signed.size(), "checkpoints are signed again");
                }
                self.again = None;
                self.handle.notes.set_alarm(Self::code(), "", None);
                self.shown
                    .send_modify(|sealing| Arc::make_mut(sealing).show(signed));
                self.note_head();
            }
            Err(error) => {
                if self.backoff.is_none() {
                    tracing::error!(error.code = Self::code(), error.detail = %error, "no checkpoint");
                }
                let wait = self
                    .backoff
                    .map_or(INTERVAL, |wait| RETRY_MAX.min(wait * 2));
                self.backoff = Some(wait);
                self.again = Some(Instant::now() + wait);
                self.shown.send_modify(|sealing| {
                    Arc::make_mut(sealing).failure = Some(error.to_string());
                });
                self.is_unsaved |= work == Work::Add;
            }
        }
    }

    fn cosigned(&mut self, cosignature: Cosignature) {
        let quorum = self.quorum;
        self.shown.send_if_modified(|sealing| {
            let (is_newest, is_taken) = Arc::make_mut(sealing).cosigned(cosignature, quorum);
            self.is_unsaved |= is_newest;
            is_taken
        });
    }

    fn alarm(&mut self) {
        let sealing = self.shown.borrow().clone();
        let covered = sealing.size().unwrap_or(0);
        let why = sealing.failure.as_deref().unwrap_or("the disk is slow");
        let detail = format!("the newest checkpoint covers {covered} records: {why}");
        self.handle.notes.set_alarm(Self::code(), "", Some(detail));
    }
}

/// The end of the save under way; never, when there is none.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped.
async fn joined(saving: &mut Option<Saving>) -> (Work, Result<Signed, SaveError>) {
    let Some(Saving { work, result }) = saving else {
        return std::future::pending().await;
    };
    let (work, saved) = (*work, result.await);
    *saving = None;
    let failed = |error: tokio::task::JoinError| Err(SaveError::Panic(error.to_string()));
    (work, saved.unwrap_or_else(failed))
}

/// What is due, when it is; never, when nothing is.
async fn at<T>(due: Option<(Instant, T)>) -> T {
    match due {
        Some((instant, due)) => {
            tokio::time::sleep_until(instant).await;
            due
        }
        None => std::future::pending().await,
    }
}
