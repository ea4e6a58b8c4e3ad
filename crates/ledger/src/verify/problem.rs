//! What a verifier finds wrong, as values with stable codes.

/// One thing that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The first record that it affects: its place in the log, from 0.
    pub seq: u64,
    /// What is wrong.
    pub kind: ProblemKind,
    /// More of it, for people.
    pub detail: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} at record {}: {}",
            self.kind.code(),
            self.seq,
            self.detail
        )
    }
}

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// There is no checkpoint.
    CheckpointMissing,
    /// What should be the checkpoint is none.
    CheckpointMalformed,
    /// The checkpoint is another log's.
    CheckpointOrigin,
    /// The bytes are no envelope.
    EnvelopeMalformed,
    /// A record does not stand where its number says.
    ChainSeq,
    /// The next record names another leaf than this record has, or this one another than the last.
    ChainPrev,
    /// The stored body is longer or shorter than the envelope says.
    BodyLength,
    /// The stored body is not the one that was hashed.
    BodyHash,
    /// The body is no canonical JSON.
    BodyCanonical,
    /// A body that is never pruned is not there.
    BodyPruned,
    /// An event about keys makes no sense.
    KeyMalformed,
    /// A signature is by a key that the log does not have.
    KeyUnknown,
    /// A signature has not the form of one, or does not fit the record.
    SignatureInvalid,
    /// The key of a signature was not valid there.
    SignatureKey,
    /// The key of a signature has signed the same body for an earlier record.
    SignatureReplayed,
    /// A record that must be signed is not, or not by whom it must be.
    SignatureMissing,
    /// A record is signed that must not be, or by whom it must not be.
    SignatureUnexpected,
    /// The root of the tree is not the one that was recorded or known.
    TreeRoot,
    /// The log is shorter than a head that is known.
    TreeSize,
    /// The log ends before the checkpoint.
    CheckpointSize,
    /// The records make another root than the checkpoint's.
    CheckpointRoot,
    /// A tile is not stored.
    TileMissing,
    /// A stored tile is not the one that the records make.
    TileMismatch,
    /// The log ends before a head that was seen.
    HeadAhead,
    /// The log is no extension of a head that was seen.
    HeadFork,
    /// The log's key, or its recovery key, is not the trusted one.
    KeyUntrusted,
    /// The log's key has not signed the checkpoint, or a signature by a known key does not fit.
    CheckpointSignature,
    /// Fewer witnesses have cosigned the checkpoint than must have.
    CosignatureMissing,
    /// What says what a bundle holds is none, or names what is not there.
    BundleMalformed,
    /// A proof is none.
    ProofMalformed,
    /// A proof does not lead to the checkpoint.
    ProofInvalid,
    /// An evidence file is not there.
    EvidenceMissing,
    /// An evidence file is not the one that a record names.
    EvidenceHash,
    /// A proof of a fork shows none.
    ForkNone,
}

impl ProblemKind {
    /// A stable name for it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::CheckpointMissing => "checkpoint.missing",
            Self::CheckpointMalformed => "checkpoint.malformed",
            Self::CheckpointOrigin => "checkpoint.origin",
            Self::EnvelopeMalformed => "envelope.malformed",
            Self::ChainSeq => "chain.seq",
            Self::ChainPrev => "chain.prev",
            Self::BodyLength => "body.length",
            Self::BodyHash => "body.hash",
            Self::BodyCanonical => "body.canonical",
            Self::BodyPruned => "body.pruned",
            Self::KeyMalformed => "key.malformed",
            Self::KeyUnknown => "key.unknown",
            Self::SignatureInvalid => "signature.invalid",
            Self::SignatureKey => "signature.key",
            Self::SignatureReplayed => "signature.replayed",
            Self::SignatureMissing => "signature.missing",
            Self::SignatureUnexpected => "signature.unexpected",
            Self::TreeRoot => "tree.root",
            Self::TreeSize => "tree.size",
            Self::CheckpointSize => "checkpoint.size",
            Self::CheckpointRoot => "checkpoint.root",
            Self::TileMissing => "tile.missing",
            Self::TileMismatch => "tile.mismatch",
            Self::HeadAhead => "head.ahead",
            Self::HeadFork => "head.fork",
            Self::KeyUntrusted => "key.untrusted",
            Self::CheckpointSignature => "checkpoint.signature",
            Self::CosignatureMissing => "cosignature.missing",
            Self::BundleMalformed => "bundle.malformed",
            Self::ProofMalformed => "proof.malformed",
            Self::ProofInvalid => "proof.invalid",
            Self::EvidenceMissing => "evidence.missing",
            Self::EvidenceHash => "evidence.hash",
            Self::ForkNone => "fork.none",
        }
    }
}
