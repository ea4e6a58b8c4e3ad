//! Records: everything that happened, as bodies with a kind and a version.
//!
//! In: the bodies and their canonical encoding, frozen by golden bytes. Out: the envelope, the hash
//! chain and the tree, which are `antiphon-ledger`'s. The meaning of `apply` for a kind and version
//! never changes; a change of mind is a new version, and its decoder joins the old one.
//!
//! Fields stand in alphabetical order of their encoded names, numbers are integers, and facts are
//! canonical documents: what serde writes is canonical JSON (RFC 8785); a test holds that.

mod guard;
mod key;
mod letter;
mod log;
mod run;
mod signal;
mod subject;

pub use guard::{GuardChanged, TaskChanged};
pub use key::{FirstKey, KeyRegistered, KeyRevoked, KeyRotated};
pub use letter::{LetterParked, LettersPurged, Payload};
pub use log::{
    ClockJumped, ConfigApplied, LogCreated, LogCut, LogRestored, OwnerStarted, RawDocument,
    RefusedHead, SnapshotTaken,
};
pub use run::{
    Evidence, Next, ReportRefused, Returned, RunCancelled, RunLeased, RunPlanned, RunReplanned,
    RunReturned, RunSettled, RunStopping,
};
pub use signal::{
    Armed, Ask, AskAnswered, BreakerChanged, Cleared, RuleVerdict, SignalAccepted, Verdict,
};
pub use subject::{BY_DEADLINE, BY_FILES, NewKey, Subject, is_program};

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
    /// An agent got its first key.
    KeyRegistered(KeyRegistered) = "key.registered",
    /// A key was taken back from a place on, and another took its place.
    KeyRevoked(KeyRevoked) = "key.revoked",
    /// A key took the place of another.
    KeyRotated(KeyRotated) = "key.rotated",
    /// Something became a dead letter.
    LetterParked(LetterParked) = "letter.parked",
    /// Dead letters were dropped.
    LettersPurged(LettersPurged) = "letters.purged",
    /// The log began.
    LogCreated(LogCreated) = "log.created",
    /// What followed in the log was given up.
    LogCut(LogCut) = "log.cut",
    /// The log goes on from a backup.
    LogRestored(LogRestored) = "log.restored",
    /// An owner opened the log.
    OwnerStarted(OwnerStarted) = "owner.started",
    /// A report came for a lease that has been settled or never was.
    ReportRefused(ReportRefused) = "report.refused",
    /// A run that waited was cancelled, or had waited too long.
    RunCancelled(RunCancelled) = "run.cancelled",
    /// An attempt got a lease; its token is this record's sequence number.
    RunLeased(RunLeased) = "run.leased",
    /// An ask that was permitted planned its runs.
    RunPlanned(RunPlanned) = "run.planned",
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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}
