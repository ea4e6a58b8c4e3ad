//! The evidence bundle: the records of one run with proofs, keys and outputs, and its judgement.
//!
//! In: files by their paths, as whoever has them reads them. Out: [`BundleIndex`], and [`Audit`].
//!
//! Invariants: whatever the files hold, there is an audit. That a bundle has all records about keys
//! cannot be known from it: only a walk of the log shows that no revocation was left out.
//! Not here: which records a run has, and writing the files (the callers).
//! Source: `docs/reference/ledger.md`, C2SP tlog-proof.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::audit::{Audit, Findings, Part, check_signatures, check_trust, read_checkpoint};
use crate::exported::CHECKPOINT;
use crate::hash::{Hash, hex};
use crate::partial::Partial;
use crate::signature::LOG;
use crate::tlog_proof::{TlogProof, TlogProofError};
use crate::trust::{Sealed, Trust};
use crate::verify::ProblemKind;

/// The name of the file that says what a bundle holds.
pub const INDEX: &str = "bundle.json";
/// Records that a bundle may have.
pub const RECORDS_MAX: usize = 100_000;

/// Where the envelope of a record lies.
#[must_use]
pub fn envelope_path(seq: u64) -> String {
    format!("records/{seq}.envelope")
}

/// Where the body of a record lies: salt and JSON.
#[must_use]
pub fn body_path(seq: u64) -> String {
    format!("records/{seq}.body")
}

/// Where the proof of a record lies.
#[must_use]
pub fn proof_path(seq: u64) -> String {
    format!("records/{seq}.tlog-proof")
}

/// Where an output of an attempt lies; `sha256` in hexadecimal.
#[must_use]
pub fn evidence_path(sha256: &str) -> String {
    format!("evidence/{sha256}")
}

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleIndex {
    /// 1.
    pub format: u32,
    /// The run.
    pub run: serde_json::Value,
    /// The log's origin.
    pub origin: String,
    /// The records of the run, in order.
    pub records: Vec<u64>,
    /// The records about keys, in order, record 0 first.
    pub keys: Vec<u64>,
    /// The SHA-256 of each output, in hexadecimal.
    pub evidence: Vec<String>,
}

impl BundleIndex {
    /// Reads what a bundle of the log of `origin` holds.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(json: &[u8], origin: &str) -> Result<Self, String> {
        let index: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let in_order = |seqs: &[u64]| seqs.is_sorted_by(|one, other| one < other);
        let is_hash = |text: &String| {
            let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            text.len() == 64 && text.bytes().all(is_digit)
        };
        if index.format != 1 || index.origin != origin {
            Err("it is of another format or origin".to_owned())
        } else if !in_order(&index.records) || !in_order(&index.keys) {
            Err("its records are not in order".to_owned())
        } else if index.keys.first() != Some(&0) {
            Err("record 0 is not among its keys".to_owned())
        } else if index.records.len().saturating_add(index.keys.len()) > RECORDS_MAX {
            Err(format!("it has more than {RECORDS_MAX} records"))
        } else if !index.evidence.iter().all(is_hash) {
            Err("its evidence is not named by hashes".to_owned())
        } else {
            Ok(index)
        }
    }

    /// Every record, in order.
    #[must_use]
    pub fn all_records(&self) -> BTreeSet<u64> {
        self.records.iter().chain(&self.keys).copied().collect()
    }
}

/// Judges the bundle whose files `read` gives, `None` for one that is not there.
pub fn audit(trust: Option<&Trust>, mut read: impl FnMut(&str) -> Option<Vec<u8>>) -> Audit {
    let mut findings = Findings::default();
    let note = read(CHECKPOINT);
    let sealed = read_checkpoint(note.as_deref(), true, &mut findings);
    let (Some(sealed), Some(note)) = (sealed, note) else {
        return ended(Partial::new(None, findings), None, Vec::new());
    };
    let origin = sealed.checkpoint().origin();
    if trust.is_some_and(|trust| trust.origin != origin) {
        let detail = format!("the checkpoint is of {origin}");
        findings.add_whole(Part::Checkpoint, ProblemKind::CheckpointOrigin, detail);
    }
    let index = read(INDEX).ok_or("there is no bundle.json".to_owned());
    let index = match index.and_then(|json| BundleIndex::parse(&json, origin)) {
        Ok(index) => index,
        Err(detail) => {
            findings.add_whole(Part::Records, ProblemKind::BundleMalformed, detail);
            return ended(Partial::new(None, findings), Some(&sealed), Vec::new());
        }
    };
    let trusted = trust.map(|it| it.origin.as_str());
    let mut partial = Partial::new(trusted.or(Some(origin)), findings);
    let named = records(&index, &sealed, &note, &mut partial, &mut read);
    check_head(&sealed, trust, &mut partial.findings);
    let size = sealed.checkpoint().size();
    if let Some(trust) = trust {
        check_trust(trust, &partial.keyring, size, &mut partial.findings);
    }
    let key = partial.keyring.valid_at(LOG, size).map(|it| &it.key);
    let cosigned_by = check_signatures(&sealed, key, trust, &mut partial.findings);
    check_evidence(&index, &named, &mut partial.findings, &mut read);
    ended(partial, Some(&sealed), cosigned_by)
}

