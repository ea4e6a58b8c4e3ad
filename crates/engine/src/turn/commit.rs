//! One commit at a time: on the loop's own thread when the batch is small, else on the writer's.
//!
//! A thread hop costs a tenth of a sync, and a large batch costs more than the hop: so a small batch
//! is committed where it stands, and a large one while the next is stepped. What is pruned goes the
//! way of a large batch.

use std::thread::JoinHandle;

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::Turn;
use super::seal::Held;
use crate::error::EngineError;
use crate::fail;
use crate::ports::store::{Batch, Head, PrunedTurn, Snapshot, Space, Store, StoreError};

/// Bytes up to which a batch is committed on the loop's own thread.
const INLINE_BYTES_MAX: usize = 24 * 1024;
/// Bytes of a batch that go to the writer while more inputs wait to be stepped: enough to be worth a
/// sync, few enough that writer and loop work at the same time when producers wait for both.
const HAND_OVER_BYTES: usize = 128 * 1024;

/// The store, wherever it is.
pub(crate) struct Committer {
    /// Here, unless the writer has it.
    store: Option<Box<dyn Store>>,
    /// The end of the log once everything that was handed over is durable.
    head: Head,
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
    store: Box<dyn Store>,
    work: Work,
    done: oneshot::Sender<Done>,
}

struct Done {
    store: Box<dyn Store>,
    work: Work,
    result: Result<(), StoreError>,
}

/// What the writer does.
enum Work {
    Append {
        expected: Head,
        batch: Batch,
    },
    Prune {
        turns: Vec<PrunedTurn>,
        pruned_to: u64,
    },
}

impl Work {
    fn run(&self, store: &mut dyn Store) -> Result<(), StoreError> {
        match self {
            Work::Append { expected, batch } => store.append(expected, batch),
            Work::Prune { turns, pruned_to } => store.prune(turns, *pruned_to),
        }
    }
}

/// Work that is durable, and what waited for it.
pub(crate) struct Landed {
    work: Work,
    held: Held,
}

impl Committer {
    pub(crate) fn new(store: Box<dyn Store>, head: Head) -> Self {
        Self {
            store: Some(store),
            head,
            flight: None,
            writer: None,
        }
    }

    /// Whether the writer has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.flight.is_none()
    }

    /// Room on the disk; `None` while the writer has the store.
    pub(crate) fn space(&self) -> Result<Option<Space>, StoreError> {
        self.store.as_ref().map(|store| store.space()).transpose()
    }

    /// Writes a snapshot and keeps the one at `recorded` beside it; nothing is in flight.
    pub(super) fn put_snapshot(
        &mut self,
        snapshot: &Snapshot,
        recorded: Option<u64>,
    ) -> Result<(), EngineError> {
        let store = self.store.as_mut().ok_or_else(gone)?;
        Ok(store.put_snapshot(snapshot, recorded)?)
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

    /// The writer gave the store back.
    fn take_back(&mut self, done: Done) -> Result<Landed, EngineError> {
        let Done {
            store,
            work,
            result,
        } = done;
        let held = self
            .flight
            .take()
            .map(|flight| flight.held)
            .unwrap_or_default();
        result?;
        match &work {
            Work::Append { .. } => fail::step("commit.durable_there")?,
            Work::Prune { .. } => fail::step("prune.durable")?,
        }
        self.store = Some(store);
        Ok(Landed { work, held })
    }

    /// Commits on this thread.
    fn commit_here(&mut self, batch: Batch, held: Held) -> Result<Landed, EngineError> {
        let store = self.store.as_mut().ok_or_else(gone)?;
        store.append(&self.head, &batch)?;
        let expected = std::mem::replace(&mut self.head, batch.head());
        let work = Work::Append { expected, batch };
        Ok(Landed { work, held })
    }

    /// Hands the batch to the writer.
    fn commit_there(&mut self, batch: Batch, held: Held) -> Result<(), EngineError> {
        let expected = std::mem::replace(&mut self.head, batch.head());
        self.hand_to_writer(Work::Append { expected, batch }, held)
    }

    fn hand_to_writer(&mut self, work: Work, held: Held) -> Result<(), EngineError> {
        let store = self.store.take().ok_or_else(gone)?;
        let (done, receiver) = oneshot::channel();
        let job = Job { store, work, done };
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

/// No store is at hand where there must be one.
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
                    mut store,
                    work,
                    done,
                } in waiting
                {
                    #[cfg(antiphon_plant)]
                    if crate::plant::is("effect_before_commit") {
                        std::thread::park_timeout(std::time::Duration::from_millis(20));
                    }
                    let result = work.run(store.as_mut());
                    // The loop is gone when nobody waits: then nothing is answered either.
                    done.send(Done {
                        store,
                        work,
                        result,
                    })
                    .ok();
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
        let (mut batch, mut held) = self.staged.take();
        if batch.turn.count == 0 {
            self.staged.reuse(batch);
            self.release(held);
            return Ok(());
        }
        self.sealer.close(&mut batch);
        fail::step("seal.sealed")?;
        self.admission.wrote(bytes);
        self.snapshots.count(batch.turn.count);
        if is_small || held.is_control || self.is_status_due() {
            held.status = Some(self.status_after(&held));
        }
        #[cfg(antiphon_plant)]
        if crate::plant::is("effect_before_commit") {
            let held = self.release_early(held);
            return self.committer.commit_there(batch, held);
        }
        #[cfg(antiphon_plant)]
        if crate::plant::is("checkpoint_before_commit") {
            self.heads.send_replace(batch.head().tree());
        }
        if is_small {
            let landed = self.committer.commit_here(batch, held)?;
            fail::step("commit.durable_here")?;
            self.land(landed);
            Ok(())
        } else {
            self.committer.commit_there(batch, held)
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
            Work::Append { batch, .. } => self.land_batch(batch, held),
            Work::Prune { pruned_to, .. } => self.pruned(pruned_to),
        }
    }

    /// A batch is durable: whoever waited for it is answered, and its effects are let go.
    fn land_batch(&mut self, batch: Batch, mut held: Held) {
        let records = std::mem::take(&mut held.records);
        self.feed.offer(records, batch.turn.stored_bytes());
        let tree = batch.head().tree();
        self.staged.reuse(batch);
        // Before the head, so that whoever signs a head knows the keys that are valid there.
        if let Some(keys) = held.keys.take() {
            self.keys_shown.send_replace(keys);
        }
        self.heads.send_replace(tree);
        self.high_water.send_replace(tree.size);
        self.release(held);
    }
}
