//! Ledgers made by hand: signed records, keys that come and go, checkpoints, an exported folder.
//!
//! In: what should stand in the log, in order. Out: its bytes, the same for the same calls: keys
//! come from fixed seeds, salts and times from the place of a record. It is written from the
//! formats alone and shares nothing with the program's export but keys and hashes, so that one
//! proves the other.
//!
//! Whatever a ledger must not be can be made, too: records without signatures, with those of
//! others, with bodies that are no events. Nothing is checked here.
//!
//! Source: `docs/reference/ledger.md`, `docs/reference/log-format.md`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a maker of tests panics when it is asked for what has no form"
)]

mod events;
mod folder;
mod note;

pub use folder::place;
pub use note::{checkpoint_text, cosignature, signed_checkpoint, witness};

use std::collections::BTreeMap;

use antiphon_ledger::Hash;
use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::hash::{NO_LEAF, SALT_BYTES, body_hash, leaf_hash};
use antiphon_ledger::key::{Algorithm, SigningKey};
use antiphon_ledger::signature::{
    LOG, OPERATOR, OWNER, RECOVERY, Signature, Signed, key_name, to_sig,
};
use antiphon_ledger::tree::Tree;
use serde_json::{Value, json};

/// The origin of logs whose origin does not matter.
pub const ORIGIN: &str = "example.com/antiphon/test";

/// One record as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The envelope.
    pub envelope: Vec<u8>,
    /// Salt and JSON; `None` when it was pruned.
    pub body: Option<Vec<u8>>,
}

/// A log that is being made.
#[derive(Clone, Debug)]
pub struct LedgerMaker {
    origin: String,
    seed: u8,
    records: Vec<Stored>,
    /// Every key that an agent has had, the newest last.
    keys: BTreeMap<String, Vec<SigningKey>>,
    /// Keys that were made, which gives each a seed of its own.
    made: u8,
}

impl LedgerMaker {
    /// A log with record 0 and keys of `log`, `operator`, `owner` and `recovery`; `seed` tells
    /// logs of the same origin apart.
    #[must_use]
    pub fn new(origin: &str, seed: u8) -> Self {
        let mut maker = Self::without_records(origin, seed);
        let created = maker.created();
        maker.unsigned("log.created", &created);
        maker
    }

    /// The same without record 0.
    #[must_use]
    pub fn without_records(origin: &str, seed: u8) -> Self {
        let mut maker = Self {
            origin: origin.to_owned(),
            seed,
            records: Vec::new(),
            keys: BTreeMap::new(),
            made: 0,
        };
        for agent in [LOG, OPERATOR, OWNER, RECOVERY] {
            let key = maker.new_key(agent);
            maker.hold(agent, key);
        }
        maker
    }

    /// A log of `size` records at least, in which every kind of signed record stands, keys of the
    /// log and of an agent were rotated, and one was revoked; every fifth of the others is pruned.
    #[must_use]
    pub fn journey(size: usize) -> Self {
        let mut maker = Self::new(ORIGIN, 1);
        maker.config_applied(OWNER);
        maker.guard_changed(OPERATOR);
        maker.register("FINN");
        maker.task_changed("FINN");
        maker.ask_answered("FINN");
        maker.rotate("FINN");
        maker.guard_changed("FINN");
        maker.rotate(LOG);
        maker.plain();
        maker.rotate(OWNER);
        maker.config_applied(OWNER);
        maker.plain();
        let place = maker.size();
        maker.revoke("FINN", place);
        maker.task_changed("FINN");
        maker.rotate(RECOVERY);
        maker.cut();
        maker.restored();
        while maker.size() < size as u64 {
            let seq = maker.plain();
            if seq.is_multiple_of(5) {
                maker.prune(seq);
            }
        }
        maker
    }

