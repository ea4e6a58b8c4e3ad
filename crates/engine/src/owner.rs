//! The owner of a root: opens the log, recovers, and runs the loop with what stands around it.

mod seals;
mod start;

use std::path::PathBuf;
use std::sync::Arc;

use antiphon_core::id::Id;
use antiphon_core::policy::Policy;
use antiphon_core::record::Body;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cosign::CosigningPolicy;
use crate::error::EngineError;
use crate::fail;
use crate::gate::Gate;
use crate::handle::Handle;
use crate::keys::KeyMemory;
use crate::monitor::Monitors;
use crate::ports::checkpoints::Checkpoints;
use crate::ports::clock::Clock;
use crate::ports::effector::Effector;
use crate::ports::entropy::Entropy;
use crate::ports::executor::{Executor, ExecutorEvent};
use crate::ports::signer::Signer;
use crate::ports::stop_switch::StopSwitch;
use crate::ports::store::{LogReader, Store};
use crate::ports::views::{KeyIndex, ViewBuilder};
use crate::ports::witness::Witness;
use crate::project::{Observer, Projector, Source, feed};
use crate::read;
use crate::recover::recover;
use crate::registry::Registry;
use crate::scrub::Scrubber;
use crate::turn::{Pruner, Turn};
use seals::{Seals, Unopened};
use start::{Assembly, assemble};

/// Everything that the engine is given.
pub struct Ports {
    /// The log.
    pub store: Box<dyn Store>,
    /// The builder of the views, for the log that is named; called once recovery knows it.
    pub views: OpensViews,
    /// The hands.
    pub executor: Arc<dyn Executor>,
    /// What the hands tell.
    pub executor_events: mpsc::Receiver<ExecutorEvent>,
    /// Declared files.
    pub effector: Arc<dyn Effector>,
    /// The stop switch.
    pub stop_switch: Arc<dyn StopSwitch>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Box<dyn Entropy>,
    /// The keys that the program holds.
    pub signer: Arc<dyn Signer>,
    /// Where the newest checkpoint is kept.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Who is asked for cosignatures; an owner for one command asks nobody.
    pub witnesses: Vec<Witness>,
    /// What packs brought.
    pub registry: Arc<Registry>,
    /// Sees every record once it is durable, in order, on the projector's thread.
    pub observer: Observer,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

/// Opens the views for the log with this id and so many records.
pub type OpensViews = Box<dyn FnOnce(&Id, u64) -> Result<OpenViews, EngineError> + Send>;

/// Views that are open for one log.
pub struct OpenViews {
    /// Builds them.
    pub builder: Box<dyn ViewBuilder>,
    /// The index of keys among them.
    pub keys: Box<dyn KeyIndex>,
}

impl std::fmt::Debug for OpenViews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenViews").finish_non_exhaustive()
    }
}

/// How the owner behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The data root, for looks.
    pub root: PathBuf,
    /// Attempts that may run at one time at most; 0 accepts and never leases.
    pub slots_max: u32,
    /// The origin of a new log.
    pub origin: String,
    /// The program's version.
    pub version: String,
    /// The process id, for people.
    pub pid: u32,
    /// Bytes of disk that are kept for outcomes and guards; `None` for 64 MiB or 5 %, whichever is
    /// more.
    pub reserve_bytes: Option<u64>,
    /// How long work may go on after a shutdown was asked for, ms.
    pub drain_ms: u64,
    /// The age at which bodies are pruned, ms of elapsed time; `None` keeps them for ever.
    pub retention_ms: Option<u64>,
    /// Opens although keys that the program itself signs with are not held here, so that what takes
    /// their place can be recorded. Nothing else is begun: no policy is put in force, the guard files
    /// are not asked, and leases are left to the next owner.
    pub without_keys: bool,
    /// How much is to be cosigned.
    pub cosigning: CosigningPolicy,
}

/// An owner that has recovered and is ready to run.
pub struct Owner {
    turn: Turn,
    handle: Handle,
    projector: Projector,
    monitors: Monitors,
    policies: watch::Receiver<Arc<Policy>>,
    shutdown: CancellationToken,
    has_slots: bool,
    scrubber: Scrubber,
    seals: Seals,
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").finish_non_exhaustive()
    }
}

