//! A turn put together from what was recovered, and the first thing that an owner says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use antiphon_core::control::Control;
use antiphon_core::input::{Event, Owner as OwnerInput};
use antiphon_core::machine::Machine;
use antiphon_core::policy::Policy;
use antiphon_core::record::LogCreated;
use antiphon_core::report::Fate;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Options;
use crate::error::EngineError;
use crate::fail;
use crate::gate::Gate;
use crate::handle::{CONTROLS_WAITING_MAX, Handle, Notes, SIGNALS_WAITING_MAX, Status};
use crate::keys::KeyMemory;
use crate::ports::clock::Clock;
use crate::ports::effector::Effector;
use crate::ports::entropy::Entropy;
use crate::ports::executor::{Executor, ExecutorEvent};
use crate::ports::store::Store;
use crate::probe::Probes;
use crate::project::feed::Feed;
use crate::recover::Recovered;
use crate::suspects::Suspects;
use crate::turn::{
    Admission, Committer, Drain, Lanes, OUTCOMES_WAITING_MAX, Pruner, Sealer, Snapshots, Staged,
    Starting, StatusBoard, Turn,
};

/// How long trees may take to die once they are told to stop in a drain, ms; then they are killed.
const STOP_MS: u64 = 10_000;
/// How long trees that were killed in a drain may take to be reported, ms.
const KILL_MS: u64 = 2_000;

/// What a turn is assembled from.
pub(super) struct Assembly {
    pub(super) recovered: Recovered,
    pub(super) keys: KeyMemory,
    pub(super) pruner: Pruner,
    pub(super) gate: Arc<Gate>,
    pub(super) store: Box<dyn Store>,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) executor_events: mpsc::Receiver<ExecutorEvent>,
    pub(super) effector: Arc<dyn Effector>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Box<dyn Entropy>,
    pub(super) feed: Feed,
}

pub(super) fn assemble(
    parts: Assembly,
    options: &Options,
    shutdown: CancellationToken,
) -> Result<(Turn, Handle), EngineError> {
    let Assembly {
        recovered,
        keys,
        pruner,
        gate,
        store,
        executor,
        executor_events,
        ..
    } = parts;
    let (signals, signals_end) = mpsc::channel(SIGNALS_WAITING_MAX);
    let (controls, controls_end) = mpsc::channel(CONTROLS_WAITING_MAX);
    let (outcomes, outcomes_end) = mpsc::channel(OUTCOMES_WAITING_MAX);
    let (heads_sender, heads) = watch::channel(recovered.head.tree());
    let (high_water_sender, high_water) = watch::channel(recovered.head.next_seq);
    let (shown, status) = watch::channel(Arc::new(Status::unknown()));
    let notes = Arc::new(Notes::default());
    let admission = Admission::new(store.space()?, options.reserve_bytes);
    let policies = Arc::new(watch::channel(Arc::new(Policy::empty())).0);
    let next_seq = recovered.head.next_seq;
    let board = StatusBoard::new(shown, notes.clone(), store.epoch(), next_seq);
    let snapshots = Snapshots::new(&recovered);
    let turn = Turn {
        machine: Machine::new(recovered.state, options.slots_max),
        sealer: Sealer::new(recovered.tree, recovered.last_leaf, parts.entropy),
        committer: Committer::new(store, recovered.head),
        keys,
        suspects: Suspects::load(parts.effector),
        gate: gate.clone(),
        probes: Arc::new(Probes::new(gate.clone(), executor.clone())),
        executor,
        clock: parts.clock.clone(),
        lanes: Lanes {
            controls: controls_end,
            outcomes: outcomes_end,
            executor: executor_events,
            signals: signals_end,
        },
        outcomes,
        spawns: TaskTracker::new(),
        starting: Arc::new(Starting::default()),
        heads: heads_sender,
        high_water: high_water_sender,
        feed: parts.feed,
        policies: policies.clone(),
        board,
        admission,
        staged: Staged::default(),
        taken: VecDeque::new(),
        snapshots,
        pruner,
        drain: Drain {
            shutdown,
            finish_ms: options.drain_ms,
            stop_ms: STOP_MS,
            kill_ms: KILL_MS,
        },
    };
    let handle = Handle {
        signals,
        controls,
        heads,
        high_water,
        status,
        gate,
        notes,
        policies,
        clock: parts.clock,
    };
    Ok((turn, handle))
}

impl Turn {
    /// The first records of a new log, staged.
    pub(super) fn create(&mut self, log: LogCreated) -> Result<(), EngineError> {
        let now = self.clock.now();
        let output = self.machine.create(now, log);
        self.stage_own(output)
    }

    /// What an owner says first: that it started, which policy is in force, what the guard files
    /// say, and what became of the leases of an owner that was lost. Durable when it returns.
    pub(super) async fn start(
        &mut self,
        options: &Options,
        policy: Arc<Policy>,
    ) -> Result<(), EngineError> {
        let lost: Vec<u64> = self.machine.leases().map(|(token, _run)| token).collect();
        let mut fates: BTreeMap<u64, Fate> =
            self.executor.recover(&lost).await.into_iter().collect();
        fail::step("start.fates_known")?;
        self.step_own(Event::Started(Box::new(OwnerInput {
            epoch: self.board.epoch,
            pid: options.pid,
            version: options.version.clone(),
            leases: options.slots_max > 0,
        })))?;
        // Guards go before the policy, under which work may start at once; fates go after it, because
        // what follows from them is for its rules to hear.
        let (switch, maintenance) = self.gate.switch();
        self.step_own(Event::Control(Control::SwitchSeen {
            switch,
            maintenance,
        }))?;
        self.gate.follow(self.machine.state().guards);
        self.step_own(Event::Configured(policy))?;
        for token in lost {
            // Nothing is known of what the executor did not answer for.
            let fate = fates.remove(&token).unwrap_or(Fate::Unproven);
            self.input(Event::Recovered { token, fate }, None)?;
        }
        self.finish_commits().await?;
        fail::step("start.recorded")?;
        self.publish_status();
        Ok(())
    }
}
