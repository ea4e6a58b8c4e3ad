//! What goes into the machine and what comes out of one step.

use std::sync::Arc;

use crate::control::{Control, Refusal};
use crate::id::{Digest, Id};
use crate::json::Document;
use crate::policy::Policy;
use crate::record::Record;
use crate::report::{Fate, NotStarted, Report, StopCause};
use crate::signal::{Draft, Key, Origin};
use crate::time::Instant;

/// One thing that happened, and when.
#[derive(Clone, Debug)]
pub struct Input {
    /// What the clocks said when it was taken.
    pub at: Instant,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// An owner has opened the log.
    Started(Box<Owner>),
    /// A policy was validated and is to be in force.
    Configured(Arc<Policy>),
    /// A signal asks to be accepted; its key, if any, is not in the log.
    Signal {
        /// The signal.
        draft: Box<Draft>,
        /// Where it came from.
        origin: Origin,
    },
    /// A well-formed intent was dropped; its key is not in the log.
    Intent(Box<Intent>),
    /// Something malformed came by file, or an input stopped the machine before.
    Malformed {
        /// What.
        what: Box<Malformed>,
        /// The identity of the file that it came by; it is not in the log.
        key: Option<[u8; 16]>,
    },
    /// The tree of a lease is dead and this came of it.
    Reported {
        /// The lease.
        token: u64,
        /// What came of it.
        report: Box<Report>,
    },
    /// A lease could not be started.
    NotStarted {
        /// The lease.
        token: u64,
        /// Why.
        why: NotStarted,
    },
    /// Recovery found this of a lease of an owner that was lost.
    Recovered {
        /// The lease.
        token: u64,
        /// What was found.
        fate: Fate,
    },
    /// An operator asks for something.
    Control(Control),
    /// The owner is going and what still runs must stop.
    OwnerGoing,
    /// Time has passed: what is due happens.
    Tick,
    /// A snapshot of the state was written; it may be used once this is recorded.
    SnapshotWritten {
        /// The state that it holds is the one after this record.
        at_seq: u64,
        /// SHA-256 of its bytes.
        sha256: Digest,
    },
}

/// Who opened the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The fencing epoch of its appends.
    pub epoch: u64,
    /// Its process id, for people.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Whether it leases work.
    pub leases: bool,
}

/// A dropped file that is one JSON object.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The file's name, as text (invalid UTF-8 replaced).
    pub file: String,
    /// Its content.
    pub document: Document,
    /// Its identity: name, device, inode, change time and content.
    pub key: [u8; 16],
}

/// Something that cannot be a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where it came from: `intent:NAME` or `input`.
    pub subject: String,
    /// The stable code of what is wrong.
    pub code: String,
    /// What is wrong, for people.
    pub error: String,
    /// Its first bytes as text.
    pub excerpt: String,
    /// SHA-256 of all of it.
    pub sha256: Digest,
}

/// What one step gives.
#[derive(Debug, Default)]
pub struct Output {
    /// The records to seal, in order.
    pub records: Vec<Record>,
    /// What to do once they are durable.
    pub effects: Vec<Effect>,
    /// The answer to whoever gave the input, once they are durable.
    pub reply: Reply,
}

/// What is done to the world after the records are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start the attempt that holds this lease.
    Launch {
        /// The lease.
        token: u64,
        /// Its run.
        run: Id,
    },
    /// Tell the tree of this lease to stop.
    Stop {
        /// The lease.
        token: u64,
        /// Why.
        cause: StopCause,
    },
}

/// The answer to an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reply {
    /// Nothing to say.
    #[default]
    Done,
    /// A signal was accepted.
    Accepted {
        /// Its id.
        id: Id,
        /// Its record.
        seq: u64,
        /// What to remember it by.
        key: Option<Key>,
    },
    /// It became a dead letter.
    Parked {
        /// The letter.
        letter: Id,
        /// Why: the stable code.
        code: String,
        /// Why, for people.
        error: String,
    },
    /// It was planned as this run.
    Planned {
        /// The run.
        run: Id,
    },
    /// So many were changed.
    Changed {
        /// How many.
        count: u64,
    },
    /// The machine is full: come back later.
    Full,
    /// Not done, and why.
    Refused(Refusal),
}
