//! What is proven: checkpoints and proofs.

use antiphon_engine::notary::Sealing;
use serde::{Deserialize, Serialize};

/// How far what an answer tells is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The last record that is told.
    pub seq: u64,
    /// The size of the checkpoint that covers it, the best cosigned one; `null` while none does.
    pub checkpoint: Option<u64>,
    /// The witnesses that have cosigned that checkpoint.
    pub cosigned_by: Vec<String>,
}

impl Seal {
    /// Record `seq`, which no checkpoint is known to cover.
    pub(crate) fn of(seq: u64) -> Self {
        Self {
            seq,
            checkpoint: None,
            cosigned_by: Vec::new(),
        }
    }

    /// Takes the checkpoint that covers it, if there is one.
    pub(crate) fn covered_by(&mut self, sealing: &Sealing) {
        if let Some(signed) = sealing.covering(self.seq) {
            self.checkpoint = Some(signed.size());
            self.cosigned_by.clone_from(&signed.cosigned_by);
        }
    }
}

/// How far the log is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerStatus {
    /// Records in the log.
    pub records: u64,
    /// The newest checkpoint; `null` when there is none.
    pub checkpoint: Option<CheckpointInfo>,
    /// The newest one that enough witnesses have cosigned; `null` when there is none.
    pub cosigned: Option<CheckpointInfo>,
    /// ms since the first record became durable that no checkpoint covers; 0 when there is none.
    pub age_ms: u64,
    /// Why the last checkpoint could not be signed or saved; `null` when it was.
    pub failure: Option<String>,
    /// What each witness has cosigned, by name; those that have cosigned nothing are left out.
    pub witnesses: Vec<WitnessInfo>,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// Records that it covers.
    pub size: u64,
    /// The root over them, in hexadecimal.
    pub root: String,
    /// The witnesses that have cosigned it.
    pub cosigned_by: Vec<String>,
}

/// What a witness has cosigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessInfo {
    /// Its name.
    pub name: String,
    /// Records of the largest checkpoint that it has cosigned, as far as this owner knows.
    pub size: u64,
}

/// That a record stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The record.
    pub seq: u64,
    /// The size of the checkpoint.
    pub size: u64,
    /// The witnesses that have cosigned it.
    pub cosigned_by: Vec<String>,
    /// The record's envelope as stored, of which the leaf is the hash.
    pub envelope: String,
    /// The proof as a text of C2SP's form, the checkpoint in it.
    pub tlog_proof: String,
}
