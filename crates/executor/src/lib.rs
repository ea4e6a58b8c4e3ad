//! Runs attempts as process trees and reports their ends.
//!
//! In: the engine's `Executor` and `Evidence` ports, a running spawner. Out: processes themselves
//! (`antiphon-spawner`), what an outcome means (`antiphon-core`), the gate before a launch
//! (`antiphon-engine`).
//!
//! [`Options`] → [`ProcessExecutor`] and its [`Service`], which the owner must drive, and the
//! receiver of what the executor says of its own accord. A launch goes to a keeper from the calling
//! thread; everything after it runs in the service.
//!
//! Invariants:
//! - A note of the launch lies in `run/` before the request is sent, and stays until the engine says
//!   that the settlement is durable.
//! - A report is made when the tree is dead: an open pipe delays nothing, and what an attempt prints
//!   is evidence, never control.
//! - Memory for outputs is bounded, whatever is written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::report::{Fate, NotStarted, StopCause};
use antiphon_engine::ports::evidence::Evidence;
use antiphon_engine::ports::executor::{Answer, Executor, ExecutorEvent, Launch};
use antiphon_spawner::SpawnerHandle;
use antiphon_spawner::wire::KeeperRequest;
use tokio::sync::{mpsc, oneshot, watch};

mod attempt;
mod channel;
mod environment;
mod evidence;
mod folders;
mod keepers;
mod output;
mod preparation;
mod recovery;
mod result;
mod service;

use attempt::Attempt;
use channel::Channel;
use evidence::EvidenceFolder;
use folders::Folders;
use keepers::{Keeper, Keepers};
pub use service::Service;

/// Events and attempts that may wait to be taken; each live attempt has at most one of both.
const QUEUE_MAX: usize = 4_096;

/// What an executor must know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data root.
    pub root: PathBuf,
    /// The binary that runs built-ins as `executable __builtin NAME`.
    pub executable: PathBuf,
}

/// Reads the evidence in `root`, whether an executor runs there or not.
///
/// # Errors
/// [`Error`] when the folder cannot be made.
pub fn open_evidence(root: &std::path::Path) -> Result<impl Evidence + use<>, Error> {
    EvidenceFolder::open(root).map_err(Error::when("open the folder of evidence"))
}

/// Why there is no executor.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct Error {
    /// What was tried.
    doing: &'static str,
    /// The cause.
    #[source]
    source: std::io::Error,
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "executor.unusable"
    }

    fn when<E: Into<std::io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self {
            doing,
            source: source.into(),
        }
    }
}

/// The executor of processes and built-ins.
#[derive(Debug)]
pub struct ProcessExecutor {
    shared: Arc<Shared>,
    work: mpsc::Sender<Work>,
}

/// What the executor and its service both use.
#[derive(Debug)]
struct Shared {
    /// The data root, absolute.
    root: PathBuf,
    /// The binary of built-ins.
    executable: PathBuf,
    /// The folder `run/`.
    run: Folders,
    /// The boot of this machine.
    boot: String,
    evidence: EvidenceFolder,
    keepers: Keepers,
    /// How live attempts are stopped, by token.
    controls: Mutex<BTreeMap<u64, Control>>,
    events: mpsc::Sender<ExecutorEvent>,
    /// The spawner's name once it holds the lock.
    instance: watch::Sender<Option<String>>,
}

/// How one live attempt is stopped.
#[derive(Debug)]
struct Control {
    grace_ms: u64,
    /// Who keeps its tree, once a keeper has it.
    keeper: Option<Arc<Keeper>>,
    /// What was asked before a keeper had it.
    asked: Option<KeeperRequest>,
}

/// What the service is given.
#[derive(Debug)]
enum Work {
    /// An attempt to see through.
    Attempt(Box<Attempt>),
    /// A settled attempt, of which nothing is to be left.
    Forget(u64),
    /// Nothing more is started: the service kills what runs and ends.
    Close,
}

