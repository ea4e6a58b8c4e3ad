//! Where dropped files go: the engine's end of the inbox.
//!
//! In: what the inbox hands over and what it is answered. Out: finding, reading and removing files,
//! which is the inbox's; keys already seen, which is the turn's.

use antiphon_core::id::Id;
use antiphon_core::input::{Intent, Malformed};

use super::executor::Answer;

/// Takes dropped files.
///
/// A call hands the file over at once: its place in the order is that of the call, not that of the
/// future's first poll. The future resolves when the record that answers it is durable. Dropping
/// the future takes nothing back.
pub trait Intake: Send + Sync {
    /// Hands over a well-formed intent.
    fn intent(&self, intent: Intent) -> Answer<'_, IntakeAnswer>;

    /// Hands over something that can be no intent; `key` is its identity, as [`Intent::key`] is an
    /// intent's.
    fn malformed(&self, malformed: Malformed, key: [u8; 16]) -> Answer<'_, IntakeAnswer>;
}

/// What becomes of a dropped file. The same key must be answered in the same way again, however
/// often it is handed over: a restart meets every file again that was answered but not yet removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntakeAnswer {
    /// Its signal is in the log: the file is removed.
    Accepted {
        /// The signal.
        id: Id,
        /// Its record.
        seq: u64,
        /// Whether it was there before.
        duplicate: bool,
    },
    /// It is a dead letter: the file is moved aside, beside its reason.
    Parked {
        /// The letter.
        letter: Id,
        /// Why: the stable code.
        code: String,
        /// Why, for people.
        error: String,
    },
    /// The machine or the disk is full: the file stays and is handed over again later.
    Later,
    /// The owner is going: the file stays.
    Closed,
}
