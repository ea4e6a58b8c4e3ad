//! One commit at a time: on the loop's own thread when the batch is small, else on the writer's.
//!
//! A thread hop costs a tenth of a sync, and a large batch costs more than the hop: so a small batch
//! is chained and committed where it stands, and a large one while the next is stepped. What is
//! pruned goes the way of a large batch.

use std::thread::JoinHandle;

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::Turn;
use super::seal::{Draft, Held, Log};
use crate::error::EngineError;
use crate::fail;
use crate::ports::store::{PrunedTurn, Snapshot, Space, StoreError};

/// Bytes up to which a batch is committed on the loop's own thread.
const INLINE_BYTES_MAX: usize = 24 * 1024;
/// Bytes of a batch that go to the writer while more inputs wait to be stepped: enough to be worth a
/// sync, few enough that writer and loop work at the same time when producers wait for both.
const HAND_OVER_BYTES: usize = 128 * 1024;

/// The log, wherever its end is.
pub(crate) struct Committer {
    /// Here, unless the writer has it.
    log: Option<Log>,
    flight: Option<Flight>,
    writer: Option<Writer>,
}

struct Flight {
    done: oneshot::Receiver<Done>,
    held: Held,
}

struct Writer {
    jobs: std::sync::mpsc::SyncSender<Job>,
    thread: JoinHandle<()>,
}

struct Job {
    log: Log,
    work: Work,
    done: oneshot::Sender<Done>,
}

struct Done {
    log: Log,
    work: Work,
    result: Result<(), EngineError>,
}

/// What the writer does.
enum Work {
    Append(Draft),
    Prune {
        turns: Vec<PrunedTurn>,
        pruned_to: u64,
    },
}

impl Work {
    fn run(&mut self, log: &mut Log) -> Result<(), EngineError> {
        match self {
            Work::Append(draft) => log.append(draft),
            Work::Prune { turns, pruned_to } => Ok(log.store.prune(turns, *pruned_to)?),
        }
    }
}

/// Work that is durable, and what waited for it.
pub(crate) struct Landed {
    work: Work,
    held: Held,
}

impl Committer {
    pub(crate) fn new(log: Log) -> Self {
        Self {
            log: Some(log),
            flight: None,
            writer: None,
        }
    }

    /// Whether the writer has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.flight.is_none()
    }

    /// Room on the disk; `None` while the writer has the log.
    pub(crate) fn space(&self) -> Result<Option<Space>, StoreError> {
        self.log.as_ref().map(|log| log.store.space()).transpose()
    }

    /// Writes a snapshot and keeps the one at `recorded` beside it; nothing is in flight.
    pub(super) fn put_snapshot(
        &mut self,
        snapshot: &Snapshot,
        recorded: Option<u64>,
    ) -> Result<(), EngineError> {
        let log = self.log.as_mut().ok_or_else(gone)?;
        Ok(log.store.put_snapshot(snapshot, recorded)?)
    }

    /// Lets the writer prune; nothing is in flight.
    pub(super) fn prune_there(
        &mut self,
        turns: Vec<PrunedTurn>,
        pruned_to: u64,
    ) -> Result<(), EngineError> {
        self.hand_to_writer(Work::Prune { turns, pruned_to }, Held::default())
    }

    /// What the writer has, once it is durable; for ever when it has nothing.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn landed(&mut self) -> Result<Landed, EngineError> {
        let Some(flight) = &mut self.flight else {
            return std::future::pending().await;
        };
        let done = (&mut flight.done).await.map_err(|_closed| gone())?;
        self.take_back(done)
    }

    /// What the writer has, if it is durable by now.
    fn landed_by_now(&mut self) -> Result<Option<Landed>, EngineError> {
        let done = self.flight.as_mut().map(|flight| flight.done.try_recv());
        match done {
            Some(Ok(done)) => self.take_back(done).map(Some),
            Some(Err(TryRecvError::Empty)) | None => Ok(None),
            Some(Err(TryRecvError::Closed)) => Err(gone()),
        }
    }

    /// The writer gave the log back.
    fn take_back(&mut self, done: Done) -> Result<Landed, EngineError> {
        let Done { log, work, result } = done;
        let held = self
            .flight
            .take()
            .map(|flight| flight.held)
            .unwrap_or_default();
        result?;
        match &work {
            Work::Append(_) => fail::step("commit.durable_there")?,
            Work::Prune { .. } => fail::step("prune.durable")?,
        }
        self.log = Some(log);
        Ok(Landed { work, held })
    }

    /// Commits on this thread.
    fn commit_here(&mut self, draft: Draft, held: Held) -> Result<Landed, EngineError> {
        let log = self.log.as_mut().ok_or_else(gone)?;
        let mut work = Work::Append(draft);
        work.run(log)?;
        Ok(Landed { work, held })
    }

    /// Hands the batch to the writer.
    fn commit_there(&mut self, draft: Draft, held: Held) -> Result<(), EngineError> {
        self.hand_to_writer(Work::Append(draft), held)
    }

    fn hand_to_writer(&mut self, work: Work, held: Held) -> Result<(), EngineError> {
        let log = self.log.take().ok_or_else(gone)?;
        let (done, receiver) = oneshot::channel();
        let job = Job { log, work, done };
        self.writer()?.send(job).map_err(|_closed| gone())?;
        self.flight = Some(Flight {
            done: receiver,
            held,
        });
        Ok(())
    }

    fn writer(&mut self) -> Result<&std::sync::mpsc::SyncSender<Job>, EngineError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => Writer::start().map_err(|error| EngineError::Bug(error.to_string()))?,
        };
        Ok(&self.writer.insert(writer).jobs)
    }
}

