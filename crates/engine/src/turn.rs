//! The one loop: it takes what waits, steps the machine, seals the records, and lets go what they
//! allow once they are durable.
//!
//! At most one batch, or one step of pruning, is in flight while the next batch is stepped on the
//! advanced state; effects wait for their own commit. A failed commit ends the process: nothing
//! after it is answered.

mod attest;
mod commit;
mod decide;
mod dispatch;
mod execute;
mod ingest;
mod known;
mod prune;
mod seal;
mod snapshot;
mod status;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::input::Event;
use antiphon_core::machine::Machine;
use antiphon_core::policy::Policy;
use antiphon_core::state::Keys;
use antiphon_ledger::TreeHead;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::EngineError;
use crate::gate::Gate;
use crate::keys::KeyMemory;
use crate::ports::clock::Clock;
use crate::ports::executor::Executor;
use crate::probe::Probes;
use crate::project::feed::Feed;
use crate::suspects::Suspects;
pub(crate) use commit::Committer;
pub(crate) use decide::key_of;
pub(crate) use dispatch::Starting;
use ingest::Taken;
pub(crate) use ingest::{Admission, Lanes};
pub(crate) use prune::Pruner;
pub(crate) use seal::{Log, Sealer, Signing, Staged};
pub(crate) use snapshot::Snapshots;
pub(crate) use status::StatusBoard;

/// Outcomes that may wait for the loop: more than any number of slots gives at one time.
pub(crate) const OUTCOMES_WAITING_MAX: usize = 4_096;

/// The loop and everything that it owns.
pub(crate) struct Turn {
    pub(crate) machine: Machine,
    pub(crate) sealer: Sealer,
    pub(crate) committer: Committer,
    pub(crate) keys: KeyMemory,
    pub(crate) suspects: Suspects,
    pub(crate) gate: Arc<Gate>,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) probes: Arc<Probes>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lanes: Lanes,
    /// Where spawns under way report that they could not start.
    pub(crate) outcomes: mpsc::Sender<Event>,
    /// Spawns under way; joined when the loop ends.
    pub(crate) spawns: TaskTracker,
    pub(crate) starting: Arc<Starting>,
    pub(crate) heads: watch::Sender<TreeHead>,
    pub(crate) high_water: watch::Sender<u64>,
    /// What is durable, on its way to the views.
    pub(crate) feed: Feed,
    /// The policy in force, for whoever follows it.
    pub(crate) policies: Arc<watch::Sender<Arc<Policy>>>,
    /// The log's keys, for whoever signs with them.
    pub(crate) keys_shown: watch::Sender<Arc<Keys>>,
    pub(crate) board: StatusBoard,
    pub(crate) admission: Admission,
    /// What the next commit holds.
    pub(crate) staged: Staged,
    /// What has left its lane and waits to be stepped.
    pub(crate) taken: VecDeque<Taken>,
    pub(crate) snapshots: Snapshots,
    pub(crate) pruner: Pruner,
    pub(crate) drain: Drain,
}

/// How the owner goes.
pub(crate) struct Drain {
    /// Asked to go.
    pub(crate) shutdown: CancellationToken,
    /// How long work may go on after that, ms.
    pub(crate) finish_ms: u64,
    /// How long its trees may take to die after that, ms.
    pub(crate) stop_ms: u64,
    /// How long those that were killed then may take to be reported, ms.
    pub(crate) kill_ms: u64,
}

/// What the loop woke for.
enum Wake {
    /// There is something in a lane, due, or to be shown.
    Work,
    /// What is in flight is durable.
    Durable(Box<commit::Landed>),
    /// The owner is asked to go.
    Shutdown,
}

impl Turn {
    /// Runs until the owner is asked to go and everything is settled or handed back.
    ///
    /// # Errors
    /// [`EngineError`] when the log, the machine or the executor fails.
    pub(crate) async fn run(mut self) -> Result<(), EngineError> {
        loop {
            match self.wait().await? {
                Wake::Work => {}
                Wake::Durable(landed) => self.land(*landed),
                Wake::Shutdown => return self.drain().await,
            }
            self.pass()?;
        }
    }

