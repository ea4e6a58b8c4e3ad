//! The owner of a root: opens the log, recovers, and runs the loop with what stands around it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use antiphon_core::control::Control;
use antiphon_core::id::Id;
use antiphon_core::input::{Event, Owner as OwnerInput};
use antiphon_core::machine::{LOG_FORMAT, Machine};
use antiphon_core::policy::Policy;
use antiphon_core::record::{Body, LogCreated};
use antiphon_ledger::TreeHead;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::EngineError;
use crate::gate::Gate;
use crate::handle::{CONTROLS_WAITING_MAX, Handle, Notes, SIGNALS_WAITING_MAX, Status};
use crate::keys::KeyMemory;
use crate::monitor::Monitors;
use crate::ports::clock::Clock;
use crate::ports::effector::Effector;
use crate::ports::entropy::Entropy;
use crate::ports::executor::{Executor, ExecutorEvent};
use crate::ports::stop_switch::StopSwitch;
use crate::ports::store::{LogReader, Store};
use crate::ports::views::{KeyIndex, ViewBuilder};
use crate::probe::Probes;
use crate::project::{Observer, Projector};
use crate::read;
use crate::recover::{Recovered, recover};
use crate::registry::Registry;
use crate::scrub::Scrubber;
use crate::suspects::Suspects;
use crate::turn::{
    Admission, Committer, Drain, Lanes, OUTCOMES_WAITING_MAX, Sealer, Snapshots, Staged,
    StatusBoard, Turn,
};

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
}

/// Smallest reserve of disk, bytes.
const RESERVE_BYTES_MIN: u64 = 64 << 20;
/// The reserve is at least one part in so many of the disk.
const RESERVE_PARTS: u64 = 20;
/// How long trees may take to die after a drain, beyond their own grace, ms.
const STOP_MS: u64 = 10_000;

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
    /// [`EngineError`] when the log cannot be opened, read or verified.
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
        let views = (ports.views)(&id, log.head()?.next_seq)?;
        let mut keys = KeyMemory::new(views.keys);
        let recovered = recover(log.as_mut(), keys.indexed_to()?)?;
        for known in &recovered.keys {
            keys.note(known.key, known.id, known.seq);
        }
        let checked = TreeHead {
            size: recovered.head.next_seq,
            root: recovered.head.root,
        };
        let scrubber = Scrubber::new(ports.store.reader()?, checked);
        let observed_from = recovered.head.next_seq;
        let gate = Arc::new(Gate::new(ports.stop_switch.clone(), ports.executor.clone()));
        let (mut turn, handle) = assemble(
            Assembly {
                recovered,
                keys,
                gate,
                store: ports.store,
                executor: ports.executor,
                executor_events: ports.executor_events,
                effector: ports.effector,
                clock: ports.clock.clone(),
                entropy: ports.entropy,
            },
            &options,
            shutdown.clone(),
        )?;
        if is_new {
            turn.create(LogCreated {
                format: LOG_FORMAT,
                id,
                origin: options.origin.clone(),
                version: options.version.clone(),
            })?;
        }
        turn.start(&options, policy.clone()).await?;
        let (policies_sender, policies) = watch::channel(policy);
        let handle = Handle {
            policies: Arc::new(policies_sender),
            ..handle
        };
        let monitors = Monitors {
            probes: turn.probes.clone(),
            root: options.root.clone(),
            registry: ports.registry,
            clock: ports.clock,
            handle: handle.clone(),
        };
        let projector = Projector::new(log, views.builder, ports.observer, observed_from);
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

    /// Runs until the shutdown token is cancelled and everything is drained, or until the log, the
    /// machine or the executor fails.
    ///
    /// # Errors
    /// [`EngineError`]: what failed. Nothing was answered that is not durable.
    pub async fn run(self) -> Result<(), EngineError> {
        let around = CancellationToken::new();
        let tasks = TaskTracker::new();
        let high_water = self.handle.high_water();
        let projection = tasks.spawn(self.projector.run(high_water, around.clone()));
        if self.has_slots {
            let until = self.shutdown.child_token();
            tasks.spawn(self.monitors.run(self.policies, until));
        }
        tasks.close();
        let scrubbing = scrub(self.scrubber, self.has_slots, around.clone());
        let result = tokio::select! {
            result = self.turn.run() => result,
            damage = scrubbing => Err(damage),
        };
        self.shutdown.cancel();
        around.cancel();
        drop(self.handle);
        tasks.wait().await;
        let projected = projection
            .await
            .map_err(|error| EngineError::Bug(error.to_string()))?;
        result.and(projected)
    }
}

