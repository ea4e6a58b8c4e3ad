//! What an audit finds, and the order in which it is told.

use crate::verify::{Found, PROBLEMS_MAX, Problem, ProblemKind};

/// One thing that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The record that it is of, or the first that it affects; `None` when it is of none.
    pub seq: Option<u64>,
    /// What is wrong.
    pub kind: ProblemKind,
    /// More of it, for people.
    pub detail: String,
}

impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        let Problem { seq, kind, detail } = problem;
        Self {
            seq: Some(seq),
            kind,
            detail,
        }
    }
}

/// Which parts of the judgement a finding is of, in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Checkpoint,
    Records,
    Root,
    Tiles,
    Head,
    Trust,
    Signatures,
    Evidence,
}

/// Findings as they come, each with what it is listed by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    listed: Vec<(Part, u64, Finding)>,
    count: u64,
}

impl Findings {
    pub(crate) fn add(&mut self, part: Part, at: u64, finding: Finding) {
        self.count = self.count.saturating_add(1);
        if self.listed.len() < PROBLEMS_MAX {
            self.listed.push((part, at, finding));
        }
    }

    /// Adds one that is of no record.
    pub(crate) fn add_whole(&mut self, part: Part, kind: ProblemKind, detail: impl Into<String>) {
        let (seq, detail) = (None, detail.into());
        self.add(part, 0, Finding { seq, kind, detail });
    }

    /// Adds what a verifier found in records, of which there were `count`. Of one record its own
    /// problems come before those of its keys and signatures.
    pub(crate) fn add_found(&mut self, found: Vec<Found>, count: u64) {
        let of_keys = std::mem::take(&mut self.listed);
        let of_records = found
            .into_iter()
            .map(|Found { at, problem }| (Part::Records, at, problem.into()));
        self.listed = of_records.chain(of_keys).collect();
        self.count = self.count.saturating_add(count);
    }

    /// All of them in order, and how many there were.
    pub(crate) fn into_order(mut self) -> (Vec<Finding>, u64) {
        self.listed.sort_by_key(|(part, at, _)| (*part, *at));
        self.listed.truncate(PROBLEMS_MAX);
        let findings = self.listed.into_iter().map(|(_, _, finding)| finding);
        (findings.collect(), self.count)
    }
}