    /// Takes what waits, steps it and commits it, or leaves it staged behind what is in flight.
    fn pass(&mut self) -> Result<(), EngineError> {
        self.ingest()?;
        self.prune_if_due()?;
        self.snapshot_if_due()?;
        if self.committer.is_idle() && !self.staged.is_empty() {
            self.commit()?;
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<Wake, EngineError> {
        let has_room = self.staged.has_room();
        if self.committer.is_idle() {
            self.publish_status();
        }
        let due = self.until_due();
        let Turn {
            lanes,
            taken,
            committer,
            drain,
            board,
            snapshots,
            pruner,
            ..
        } = self;
        tokio::select! {
            biased;
            landed = committer.landed(), if !committer.is_idle() => Ok(Wake::Durable(Box::new(landed?))),
            () = drain.shutdown.cancelled() => Ok(Wake::Shutdown),
            () = lanes.wait(taken), if has_room => Ok(Wake::Work),
            () = board.notes.changed() => Ok(Wake::Work),
            () = snapshots.ready(), if committer.is_idle() => Ok(Wake::Work),
            () = pruner.ready(), if committer.is_idle() => Ok(Wake::Work),
            () = tokio::time::sleep(due), if has_room => Ok(Wake::Work),
        }
    }

    /// Milliseconds of sleep until something is due; at most half a minute, so that a machine that
    /// slept notices.
    fn until_due(&self) -> Duration {
        let longest_ms = 30_000;
        let now = self.clock.now();
        let elapsed_ms = self.machine.state().time.elapsed_at(now);
        let timer = self.machine.next_due_ms();
        let timer_ms = timer.map(|due_ms| due_ms.saturating_sub(elapsed_ms));
        // It waits for what is in flight anyway.
        let is_idle = self.committer.is_idle();
        let look_ms = is_idle.then(|| self.pruner.until_look_ms(now.boot_ms));
        let soonest_ms = timer_ms.into_iter().chain(look_ms.flatten()).min();
        Duration::from_millis(soonest_ms.unwrap_or(longest_ms).min(longest_ms))
    }

    /// Lets work finish, then stops what is left, both bounded; what still runs after that is for
    /// the next owner to recover.
    async fn drain(mut self) -> Result<(), EngineError> {
        self.machine.drain();
        self.lanes.signals.close();
        let finish = tokio::time::Instant::now() + Duration::from_millis(self.drain.finish_ms);
        self.settle_until(finish).await?;
        if self.machine.leases().next().is_some() {
            self.step_own(Event::OwnerGoing)?;
            let stop = tokio::time::Instant::now() + Duration::from_millis(self.drain.stop_ms);
            self.settle_until(stop).await?;
        }
        self.kill_what_is_left().await?;
        self.finish_commits().await?;
        self.last_snapshot()?;
        self.finish_commits().await?;
        self.publish_status();
        Ok(())
    }

    /// Shuts the gate, kills every tree, and takes the reports that come of it, bounded.
    async fn kill_what_is_left(&mut self) -> Result<(), EngineError> {
        let until = tokio::time::Instant::now() + Duration::from_millis(self.drain.kill_ms);
        let (gate, spawns) = (self.gate.clone(), self.spawns.clone());
        gate.shut().hand_over();
        spawns.close();
        let emptied = async {
            gate.emptied(true).await;
            spawns.wait().await;
        };
        if tokio::time::timeout_at(until, emptied).await.is_err() {
            tracing::error!("a launch was not answered; the next owner finds what became of it");
        }
        self.settle_until(until).await
    }

    /// Goes on turning until no attempt holds a lease or `until` has come.
    async fn settle_until(&mut self, until: tokio::time::Instant) -> Result<(), EngineError> {
        loop {
            self.pass()?;
            let is_settled = self.machine.leases().next().is_none();
            if is_settled && self.staged.is_empty() && self.committer.is_idle() {
                return Ok(());
            }
            let has_room = self.staged.has_room();
            let due = self.until_due();
            let Turn {
                lanes,
                taken,
                committer,
                ..
            } = &mut *self;
            tokio::select! {
                biased;
                landed = committer.landed(), if !committer.is_idle() => {
                    let landed = landed?;
                    self.land(landed);
                }
                () = tokio::time::sleep_until(until) => return Ok(()),
                () = lanes.wait(taken), if has_room => {}
                () = tokio::time::sleep(due), if has_room => {}
            }
        }
    }

    pub(crate) async fn finish_commits(&mut self) -> Result<(), EngineError> {
        loop {
            if !self.committer.is_idle() {
                let landed = self.committer.landed().await?;
                self.land(landed);
            } else if self.staged.is_empty() {
                return Ok(());
            } else {
                self.commit()?;
            }
        }
    }
}
