//! The policy: everything the operator configures, checked and compiled before the machine sees it.
//!
//! [`PolicySource`] is plain data, what `config.applied` records; [`Policy`] is the same with its
//! expressions compiled and its indexes built. A source that does not compile changes nothing.

mod compile;

use serde::{Deserialize, Serialize};

pub(crate) use compile::nearest;
pub use compile::{CompiledIntent, CompiledRule, CompiledWorker, Pattern, PolicyError};

use compile::Index;

use crate::id::Digest;
use crate::name::{MonitorName, RuleName, SignalName, TaskName};
use crate::run::Completions;
use crate::signal::Facts;
use crate::task::Task;

/// How dropped files of one type become signals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentSource {
    /// The signal that it becomes.
    pub emit: SignalName,
    /// CEL giving the facts, over `data`, `file`, `id`, `intent` (the whole document), `priority`
    /// (as a word) and `type`; `None` takes `data`.
    pub facts: Option<String>,
    /// The type of intent, with `*` for any run of characters.
    pub pattern: String,
}

/// A deduplication: a key fires once until a signal clears it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DedupeSource {
    /// CEL giving the key.
    pub key: String,
    /// The signal that clears it; `None` keeps it for good.
    pub until: Option<SignalName>,
}

/// At most `limit` firings in any `per_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Firings.
    pub limit: u32,
    /// ms of elapsed time.
    pub per_ms: u64,
}

/// A rule as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSource {
    /// Ask this role before anything follows (`operator`), and deny after `approve_within_ms`.
    pub approve: Option<String>,
    /// How long an ask stays open, ms of elapsed time.
    pub approve_within_ms: u64,
    /// Quiet time after a firing, ms of elapsed time; 0 for none.
    pub cooldown_ms: u64,
    /// Fire once per key.
    pub dedupe: Option<DedupeSource>,
    /// The signal that it emits.
    pub emit: Option<SignalName>,
    /// Whether it is considered.
    pub enabled: bool,
    /// CEL giving the facts of what follows; `None` passes the signal's facts on.
    pub facts: Option<String>,
    /// Its name.
    pub name: RuleName,
    /// The signal that it hears.
    pub on: SignalName,
    /// At most so many firings.
    pub rate: Option<Rate>,
    /// The task that it starts.
    pub task: Option<TaskName>,
    /// CEL that must hold; `None` always holds.
    pub when: Option<String>,
}

/// Which task answers which signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSource {
    /// What the end of its run emits.
    pub emits: Completions,
    /// The signal that it answers.
    pub on: SignalName,
    /// The task that runs, with the signal's facts.
    pub task: TaskName,
    /// CEL that must hold; `None` always holds.
    pub when: Option<String>,
}

/// What a monitor does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MonitorKind {
    /// `expect` must follow `after` within `within_ms`, by correlation.
    Expect {
        /// The signal that arms it.
        after: SignalName,
        /// The signals that meet it.
        expect: Vec<SignalName>,
        /// ms of elapsed time.
        within_ms: u64,
    },
    /// A look at the world that the engine or a pack registered under this name.
    Look {
        /// Its registered name: `health`, `command`, `promotions`, `modules` …
        kind: String,
        /// Its own settings.
        options: Facts,
    },
}

/// A monitor as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorSource {
    /// The signal that it emits.
    pub emit: SignalName,
    /// Time from one look to the next, ms; 0 for an expectation.
    pub every_ms: u64,
    /// What it does.
    pub kind: MonitorKind,
    /// Its name.
    pub name: MonitorName,
    /// Longest look, ms.
    pub timeout_ms: u64,
}

/// Everything that the operator configures and the log records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySource {
    /// How intents become signals; the first match counts.
    pub intents: Vec<IntentSource>,
    /// Monitors.
    pub monitors: Vec<MonitorSource>,
    /// Rules, in the order in which they are considered.
    pub rules: Vec<RuleSource>,
    /// Attempts that run at one time.
    pub slots: u32,
    /// Tasks.
    pub tasks: Vec<Task>,
    /// Workers.
    pub workers: Vec<WorkerSource>,
}

/// A policy that is ready to decide with.
#[derive(Debug)]
pub struct Policy {
    source: PolicySource,
    text: Box<str>,
    digest: Digest,
    index: Index,
}

impl Policy {
    /// Checks and compiles `source`.
    ///
    /// # Errors
    /// [`PolicyError`] with a path such as `rule.dream.when` for the first thing that is wrong.
    pub fn compile(source: PolicySource) -> Result<Self, PolicyError> {
        compile::compile(source)
    }

    /// The policy that does nothing, with one slot.
    #[must_use]
    pub fn empty() -> Self {
        let source = PolicySource {
            slots: 1,
            ..PolicySource::default()
        };
        Self::assemble(source, Index::default())
    }

    /// What it was compiled from.
    #[must_use]
    pub fn source(&self) -> &PolicySource {
        &self.source
    }

    /// Its canonical text, as `config.applied` records it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of its canonical text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The mappings of intents, first match first.
    #[must_use]
    pub fn intents(&self) -> &[CompiledIntent] {
        &self.index.intents
    }

    /// The rules that hear `name`, in configured order.
    #[must_use]
    pub fn rules_on(&self, name: &SignalName) -> &[CompiledRule] {
        self.index.rules.get(name).map_or(&[], Vec::as_slice)
    }

    /// The workers that answer `name`, in configured order.
    #[must_use]
    pub fn workers_on(&self, name: &SignalName) -> &[CompiledWorker] {
        self.index.workers.get(name).map_or(&[], Vec::as_slice)
    }

    /// The expectations that a signal of this name arms, in configured order.
    pub fn expectations_after(&self, name: &SignalName) -> impl Iterator<Item = &MonitorSource> {
        let places = self.index.armed.get(name).map_or(&[][..], Vec::as_slice);
        places
            .iter()
            .filter_map(|place| self.source.monitors.get(*place))
    }

    /// The rules whose dedupe keys a signal of this name clears, in configured order.
    pub fn rules_cleared_by(&self, name: &SignalName) -> impl Iterator<Item = &RuleName> {
        self.index
            .cleared
            .get(name)
            .map_or(&[][..], Vec::as_slice)
            .iter()
    }

    /// The task of this name.
    #[must_use]
    pub fn task(&self, name: &TaskName) -> Option<&Task> {
        self.index
            .tasks
            .get(name)
            .and_then(|place| self.source.tasks.get(*place))
    }

    fn assemble(source: PolicySource, index: Index) -> Self {
        // Its fields stand in alphabetical order, its numbers are integers and its map keys are
        // strings: the text is canonical and always serialises.
        let text = serde_json::to_string(&source).unwrap_or_default();
        let digest = Digest::of(text.as_bytes());
        Self {
            source,
            text: text.into(),
            digest,
            index,
        }
    }
}
