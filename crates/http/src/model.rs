//! The JSON of the API: these types and no others, here and nowhere else.
//!
//! Field names are a contract (`docs/reference/api.md`); a field is added, never renamed. Times are
//! RFC 3339 in UTC with milliseconds; a field without a value is `null`, never left out.

mod key;
mod ledger;
mod letter;
mod run;
mod signal;
mod status;
mod why;

pub use key::{KeyInfo, SignedRecord};
pub use ledger::{CheckpointInfo, LedgerStatus, Proof, Seal, WitnessInfo};
pub use letter::{Letter, LetterDetail, LetterPayload, Purge, Purged, Replay, Replayed};
pub use run::{
    Attempt, AttemptLogs, LogOutput, Planned, RuleInfo, Run, RunDetail, TaskInfo, TaskRef,
    WorkerInfo,
};
pub use signal::{Decision, Emit, Emitted, Expectation, Settled, Signal, SignalDetail};
pub use status::{AlarmInfo, AskInfo, Done, Health, Readiness, Reason, RecordText, Status};
pub use why::{AskNode, Chain, DecisionNode, LetterNode, RunNode, SignalNode};
