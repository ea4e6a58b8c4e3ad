//! The idempotency keys that the turn asks for: what is in memory, then the index.
//!
//! In memory stand the keys of every record above the index's own mark, the batch in flight
//! included. Invariant: a key of a record is found from the moment its record is stepped.

use std::collections::{HashMap, VecDeque};

use antiphon_core::id::Id;
use antiphon_core::signal::Key;

use crate::ports::views::{KeyIndex, KnownKey, ViewError};

/// Records between two looks at how far the index has come.
const TRIM_EVERY: usize = 4_096;

/// Keys in memory, with the index behind them.
pub struct KeyMemory {
    recent: HashMap<[u8; 16], Known>,
    order: VecDeque<(u64, [u8; 16])>,
    noted: usize,
    index: Box<dyn KeyIndex>,
}

/// What came with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// A hash of what came with it; all zero for a file that was parked.
    pub payload: [u8; 8],
    /// The signal or letter that it became.
    pub id: Id,
    /// Its record.
    pub seq: u64,
}

impl std::fmt::Debug for KeyMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyMemory")
            .field("recent", &self.recent.len())
            .finish_non_exhaustive()
    }
}

impl KeyMemory {
    /// An empty memory in front of `index`.
    #[must_use]
    pub fn new(index: Box<dyn KeyIndex>) -> Self {
        Self {
            recent: HashMap::new(),
            order: VecDeque::new(),
            noted: 0,
            index,
        }
    }

    /// Below this record every key is in the index.
    ///
    /// # Errors
    /// [`ViewError`] when the index cannot be read.
    pub fn indexed_to(&mut self) -> Result<u64, ViewError> {
        self.index.complete_to()
    }

    /// Remembers the key of a record that was stepped.
    pub fn note(&mut self, key: Key, id: Id, seq: u64) {
        #[cfg(antiphon_plant)]
        if crate::plant::is("key_not_held_in_flight") {
            return;
        }
        self.recent.insert(
            key.hash,
            Known {
                payload: key.payload,
                id,
                seq,
            },
        );
        self.order.push_back((seq, key.hash));
        self.noted = self.noted.saturating_add(1);
    }

    /// Remembers the keys of records that a start has read.
    pub fn note_all(&mut self, known: &[KnownKey]) {
        for known in known {
            self.note(known.key, known.id, known.seq);
        }
    }

    /// What is known of a key that was noted and not yet forgotten.
    #[must_use]
    pub fn recent(&self, hash: &[u8; 16]) -> Option<Known> {
        self.recent.get(hash).copied()
    }

    /// What the index knows of `hashes`.
    ///
    /// # Errors
    /// [`ViewError`] when the index cannot be read.
    pub fn indexed(&mut self, hashes: &[[u8; 16]]) -> Result<HashMap<[u8; 16], Known>, ViewError> {
        let known = |found: KnownKey| {
            let KnownKey { key, seq, id } = found;
            (
                key.hash,
                Known {
                    payload: key.payload,
                    id,
                    seq,
                },
            )
        };
        Ok(self.index.lookup(hashes)?.into_iter().map(known).collect())
    }

    /// Forgets keys that the index has, now and then.
    ///
    /// # Errors
    /// [`ViewError`] when the index cannot be read.
    pub fn trim(&mut self) -> Result<(), ViewError> {
        if self.noted < TRIM_EVERY {
            return Ok(());
        }
        self.noted = 0;
        let indexed_to = self.index.complete_to()?;
        while let Some((seq, hash)) = self.order.front().copied() {
            if seq >= indexed_to {
                break;
            }
            self.order.pop_front();
            if self.recent.get(&hash).is_some_and(|known| known.seq == seq) {
                self.recent.remove(&hash);
            }
        }
        Ok(())
    }
}
