//! The end of the log: gives the records of a batch their places in chain and tree, and makes them
//! durable.
//!
//! Hashing a batch costs as much as stepping it, so this goes with the store to whichever thread
//! commits. Invariant: one batch at a time; after a failure nothing is appended any more.

use std::ops::Range;

use antiphon_ledger::Hash;
use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::hash::{SALT_BYTES, body_hash, leaf_hash};
use antiphon_ledger::tree::Tree;

use crate::error::EngineError;
use crate::fail;
use crate::ports::store::{Batch, Head, Store, Tile, push_framed};

/// Bytes of an envelope without signatures, about.
const ENVELOPE_BYTES: usize = 300;

/// The store, and the end of the log in it.
pub(crate) struct Log {
    pub(crate) store: Box<dyn Store>,
    head: Head,
    tree: Tree,
    last_leaf: Hash,
    /// Where envelopes are written one after the other.
    envelope: Vec<u8>,
}

/// A batch on its way into the log: first its bodies are there, then, once it is chained, all.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) batch: Batch,
    /// Records whose envelopes are to be made.
    pub(super) records: Vec<Unchained>,
}

/// What the envelope of a record says but for its place and its body.
pub(super) struct Unchained {
    pub(super) elapsed_ms: u64,
    pub(super) kind: &'static str,
    pub(super) seq: u64,
    pub(super) sig: Option<String>,
    /// Where its body stands: salt and JSON.
    pub(super) stored: Range<usize>,
    pub(super) time_ms: i64,
}

impl Log {
    /// The log that `store` holds, whose tree is `tree` and whose last leaf `last_leaf`.
    pub(crate) fn new(store: Box<dyn Store>, head: Head, tree: Tree, last_leaf: Hash) -> Self {
        Self {
            store,
            head,
            tree,
            last_leaf,
            envelope: Vec::new(),
        }
    }

    /// Chains `draft` and makes it durable.
    pub(crate) fn append(&mut self, draft: &mut Draft) -> Result<(), EngineError> {
        self.chain(draft)?;
        fail::step("seal.sealed")?;
        self.store.append(&self.head, &draft.batch)?;
        self.head = draft.batch.head();
        Ok(())
    }

    /// Makes the envelopes of `draft`, its root and the tiles that it fills.
    pub(crate) fn chain(&mut self, draft: &mut Draft) -> Result<(), EngineError> {
        let Draft { batch, records } = draft;
        for record in records.drain(..) {
            let bodies = batch.turn.bodies.as_deref().unwrap_or_default();
            let stored = bodies.get(record.stored).unwrap_or_default();
            let body_bytes = stored.len().saturating_sub(SALT_BYTES);
            let envelope = Envelope {
                body_bytes: u32::try_from(body_bytes).unwrap_or(u32::MAX),
                body_sha256: body_hash(stored),
                elapsed_ms: record.elapsed_ms,
                kind: record.kind,
                prev: self.last_leaf,
                seq: record.seq,
                sig: record.sig.as_deref(),
                time_ms: record.time_ms,
                version: 1,
            };
            self.envelope.clear();
            envelope
                .encode_into(&mut self.envelope)
                .map_err(|error| EngineError::Bug(error.to_string()))?;
            self.last_leaf = leaf_hash(&self.envelope);
            self.tree.push(&self.last_leaf);
            push_framed(&mut batch.turn.envelopes, &self.envelope);
        }
        batch.turn.root = self.tree.root();
        batch.last_leaf = self.last_leaf;
        let tile = |(level, index, hashes)| Tile {
            level,
            index,
            hashes,
        };
        let filled = self.tree.take_full_tiles();
        batch.tiles.extend(filled.into_iter().map(tile));
        Ok(())
    }
}

impl Draft {
    /// Bytes of its records, about.
    pub(super) fn bytes(&self) -> usize {
        let envelopes = self.records.len().saturating_mul(ENVELOPE_BYTES);
        self.batch.turn.stored_bytes().saturating_add(envelopes)
    }

    /// An empty one with the same buffers.
    pub(super) fn emptied(self) -> Self {
        let Self { batch, mut records } = self;
        records.clear();
        let mut draft = Self {
            batch: Batch::default(),
            records,
        };
        draft.batch.turn.envelopes = emptied(batch.turn.envelopes);
        draft.batch.turn.bodies = batch.turn.bodies.map(emptied);
        draft
    }
}

fn emptied(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer
}
