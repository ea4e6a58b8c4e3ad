//! What the loop tells the world about itself.

use std::sync::Arc;

use antiphon_core::id::{Digest, Id};
use antiphon_core::run::Phase;
use tokio::sync::watch;

use super::Turn;
use super::seal::Held;
use crate::handle::{Notes, OpenAsk, Status};

/// Counters, and where the status is shown.
pub(crate) struct StatusBoard {
    shown: watch::Sender<Arc<Status>>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) epoch: u64,
    duplicates: u64,
    pub(crate) refusals: u64,
    pub(crate) letters_seq: u64,
    /// Whether something changed since it was shown.
    pub(crate) is_stale: bool,
    /// When it was shown, by boot time, ms.
    pub(crate) shown_ms: u64,
}

/// Under load, when a batch is always in flight, it is shown so often, ms.
const SHOWN_EVERY_MS: u64 = 100;

impl StatusBoard {
    /// A board of the owner with this epoch, whose log has `next_seq` records.
    pub(crate) fn new(
        shown: watch::Sender<Arc<Status>>,
        notes: Arc<Notes>,
        epoch: u64,
        next_seq: u64,
    ) -> Self {
        Self {
            shown,
            notes,
            epoch,
            duplicates: 0,
            refusals: 0,
            letters_seq: next_seq,
            is_stale: true,
            shown_ms: 0,
        }
    }

    /// A key was known: with the same contents, or with others, which is refused.
    pub(super) fn note_known(&mut self, is_duplicate: bool) {
        let counter = if is_duplicate {
            &mut self.duplicates
        } else {
            &mut self.refusals
        };
        *counter = counter.saturating_add(1);
    }

    pub(super) fn show(&mut self, status: Arc<Status>, now_ms: u64) {
        self.shown.send_replace(status);
        self.shown_ms = now_ms;
    }
}

impl Turn {
    /// Shows how things stand, if something changed; nothing is in flight.
    pub(crate) fn publish_status(&mut self) {
        let notes_changed = self.board.notes.take_changed();
        if !std::mem::take(&mut self.board.is_stale) && !notes_changed {
            return;
        }
        let status = Arc::new(self.status());
        self.board.show(status, self.clock.now().boot_ms);
    }

    /// Whether it is time to show how things stand.
    pub(super) fn is_status_due(&self) -> bool {
        let now_ms = self.clock.now().boot_ms;
        now_ms.saturating_sub(self.board.shown_ms) >= SHOWN_EVERY_MS
    }

    /// How things stand once what was stepped is durable, of which `held` is the last part.
    pub(super) fn status_after(&self, held: &Held) -> Arc<Status> {
        let letters_seq = held.letters_seq.unwrap_or(self.board.letters_seq);
        let status = self.status();
        let reload_error = status.reload_error.filter(|_error| held.policy.is_none());
        Arc::new(Status {
            reload_error,
            letters_seq,
            ..status
        })
    }

    fn status(&self) -> Status {
        let state = self.machine.state();
        let leases: Vec<Id> = self.machine.leases().map(|(_token, run)| run).collect();
        let is_stopping = |id: &&Id| {
            state
                .runs
                .get(*id)
                .is_some_and(|run| matches!(run.phase, Phase::Stopping { .. }))
        };
        let stopping = leases.iter().filter(is_stopping).count();
        let ask = |(id, open): (&Id, &antiphon_core::state::OpenAsk)| OpenAsk {
            id: *id,
            rule: open.rule.to_string(),
            asks: open.ask.asks.clone(),
            signal: open.signal,
            deadline_ms: open.ask.deadline_ms,
        };
        Status {
            log: state.log.unwrap_or(Id::from_bytes([0; 16])),
            epoch: self.board.epoch,
            next_seq: state.next_seq,
            time: state.time,
            pruned_to: self.pruner.pruned_to(),
            guards: state.guards,
            changes: state.changes,
            policy: state.policy.unwrap_or(Digest([0; 32])),
            reload_error: self.board.notes.reload_error(),
            admission: match self.board.notes.refuses_signals() {
                _ if !self.admission.is_open() => Err("engine.disk_full"),
                Some(code) => Err(code),
                None => Ok(()),
            },
            slots: self.machine.slots(),
            runs_planned: count(state.runs.len().saturating_sub(leases.len())),
            runs_leased: count(leases.len().saturating_sub(stopping)),
            runs_stopping: count(stopping),
            letters: count(state.letters.len()),
            letters_seq: self.board.letters_seq,
            asks: state.asks.iter().map(ask).collect(),
            task_overrides: state
                .overrides
                .iter()
                .map(|(t, on)| (t.to_string(), *on))
                .collect(),
            monitors_failing: self.board.notes.monitors_failing(),
            alarms: self.board.notes.alarms(),
            duplicates: self.board.duplicates,
            refusals: self.board.refusals,
        }
    }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
