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
    /// The root of the tree is not the one that was recorded or known.
    TreeRoot,
    /// The log is shorter than a head that is known.
    TreeSize,
    /// A full tile is not stored.
    TileMissing,
    /// A stored tile is not the one that the records make.
    TileMismatch,
}

impl ProblemKind {
    /// A stable name for it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::EnvelopeMalformed => "envelope.malformed",
            Self::ChainSeq => "chain.seq",
            Self::ChainPrev => "chain.prev",
            Self::BodyLength => "body.length",
            Self::BodyHash => "body.hash",
            Self::TreeRoot => "tree.root",
            Self::TreeSize => "tree.size",
            Self::TileMissing => "tile.missing",
            Self::TileMismatch => "tile.mismatch",
        }
    }
}
