//! The proof of a fork: one log signed two histories, shown to someone who has neither.
//!
//! In: for each branch its checkpoint, the root at one common size with a proof that the checkpoint
//! extends it, and the records about keys with proofs that they are in it. Out: its JSON, and
//! whether it holds.
//!
//! Invariants: a proof holds only if both checkpoints are signed by the key that follows from the
//! trusted one, and the roots at the common size differ; nobody without the log's key can make one.
//! Not here: finding out whether two logs differ (the callers).
//! Source: `docs/reference/ledger.md`, RFC 6962 section 2.1.2.

use serde::{Deserialize, Serialize};

use crate::audit::{Finding, Findings, Part, check_signatures, check_trust, read_checkpoint};
use crate::hash::Hash;
use crate::partial::Partial;
use crate::proof::verify_consistency;
use crate::signature::LOG;
use crate::text;
use crate::tree::TreeHead;
use crate::trust::Trust;
use crate::verify::ProblemKind;

/// Bytes that a proof of a fork may have.
pub const FORK_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Records about keys that a branch may have.
pub const KEY_RECORDS_MAX: usize = 10_000;

/// Two histories that one log has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkProof {
    /// The log's origin.
    pub origin: String,
    /// The size at which the histories are compared, at most that of either checkpoint.
    pub size: u64,
    /// The histories.
    pub branches: [Branch; 2],
}

/// One of the histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The signed note of its checkpoint.
    pub checkpoint: String,
    /// Its root at the common size.
    pub root: Hash,
    /// The proof that the checkpoint extends the tree of the common size.
    pub proof: Vec<Hash>,
    /// The records about keys before the checkpoint, in order, record 0 first; none when the
    /// trusted key itself signed the checkpoint.
    pub keys: Vec<KeyRecord>,
}

/// A record about keys, with the proof that it is in the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its place.
    pub seq: u64,
    /// The envelope.
    pub envelope: Vec<u8>,
    /// Salt and JSON.
    pub body: Vec<u8>,
    /// The proof.
    pub proof: Vec<Hash>,
}

/// What is wrong with a proof of a fork; nothing when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkJudgement {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How many of them there were.
    pub finding_count: u64,
}

impl ForkProof {
    /// Whether `bytes` may be meant as the proof of a fork: whoever is given a file asks first.
    #[must_use]
    pub fn is_meant(bytes: &[u8]) -> bool {
        bytes.trim_ascii_start().starts_with(b"{")
    }

