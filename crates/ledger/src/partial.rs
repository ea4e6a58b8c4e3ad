//! A few records of a log with their proofs, judged by a checkpoint that has them all: what an
//! evidence bundle and a proof of a fork have in common.
//!
//! In: records in order of `seq`, some of them neighbours, and a checkpoint. Out: findings, and the
//! keys as far as these records tell.

use crate::audit::{Finding, Findings, Part};
use crate::envelope::Envelope;
use crate::hash::{Hash, NO_LEAF, SALT_BYTES, leaf_hash};
use crate::keyring::Keyring;
use crate::proof::verify_inclusion;
use crate::tree::TreeHead;
use crate::verify::{Problem, ProblemKind, examine};

/// Records that have been read.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) keyring: Keyring,
    pub(crate) findings: Findings,
    /// The leaf of each record.
    leaves: Vec<(u64, Hash)>,
    pub(crate) pruned: u64,
}

impl Partial {
    /// None yet, of the log of `origin`.
    pub(crate) fn new(origin: Option<&str>, findings: Findings) -> Self {
        Self {
            keyring: Keyring::new(origin),
            findings,
            leaves: Vec::new(),
            pruned: 0,
        }
    }

    /// How many records were read.
    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.leaves.len()).unwrap_or(u64::MAX)
    }

    /// Takes the record that stands at `seq`, behind all that were taken before.
    pub(crate) fn record(&mut self, seq: u64, envelope: &[u8], body: Option<&[u8]>) {
        if body.is_none() {
            self.pruned = self.pruned.saturating_add(1);
        }
        let before = self.leaves.last().copied();
        self.leaves.push((seq, leaf_hash(envelope)));
        let decoded = match Envelope::decode(envelope) {
            Ok(decoded) => decoded,
            Err(error) => {
                return self.report(seq, seq, ProblemKind::EnvelopeMalformed, error.to_string());
            }
        };
        if decoded.seq != seq {
            let detail = format!("record {} stands in its place", decoded.seq);
            self.report(seq, seq, ProblemKind::ChainSeq, detail);
        }
        let prev = match before {
            Some((place, leaf)) if place.saturating_add(1) == seq => Some(leaf),
            _ => (seq == 0).then_some(NO_LEAF),
        };
        if prev.is_some_and(|prev| prev != decoded.prev) {
            let detail = "neighbours do not name one another".to_owned();
            self.report(seq, seq.saturating_sub(1), ProblemKind::ChainPrev, detail);
        }
        if let Some((kind, detail)) = examine(envelope, body, None).into_body_problem() {
            self.report(seq, seq, kind, detail);
        }
        let json = body.and_then(|stored| stored.get(SALT_BYTES..));
        for problem in self.keyring.record(seq, &decoded, json) {
            self.findings.add(Part::Records, seq, problem.into());
        }
    }

    /// Reports what is wrong with the record at `seq`, which was not taken.
    pub(crate) fn report_record(&mut self, seq: u64, kind: ProblemKind, detail: &str) {
        self.report(seq, seq, kind, detail.to_owned());
    }

    /// Whether `proof` leads from the record at `seq`, which was taken, to `head`.
    pub(crate) fn prove(&mut self, seq: u64, head: &TreeHead, proof: &[Hash]) {
        let leaf = self.leaves.iter().find(|(place, _)| *place == seq);
        let holds = leaf.is_some_and(|(_, leaf)| verify_inclusion(leaf, seq, head, proof).is_ok());
        if !holds {
            self.unproven(
                seq,
                ProblemKind::ProofInvalid,
                "it does not lead to the checkpoint",
            );
        }
    }

    /// Reports what is wrong with the proof of the record at `seq`.
    pub(crate) fn unproven(&mut self, seq: u64, kind: ProblemKind, detail: impl Into<String>) {
        let detail = detail.into();
        let finding = Finding {
            seq: Some(seq),
            kind,
            detail,
        };
        self.findings.add(Part::Root, seq, finding);
    }

    fn report(&mut self, at: u64, seq: u64, kind: ProblemKind, detail: String) {
        let finding = Problem { seq, kind, detail }.into();
        self.findings.add(Part::Records, at, finding);
    }
}
