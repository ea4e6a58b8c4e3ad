//! The hands: starts attempts, stops their trees, reports their ends.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use antiphon_core::id::Id;
use antiphon_core::name::{AgentName, TaskName};
use antiphon_core::report::{Fate, NotStarted, Report, StopCause};
use antiphon_core::signal::Facts;
use antiphon_core::task::{Program, ResourceLimits};

/// Everything that starting one attempt needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The fencing token, unique in the log; also the name of its folder under `run/`.
    pub token: u64,
    /// Its run.
    pub run: Id,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Its task.
    pub task: TaskName,
    /// The identity that acts.
    pub agent: AgentName,
    /// The signal that planned it.
    pub signal: Id,
    /// The first signal of its chain.
    pub correlation: Id,
    /// How it is run.
    pub program: Program,
    /// Where it runs; `None` is the data root.
    pub working_directory: Option<String>,
    /// Environment beyond the plain one.
    pub environment: BTreeMap<String, String>,
    /// What it may use.
    pub limits: ResourceLimits,
    /// Given on standard input, as canonical JSON.
    pub facts: Facts,
    /// Its time is over at this wall time, ms since 1970 UTC; told to it, enforced by the machine.
    pub deadline_wall_ms: i64,
    /// From the first signal to stop until the tree is killed, ms.
    pub grace_ms: u64,
}

/// The future of an answer that an executor owes.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What an executor tells the engine of its own accord.
#[derive(Debug)]
pub enum ExecutorEvent {
    /// The tree of `token` is dead and its outputs are hashed.
    Reported {
        /// The lease.
        token: u64,
        /// What came of it.
        report: Box<Report>,
    },
    /// The executor cannot go on (its spawner is gone): the owner must stop.
    Lost {
        /// What happened.
        reason: String,
    },
}

/// Starts and stops process trees. Dropping a future that an executor returned does not undo what
/// was asked.
pub trait Executor: Send + Sync {
    /// Starts an attempt; resolves when its process exists or cannot exist.
    fn launch(&self, launch: Launch) -> Answer<'_, Result<(), NotStarted>>;

    /// Asks the tree of `token` to stop: a polite signal, after the grace a deadly one. A token
    /// that is not known is ignored: its report is on its way or was given.
    fn stop(&self, token: u64, cause: StopCause);

    /// Kills every tree at once, without grace.
    fn kill_all(&self);

    /// The settlement of `token` is durable: what was kept of it for recovery may go.
    fn forget(&self, token: u64);

    /// Finds what became of leases of an owner that was lost. Called once, before the first
    /// `launch`; it waits, bounded, for a predecessor's spawner to end. It must not start anything.
    fn recover(&self, tokens: &[u64]) -> Answer<'_, Vec<(u64, Fate)>>;
}