    /// Reads a proof.
    ///
    /// # Errors
    /// [`ForkError`] when the bytes are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, ForkError> {
        if bytes.len() > FORK_BYTES_MAX {
            return Err(ForkError::Member("it has more than 64 MiB"));
        }
        let file: ForkFile = serde_json::from_slice(bytes)?;
        if file.format != 1 {
            return Err(ForkError::Member("it is of another format"));
        }
        let [one, other] = file.branches;
        Ok(Self {
            origin: file.origin,
            size: file.size,
            branches: [one.read()?, other.read()?],
        })
    }

    /// Its JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let [one, other] = &self.branches;
        let file = ForkFile {
            format: 1,
            origin: self.origin.clone(),
            size: self.size,
            branches: [BranchFile::of(one), BranchFile::of(other)],
        };
        // A struct of texts and numbers always has a JSON form.
        let mut json = serde_json::to_string_pretty(&file).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Judges it by what is trusted of the log: the first branch, the second, then both.
    #[must_use]
    pub fn judge(&self, trust: &Trust) -> ForkJudgement {
        let [one, other] = &self.branches;
        let mut both = Findings::default();
        if one.root == other.root {
            let detail = format!("both histories have one root at size {}", self.size);
            both.add_whole(Part::Head, ProblemKind::ForkNone, detail);
        }
        let of_one = self.judge_branch(one, trust);
        let of_other = self.judge_branch(other, trust);
        let parts = [of_one, of_other, both].map(Findings::into_order);
        let finding_count = parts
            .iter()
            .fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let findings = parts.into_iter().flat_map(|(findings, _)| findings);
        ForkJudgement {
            findings: findings.collect(),
            finding_count,
        }
    }

    fn judge_branch(&self, branch: &Branch, trust: &Trust) -> Findings {
        let mut findings = Findings::default();
        let bytes = Some(branch.checkpoint.as_bytes());
        let Some(sealed) = read_checkpoint(bytes, true, &mut findings) else {
            return findings;
        };
        let head = sealed.checkpoint().head();
        let origin = sealed.checkpoint().origin();
        if origin != trust.origin || self.origin != trust.origin {
            let detail = format!("the checkpoint is of {origin}, {} is trusted", trust.origin);
            findings.add_whole(Part::Checkpoint, ProblemKind::CheckpointOrigin, detail);
        }
        let mut partial = Partial::new(Some(&trust.origin), findings);
        for record in &branch.keys {
            partial.record(record.seq, &record.envelope, Some(&record.body));
            partial.prove(record.seq, &head, &record.proof);
        }
        let (size, root) = (self.size, branch.root);
        if verify_consistency(&TreeHead { size, root }, &head, &branch.proof).is_err() {
            let detail = format!("it does not lead from size {size} to the checkpoint");
            let kind = ProblemKind::ProofInvalid;
            partial.findings.add_whole(Part::Root, kind, detail);
        }
        let key = if branch.keys.is_empty() {
            Some(&trust.log_key)
        } else {
            check_trust(trust, &partial.keyring, head.size, &mut partial.findings);
            partial.keyring.valid_at(LOG, head.size).map(|it| &it.key)
        };
        // Whether witnesses cosigned one of the histories is no matter of the proof.
        check_signatures(&sealed, key, None, &mut partial.findings);
        partial.findings
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForkFile {
    format: u32,
    origin: String,
    size: u64,
    branches: [BranchFile; 2],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BranchFile {
    checkpoint: String,
    root: String,
    proof: Vec<String>,
    keys: Vec<KeyFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    seq: u64,
    envelope: String,
    body: String,
    proof: Vec<String>,
}

impl BranchFile {
    fn of(branch: &Branch) -> Self {
        let key = |record: &KeyRecord| KeyFile {
            seq: record.seq,
            envelope: text::base64(&record.envelope),
            body: text::base64(&record.body),
            proof: to_texts(&record.proof),
        };
        Self {
            checkpoint: branch.checkpoint.clone(),
            root: text::base64(&branch.root),
            proof: to_texts(&branch.proof),
            keys: branch.keys.iter().map(key).collect(),
        }
    }

    fn read(self) -> Result<Branch, ForkError> {
        let in_order = self.keys.is_sorted_by(|one, other| one.seq < other.seq);
        if !in_order || self.keys.len() > KEY_RECORDS_MAX {
            return Err(ForkError::Member("its keys are too many, or not in order"));
        }
        let bytes =
            |text: &str| text::from_base64(text).ok_or(ForkError::Member("it is no Base64"));
        let key = |file: KeyFile| {
            Ok(KeyRecord {
                seq: file.seq,
                envelope: bytes(&file.envelope)?,
                body: bytes(&file.body)?,
                proof: from_texts(&file.proof)?,
            })
        };
        Ok(Branch {
            root: text::hash(&self.root).ok_or(ForkError::Member("a root is no hash"))?,
            proof: from_texts(&self.proof)?,
            keys: self
                .keys
                .into_iter()
                .map(key)
                .collect::<Result<_, ForkError>>()?,
            checkpoint: self.checkpoint,
        })
    }
}

fn to_texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| text::base64(hash)).collect()
}

fn from_texts(texts: &[String]) -> Result<Vec<Hash>, ForkError> {
    let hashes = texts.iter().map(|it| text::hash(it));
    let hashes: Option<Vec<Hash>> = hashes.collect();
    hashes.ok_or(ForkError::Member("a proof has what is no hash"))
}

/// Why bytes are no proof of a fork.
#[derive(Debug, thiserror::Error)]
pub enum ForkError {
    /// They are no JSON with exactly its members.
    #[error("this is no proof of a fork")]
    Json(#[from] serde_json::Error),
    /// A member has a value that makes no sense.
    #[error("this is no proof of a fork: {0}")]
    Member(&'static str),
}

impl ForkError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Member(_) => "fork.malformed",
        }
    }
}
