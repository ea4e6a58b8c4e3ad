//! Records: everything that happened, as bodies with a kind and a version.
//!
//! In: the bodies and their canonical encoding, frozen by golden bytes. Out: the envelope, the hash
//! chain and the tree, which are `antiphon-ledger`'s. The meaning of `apply` for a kind and version
//! never changes; a change of mind is a new version, and its decoder joins the old one.
//!
//! Fields stand in alphabetical order of their encoded names, numbers are integers, and facts are
//! canonical documents: what serde writes is canonical JSON (RFC 8785); a test holds that.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::guard::Guards;
use crate::id::{Digest, Id};
use crate::name::{AgentName, MonitorName, RuleName, SignalName, SourceName, TaskName};
use crate::report::{NotStarted, Report, StopCause};
use crate::run::{Outcome, Plan};
use crate::signal::{Facts, Key, Origin};
use crate::time::Boot;

/// One thing that happened, at its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place, from 0.
    pub seq: u64,
    /// Wall time, ms since 1970 UTC.
    pub time_ms: i64,
    /// ms of elapsed time since the log began.
    pub elapsed_ms: u64,
    /// What happened.
    pub body: Body,
}

macro_rules! bodies {
    ($($(#[$doc:meta])* $variant:ident($type:ty) = $kind:literal,)*) => {
        /// What happened. Every kind is at version 1.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Body {
            $($(#[$doc])* $variant(Box<$type>),)*
        }

        impl Body {
            /// Every kind that this program knows.
            pub const KINDS: &'static [&'static str] = &[$($kind),*];

            /// Its kind, as the envelope names it.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Body::$variant(_) => $kind,)*
                }
            }

            /// Writes its canonical JSON to `out`.
            ///
            /// # Errors
            /// [`CodecError::Encode`] when a value has no JSON form; no body of this type has such.
            pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
                let result = match self {
                    $(Body::$variant(body) => serde_json::to_writer(out, body),)*
                };
                result.map_err(CodecError::Encode)
            }

            /// Reads the body of `kind` at `version` from its JSON.
            ///
            /// # Errors
            /// [`CodecError::Unknown`] for a kind or version that this program does not know,
            /// [`CodecError::Decode`] when the bytes are not such a body.
            pub fn decode(kind: &str, version: u32, bytes: &[u8]) -> Result<Self, CodecError> {
                if version != 1 {
                    return Err(CodecError::Unknown { kind: kind.to_owned(), version });
                }
                match kind {
                    $($kind => serde_json::from_slice(bytes)
                        .map(|body| Body::$variant(Box::new(body)))
                        .map_err(|source| CodecError::Decode { kind: $kind, source }),)*
                    _ => Err(CodecError::Unknown { kind: kind.to_owned(), version }),
                }
            }
        }
    };
}

bodies! {
    /// An ask was answered, or its time was over.
    AskAnswered(AskAnswered) = "ask.answered",
    /// A rule fed itself and is refused for a while, or was let go again.
    BreakerChanged(BreakerChanged) = "breaker.changed",
    /// The wall clock jumped against boot time.
    ClockJumped(ClockJumped) = "clock.jumped",
    /// A policy came into force.
    ConfigApplied(ConfigApplied) = "config.applied",
    /// A guard changed.
    GuardChanged(GuardChanged) = "guard.changed",
    /// Something became a dead letter.
    LetterParked(LetterParked) = "letter.parked",
    /// Dead letters were dropped.
    LettersPurged(LettersPurged) = "letters.purged",
    /// The log began.
    LogCreated(LogCreated) = "log.created",
    /// An owner opened the log.
    OwnerStarted(OwnerStarted) = "owner.started",
    /// A report came for a lease that has been settled or never was.
    ReportRefused(ReportRefused) = "report.refused",
    /// A run that waited was cancelled.
    RunCancelled(RunCancelled) = "run.cancelled",
    /// An attempt got a lease; its token is this record's sequence number.
    RunLeased(RunLeased) = "run.leased",
    /// A run that had ended was planned again, as a new run.
    RunReplanned(RunReplanned) = "run.replanned",
    /// A lease went back uncounted.
    RunReturned(RunReturned) = "run.returned",
    /// A lease was settled.
    RunSettled(RunSettled) = "run.settled",
    /// A lease was told to stop.
    RunStopping(RunStopping) = "run.stopping",
    /// A signal was accepted, and this was decided on it.
    SignalAccepted(SignalAccepted) = "signal.accepted",
    /// A snapshot of the state was written.
    SnapshotTaken(SnapshotTaken) = "snapshot.taken",
    /// A task was enabled or disabled over the configuration.
    TaskChanged(TaskChanged) = "task.changed",
}

/// Why a body could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// It has no JSON form.
    #[error("a record cannot be encoded")]
    Encode(#[source] serde_json::Error),
    /// The bytes are no such body.
    #[error("the body is no {kind}")]
    Decode {
        /// The kind that the envelope names.
        kind: &'static str,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A newer program wrote it.
    #[error("a record of kind {kind} version {version} needs a newer antiphon")]
    Unknown {
        /// Its kind.
        kind: String,
        /// Its version.
        version: u32,
    },
}

/// Body of `log.created`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCreated {
    /// The version of the envelope's and the tree's format.
    pub format: u32,
    /// The log's id.
    pub id: Id,
    /// The origin that checkpoints will name.
    pub origin: String,
    /// The program that created it.
    pub version: String,
}

