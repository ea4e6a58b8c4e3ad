//! Bodies about signals and what rules say of them: acceptance, asks, breakers.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, Id};
use crate::name::{MonitorName, RuleName, SignalName, SourceName, TaskName};
use crate::record::is_zero;
use crate::run::Plan;
use crate::signal::{Facts, Key, Origin};

/// What one rule said of one signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleVerdict {
    /// The ask that it opened, when it was deferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Box<Ask>>,
    /// The dedupe key that it gave, if it has one and fired or was deferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe_key: Option<String>,
    /// More of why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How many of its last firings its rate needs to remember; 0 when it has none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub remember: u32,
    /// The rule; `worker:SIGNAL>TASK` for a worker that did not fire.
    pub rule: RuleName,
    /// Its verdict.
    pub verdict: Verdict,
}

/// Permit, defer, or deny and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It fired.
    Fired,
    /// It asks first.
    Deferred,
    /// Its condition does not hold.
    ConditionFalse,
    /// It fired too recently.
    Cooldown,
    /// It fired too often.
    RateLimited,
    /// It fired for this key, and the signal that clears it has not come.
    Duplicate,
    /// Its expression failed.
    Errored,
    /// The chain is too deep.
    TooDeep,
    /// Its breaker is open.
    BreakerOpen,
    /// It is not enabled.
    Disabled,
    /// It remembers or plans as much as it may.
    Full,
}

impl Verdict {
    /// The word for it in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Fired => "fired",
            Verdict::Deferred => "deferred",
            Verdict::ConditionFalse => "condition_false",
            Verdict::Cooldown => "cooldown",
            Verdict::RateLimited => "rate_limited",
            Verdict::Duplicate => "duplicate",
            Verdict::Errored => "errored",
            Verdict::TooDeep => "too_deep",
            Verdict::BreakerOpen => "breaker_open",
            Verdict::Disabled => "disabled",
            Verdict::Full => "full",
        }
    }
}

/// An open ask, with what follows when it is permitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Who is asked, a role such as `operator`.
    pub asks: String,
    /// Elapsed ms at which it counts as denied.
    pub deadline_ms: u64,
    /// The signal that is emitted when it is permitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emit: Option<SignalName>,
    /// The facts of what follows.
    pub facts: Facts,
    /// Its id.
    pub id: Id,
    /// The task that starts when it is permitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
}

/// An expectation that a signal armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Armed {
    /// Elapsed ms at which it is not met.
    pub deadline_ms: u64,
    /// The signal that is then emitted.
    pub emit: SignalName,
    /// The signals that meet it.
    pub expect: Vec<SignalName>,
    /// Its id.
    pub id: Id,
    /// The monitor that declares it.
    pub monitor: MonitorName,
}

/// Dedupe keys that a signal clears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cleared {
    /// Only those that this chain set; `None` clears all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Id>,
    /// The rule that remembers them.
    pub rule: RuleName,
}

/// Body of `signal.accepted`: acceptance and decision in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalAccepted {
    /// Expectations that it arms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arms: Vec<Armed>,
    /// The signal that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Id>,
    /// Dedupe keys that it clears.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clears: Vec<Cleared>,
    /// The first signal of its chain.
    pub correlation: Id,
    /// What each rule that hears it said, in configured order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<RuleVerdict>,
    /// 0 for one from outside, one more than its cause otherwise.
    pub depth: u32,
    /// What it says.
    pub facts: Facts,
    /// Its id.
    pub id: Id,
    /// Its idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The last rules and workers that fired on the way to it, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<RuleName>,
    /// Expectations that it meets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meets: Vec<Id>,
    /// When it happened by the producer's clock, ms since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_ms: Option<i64>,
    /// Where it came from.
    pub origin: Origin,
    /// The policy that decided.
    pub policy: Digest,
    /// The runs that it plans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Plan>,
    /// Its name.
    pub signal: SignalName,
    /// Who emitted it.
    pub source: SourceName,
    /// The values of `state.*` that its rules read, as a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Facts>,
}

/// Body of `ask.answered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskAnswered {
    /// The ask.
    pub ask: Id,
    /// Who answered; `deadline` when its time was over.
    pub by: String,
    /// Whether it was permitted.
    pub permit: bool,
    /// The rule that asked.
    pub rule: RuleName,
}

/// Body of `breaker.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerChanged {
    /// Who changed it; `machine` when the rule fed itself.
    pub by: String,
    /// Elapsed ms until which it is open; `None` closes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_until_ms: Option<u64>,
    /// The rule.
    pub rule: RuleName,
}
