//! Snapshots of the state, written beside the loop and recorded before they are used.

use antiphon_core::id::Digest;
use antiphon_core::input::Event;
use antiphon_core::state::State;
use tokio::sync::mpsc;

use super::Turn;
use crate::error::EngineError;
use crate::fail;
use crate::ports::store::Snapshot;
use crate::recover::Recovered;

/// Records after which a snapshot is taken: a start reads at most about two times as many.
const SNAPSHOT_EVERY: u64 = 16_384;
/// The same while a fail-point is armed.
const SNAPSHOT_EVERY_ARMED: u64 = 128;
/// Records that are worth a last snapshot when the owner goes.
const LAST_SNAPSHOT_AFTER: u64 = 1_024;

/// How far the newest snapshot is behind, and the one that is being made.
pub(crate) struct Snapshots {
    records_since: u64,
    is_under_way: bool,
    /// Whether pruning waits for one.
    is_wanted: bool,
    /// The newest that a record names and that can be read.
    recorded: Option<u64>,
    /// The older of two such holds every record below this.
    covered_to: u64,
    made: mpsc::Receiver<Made>,
    maker: mpsc::Sender<Made>,
    /// What was made and waits for its record.
    ready: Option<Made>,
}

/// A snapshot that was made, if it could be.
type Made = Option<Snapshot>;

impl Snapshots {
    /// Those that `recovered` found.
    pub(crate) fn new(recovered: &Recovered) -> Self {
        let (maker, made) = mpsc::channel(1);
        Self {
            records_since: recovered.records_since_snapshot,
            is_under_way: false,
            is_wanted: false,
            recorded: recovered.snapshot_seq,
            covered_to: recovered.covered_to,
            made,
            maker,
            ready: None,
        }
    }

    /// Waits until one is made.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn ready(&mut self) {
        if self.ready.is_none() {
            self.ready = self.made.recv().await;
        }
    }

    /// Records below this are held by the older of two snapshots.
    pub(super) fn covered_to(&self) -> u64 {
        self.covered_to
    }

    /// Asks for one, however few records it is behind.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    pub(super) fn count(&mut self, records: u32) {
        self.records_since = self.records_since.saturating_add(u64::from(records));
    }
}

impl Turn {
    /// Begins a snapshot when it is time, and records one that was made. Only while nothing is in
    /// flight.
    pub(super) fn snapshot_if_due(&mut self) -> Result<(), EngineError> {
        if !self.committer.is_idle() {
            return Ok(());
        }
        let ready = self.snapshots.ready.take();
        if let Some(made) = ready.or_else(|| self.snapshots.made.try_recv().ok()) {
            self.snapshots.is_under_way = false;
            if let Some(snapshot) = made {
                self.record_snapshot(&snapshot)?;
            }
        }
        let every = fail::unless_armed(SNAPSHOT_EVERY, SNAPSHOT_EVERY_ARMED);
        let is_due = self.snapshots.records_since >= every || self.snapshots.is_wanted;
        if is_due && !self.snapshots.is_under_way {
            self.begin_snapshot();
        }
        Ok(())
    }

    fn begin_snapshot(&mut self) {
        self.snapshots.is_under_way = true;
        self.snapshots.is_wanted = false;
        self.snapshots.records_since = 0;
        let state = self.machine.state().clone();
        let maker = self.snapshots.maker.clone();
        self.spawns.spawn_blocking(move || {
            // Nobody receives when the loop is gone; it takes its own last snapshot.
            maker.blocking_send(make(&state)).ok();
        });
    }

    fn record_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), EngineError> {
        fail::step("snapshot.made")?;
        let recorded = self.snapshots.recorded.replace(snapshot.at_seq);
        self.committer.put_snapshot(snapshot, recorded)?;
        fail::step("snapshot.written")?;
        self.snapshots.covered_to = recorded.map_or(0, |at_seq| at_seq.saturating_add(1));
        self.pruner.look_soon();
        let sha256 = Digest::of(&snapshot.bytes);
        self.step_own(Event::SnapshotWritten {
            at_seq: snapshot.at_seq,
            sha256,
        })
    }

    /// A last snapshot when the owner goes, so that the next start reads little.
    pub(super) fn last_snapshot(&mut self) -> Result<(), EngineError> {
        if self.snapshots.records_since < LAST_SNAPSHOT_AFTER {
            return Ok(());
        }
        match make(self.machine.state()) {
            Some(snapshot) => self.record_snapshot(&snapshot),
            None => Ok(()),
        }
    }
}

fn make(state: &State) -> Option<Snapshot> {
    let at_seq = state.next_seq.checked_sub(1)?;
    match state.to_bytes() {
        Ok(bytes) => Some(Snapshot { at_seq, bytes }),
        Err(error) => {
            tracing::error!(error = %error, "a snapshot could not be encoded");
            None
        }
    }
}
