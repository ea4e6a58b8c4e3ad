//! What an operator, or a pack on an operator's behalf, asks of the machine.

use crate::guard::{Mode, Switch};
use crate::id::Id;
use crate::name::{RuleName, TaskName};
use crate::record::{KeyRegistered, KeyRevoked, KeyRotated};
use crate::state::KeyFault;

/// A request to the machine that is no signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Change the mode.
    SetMode {
        /// The new mode.
        mode: Mode,
        /// Who asks.
        by: String,
        /// Why, in the operator's words.
        reason: String,
    },
    /// The stop switch or the maintenance file changed.
    SwitchSeen {
        /// What the switch says now.
        switch: Switch,
        /// Whether `maintenance_mode` is there.
        maintenance: bool,
    },
    /// End a run.
    Cancel {
        /// The run.
        run: Id,
        /// Who asks.
        by: String,
    },
    /// Plan again what a run that has ended did, as a new run with the same facts.
    RetryRun {
        /// The run that ended, as the caller read it from the views.
        ended: Box<EndedRun>,
        /// Who asks.
        by: String,
    },
    /// Answer an ask that a rule deferred to.
    Answer {
        /// The ask.
        ask: Id,
        /// Permit or deny.
        permit: bool,
        /// Who answers.
        by: String,
    },
    /// Enable or disable a task over what the configuration says.
    SetTask {
        /// The task.
        task: TaskName,
        /// The new setting; `None` goes back to the configuration.
        enabled: Option<bool>,
        /// Who asks.
        by: String,
    },
    /// Accept a dead letter's payload once more.
    ReplayLetter {
        /// The letter.
        letter: Id,
        /// Who asks.
        by: String,
    },
    /// Drop dead letters.
    PurgeLetters {
        /// These; every letter older than `older_than_ms` when empty.
        letters: Vec<Id>,
        /// Age in ms of elapsed time.
        older_than_ms: u64,
        /// Who asks.
        by: String,
    },
    /// Bring the first key of an agent.
    RegisterKey(Box<KeyRegistered>),
    /// Put a key in the place of an agent's valid one.
    RotateKey(Box<KeyRotated>),
    /// Take back an agent's valid key, from a place on, and put another in its place.
    RevokeKey(Box<KeyRevoked>),
    /// Close the breaker of a rule that fed itself.
    CloseBreaker {
        /// The rule.
        rule: RuleName,
        /// Who asks.
        by: String,
    },
}

/// A run that has ended, as the views know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRun {
    /// Its id.
    pub id: Id,
    /// Its task.
    pub task: TaskName,
    /// What its end emitted.
    pub emits: crate::run::Completions,
    /// The signal that planned it.
    pub signal: Id,
    /// That signal's name.
    pub signal_name: crate::name::SignalName,
    /// The first signal of its chain.
    pub correlation: Id,
    /// The facts that it was given.
    pub facts: crate::signal::Facts,
    /// Causal depth of the signal that planned it.
    pub depth: u32,
}

/// Why the machine refused a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing of that id or name is there.
    #[error("nothing of that name or id is there")]
    NotFound,
    /// It has ended already.
    #[error("it has ended already")]
    Ended,
    /// It has not ended.
    #[error("it has not ended; cancel it first")]
    NotEnded,
    /// The letter was replayed as often as it may be.
    #[error("the letter was replayed as often as it may be; purge it or mend its cause")]
    TooManyReplays,
    /// The letter holds no signal that could be replayed.
    #[error("the letter holds no signal that could be replayed")]
    NotReplayable,
    /// The stop switch is engaged: the file must go first.
    #[error("the killswitch file is still there; remove it first")]
    SwitchEngaged,
    /// The task is not in the configuration any more.
    #[error("the task is not in the configuration")]
    NoSuchTask,
    /// No event about keys can say so.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// Only the program says so of itself.
    #[error("that name stands for the program itself; act under another")]
    ReservedName,
    /// A guard forbids it.
    #[error("a guard forbids it")]
    Guarded,
}