impl ProcessExecutor {
    /// An executor over a spawner that was started on `root/run`. Must be called within a runtime.
    ///
    /// # Errors
    /// [`Error`] when the root cannot be used.
    pub fn new(
        options: Options,
        spawner: SpawnerHandle,
    ) -> Result<(Self, Service, mpsc::Receiver<ExecutorEvent>), Error> {
        let root = options
            .root
            .canonicalize()
            .map_err(Error::when("find the data root"))?;
        let run =
            Folders::open(root.join("run")).map_err(Error::when("open the folder of attempts"))?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_err(Error::when("learn which boot this is"))?;
        let (events, receiver) = mpsc::channel(QUEUE_MAX);
        let (work, to_do) = mpsc::channel(QUEUE_MAX);
        let socket = Channel::new(spawner.socket).map_err(Error::when("watch the spawner"))?;
        let socket = Arc::new(socket);
        let shared = Arc::new(Shared {
            evidence: EvidenceFolder::open(&root)
                .map_err(Error::when("open the folder of evidence"))?,
            keepers: Keepers::new(Arc::clone(&socket)),
            root,
            executable: options.executable,
            run,
            boot: boot.trim().to_owned(),
            controls: Mutex::default(),
            events,
            instance: watch::Sender::new(None),
        });
        let service = Service::new(Arc::clone(&shared), to_do, socket, spawner.child);
        Ok((Self { shared, work }, service, receiver))
    }

    /// Ends the service, as dropping the executor does, while others still hold it: what runs is
    /// killed and its reports are given.
    ///
    /// # Cancel safety
    /// Once polled to its end, the service ends by itself.
    pub async fn close(&self) {
        // An Err says that the service has ended already.
        self.work.send(Work::Close).await.ok();
    }

    /// Reads the evidence that this executor writes.
    #[must_use]
    pub fn evidence(&self) -> impl Evidence + use<> {
        self.shared.evidence.clone()
    }

    fn try_launch(&self, launch: &Launch) -> Result<oneshot::Receiver<Started>, NotStarted> {
        let slot = self.work.try_reserve().map_err(|error| later(&error))?;
        let prepared = self.shared.prepare(launch)?;
        let (answer, answered) = oneshot::channel();
        self.shared.controls().insert(
            launch.token,
            Control {
                grace_ms: launch.grace_ms,
                keeper: None,
                asked: None,
            },
        );
        let mut attempt = Attempt::new(launch.token, prepared, answer);
        if let Some(keeper) = self.shared.keepers.take() {
            match attempt.send_to(keeper, &self.shared) {
                // It was killed while it was idle; the service finds another.
                Err(error) if attempt::is_dead(&error) => {}
                outcome => outcome.map_err(|error| self.unsent(launch.token, &error))?,
            }
        }
        slot.send(Work::Attempt(Box::new(attempt)));
        Ok(answered)
    }

    /// Leaves nothing of a launch that no keeper could be told of.
    fn unsent(&self, token: u64, error: &std::io::Error) -> NotStarted {
        self.shared.controls().remove(&token);
        self.shared.run.give_back(token);
        preparation::not_started("tell a keeper of the attempt", error)
    }
}

/// Whether an attempt's process exists.
type Started = Result<(), NotStarted>;

impl Executor for ProcessExecutor {
    fn launch(&self, launch: Launch) -> Answer<'_, Result<(), NotStarted>> {
        match self.try_launch(&launch) {
            Err(not_started) => Box::pin(std::future::ready(Err(not_started))),
            Ok(answered) => {
                Box::pin(async { answered.await.unwrap_or_else(|closed| Err(later(&closed))) })
            }
        }
    }

    fn stop(&self, token: u64, cause: StopCause) {
        tracing::debug!(attempt.token = token, ?cause, "attempt is told to stop");
        if let Some(control) = self.shared.controls().get_mut(&token) {
            let grace_ms = control.grace_ms;
            control.ask(KeeperRequest::Stop { grace_ms });
        }
    }

    fn kill_all(&self) {
        self.shared.kill_all();
    }

    fn forget(&self, token: u64) {
        // Not on the way of the next launch: the service does it while that one runs.
        if let Err(error) = self.work.try_send(Work::Forget(token)) {
            // The next start does it.
            tracing::warn!(attempt.token = token, %error, "what an attempt has left is not removed");
        }
    }

    fn recover(&self, tokens: &[u64]) -> Answer<'_, Vec<(u64, Fate)>> {
        let tokens = tokens.to_vec();
        Box::pin(Arc::clone(&self.shared).recover(tokens))
    }
}

impl Control {
    /// Passes `request` on, now or when a keeper has the tree. A keeper that cannot be told is
    /// dead, and then so is the tree.
    fn ask(&mut self, request: KeeperRequest) {
        match &self.keeper {
            Some(keeper) => keeper.tell(&request),
            None => self.asked = Some(request),
        }
    }
}

impl Shared {
    fn controls(&self) -> MutexGuard<'_, BTreeMap<u64, Control>> {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill_all(&self) {
        for control in self.controls().values_mut() {
            control.ask(KeeperRequest::Kill);
        }
    }
}

fn later(cause: &dyn std::fmt::Display) -> NotStarted {
    NotStarted::Later(cause.to_string())
}
