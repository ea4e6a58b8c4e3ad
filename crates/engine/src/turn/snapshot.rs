//! Snapshots of the state, written beside the loop and recorded before they are used.

use antiphon_core::id::Digest;
use antiphon_core::input::Event;
use antiphon_core::state::State;
use tokio::sync::mpsc;

use super::Turn;
use crate::error::EngineError;
use crate::fail;
use crate::ports::store::Snapshot;

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
    made: mpsc::Receiver<Option<Snapshot>>,
    maker: mpsc::Sender<Option<Snapshot>>,
}

impl Snapshots {
    /// The newest snapshot is `records_since` records behind.
    pub(crate) fn new(records_since: u64) -> Self {
        let (maker, made) = mpsc::channel(1);
        Self {
            records_since,
            is_under_way: false,
            made,
            maker,
        }
    }

    pub(super) fn count(&mut self, records: u32) {
        self.records_since = self.records_since.saturating_add(u64::from(records));
    }
}

impl Turn {
    /// Begins a snapshot when it is time, and records one that was made. Only while no batch is in
    /// flight.
    pub(super) fn snapshot_if_due(&mut self) -> Result<(), EngineError> {
        if !self.committer.is_idle() {
            return Ok(());
        }
        if let Ok(made) = self.snapshots.made.try_recv() {
            self.snapshots.is_under_way = false;
            if let Some(snapshot) = made {
                self.record_snapshot(&snapshot)?;
            }
        }
        let every = fail::unless_armed(SNAPSHOT_EVERY, SNAPSHOT_EVERY_ARMED);
        if self.snapshots.records_since >= every && !self.snapshots.is_under_way {
            self.begin_snapshot();
        }
        Ok(())
    }

    fn begin_snapshot(&mut self) {
        self.snapshots.is_under_way = true;
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
        self.committer.put_snapshot(snapshot)?;
        fail::step("snapshot.written")?;
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
