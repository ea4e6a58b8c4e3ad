//! The state: what a fold of the log gives.
//!
//! In: `apply`, which changes it by one record and looks at nothing else: no rule, no expression, no
//! clock, no configuration. Out: deciding, which is [`crate::machine`]'s. Invariant: folding from
//! record 0 or from any recorded snapshot gives the same bytes.

mod apply;
mod keys;

pub use apply::ApplyError;
pub use keys::{ActiveKey, AgentKeys, KeyFault, Keys, ReplacedKey};

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::guard::Guards;
use crate::id::{Digest, Id};
use crate::name::{MonitorName, RuleName, SignalName, TaskName};
use crate::record::{Ask, Payload};
use crate::run::Run;
use crate::task::{Task, TaskVersion};
use crate::time::LogTime;

/// The version of the format of [`State`] in a snapshot.
pub const STATE_VERSION: u32 = 1;

/// What a fold of the log gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Asks that wait for an answer.
    pub asks: BTreeMap<Id, OpenAsk>,
    /// The last records of the kinds that say which one they replace.
    pub changes: Changes,
    /// The fencing epoch of the newest owner.
    pub epoch: u64,
    /// Expectations that are armed, by the chain that armed them.
    pub expectations: BTreeMap<Id, Vec<Expectation>>,
    /// The guards.
    pub guards: Guards,
    /// The keys of its agents.
    pub keys: Keys,
    /// Dead letters that are kept.
    pub letters: BTreeMap<Id, Letter>,
    /// The log's id; `None` before record 0.
    pub log: Option<Id>,
    /// The sequence number of the next record.
    pub next_seq: u64,
    /// Tasks that were enabled or disabled over the configuration.
    pub overrides: BTreeMap<TaskName, bool>,
    /// The ask that the last record permitted, when it has a task: the next record plans its runs.
    pub permitted: Option<OpenAsk>,
    /// The policy in force; `None` before the first.
    pub policy: Option<Digest>,
    /// What rules remember, by name.
    pub rules: BTreeMap<RuleName, RuleMemory>,
    /// Runs that have not ended.
    pub runs: BTreeMap<Id, Run>,
    /// What is remembered of signals, by name.
    pub signals: BTreeMap<SignalName, SignalMemory>,
    /// The record after which the newest snapshot was taken.
    pub snapshot_seq: Option<u64>,
    /// The tasks of the policy in force.
    pub tasks: BTreeMap<TaskName, TaskVersion>,
    /// Where the log stands in time.
    pub time: LogTime,
    /// The texts of tasks that are in force or that a run was planned with.
    pub versions: BTreeMap<TaskVersion, Task>,
}

/// The last record of each kind that says which one it replaces; 0 before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The last `guard.changed`.
    pub guards_seq: u64,
    /// The last `config.applied`.
    pub policy_seq: u64,
    /// The last `task.changed`, of whatever task.
    pub tasks_seq: u64,
}

/// What a rule remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleMemory {
    /// Dedupe keys that fired, each with the chain that it fired in.
    pub dedupe: BTreeMap<String, Id>,
    /// Elapsed ms of its last firings, oldest first, as many as its rate needs.
    pub fired: VecDeque<u64>,
    /// Elapsed ms of its last firing.
    pub last_fired_ms: Option<u64>,
    /// Elapsed ms until which its breaker is open.
    pub open_until_ms: Option<u64>,
}

/// What is remembered of the signals of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalMemory {
    /// How many were accepted.
    pub count: u64,
    /// Elapsed ms of the last.
    pub last_ms: u64,
}

/// An ask that waits, with what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAsk {
    /// The ask.
    pub ask: Ask,
    /// The first signal of its chain.
    pub correlation: Id,
    /// Causal depth of its signal.
    pub depth: u32,
    /// The last rules and workers that fired on the way to its signal.
    pub lineage: Vec<RuleName>,
    /// The rule that asks.
    pub rule: RuleName,
    /// Its signal.
    pub signal: Id,
    /// Its signal's name.
    pub signal_name: SignalName,
}

/// An expectation that is armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Elapsed ms at which it is not met.
    pub deadline_ms: u64,
    /// Causal depth of the signal that armed it.
    pub depth: u32,
    /// The signal that is then emitted.
    pub emit: SignalName,
    /// The signals that meet it.
    pub expect: Vec<SignalName>,
    /// Its id.
    pub id: Id,
    /// The monitor that declares it.
    pub monitor: MonitorName,
    /// The signal that armed it.
    pub signal: Id,
    /// That signal's name.
    pub signal_name: SignalName,
}

/// A dead letter that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// The stable code of what is wrong.
    pub code: String,
    /// What is wrong, for people.
    pub error: String,
    /// Elapsed ms when it was parked.
    pub parked_ms: u64,
    /// What it is about.
    pub payload: Payload,
    /// How often it, or what it came from, was replayed.
    pub replays: u32,
    /// The record that parked it.
    pub seq: u64,
    /// Who could not process it.
    pub subject: String,
    /// Wall time when it was parked, ms since 1970 UTC.
    pub time_ms: i64,
}

impl State {
    /// Canonical bytes, for a snapshot.
    ///
    /// # Errors
    /// The serializer's error; no state of this type has one.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Snapshot {
            state: self,
            version: STATE_VERSION,
        })
    }

    /// The state from a snapshot's bytes.
    ///
    /// # Errors
    /// The parser's error when they are no snapshot of a version that this program knows.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let snapshot: Snapshot<State> = serde_json::from_slice(bytes)?;
        if snapshot.version == STATE_VERSION {
            Ok(snapshot.state)
        } else {
            Err(serde::de::Error::custom(format!(
                "a snapshot of version {} needs another antiphon",
                snapshot.version
            )))
        }
    }

    /// The text of the task that `run` was planned with.
    #[must_use]
    pub fn task_of(&self, run: &Run) -> Option<&Task> {
        self.versions.get(&run.plan.version)
    }

    /// Whether `task` may start: the operator's setting, else the configuration's.
    #[must_use]
    pub fn task_enabled(&self, task: &TaskName) -> bool {
        // A run of a task that left the configuration still ends as it was planned.
        let configured = || self.configured(task).is_none_or(|task| task.enabled);
        self.overrides.get(task).copied().unwrap_or_else(configured)
    }

    /// How many attempts of a task may run at one time: as the configuration says now, or as `task`,
    /// an earlier text of it, when it is gone.
    #[must_use]
    pub fn concurrency_of(&self, task: &Task) -> u32 {
        self.configured(&task.name).unwrap_or(task).concurrency
    }

    /// The text of a task in the policy in force.
    fn configured(&self, task: &TaskName) -> Option<&Task> {
        self.versions.get(self.tasks.get(task)?)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot<S> {
    state: S,
    version: u32,
}
