//! Views in memory: the index of keys, and how far it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use antiphon_core::record::Body;
use antiphon_engine::ports::views::{KeyIndex, KnownKey, Projected, ViewBuilder, ViewError};

/// Views that outlive their owners.
#[derive(Clone, Debug, Default)]
pub struct MemoryViews(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    complete_to: u64,
    forgotten_to: u64,
    keys: BTreeMap<[u8; 16], KnownKey>,
    is_stalled: bool,
    is_broken: bool,
}

impl MemoryViews {
    /// From now on nothing is added: the mark stays where it is.
    pub fn stall(&self) {
        self.lock().is_stalled = true;
    }

    /// From now on the views cannot be built.
    pub fn break_down(&self) {
        self.lock().is_broken = true;
    }

    /// How far they have forgotten what was pruned.
    #[must_use]
    pub fn forgotten_to(&self) -> u64 {
        self.lock().forgotten_to
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl ViewBuilder for MemoryViews {
    fn complete_to(&mut self) -> Result<u64, ViewError> {
        let inner = self.lock();
        // A builder that is stalled says that it is done, and is not: it is only slow.
        Ok(if inner.is_stalled {
            u64::MAX
        } else {
            inner.complete_to
        })
    }

    fn project(&mut self, records: &[Projected]) -> Result<(), ViewError> {
        let mut inner = self.lock();
        if inner.is_broken {
            return Err(ViewError {
                verb: "built",
                source: "EIO".into(),
            });
        }
        for projected in records {
            let (seq, record) = (projected.seq, projected.record.as_ref());
            let known = match record.map(|record| &record.body) {
                Some(Body::SignalAccepted(body)) => body.key.map(|key| (key, body.id)),
                Some(Body::LetterParked(body)) => body.key.map(|key| (key, body.id)),
                _ => None,
            };
            if let Some((key, id)) = known {
                inner.keys.insert(key.hash, KnownKey { key, seq, id });
            }
            inner.complete_to = seq.saturating_add(1);
        }
        Ok(())
    }

    fn forget(&mut self, pruned_to: u64) -> Result<bool, ViewError> {
        self.lock().forgotten_to = pruned_to;
        Ok(true)
    }

    fn remember_keys(&mut self, _age_ms: u64) {}
}

impl KeyIndex for MemoryViews {
    fn complete_to(&mut self) -> Result<u64, ViewError> {
        Ok(self.lock().complete_to)
    }

    fn lookup(&mut self, hashes: &[[u8; 16]]) -> Result<Vec<KnownKey>, ViewError> {
        let inner = self.lock();
        let known = hashes.iter().filter_map(|hash| inner.keys.get(hash));
        Ok(known.copied().collect())
    }
}
