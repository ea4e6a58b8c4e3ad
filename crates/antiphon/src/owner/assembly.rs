//! The owner of a root, put together: the only place where the adapters meet.
//!
//! What takes no runtime and must come before any thread (the lock, the log, the spawner) is
//! [`Held`]; the rest is [`Running`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use antiphon_backend_sqlite::{SqliteStore, open_reader, open_views};
use antiphon_core::policy::Policy;
use antiphon_engine::error::EngineError;
use antiphon_engine::handle::Handle;
use antiphon_engine::owner::{OpenViews, Options, Owner, Ports};
use antiphon_engine::ports::store::StoreError;
use antiphon_engine::ports::views::Views;
use antiphon_engine::registry::Registry;
use antiphon_files::checkpoints::FileCheckpoints;
use antiphon_files::effector::FileEffector;
use antiphon_files::inbox::{Inbox, InboxOptions};
use antiphon_files::keys::{Keys, Passphrase};
use antiphon_files::root::Root;
use antiphon_files::signer::KeySigner;
use antiphon_files::stop_switch::FileStopSwitch;
use antiphon_files::structured_log::StructuredLog;
use antiphon_http::{AppState, LogPool};
use antiphon_spawner::SpawnerHandle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::SystemClock;
use super::custodian::Custodian;
use super::doors::{self, Doors};
use super::entropy::SystemEntropy;
use super::hands::{Hands, Serving, lost};
use super::retention::Sweeper;
use super::rotation::Rotation;
use super::{letters, records, witnesses};
use crate::config::OwnerConfig;
use crate::origin;

/// How long work may go on after the owner was asked to go, ms.
const DRAIN_MS: u64 = 10_000;
/// How long the structured log may take to end.
const LOG_END: Duration = Duration::from_secs(2);

/// Why a root has no owner.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnerError {
    /// The log or its lock.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The root's files.
    #[error(transparent)]
    Files(#[from] antiphon_files::error::Error),
    /// A key file.
    #[error(transparent)]
    Keys(#[from] antiphon_files::keys::Error),
    /// The executor.
    #[error(transparent)]
    Executor(#[from] antiphon_executor::Error),
    /// The spawner could not be started.
    #[error("the spawner could not be started")]
    Spawner(#[source] std::io::Error),
}

impl OwnerError {
    /// Its stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            OwnerError::Store(error) => error.code(),
            OwnerError::Engine(error) => error.code(),
            OwnerError::Files(error) => error.code(),
            OwnerError::Keys(error) => error.code(),
            OwnerError::Executor(error) => error.code(),
            OwnerError::Spawner(_) => "spawner.failed",
        }
    }
}

/// The lock, the log and the spawner of a root; no thread runs yet.
pub(crate) struct Held {
    root: PathBuf,
    store: SqliteStore,
    spawner: Option<SpawnerHandle>,
    executable: PathBuf,
    passphrase: Option<Passphrase>,
    /// Whether keys that the program signs with may be gone: only what takes their place is recorded.
    pub(crate) without_keys: bool,
}

impl Held {
    /// Becomes the owner of `root`, whose keys are sealed with `passphrase` if there is one; with
    /// slots it can run work, without it only takes signals.
    ///
    /// # Errors
    /// [`OwnerError::Store`] with `Held` when another process owns it.
    pub(crate) fn take(
        root: &Path,
        with_slots: bool,
        passphrase: Option<Passphrase>,
    ) -> Result<Self, OwnerError> {
        let started_ms = SystemClock::wall_ms();
        let store = SqliteStore::open(root, started_ms)?;
        let executable = std::env::current_exe().map_err(OwnerError::Spawner)?;
        let spawner = if with_slots {
            let started = antiphon_spawner::start(&root.join("run"), &executable);
            Some(started.map_err(OwnerError::Spawner)?)
        } else {
            None
        };
        Ok(Self {
            root: root.to_path_buf(),
            store,
            spawner,
            executable,
            passphrase,
            without_keys: false,
        })
    }

    /// Recovers and puts `policy` in force.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub(crate) async fn open(
        self,
        policy: Policy,
        config: &OwnerConfig,
        registry: Arc<Registry>,
        shutdown: CancellationToken,
    ) -> Result<Running, OwnerError> {
        let clock = Arc::new(SystemClock::new());
        let files = Root::create(&self.root)?;
        let switch = FileStopSwitch::new(files.clone());
        let has_slots = self.spawner.is_some();
        let hands = Hands::of(&self.root, self.executable, self.spawner)?;
        let structured = StructuredLog::open(files.clone(), clock.clone())?;
        let opened = OpenedViews::default();
        let (origin, signer) = keys(&files, self.passphrase)?;
        let ports = Ports {
            store: Box::new(self.store),
            views: views_of(self.root.clone(), Arc::clone(&opened)),
            executor: hands.executor,
            executor_events: hands.events,
            effector: Arc::new(FileEffector::new(files.clone())),
            stop_switch: Arc::new(switch.clone()),
            clock: clock.clone(),
            entropy: Box::new(SystemEntropy),
            signer: signer.clone(),
            checkpoints: Arc::new(FileCheckpoints::new(files.clone())),
            // An owner for one command goes before a witness could answer.
            witnesses: witnesses::ways(if has_slots {
                &config.witnesses.list
            } else {
                &[]
            }),
            registry,
            observer: records::observer(structured.writer()),
        };
        let options = Options {
            root: self.root.clone(),
            slots_max: if has_slots { u32::MAX } else { 0 },
            origin,
            without_keys: self.without_keys,
            ..options(config)
        };
        let owner = Owner::open(ports, options, Arc::new(policy), shutdown.clone()).await?;
        let views = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
        let views = views.ok_or_else(|| EngineError::Bug("no views were opened".to_owned()))?;
        let handle = owner.handle();
        let log_root = self.root.clone();
        let state = AppState {
            handle: handle.clone(),
            views,
            views_mark: owner.views_mark(),
            log: Arc::new(LogPool::new(move || open_reader(&log_root))),
            evidence: hands.evidence,
            custody: Arc::new(Custodian(signer.clone())),
            policy: handle.policy(),
            closing: shutdown.clone(),
        };
        let inbox =
            has_slots.then(|| Inbox::new(files.clone(), clock.clone(), InboxOptions::default()));
        let age_ms = config.retention_ms.filter(|_| has_slots);
        let sweeper = age_ms.map(|age_ms| Sweeper::new(age_ms, &state, clock, &owner));
        Ok(Running {
            doors: Doors::open().map_err(|error| EngineError::Bug(error.to_string()))?,
            owner,
            state,
            files,
            switch,
            inbox,
            sweeper,
            service: hands.service,
            structured,
            signer,
            shutdown,
        })
    }
}

