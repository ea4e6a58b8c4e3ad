//! The gate that every spawn passes: closed at once, opened only after its record is durable.
//!
//! A spawn holds a permit from its check until the spawner has answered. Closing waits for those
//! permits, so no spawn follows a close that has returned. Closing never waits for the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use antiphon_core::guard::{Guards, Switch};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::ports::executor::Executor;
use crate::ports::stop_switch::StopSwitch;

/// Whether a spawn may happen, and who waits for spawns under way.
pub struct Gate {
    passing: RwLock<()>,
    /// Stops that were asked for and whose record is not durable yet.
    stops_pending: AtomicU32,
    /// What the last durable guards say.
    is_open: AtomicBool,
    switch: Arc<dyn StopSwitch>,
    executor: Arc<dyn Executor>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("is_open", &self.is_open)
            .finish_non_exhaustive()
    }
}

/// The right to spawn, until it is dropped.
#[derive(Debug)]
pub struct Pass<'a> {
    _permit: RwLockReadGuard<'a, ()>,
}

/// A gate that is shut for a stop which nobody but its asker knows of yet; dropped, the stop is off.
#[derive(Debug)]
pub(crate) struct Hold<'a> {
    gate: &'a Gate,
}

impl Hold<'_> {
    /// The loop knows of the stop, or is gone: it stays shut until [`Gate::recorded`].
    pub(crate) fn hand_over(self) {
        std::mem::forget(self);
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.gate.recorded();
    }
}

impl Gate {
    /// A closed gate over this switch and executor.
    #[must_use]
    pub fn new(switch: Arc<dyn StopSwitch>, executor: Arc<dyn Executor>) -> Self {
        Self {
            passing: RwLock::new(()),
            stops_pending: AtomicU32::new(0),
            is_open: AtomicBool::new(false),
            switch,
            executor,
        }
    }

    /// The right to spawn, or `None` when the gate is closed or the switch is engaged.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue and nothing else.
    pub async fn pass(&self) -> Option<Pass<'_>> {
        let permit = self.passing.read().await;
        #[cfg(antiphon_plant)]
        if crate::plant::is("gate_ignored") || crate::plant::is("queue_outlives_a_stop") {
            return Some(Pass { _permit: permit });
        }
        let is_clear = self.is_open.load(Ordering::SeqCst)
            && self.stops_pending.load(Ordering::SeqCst) == 0
            && self.switch.state() == Switch::Clear;
        is_clear.then_some(Pass { _permit: permit })
    }

    /// Closes the gate for a stop that is asked for: no spawn that has no permit yet gets one until
    /// [`Gate::recorded`] has answered this call, or the hold is dropped before it was handed over.
    pub(crate) fn shut(&self) -> Hold<'_> {
        self.stops_pending.fetch_add(1, Ordering::SeqCst);
        Hold { gate: self }
    }

    /// Waits for spawns under way, once the gate is shut, and, when `kill` says so, kills every
    /// tree.
    ///
    /// # Cancel safety
    /// Trees that exist when it is first polled are killed; dropped before its end, it does not
    /// wait for spawns under way.
    pub(crate) async fn emptied(&self, kill: bool) {
        if kill {
            self.executor.kill_all();
        }
        let all_passed = self.passing.write().await;
        if kill {
            self.executor.kill_all();
        }
        drop(all_passed);
    }

    /// A stop that shut the gate is durable, or was refused: the guards decide again.
    pub(crate) fn recorded(&self) {
        let fewer = |pending: u32| pending.checked_sub(1);
        // An Err only says that no stop was pending.
        self.stops_pending
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer)
            .ok();
    }

    /// The guards that are durable now.
    pub(crate) fn follow(&self, guards: Guards) {
        self.is_open.store(guards.start_work(), Ordering::SeqCst);
    }

    /// What the switch says now.
    pub(crate) fn switch(&self) -> (Switch, bool) {
        (self.switch.state(), self.switch.maintenance())
    }
}