    /// Its origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of its records.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.records.len() as u64
    }

    /// Its records.
    #[must_use]
    pub fn records(&self) -> &[Stored] {
        &self.records
    }

    /// Its records, to be spoiled.
    pub fn records_mut(&mut self) -> &mut Vec<Stored> {
        &mut self.records
    }

    /// The tree over its first `size` records.
    #[must_use]
    pub fn tree(&self, size: u64) -> Tree {
        let mut tree = Tree::new();
        for record in self.records.iter().take(usize::try_from(size).unwrap()) {
            tree.push(&leaf_hash(&record.envelope));
        }
        tree
    }

    /// The newest key of an agent.
    #[must_use]
    pub fn key(&self, agent: &str) -> &SigningKey {
        self.keys[agent].last().unwrap()
    }

    /// Every key that an agent has had, the newest last.
    #[must_use]
    pub fn keys(&self, agent: &str) -> &[SigningKey] {
        &self.keys[agent]
    }

    /// A key that nobody has had.
    pub fn new_key(&mut self, agent: &str) -> SigningKey {
        self.made += 1;
        let seed = [self.seed, self.made].repeat(16).try_into().unwrap();
        SigningKey::new(key_name(&self.origin, agent), Algorithm::Ed25519, &seed).unwrap()
    }

    /// From now on `key` is the newest key of the agent.
    pub fn hold(&mut self, agent: &str, key: SigningKey) {
        self.keys.entry(agent.to_owned()).or_default().push(key);
    }

    /// The body of record 0.
    #[must_use]
    pub fn created(&self) -> Value {
        let key = |agent: &str| {
            let key = self.keys[agent].first().unwrap().verifier().to_string();
            json!({"agent": agent, "custodial": agent != RECOVERY, "key": key})
        };
        json!({
            "format": 1,
            "id": "01890a5d-ac96-774b-bcce-b302099a8057",
            "keys": [key(LOG), key(OPERATOR), key(OWNER), key(RECOVERY)],
            "origin": self.origin,
            "version": "0.0.0",
        })
    }

    /// A record that need not be signed; its place.
    pub fn plain(&mut self) -> u64 {
        let seq = self.size();
        self.unsigned("report.refused", &json!({"of": seq, "text": "é\u{20ac}😀"}))
    }

    /// A record without signatures; its place.
    pub fn unsigned(&mut self, kind: &str, body: &Value) -> u64 {
        self.push(kind, body, None)
    }

    /// A record whose body is this text, whether or not it is JSON; its place.
    pub fn unsigned_text(&mut self, kind: &str, json: &str) -> u64 {
        let stored = self.stored_text(json.as_bytes());
        self.push_stored(kind, stored, None)
    }

    /// A record that the newest keys of `agents` sign; its place.
    pub fn signed(&mut self, kind: &str, body: &Value, subject: &str, agents: &[&str]) -> u64 {
        let agents: Vec<_> = agents
            .iter()
            .map(|it| (*it, self.key(it).clone()))
            .collect();
        self.signed_by(kind, body, subject, &agents)
    }

    /// A record that these keys sign, each said to be that of an agent; its place.
    pub fn signed_by(
        &mut self,
        kind: &str,
        body: &Value,
        subject: &str,
        keys: &[(&str, SigningKey)],
    ) -> u64 {
        let body_sha256 = body_hash(&self.stored_body(body));
        let signed = Signed {
            origin: &self.origin,
            kind,
            subject,
            body_sha256: &body_sha256,
        };
        let sign =
            |(agent, key): &(&str, SigningKey)| Signature::sign(agent, key, &signed).unwrap();
        let sig = to_sig(&keys.iter().map(sign).collect::<Vec<_>>());
        self.push(kind, body, sig.as_deref())
    }

    /// An earlier record once more, with its body and its signatures, as whoever has the log can; its
    /// place.
    pub fn replay(&mut self, seq: u64) -> u64 {
        let earlier = self.records[usize::try_from(seq).unwrap()].clone();
        let envelope = Envelope::decode(&earlier.envelope).unwrap();
        self.push_stored(envelope.kind, earlier.body.unwrap(), envelope.sig)
    }

    /// Drops a body.
    pub fn prune(&mut self, seq: u64) {
        self.records[usize::try_from(seq).unwrap()].body = None;
    }

    /// Names anew what each record from `from` on names before it, as who has no key would do
    /// after an edit; signatures stay, since they do not cover it.
    pub fn chain_again(&mut self, from: u64) {
        let from = usize::try_from(from).unwrap();
        for seq in from.max(1)..self.records.len() {
            let prev = leaf_hash(&self.records[seq - 1].envelope);
            let envelope = self.records[seq].envelope.clone();
            let mut changed = Envelope::decode(&envelope).unwrap();
            changed.prev = prev;
            changed.seq = seq as u64;
            self.records[seq].envelope = encoded(&changed);
        }
    }

    fn push(&mut self, kind: &str, body: &Value, sig: Option<&str>) -> u64 {
        let stored = self.stored_body(body);
        self.push_stored(kind, stored, sig)
    }

    fn push_stored(&mut self, kind: &str, stored: Vec<u8>, sig: Option<&str>) -> u64 {
        let seq = self.size();
        let prev = self.records.last();
        let envelope = Envelope {
            body_bytes: u32::try_from(stored.len() - SALT_BYTES).unwrap(),
            body_sha256: body_hash(&stored),
            elapsed_ms: seq * 10,
            kind,
            prev: prev.map_or(NO_LEAF, |record| leaf_hash(&record.envelope)),
            seq,
            sig,
            time_ms: 1_795_189_012_001 + i64::try_from(seq).unwrap() * 10,
            version: 1,
        };
        self.records.push(Stored {
            envelope: encoded(&envelope),
            body: Some(stored),
        });
        seq
    }

    /// The body of the next record as it is stored.
    fn stored_body(&self, body: &Value) -> Vec<u8> {
        self.stored_text(&serde_json::to_vec(body).unwrap())
    }

    fn stored_text(&self, json: &[u8]) -> Vec<u8> {
        let place = [self.size().to_be_bytes(), [self.seed; 8]].concat();
        let hash: Hash = leaf_hash(&place);
        let mut stored = hash[..SALT_BYTES].to_vec();
        stored.extend_from_slice(json);
        stored
    }
}

fn encoded(envelope: &Envelope<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    envelope.encode_into(&mut bytes).unwrap();
    bytes
}

#[cfg(test)]
mod tests {
    use antiphon_ledger::verify::Verifier;

    use super::*;

    #[test]
    fn a_made_log_is_chained_and_always_the_same() {
        let maker = LedgerMaker::journey(300);
        let mut verifier = Verifier::new();
        for record in maker.records() {
            verifier.record(&record.envelope, record.body.as_deref());
        }
        let statement = verifier.finish();
        assert_eq!(statement.problems, []);
        assert_eq!((statement.size, statement.pruned), (300, 56));
        assert_eq!(LedgerMaker::journey(300).records(), maker.records());
    }
}
