//! Records put onto a disk as an owner would, to make logs that no owner wrote.

use antiphon_core::record::Body;
use antiphon_engine::ports::store::{Tile, Turn, push_framed};
use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::hash::{SALT_BYTES, body_hash, leaf_hash};
use antiphon_ledger::tree::Tree;

use super::disk::Disk;

impl Disk {
    /// Adds a turn with the one record `body`, well chained and hashed, at the time of the last one.
    pub fn forge(&self, body: &Body) {
        let last = self.records().pop().unwrap();
        let seq = last.seq.saturating_add(1);
        let mut stored = vec![0; SALT_BYTES];
        body.encode(&mut stored).unwrap();
        let json_bytes = stored.len().checked_sub(SALT_BYTES).unwrap();
        let mut envelope = Vec::new();
        let written = Envelope {
            body_bytes: u32::try_from(json_bytes).unwrap(),
            body_sha256: body_hash(&stored),
            elapsed_ms: last.elapsed_ms,
            kind: body.kind(),
            prev: self.contents().head.last_leaf,
            seq,
            sig: None,
            time_ms: last.time_ms,
            version: 1,
        };
        written.encode_into(&mut envelope).unwrap();
        let leaf = leaf_hash(&envelope);
        let mut tree = Tree::new();
        for turn in &self.contents().turns {
            for record in turn.records().unwrap() {
                tree.push(&leaf_hash(record.envelope));
            }
        }
        // Those are there already.
        drop(tree.take_full_tiles());
        tree.push(&leaf);
        let mut turn = Turn {
            first_seq: seq,
            count: 1,
            root: tree.root(),
            envelopes: Vec::new(),
            bodies: Some(Vec::new()),
        };
        push_framed(&mut turn.envelopes, &envelope);
        push_framed(turn.bodies.get_or_insert_default(), &stored);
        let tile = |(level, index, hashes)| Tile {
            level,
            index,
            hashes,
        };
        self.change(|contents| {
            contents.head.next_seq = seq.saturating_add(1);
            contents.head.last_leaf = leaf;
            contents.head.root = turn.root;
            contents.turns.push(turn);
            contents
                .tiles
                .extend(tree.take_full_tiles().into_iter().map(tile));
        });
    }
}