/// Body of `owner.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerStarted {
    /// The machine's boot.
    pub boot: Boot,
    /// Boot time of the start, ms.
    pub boot_ms: u64,
    /// The fencing epoch of its appends.
    pub epoch: u64,
    /// Whether it leases work.
    pub leases: bool,
    /// Its process id, for people.
    pub pid: u32,
    /// Its version.
    pub version: String,
}

/// Body of `config.applied`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigApplied {
    /// SHA-256 of the canonical policy.
    pub digest: Digest,
    /// The version of the expression evaluator.
    pub evaluator: String,
    /// The whole canonical policy.
    pub policy: Box<RawDocument>,
}

/// JSON that is carried as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawDocument(pub Box<RawValue>);

impl PartialEq for RawDocument {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for RawDocument {}

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
    /// The rule; `worker:TASK` for a worker that did not fire.
    pub rule: RuleName,
    /// Its verdict.
    pub verdict: Verdict,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
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

/// Body of `run.leased`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLeased {
    /// The identity that acts.
    pub agent: AgentName,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Elapsed ms at which its time is over.
    pub deadline_ms: u64,
    /// The run.
    pub run: Id,
    /// Its task.
    pub task: TaskName,
}

/// Body of `run.replanned`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunReplanned {
    /// Who asked.
    pub by: String,
    /// The first signal of its chain.
    pub correlation: Id,
    /// Causal depth of the signal that planned it first.
    pub depth: u32,
    /// Its facts.
    pub facts: Facts,
    /// The run that had ended.
    pub of: Id,
    /// The new run.
    pub plan: Plan,
    /// The signal that planned it first.
    pub signal: Id,
    /// That signal's name.
    pub signal_name: SignalName,
}

/// Body of `run.returned`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunReturned {
    /// Not before this elapsed time, ms.
    pub due_ms: u64,
    /// The run.
    pub run: Id,
    /// The lease.
    pub token: u64,
    /// Why.
    pub why: Returned,
}

/// Why a lease went back uncounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// It could not be started now.
    NotStarted(NotStarted),
    /// Its owner was lost before it was started.
    OwnerLost,
}

/// Body of `run.stopping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStopping {
    /// Who asked, if someone did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    pub cause: StopCause,
    /// The run.
    pub run: Id,
    /// The lease.
    pub token: u64,
}

/// How an attempt ended, beside what its report says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Its executor reported it.
    Report(Box<Report>),
    /// It could not be started, for this reason.
    NotStarted(String),
    /// Its owner was lost; whether its tree was proven dead.
    OwnerLost {
        /// Whether it was.
        proven_dead: bool,
    },
}

/// What becomes of a run whose attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// It ended too.
    Ended,
    /// It waits for another attempt.
    Planned {
        /// Not before this elapsed time, ms.
        due_ms: u64,
    },
}

/// Body of `run.settled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettled {
    /// The number of the attempt.
    pub attempt: u32,
    /// What is known of it.
    pub evidence: Evidence,
    /// What becomes of the run.
    pub next: Next,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// Why it did not succeed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run.
    pub run: Id,
    /// Its task.
    pub task: TaskName,
    /// The lease.
    pub token: u64,
}

/// Body of `run.cancelled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunCancelled {
    /// Who asked.
    pub by: String,
    /// The run.
    pub run: Id,
    /// Its task.
    pub task: TaskName,
}

/// Body of `report.refused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRefused {
    /// The token that it came with.
    pub token: u64,
    /// What it said, for people.
    pub what: String,
}

/// Body of `guard.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardChanged {
    /// Who changed it; `files` for the stop switch.
    pub by: String,
    /// All guards from now on.
    pub guards: Guards,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Body of `letter.parked`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetterParked {
    /// The stable code of what is wrong.
    pub code: String,
    /// What is wrong, for people.
    pub error: String,
    /// Its id.
    pub id: Id,
    /// The idempotency key of what came by file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// What it is about.
    pub payload: Payload,
    /// Who could not process it: `inbox`, `rule NAME`, `task NAME`.
    pub subject: String,
}

/// What a dead letter holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// Bytes that are no signal: the first of them as text, and the hash of all.
    Bytes {
        /// The first of them, invalid UTF-8 replaced.
        excerpt: String,
        /// SHA-256 of all.
        sha256: Digest,
    },
    /// A well-formed document that became no signal.
    Document(Facts),
    /// A run that ended badly: the signal that planned it can be accepted again.
    Run {
        /// The first signal of its chain.
        correlation: Id,
        /// Its facts.
        facts: Facts,
        /// The run.
        run: Id,
        /// The signal's id.
        signal: Id,
        /// The signal's name.
        signal_name: SignalName,
    },
    /// A signal that a rule failed on.
    Signal {
        /// The first signal of its chain.
        correlation: Id,
        /// Its facts.
        facts: Facts,
        /// Its id.
        signal: Id,
        /// Its name.
        signal_name: SignalName,
    },
}

/// Body of `letters.purged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LettersPurged {
    /// Who purged them; `age` for the machine itself.
    pub by: String,
    /// The letters.
    pub letters: Vec<Id>,
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
    /// The runs that it plans, when permitted and the rule starts a task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Plan>,
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

/// Body of `task.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskChanged {
    /// Who changed it.
    pub by: String,
    /// The setting; `None` goes back to the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The task.
    pub task: TaskName,
}

/// Body of `clock.jumped`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockJumped {
    /// By how much against boot time, ms; positive is forward.
    pub by_ms: i64,
}

/// Body of `snapshot.taken`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotTaken {
    /// The state that it holds is the one after this record.
    pub at_seq: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// The version of its format.
    pub state_version: u32,
}
