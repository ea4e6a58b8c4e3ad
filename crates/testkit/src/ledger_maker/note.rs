//! Checkpoints, cosignatures and trust files of a made log.

use antiphon_ledger::key::{Algorithm, SigningKey};
use antiphon_ledger::signature::{LOG, RECOVERY};
use antiphon_ledger::{Hash, TreeHead};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::LedgerMaker;

impl LedgerMaker {
    /// The checkpoint of the first `size` records, signed by the newest key of the log.
    #[must_use]
    pub fn checkpoint(&self, size: u64) -> String {
        signed_checkpoint(&self.origin, &self.tree(size).head(), &[self.key(LOG)])
    }

    /// What a verifier has that saw the log when it had `head` records; the keys are the newest.
    #[must_use]
    pub fn trust(&self, head: u64) -> Value {
        json!({
            "origin": self.origin,
            "log_key": self.keys(LOG).first().unwrap().verifier().to_string(),
            "key_size": 0,
            "recovery_key": self.keys(RECOVERY).first().unwrap().verifier().to_string(),
            "witnesses": [],
            "cosignatures_required": 0,
            "head": self.checkpoint(head),
        })
    }
}

/// A checkpoint with the signatures of `keys`.
#[must_use]
pub fn signed_checkpoint(origin: &str, head: &TreeHead, keys: &[&SigningKey]) -> String {
    let text = checkpoint_text(origin, head.size, &head.root);
    let mut note = format!("{text}\n");
    for key in keys {
        note.push_str(&line(key, &key.sign(text.as_bytes())));
    }
    note
}

/// The text of a checkpoint.
#[must_use]
pub fn checkpoint_text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", STANDARD.encode(root))
}

/// The line by which a witness cosigns `note` at a time, s since 1970 UTC.
#[must_use]
pub fn cosignature(witness: &SigningKey, note: &str, time_s: u64) -> String {
    let (text, _) = note.split_once("\n\n").unwrap();
    let message = format!("cosignature/v1\ntime {time_s}\n{text}\n");
    let mut bytes = time_s.to_be_bytes().to_vec();
    bytes.extend_from_slice(&witness.sign(message.as_bytes()));
    line(witness, &bytes)
}

/// A witness's key.
#[must_use]
pub fn witness(name: &str, seed: u8) -> SigningKey {
    SigningKey::new(name, Algorithm::CosignatureV1, &[seed; 32]).unwrap()
}

fn line(key: &SigningKey, signature: &[u8]) -> String {
    let bytes = [&key.verifier().id().0, signature].concat();
    format!(
        "\u{2014} {} {}\n",
        key.verifier().name(),
        STANDARD.encode(bytes)
    )
}