/// Reads every record with its proof; which hashes of evidence their bodies name.
fn records(
    index: &BundleIndex,
    sealed: &Sealed,
    note: &[u8],
    partial: &mut Partial,
    read: &mut impl FnMut(&str) -> Option<Vec<u8>>,
) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for seq in index.all_records() {
        let Some(envelope) = read(&envelope_path(seq)) else {
            let (kind, detail) = (ProblemKind::BundleMalformed, "the record is not there");
            partial.report_record(seq, kind, detail);
            continue;
        };
        let body = read(&body_path(seq));
        partial.record(seq, &envelope, body.as_deref());
        let holds = |sha256: &&String| {
            let body = body.as_deref().unwrap_or_default();
            body.windows(64).any(|window| window == sha256.as_bytes())
        };
        named.extend(index.evidence.iter().filter(holds).cloned());
        match proof(seq, note, &read(&proof_path(seq)).unwrap_or_default()) {
            Ok(Some(hashes)) => partial.prove(seq, &sealed.checkpoint().head(), &hashes),
            Ok(None) => {
                let detail = "it repeats another checkpoint";
                partial.unproven(seq, ProblemKind::ProofInvalid, detail);
            }
            Err(error) => partial.unproven(seq, ProblemKind::ProofMalformed, error),
        }
    }
    named
}

/// The hashes of a proof; `None` when it is of another checkpoint than `note` has.
fn proof(seq: u64, note: &[u8], bytes: &[u8]) -> Result<Option<Vec<Hash>>, String> {
    let end = bytes.windows(2).position(|window| window == b"\n\n");
    let end = end
        .ok_or("no empty line ends its hashes")?
        .saturating_add(2);
    let (head, repeated) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    // What it says of itself is judged apart from the checkpoint that it repeats.
    let with_ours = [head, note].concat();
    let read = TlogProof::parse(&with_ours);
    let proof = read.map_err(|error: TlogProofError| error.to_string())?;
    if proof.extra().is_some() || proof.index() != seq {
        return Err("it is of another record, or has extra data".to_owned());
    }
    Ok((repeated == note).then(|| proof.hashes().to_vec()))
}

/// A head of the same size has the same root; one of another size says nothing about a bundle.
fn check_head(sealed: &Sealed, trust: Option<&Trust>, findings: &mut Findings) {
    let head = trust.and_then(|trust| trust.head.as_ref());
    let (Some(head), ours) = (
        head.map(|it| it.checkpoint().head()),
        sealed.checkpoint().head(),
    ) else {
        return;
    };
    if head.size == ours.size && head.root != ours.root {
        let detail = format!("another root was seen at size {}", head.size);
        findings.add_whole(Part::Head, ProblemKind::HeadFork, detail);
    }
}

fn check_evidence(
    index: &BundleIndex,
    named: &BTreeSet<String>,
    findings: &mut Findings,
    read: &mut impl FnMut(&str) -> Option<Vec<u8>>,
) {
    for sha256 in &index.evidence {
        let kind = match read(&evidence_path(sha256)) {
            None => ProblemKind::EvidenceMissing,
            Some(output) => {
                let hash: Hash = Sha256::digest(&output).into();
                if hex(&hash) == *sha256 && named.contains(sha256) {
                    continue;
                }
                ProblemKind::EvidenceHash
            }
        };
        findings.add_whole(Part::Evidence, kind, sha256.clone());
    }
}

fn ended(partial: Partial, sealed: Option<&Sealed>, cosigned_by: Vec<String>) -> Audit {
    let head = sealed.map(|it| it.checkpoint().head());
    let (size, pruned) = (partial.size(), partial.pruned);
    let origin = partial.keyring.origin().map(str::to_owned);
    let (findings, finding_count) = partial.findings.into_order();
    Audit {
        origin,
        size,
        root: head.map_or(crate::TreeHead::EMPTY_ROOT, |it| it.root),
        checkpoint_size: head.map(|it| it.size),
        checkpoint_root: head.map(|it| it.root),
        cosigned_by,
        pruned,
        findings,
        finding_count,
        trust: None,
    }
}
