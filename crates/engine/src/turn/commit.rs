//! One commit at a time: on the loop's own thread when the batch is small, else on the writer's.
//!
//! A thread hop costs a tenth of a sync, and a large batch costs more than the hop: so a small batch
//! is committed where it stands, and a large one while the next is stepped.

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
    /// Here, unless a batch is in flight.
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
    expected: Head,
    batch: Batch,
    done: oneshot::Sender<Done>,
}

struct Done {
    store: Box<dyn Store>,
    batch: Batch,
    result: Result<(), StoreError>,
}

/// A batch that is durable, and what waited for it.
pub(crate) struct Landed {
    batch: Batch,
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

    /// Whether no batch is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.flight.is_none()
    }

    /// Room on the disk; `None` while a batch is in flight.
    pub(crate) fn space(&self) -> Result<Option<Space>, StoreError> {
        self.store.as_ref().map(|store| store.space()).transpose()
    }

    /// Writes a snapshot and keeps the one at `recorded` beside it; nothing is in flight.
    pub(super) fn put_snapshot(
        &mut self,
        snapshot: &Snapshot,
        recorded: Option<u64>,
    ) -> Result<(), StoreError> {
        self.store
            .as_mut()
            .map_or(Ok(()), |store| store.put_snapshot(snapshot, recorded))
    }

    /// Prunes; nothing is in flight.
    pub(super) fn prune(&mut self, turns: &[PrunedTurn], pruned_to: u64) -> Result<(), StoreError> {
        self.store
            .as_mut()
            .map_or(Ok(()), |store| store.prune(turns, pruned_to))
    }

    /// The batch in flight, once it is durable; for ever when there is none.
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

    /// The batch in flight, if it is durable by now.
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
            batch,
            result,
        } = done;
        let held = self
            .flight
            .take()
            .map(|flight| flight.held)
            .unwrap_or_default();
        result?;
        fail::step("commit.durable_there")?;
        self.store = Some(store);
        Ok(Landed { batch, held })
    }

    /// Commits on this thread.
    fn commit_here(&mut self, batch: Batch, held: Held) -> Result<Landed, EngineError> {
        let store = self.store.as_mut().ok_or_else(gone)?;
        store.append(&self.head, &batch)?;
        self.head = batch.head();
        Ok(Landed { batch, held })
    }

    /// Hands the batch to the writer.
    fn commit_there(&mut self, batch: Batch, held: Held) -> Result<(), EngineError> {
        let store = self.store.take().ok_or_else(gone)?;
        let expected = std::mem::replace(&mut self.head, batch.head());
        let (done, receiver) = oneshot::channel();
        let job = Job {
            store,
            expected,
            batch,
            done,
        };
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
                    expected,
                    batch,
                    done,
                } in waiting
                {
                    #[cfg(antiphon_plant)]
                    if crate::plant::is("effect_before_commit") {
                        std::thread::park_timeout(std::time::Duration::from_millis(20));
                    }
                    let result = store.append(&expected, &batch);
                    // The loop is gone when nobody waits: then nothing is answered either.
                    done.send(Done {
                        store,
                        batch,
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

    /// A batch is durable: whoever waited for it is answered, and its effects are let go.
    pub(super) fn land(&mut self, landed: Landed) {
        let Landed { batch, mut held } = landed;
        let records = std::mem::take(&mut held.records);
        self.feed.offer(records, batch.turn.stored_bytes());
        let head = batch.head().tree();
        self.staged.reuse(batch);
        // Before the head, so that whoever signs a head knows the keys that are valid there.
        if let Some(keys) = held.keys.take() {
            self.keys_shown.send_replace(keys);
        }
        self.heads.send_replace(head);
        self.high_water.send_replace(head.size);
        self.release(held);
    }
}
