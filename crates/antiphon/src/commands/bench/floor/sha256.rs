//! What a log holds, hashed once and in order: whoever checks it must do that at the least.

use std::path::Path;
use std::time::{Duration, Instant};

use antiphon_backend_sqlite::open_reader;
use antiphon_ledger::hash::leaf_hash;

use crate::failure::Failure;

/// Bytes of turns that are read at one time.
const READ_BYTES: usize = 1 << 20;

/// What was hashed, and how long that alone took.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Hashed {
    /// Records.
    pub(in super::super) records: u32,
    /// Of envelopes and bodies, as stored.
    pub(in super::super) megabytes: f64,
    pub(in super::super) took: Duration,
}

/// Hashes envelopes and bodies of the log in `root`, each turn's in one go. Reading them takes no
/// part of the time.
pub(in super::super) fn run(root: &Path) -> Result<Hashed, Failure> {
    let mut log = open_reader(root)?;
    let mut hashed = Hashed::default();
    let mut next = 0;
    loop {
        let turns = log.turns_from(next, READ_BYTES)?;
        let Some(last) = turns.last() else {
            return Ok(hashed);
        };
        next = last.next_seq();
        let begun = Instant::now();
        for turn in &turns {
            std::hint::black_box(leaf_hash(&turn.envelopes));
            std::hint::black_box(turn.bodies.as_deref().map(leaf_hash));
        }
        hashed.took += begun.elapsed();
        for turn in &turns {
            let bytes = u32::try_from(turn.stored_bytes()).unwrap_or(u32::MAX);
            hashed.megabytes += f64::from(bytes) / 1e6;
            hashed.records = hashed.records.saturating_add(turn.count);
        }
    }
}
