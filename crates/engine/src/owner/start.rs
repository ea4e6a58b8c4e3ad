//! A turn put together from what was recovered, and the first thing that an owner says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use antiphon_core::control::Control;
use antiphon_core::id::Id;
use antiphon_core::input::{Event, Owner as OwnerInput};
use antiphon_core::key::{LOG, OPERATOR, OWNER};
use antiphon_core::machine::{LOG_FORMAT, Machine};
use antiphon_core::policy::Policy;
use antiphon_core::record::LogCreated;
use antiphon_core::report::Fate;
use antiphon_core::state::Keys;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Options;
use crate::error::EngineError;
use crate::fail;
use crate::gate::Gate;
use crate::handle::{CONTROLS_WAITING_MAX, Handle, Notes, SIGNALS_WAITING_MAX, Status};
use crate::keys::KeyMemory;
use crate::notary::Sealing;
use crate::ports::clock::Clock;
use crate::ports::effector::Effector;
use crate::ports::entropy::Entropy;
use crate::ports::executor::{Executor, ExecutorEvent};
use crate::ports::signer::{Signer, SignerError};
use crate::ports::store::Store;
use crate::probe::Probes;
use crate::project::feed::Feed;
use crate::recover::Recovered;
use crate::suspects::Suspects;
use crate::turn::{
    Admission, Committer, Drain, Lanes, Log, OUTCOMES_WAITING_MAX, Pruner, Sealer, Signing,
    Snapshots, Staged, Starting, StatusBoard, Turn,
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
    pub(super) sealing: watch::Receiver<Arc<Sealing>>,
    pub(super) feed: Feed,
    pub(super) signer: Arc<dyn Signer>,
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
    let snapshots = Snapshots::new(&recovered);
    let (keys_shown, keys_seen) = watch::channel(Arc::new(recovered.state.keys.clone()));
    let signing = Signing::new(parts.signer, keys_seen.borrow().clone());
    let notes = Arc::new(Notes::default());
    let admission = Admission::new(store.space()?, options.reserve_bytes);
    let policies = Arc::new(watch::Sender::new(Arc::new(Policy::empty())));
    let board = StatusBoard::new(shown, notes.clone(), store.epoch(), *high_water.borrow());
    let log = Log::new(store, recovered.head, recovered.tree, recovered.last_leaf);
    let turn = Turn {
        machine: Machine::new(recovered.state, options.slots_max),
        sealer: Sealer::new(parts.entropy, signing),
        committer: Committer::new(log),
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
        keys_shown,
        board,
        admission,
        staged: Staged::default(),
        taken: VecDeque::new(),
        snapshots,
        pruner,
        drain: drain(shutdown, options),
    };
    let handle = Handle {
        signals,
        controls,
        heads,
        sealing: parts.sealing,
        high_water,
        keys: keys_seen,
        status,
        gate,
        notes,
        policies,
        clock: parts.clock,
    };
    Ok((turn, handle))
}

fn drain(shutdown: CancellationToken, options: &Options) -> Drain {
    Drain {
        shutdown,
        finish_ms: options.drain_ms,
        stop_ms: STOP_MS,
        kill_ms: KILL_MS,
    }
}

impl Turn {
    /// The first records of a new log, staged; its keys are on disk before.
    pub(super) fn create(
        &mut self,
        id: Id,
        options: &Options,
        signer: &dyn Signer,
    ) -> Result<(), EngineError> {
        let keys = signer.begin(&options.origin)?;
        fail::step("start.keys_made")?;
        Keys::first(&options.origin, &keys).map_err(|fault| SignerError::Unusable {
            what: fault.to_string(),
        })?;
        let now = self.clock.now();
        let log = LogCreated {
            format: LOG_FORMAT,
            id,
            keys,
            origin: options.origin.clone(),
            version: options.version.clone(),
        };
        let output = self.machine.create(now, log);
        self.stage_own(output)
    }

    /// Whether the keys that the program itself signs with are held here: else nothing is begun that
    /// could not be recorded.
    fn check_keys(&self) -> Result<(), EngineError> {
        for agent in [LOG, OPERATOR, OWNER] {
            let active = self.sealer.signing.keys().active(agent);
            let active =
                active.ok_or_else(|| EngineError::Unverified(format!("{agent} has no key")))?;
            if !self.sealer.signing.holds(&active.key) {
                let key = active.key.clone();
                return Err(EngineError::Signer(SignerError::Missing { key }));
            }
        }
        Ok(())
    }

    /// What an owner says first: that it started, which policy is in force, what the guard files
    /// say, and what became of the leases of an owner that was lost. Durable when it returns.
    pub(super) async fn start(
        &mut self,
        options: &Options,
        policy: Arc<Policy>,
    ) -> Result<(), EngineError> {
        let fates = if options.without_keys {
            Vec::new()
        } else {
            self.check_keys()?;
            self.fates().await?
        };
        self.step_own(Event::Started(Box::new(OwnerInput {
            epoch: self.board.epoch,
            pid: options.pid,
            version: options.version.clone(),
            leases: options.slots_max > 0,
        })))?;
        if !options.without_keys {
            self.take_up(policy, fates)?;
        }
        self.finish_commits().await?;
        fail::step("start.recorded")?;
        self.publish_status();
        Ok(())
    }

    /// What became of the leases of an owner that was lost.
    async fn fates(&mut self) -> Result<Vec<(u64, Fate)>, EngineError> {
        let lost: Vec<u64> = self.machine.leases().map(|(token, _run)| token).collect();
        let mut known: BTreeMap<u64, Fate> =
            self.executor.recover(&lost).await.into_iter().collect();
        fail::step("start.fates_known")?;
        // Nothing is known of what the executor did not answer for.
        let fate = |token: u64| (token, known.remove(&token).unwrap_or(Fate::Unproven));
        Ok(lost.into_iter().map(fate).collect())
    }

    /// Guards go before the policy, under which work may start at once; fates go after it, because what
    /// follows from them is for its rules to hear.
    fn take_up(&mut self, policy: Arc<Policy>, fates: Vec<(u64, Fate)>) -> Result<(), EngineError> {
        let (switch, maintenance) = self.gate.switch();
        self.step_own(Event::Control(Control::SwitchSeen {
            switch,
            maintenance,
        }))?;
        self.gate.follow(self.machine.state().guards);
        self.step_own(Event::Configured(policy))?;
        for (token, fate) in fates {
            self.input(Event::Recovered { token, fate }, None, None)?;
        }
        Ok(())
    }
}
