//! The intent inbox: finds dropped files, hands them over, and lets them leave once answered.
//!
//! In: watching `intents/`, walking it, reading what may be read (`candidate`), handing it to the
//! engine (`submissions`), removal and moving aside (`place`). Out: what an intent means and
//! which keys are known, which is the engine's.
//!
//! - A file is complete when it is renamed in or closed. One that is found by walking counts as
//!   complete when it is JSON; otherwise it gets [`InboxOptions::settle`] to become so.
//! - No file is removed or moved before its answer, which comes when its record is durable. What
//!   was answered but not yet removed when we died is met again, with the same key.
//! - The watch is set before the walk; lost notices, a full machine and a new directory each lead
//!   to another walk: nothing depends on every notice being heard.
//! - Memory is bounded whatever is in the directory: names and contents wait on disk.
//!
//! Source: reliability rows A7 to A11, F12, F49, F50.

mod candidate;
mod handing;
mod names;
mod pace;
mod place;
mod scan;
mod session;
mod submissions;

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use antiphon_engine::ports::clock::Clock;
use antiphon_engine::ports::intake::Intake;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::root::Root;
use session::Session;

const MALFORMED_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// What may be chosen about an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxOptions {
    /// Users who may drop files, beside us and root.
    pub owners: BTreeSet<u32>,
    /// How long a file that is found incomplete, and was never seen closed, may still become whole
    /// after its last change.
    pub settle: Duration,
    /// Malformed files handed over in one second, and at once after a rest: each is a record. The
    /// others wait where they are.
    pub malformed_per_second: NonZeroU32,
}

impl Default for InboxOptions {
    fn default() -> Self {
        Self {
            owners: BTreeSet::new(),
            settle: Duration::from_secs(5),
            malformed_per_second: MALFORMED_PER_SECOND,
        }
    }
}

/// The inbox of one root. There must be one at a time: two would hand over everything twice.
pub struct Inbox {
    root: Root,
    clock: Arc<dyn Clock>,
    options: InboxOptions,
    walked: watch::Sender<bool>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            root,
            clock: _,
            options,
            walked: _,
        } = self;
        f.debug_struct("Inbox")
            .field("root", root)
            .field("options", options)
            .finish_non_exhaustive()
    }
}

impl Inbox {
    /// The inbox below `root`.
    #[must_use]
    pub fn new(root: Root, clock: Arc<dyn Clock>, mut options: InboxOptions) -> Self {
        options
            .owners
            .extend([0, rustix::process::geteuid().as_raw()]);
        Self {
            root,
            clock,
            options,
            walked: watch::Sender::new(false),
        }
    }

    /// Becomes true when all that was there at the start has been looked at.
    #[must_use]
    pub fn walked(&self) -> watch::Receiver<bool> {
        self.walked.subscribe()
    }

    /// Hands dropped files to `intake` until `shutdown`, then waits for the answers that are owed
    /// and lets their files leave. Ends too when the engine says that it is going.
    ///
    /// Must run within a tokio runtime that drives I/O and time. Reads and removes small files on
    /// that runtime's thread, some at a time, and gives way between.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: files that were answered but not yet removed are met
    /// again by the next inbox, with the same key.
    pub async fn run<I: Intake>(self, intake: I, shutdown: CancellationToken) {
        let mut session = Session::new(self, &intake);
        session.attach();
        while !session.is_closed() {
            session.take_some();
            if session.wait(&shutdown).await.is_break() {
                break;
            }
        }
        session.finish().await;
    }
}

#[cfg(test)]
mod tests;