/// The log is not at hand where it must be.
fn gone() -> EngineError {
    EngineError::Bug("the writer is gone".to_owned())
}

impl Drop for Committer {
    fn drop(&mut self) {
        if let Some(Writer { jobs, thread }) = self.writer.take() {
            drop(jobs);
            if thread.join().is_err() {
                tracing::error!("the writer panicked");
            }
        }
    }
}

impl Writer {
    fn start() -> std::io::Result<Self> {
        let (jobs, waiting) = std::sync::mpsc::sync_channel::<Job>(1);
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                for Job {
                    mut log,
                    mut work,
                    done,
                } in waiting
                {
                    #[cfg(antiphon_plant)]
                    if crate::plant::is("effect_before_commit") {
                        std::thread::park_timeout(std::time::Duration::from_millis(20));
                    }
                    let result = work.run(&mut log);
                    // The loop is gone when nobody waits: then nothing is answered either.
                    done.send(Done { log, work, result }).ok();
                }
            })?;
        Ok(Self { jobs, thread })
    }
}

impl Turn {
    /// Commits what is staged; nothing is in flight.
    pub(super) fn commit(&mut self) -> Result<(), EngineError> {
        let bytes = self.staged.bytes();
        let is_small = bytes <= INLINE_BYTES_MAX;
        let (draft, mut held) = self.staged.take();
        let count = draft.batch.turn.count;
        if count == 0 {
            self.staged.reuse(draft);
            self.release(held);
            return Ok(());
        }
        self.sealer.begin_batch();
        self.admission.wrote(bytes);
        self.snapshots.count(count);
        if is_small || held.is_control || self.is_status_due() {
            held.status = Some(self.status_after(&held));
        }
        #[cfg(antiphon_plant)]
        if crate::plant::is("effect_before_commit") {
            let held = self.release_early(held);
            return self.committer.commit_there(draft, held);
        }
        #[cfg(antiphon_plant)]
        let draft = if crate::plant::is("checkpoint_before_commit") {
            self.show_early(draft)?
        } else {
            draft
        };
        if is_small {
            let landed = self.committer.commit_here(draft, held)?;
            fail::step("commit.durable_here")?;
            self.land(landed);
            Ok(())
        } else {
            self.committer.commit_there(draft, held)
        }
    }

    /// Hands over what is staged when that is worth a sync by now and the writer has time, so that
    /// it writes while the inputs that still wait are stepped.
    pub(super) fn hand_over(&mut self) -> Result<(), EngineError> {
        if self.staged.bytes() < HAND_OVER_BYTES {
            return Ok(());
        }
        if let Some(landed) = self.committer.landed_by_now()? {
            self.land(landed);
        }
        if self.committer.is_idle() {
            self.commit()?;
        }
        Ok(())
    }

    /// What was handed over is durable.
    pub(super) fn land(&mut self, landed: Landed) {
        let Landed { work, held } = landed;
        match work {
            Work::Append(draft) => self.land_batch(draft, held),
            Work::Prune { pruned_to, .. } => self.pruned(pruned_to),
        }
    }

    /// A batch is durable: whoever waited for it is answered, and its effects are let go.
    fn land_batch(&mut self, draft: Draft, mut held: Held) {
        let records = std::mem::take(&mut held.records);
        self.feed.offer(records, draft.batch.turn.stored_bytes());
        let tree = draft.batch.head().tree();
        self.staged.reuse(draft);
        // Before the head, so that whoever signs a head knows the keys that are valid there.
        if let Some(keys) = held.keys.take() {
            self.keys_shown.send_replace(keys);
        }
        self.heads.send_replace(tree);
        self.high_water.send_replace(tree.size);
        self.release(held);
    }

    /// Shows the head of what is not durable.
    #[cfg(antiphon_plant)]
    fn show_early(&mut self, mut draft: Draft) -> Result<Draft, EngineError> {
        let log = self.committer.log.as_mut().ok_or_else(gone)?;
        log.chain(&mut draft)?;
        self.heads.send_replace(draft.batch.head().tree());
        Ok(draft)
    }
}
