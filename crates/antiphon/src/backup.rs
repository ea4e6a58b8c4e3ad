//! Backups: a folder with a copy of the log and of what belongs to it, and what says that it is whole.
//!
//! In: what a backup holds and how files come into it and out of it. Out: making one and bringing it
//! back, which are commands; the copy of the log itself (`antiphon_backend_sqlite::copy_log`).
//!
//! Invariant: `backup.json` is written last, so a folder without it is no backup.

pub(crate) mod files;
pub(crate) mod going_on;
pub(crate) mod manifest;
pub(crate) mod restoration;

use std::path::Path;

use antiphon_backend_sqlite::{Extent, copy_log};
use antiphon_core::time::rfc3339;
use antiphon_engine::ports::store::{Head, StoreError};

use crate::owner::clock::SystemClock;
use crate::wire::Context;

/// The newest checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// Outputs of attempts.
pub(crate) const EVIDENCE: &str = "evidence";
/// Private keys.
pub(crate) const KEYS: &str = "keys";
/// What stands beside the log and is not secret: the configuration.
pub(crate) const CONFIGURATION: [&str; 2] = [crate::config::FILE, crate::config::FOLDER];

/// Now, RFC 3339.
pub(crate) fn now() -> String {
    rfc3339(SystemClock::wall_ms())
}

/// Copies the log of `from` into `to`, and shows how far it is.
///
/// # Errors
/// As [`copy_log`].
pub(crate) fn copy_shown(
    context: &Context,
    from: &Path,
    to: &Path,
    extent: Extent,
) -> Result<Head, StoreError> {
    let bar = context.output.progress();
    let copied = copy_log(from, to, extent, &mut |records, all| {
        bar.set_length(all);
        bar.set_position(records);
    });
    bar.finish_and_clear();
    copied
}
