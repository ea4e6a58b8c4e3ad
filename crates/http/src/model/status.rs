//! How the owner stands.

use antiphon_core::id::Id;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How the owner stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The log's id.
    pub log: Id,
    /// The fencing epoch.
    pub epoch: u64,
    /// Records in the log.
    pub records: u64,
    /// Records that the views have seen.
    pub views: u64,
    /// Below this record bodies were pruned; 0 when none was.
    pub pruned_to: u64,
    /// `normal`, `drain`, `pause` or `kill`.
    pub mode: String,
    /// Whether new work may start.
    pub starts_work: bool,
    /// Why new work does not start.
    pub stopped_because: Option<String>,
    /// `clear`, `engaged` or `unreadable`.
    pub killswitch: String,
    /// Whether `maintenance_mode` is there.
    pub maintenance: bool,
    /// The record that changed the guards last; 0 while none has.
    pub guards_seq: u64,
    /// The record that turned a task on or off last; 0 while none has.
    pub tasks_seq: u64,
    /// Whether signals are accepted.
    pub accepts_signals: bool,
    /// The code of why signals are not accepted.
    pub refused_because: Option<String>,
    /// SHA-256 of the policy in force.
    pub policy: String,
    /// Why the last reload was refused.
    pub reload_error: Option<String>,
    /// Attempts that may run at one time; 0 in an owner that only accepts.
    pub slots: u32,
    /// Runs that wait.
    pub runs_planned: u64,
    /// Runs whose attempt holds a lease.
    pub runs_leased: u64,
    /// Runs whose attempt was told to stop.
    pub runs_stopping: u64,
    /// Dead letters that are kept.
    pub letters: u64,
    /// Asks that wait for an answer.
    pub asks: Vec<AskInfo>,
    /// Monitors whose last look failed, each as `NAME: why`.
    pub monitors_failing: Vec<String>,
    /// Records that the newest checkpoint covers; `null` when there is none.
    pub checkpoint: Option<u64>,
    /// ms since the first record became durable that no checkpoint covers; 0 when there is none.
    pub checkpoint_age_ms: u64,
    /// Records that the newest checkpoint covers that enough witnesses have cosigned; `null` when
    /// there is none.
    pub cosigned: Option<u64>,
    /// What a human must look at, though work goes on.
    pub alarms: Vec<AlarmInfo>,
    /// Signals answered as duplicates since the owner started.
    pub duplicates: u64,
    /// Inputs refused since the owner started.
    pub refusals: u64,
}

/// Something that stands until it is mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmInfo {
    /// Its stable code.
    pub code: String,
    /// What it is about; empty when the code says all.
    pub subject: String,
    /// What is wrong, in words.
    pub detail: String,
}

/// An ask that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskInfo {
    /// Its id.
    pub id: Id,
    /// The rule that asks.
    pub rule: String,
    /// Who is asked.
    pub asks: String,
    /// The signal that it is about.
    pub signal_id: Id,
    /// ms of elapsed time until it counts as denied.
    pub remaining_ms: u64,
}

/// Whether the owner is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always `true`: an owner that is not alive does not answer.
    pub ok: bool,
}

/// Whether the owner takes signals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether it does.
    pub ready: bool,
    /// The code of why not.
    pub reason: Option<String>,
}

/// Why an operator asks for something, in the operator's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The words.
    #[serde(default)]
    pub reason: String,
}

/// That something was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Whether it changed anything: `false` when it was so already.
    pub changed: bool,
}

/// One record as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordText {
    /// Its place in the log.
    pub seq: u64,
    /// Its envelope.
    pub envelope: Box<RawValue>,
    /// Its body; `null` when it was pruned.
    pub body: Option<Box<RawValue>>,
}