/// An owner that is ready to run, and everything that runs beside it.
pub(crate) struct Running {
    doors: Doors,
    owner: Owner,
    /// What the API needs.
    pub(crate) state: AppState,
    files: Root,
    switch: FileStopSwitch,
    inbox: Option<Inbox>,
    sweeper: Option<Sweeper>,
    service: Option<Serving>,
    structured: StructuredLog,
    signer: Arc<KeySigner>,
    shutdown: CancellationToken,
}

impl Running {
    /// Where to submit, control and watch.
    pub(crate) fn handle(&self) -> Handle {
        self.state.handle.clone()
    }

    /// The thread of what must not wait for the disk; its tasks end with the shutdown token.
    pub(crate) fn doors(&self) -> &Doors {
        &self.doors
    }

    /// Becomes true when all that was dropped before this owner has been looked at; `None` when it
    /// takes no files.
    pub(crate) fn inbox_walked(&self) -> Option<watch::Receiver<bool>> {
        self.inbox.as_ref().map(Inbox::walked)
    }

    /// Runs until the shutdown token is cancelled and everything is drained.
    ///
    /// # Errors
    /// [`OwnerError`]: what ended it.
    pub(crate) async fn run(self) -> Result<(), OwnerError> {
        let Self {
            doors,
            owner,
            state,
            files,
            switch,
            inbox,
            sweeper,
            service,
            structured,
            signer,
            shutdown,
        } = self;
        let handle = owner.handle();
        let around = TaskTracker::new();
        if let Some(inbox) = inbox {
            around.spawn(inbox.run(handle.clone(), shutdown.clone()));
            doors.spawn(doors::follow_switch(switch, handle, shutdown.clone()));
            let rotation = Rotation::new(state.clone(), signer);
            around.spawn(rotation.run(shutdown.clone()));
        }
        if let Some(sweeper) = sweeper {
            around.spawn(sweeper.run(shutdown.clone()));
        }
        let letters = letters::Export::new(state, FileEffector::new(files));
        around.spawn(letters.run(shutdown.clone()));
        around.close();
        let mut service = service;
        let result = tokio::select! {
            result = owner.run() => result.map_err(OwnerError::from),
            lost = lost(&mut service) => Err(lost),
        };
        shutdown.cancel();
        around.wait().await;
        doors.close().await;
        if let Some(service) = service {
            service.close().await;
        }
        if !structured.close(LOG_END) {
            tracing::warn!("lines of the structured log were lost");
        }
        result
    }
}

/// The keys of the root, and the origin that a log made with them has.
fn keys(
    files: &Root,
    passphrase: Option<Passphrase>,
) -> Result<(String, Arc<KeySigner>), OwnerError> {
    let keys = Keys::new(files.clone(), passphrase, Box::new(SystemEntropy));
    let origin = origin::of_new_log(&keys)?;
    Ok((origin, Arc::new(KeySigner::open(keys)?)))
}

/// What is the same for every owner with this configuration.
fn options(config: &OwnerConfig) -> Options {
    Options {
        root: PathBuf::new(),
        slots_max: 0,
        origin: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        reserve_bytes: config.disk_reserve_bytes,
        drain_ms: DRAIN_MS,
        cosigning: config.witnesses.policy,
        retention_ms: config.retention_ms,
        without_keys: false,
    }
}

/// Where the views are left when the engine opens them.
type OpenedViews = Arc<Mutex<Option<Arc<dyn Views>>>>;

fn views_of(root: PathBuf, opened: OpenedViews) -> antiphon_engine::owner::OpensViews {
    Box::new(move |log, next_seq| {
        let (builder, keys, views) = open_views(&root, *log, next_seq)?;
        *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(views);
        Ok(OpenViews { builder, keys })
    })
}