/// Ends only when the log is found damaged. An owner for one command leaves that to others.
async fn scrub(scrubber: Scrubber, has_slots: bool, shutdown: CancellationToken) -> EngineError {
    if has_slots
        && let Err(error) = scrubber.run(shutdown).await
    {
        return error;
    }
    std::future::pending().await
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

/// What a turn is assembled from.
struct Assembly {
    recovered: Recovered,
    keys: KeyMemory,
    gate: Arc<Gate>,
    store: Box<dyn Store>,
    executor: Arc<dyn Executor>,
    executor_events: mpsc::Receiver<ExecutorEvent>,
    effector: Arc<dyn Effector>,
    clock: Arc<dyn Clock>,
    entropy: Box<dyn Entropy>,
}

fn assemble(
    parts: Assembly,
    options: &Options,
    shutdown: CancellationToken,
) -> Result<(Turn, Handle), EngineError> {
    let Assembly {
        recovered,
        keys,
        gate,
        store,
        executor,
        executor_events,
        ..
    } = parts;
    let (signals, signals_end) = mpsc::channel(SIGNALS_WAITING_MAX);
    let (controls, controls_end) = mpsc::channel(CONTROLS_WAITING_MAX);
    let (outcomes, outcomes_end) = mpsc::channel(OUTCOMES_WAITING_MAX);
    let (high_water_sender, high_water) = watch::channel(recovered.head.next_seq);
    let (shown, status) = watch::channel(Arc::new(Status::unknown()));
    let notes = Arc::new(Notes::default());
    let total = store.space()?.total;
    let reserve_bytes = options
        .reserve_bytes
        .unwrap_or_else(|| RESERVE_BYTES_MIN.max(total.checked_div(RESERVE_PARTS).unwrap_or(0)));
    let board = StatusBoard {
        shown,
        notes: notes.clone(),
        epoch: store.epoch(),
        duplicates: 0,
        refusals: 0,
        letters_seq: recovered.head.next_seq,
        is_stale: true,
    };
    let turn = Turn {
        machine: Machine::new(recovered.state, options.slots_max),
        sealer: Sealer::new(recovered.tree, recovered.last_leaf, parts.entropy),
        committer: Committer::new(store, recovered.head),
        keys,
        suspects: Suspects::load(parts.effector),
        gate: gate.clone(),
        probes: Arc::new(Probes::new(gate.clone(), executor.clone())),
        executor,
        clock: parts.clock,
        lanes: Lanes {
            controls: controls_end,
            outcomes: outcomes_end,
            executor: executor_events,
            signals: signals_end,
        },
        outcomes,
        spawns: TaskTracker::new(),
        high_water: high_water_sender,
        board,
        admission: Admission::new(reserve_bytes),
        staged: Staged::default(),
        taken: VecDeque::new(),
        snapshots: Snapshots::new(recovered.records_since_snapshot),
        drain: Drain {
            shutdown,
            finish_ms: options.drain_ms,
            stop_ms: STOP_MS,
        },
    };
    let policies = Arc::new(watch::channel(Arc::new(Policy::empty())).0);
    let handle = Handle {
        signals,
        controls,
        high_water,
        status,
        gate,
        notes,
        policies,
    };
    Ok((turn, handle))
}

impl Turn {
    /// The first records of a new log, staged.
    fn create(&mut self, log: LogCreated) -> Result<(), EngineError> {
        let now = self.clock.now();
        let output = self.machine.create(now, log);
        self.stage_own(output)
    }

    /// What an owner says first: that it started, which policy is in force, what the guard files
    /// say, and what became of the leases of an owner that was lost. Durable when it returns.
    async fn start(&mut self, options: &Options, policy: Arc<Policy>) -> Result<(), EngineError> {
        let lost: Vec<u64> = self.machine.leases().map(|(token, _run)| token).collect();
        let fates = self.executor.recover(&lost).await;
        self.step_own(Event::Started(Box::new(OwnerInput {
            epoch: self.board.epoch,
            pid: options.pid,
            version: options.version.clone(),
            leases: options.slots_max > 0,
        })))?;
        // Guards and fates go before the policy, under which work may start at once.
        let (switch, maintenance) = self.gate.switch();
        self.step_own(Event::Control(Control::SwitchSeen {
            switch,
            maintenance,
        }))?;
        self.gate.follow(self.machine.state().guards);
        for (token, fate) in fates {
            self.step_own(Event::Recovered { token, fate })?;
        }
        self.step_own(Event::Configured(policy))?;
        self.finish_commits().await?;
        self.publish_status();
        Ok(())
    }
}