impl Owner {
    /// Opens the log, folds it, finds what became of the leases of an owner that was lost, and puts
    /// `policy` in force; all of that is durable when this returns.
    ///
    /// # Errors
    /// [`EngineError`] when the log cannot be opened, read or verified, or a key that signs what the
    /// program does is not held here.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropping the future leaves a root that the next owner recovers.
    pub async fn open(
        mut ports: Ports,
        options: Options,
        policy: Arc<Policy>,
        shutdown: CancellationToken,
    ) -> Result<Self, EngineError> {
        let mut log = ports.store.reader()?;
        let (id, is_new) = log_id(&mut ports, log.as_mut())?;
        let seals = Unopened::of(&mut ports, options.cosigning)?;
        let mut views = (ports.views)(&id, log.head()?.next_seq)?;
        views
            .builder
            .remember_keys(options.retention_ms.unwrap_or(0));
        let mut keys = KeyMemory::new(views.keys);
        fail::step("start.opened")?;
        let recovered = recover(log.as_mut(), keys.indexed_to()?)?;
        fail::step("start.folded")?;
        keys.note_all(&recovered.keys);
        let scrubber = Scrubber::new(ports.store.reader()?, recovered.head.tree());
        let head = recovered.head;
        let pruner = pruner(ports.store.reader()?, &options)?;
        let pruning = pruner.mark();
        let gate = Arc::new(Gate::new(ports.stop_switch.clone(), ports.executor.clone()));
        let (feed, feed_end) = feed::feed();
        let (mut turn, handle) = assemble(
            Assembly {
                recovered,
                keys,
                pruner,
                gate,
                store: ports.store,
                executor: ports.executor,
                executor_events: ports.executor_events,
                effector: ports.effector,
                clock: ports.clock.clone(),
                entropy: ports.entropy,
                sealing: seals.sealing(),
                feed,
                signer: ports.signer.clone(),
            },
            &options,
            shutdown.clone(),
        )?;
        let seals = seals.open(&handle, &head, log.as_mut()).await?;
        if is_new {
            turn.create(id, &options, ports.signer.as_ref())?;
        }
        turn.start(&options, policy).await?;
        let policies = handle.policy();
        let monitors = Monitors {
            probes: turn.probes.clone(),
            root: options.root.clone(),
            registry: ports.registry,
            clock: ports.clock,
            handle: handle.clone(),
        };
        let source = Source {
            log,
            feed: feed_end,
            pruned: pruning,
        };
        let projector = Projector::new(source, views.builder, ports.observer, head.next_seq);
        let has_slots = options.slots_max > 0;
        Ok(Self {
            turn,
            handle,
            projector,
            monitors,
            policies,
            shutdown,
            has_slots,
            scrubber,
            seals,
        })
    }

    /// The handle that adapters clone.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Every record below this is in the views.
    #[must_use]
    pub fn views_mark(&self) -> watch::Receiver<u64> {
        self.projector.mark()
    }

    /// What was said by bodies that are pruned is forgotten by the views below this.
    #[must_use]
    pub fn forgotten_mark(&self) -> watch::Receiver<u64> {
        self.projector.forgotten()
    }

    /// Runs until the shutdown token is cancelled and everything is drained, or until the log, the
    /// machine or the executor fails.
    ///
    /// # Errors
    /// [`EngineError`]: what failed. Nothing was answered that is not durable.
    pub async fn run(self) -> Result<(), EngineError> {
        let around = CancellationToken::new();
        let tasks = TaskTracker::new();
        let high_water = self.handle.high_water();
        let mut projection = tasks.spawn(self.projector.run(high_water, around.clone()));
        if self.has_slots {
            let until = self.shutdown.child_token();
            tasks.spawn(self.monitors.run(self.policies, until));
        }
        let sealing = tasks.spawn(self.seals.run(around.clone()));
        tasks.close();
        let scrubbing = scrub(self.scrubber, self.has_slots, around.clone());
        // The loop is most of this future: it is not moved about with it.
        let turning = Box::pin(self.turn.run());
        // Without its views an owner answers no query and indexes no key: it ends.
        let (result, projected) = tokio::select! {
            result = turning => (result, None),
            damage = scrubbing => (Err(damage), None),
            projected = &mut projection => (Ok(()), Some(projected)),
        };
        self.shutdown.cancel();
        around.cancel();
        drop(self.handle);
        tasks.wait().await;
        if let (Ok(mut notary), Ok(())) = (sealing.await, &result) {
            notary.seal().await;
        }
        let projected = match projected {
            Some(projected) => projected,
            None => projection.await,
        };
        result.and(projected.map_err(|error| EngineError::Bug(error.to_string()))?)
    }
}

/// Ends only when the log is found damaged. An owner for one command leaves that to others.
async fn scrub(scrubber: Scrubber, has_slots: bool, shutdown: CancellationToken) -> EngineError {
    if has_slots && let Err(error) = scrubber.run(shutdown).await {
        return error;
    }
    std::future::pending().await
}

/// What prunes `log`; an owner for one command leaves that to others.
fn pruner(mut log: Box<dyn LogReader>, options: &Options) -> Result<Pruner, EngineError> {
    let age_ms = options.retention_ms.filter(|_| options.slots_max > 0);
    let pruned_to = log.pruned_to()?;
    Ok(Pruner::new(age_ms, log, pruned_to))
}

/// The log's id: that of record 0, or a new one when there is none yet.
fn log_id(ports: &mut Ports, log: &mut dyn LogReader) -> Result<(Id, bool), EngineError> {
    let first = log.turns_from(0, 1)?;
    let Some(turn) = first.first() else {
        let entropy = ports.entropy.bytes32().map_err(EngineError::Entropy)?;
        return Ok((Id::of_log(ports.clock.now().wall_ms, &entropy), true));
    };
    let records = turn.records()?;
    let decoded = records
        .first()
        .map(|stored| read::decode(0, stored))
        .transpose()?;
    match decoded
        .and_then(|projected| projected.record)
        .map(|record| record.body)
    {
        Some(Body::LogCreated(created)) => Ok((created.id, false)),
        _ => Err(EngineError::Unverified(
            "record 0 does not create a log".to_owned(),
        )),
    }
}
