//! Verification of a log as it is read: chain, tree, bodies and tiles, in one pass.
//!
//! In: records as stored, in order; the roots recorded with turns; heads known from elsewhere; the
//! stored tiles. Out: a [`Statement`] of what the log is and every [`Problem`] found, as values. A
//! problem does not end the pass: what follows is judged by what was read.
//!
//! The first bad entry is named as exactly as the log allows. When record n + 1 names another leaf
//! than record n has, either may have been changed: it was n + 1 if the root after n was the
//! recorded one, or if the record after n + 1 does not follow it either; else it was n. When a root
//! is not the recorded one, the last record before it was changed if the next names another leaf
//! for it; else the recorded root was. So both wait for the next record, or for the end.
//!
//! Not here: whether bodies are canonical and mean something (`antiphon-core`), signatures.

use std::collections::BTreeSet;

use crate::envelope::Envelope;
use crate::hash::{Hash, NO_LEAF, SALT_BYTES, body_hash, hex, leaf_hash};
use crate::tree::{Tree, TreeHead};

mod problem;
pub use problem::{Problem, ProblemKind};

/// Problems that a statement lists; more are counted only, so that a ruined log costs no memory.
pub const PROBLEMS_MAX: usize = 1_000;

/// What a log is, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The number of records read.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// The leaf of the last; [`NO_LEAF`] when there is none.
    pub last_leaf: Hash,
    /// How many bodies were not there to be checked.
    pub pruned: u64,
    /// The first [`PROBLEMS_MAX`] problems, those of earlier records first.
    pub problems: Vec<Problem>,
    /// How many problems there were.
    pub problem_count: u64,
}

impl Statement {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.problem_count == 0
    }

    /// The problem at the first bad entry.
    #[must_use]
    pub fn first_problem(&self) -> Option<&Problem> {
        self.problems.first()
    }
}

/// Reads a log from its start, or from a place that is trusted, to its end.
#[derive(Clone, Debug)]
pub struct Verifier {
    tree: Tree,
    keeps_tiles: bool,
    /// The number after that of the last record: behind a gap, records count on from there.
    next_seq: u64,
    last_leaf: Hash,
    /// What the next record's `prev` should be; `None` when the last one could not be read.
    link: Option<Hash>,
    /// A record that names another leaf than the one before it has, until the next has been read.
    doubted: Option<u64>,
    /// A root that is not the recorded one, until the next record has been read.
    open_root: Option<Problem>,
    /// Whether the root of all records read is the recorded one.
    root_holds: bool,
    /// Whether roots need not hold: the chain was broken or one has failed, and none held since.
    roots_void: bool,
    known_heads: BTreeSet<(u64, Hash)>,
    pruned: u64,
    problems: Vec<Problem>,
    problem_count: u64,
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Verifier {
    /// A verifier of a whole log.
    #[must_use]
    pub fn new() -> Self {
        Self::resume(Tree::new(), NO_LEAF)
    }

    /// A verifier of what follows `tree`, whose last leaf is `last_leaf`; both are trusted.
    #[must_use]
    pub fn resume(tree: Tree, last_leaf: Hash) -> Self {
        Self {
            next_seq: tree.size(),
            tree,
            keeps_tiles: false,
            last_leaf,
            link: Some(last_leaf),
            doubted: None,
            open_root: None,
            root_holds: true,
            roots_void: false,
            known_heads: BTreeSet::new(),
            pruned: 0,
            problems: Vec::new(),
            problem_count: 0,
        }
    }

    /// The same, keeping each tile as it fills until [`Verifier::verify_tiles`] is called.
    #[must_use]
    pub fn with_tiles(mut self) -> Self {
        self.keeps_tiles = true;
        self
    }

    /// Expects the log to be at least as long as `head` and to have its root there: a head that was
    /// kept elsewhere, such as a checkpoint. Returns false when it lies behind what was read, where
    /// it cannot be compared any more.
    #[must_use]
    pub fn expect(&mut self, head: &TreeHead) -> bool {
        self.known_heads.insert((head.size, head.root));
        self.check_known_heads();
        head.size >= self.tree.size()
    }

    /// Takes the next record: its envelope, and its body as stored, `None` when it was pruned.
    pub fn record(&mut self, envelope: &[u8], body: Option<&[u8]>) {
        let leaf = leaf_hash(envelope);
        match Envelope::decode(envelope) {
            Ok(envelope) => {
                self.check_place(&envelope);
                self.check_body(&envelope, body);
                self.next_seq = envelope.seq.saturating_add(1);
                self.link = Some(leaf);
            }
            Err(error) => {
                let detail = error.to_string();
                self.report_break(self.tree.size(), ProblemKind::EnvelopeMalformed, detail);
                self.next_seq = self.next_seq.saturating_add(1);
                self.link = None;
            }
        }
        self.last_leaf = leaf;
        self.root_holds = false;
        self.tree.push(&leaf);
        if !self.keeps_tiles {
            self.tree.drop_full_tiles();
        }
        self.check_known_heads();
    }

    /// Compares the root recorded with the turn that the last record ends.
    pub fn turn_root(&mut self, recorded: &Hash) {
        self.check_root(recorded, "recorded with the turn");
    }

    /// Compares every tile that has filled since the last call with the stored one; `stored`
    /// answers for a level and an index, `None` when there is no such tile.
    pub fn verify_tiles(&mut self, mut stored: impl FnMut(u8, u64) -> Option<Vec<u8>>) {
        for (level, index, hashes) in self.tree.take_full_tiles() {
            let Some(found) = stored(level, index) else {
                let detail = format!("tile {index} of level {level} is not stored");
                let seq = first_seq(level, index, 0);
                self.report(Problem {
                    seq,
                    kind: ProblemKind::TileMissing,
                    detail,
                });
                continue;
            };
            if found == hashes {
                continue;
            }
            let equal = found
                .chunks(32)
                .zip(hashes.chunks(32))
                .take_while(|(a, b)| a == b);
            let entry = equal.count();
            let detail = format!("tile {index} of level {level} differs from its entry {entry} on");
            let seq = first_seq(level, index, entry);
            self.report(Problem {
                seq,
                kind: ProblemKind::TileMismatch,
                detail,
            });
        }
    }

    /// The tree over the records read.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Ends the log here.
    #[must_use]
    pub fn finish(mut self) -> Statement {
        self.settle();
        let size = self.tree.size();
        for (known, _) in std::mem::take(&mut self.known_heads) {
            let detail = format!("the log has {size} records, a known head has {known}");
            self.report(Problem {
                seq: size,
                kind: ProblemKind::TreeSize,
                detail,
            });
        }
        self.problems.sort_by_key(|problem| problem.seq);
        Statement {
            size,
            root: self.tree.root(),
            last_leaf: self.last_leaf,
            pruned: self.pruned,
            problems: self.problems,
            problem_count: self.problem_count,
        }
    }

    /// Whether the record stands where its envelope says, behind the record that it names.
    fn check_place(&mut self, envelope: &Envelope) {
        let seq = self.tree.size();
        let breaks = self.link.is_some_and(|link| link != envelope.prev);
        if let Some(problem) = self.open_root.take()
            && !breaks
        {
            self.report(problem);
        }
        if envelope.seq != seq && envelope.seq != self.next_seq {
            self.settle();
            let detail = format!("record {} stands in its place", envelope.seq);
            self.report_break(seq, ProblemKind::ChainSeq, detail);
            return;
        }
        match self.doubted.take() {
            None if !breaks => {}
            None if self.root_holds => {
                let detail = format!("it names the leaf {} before it", hex(&envelope.prev));
                self.report_break(seq, ProblemKind::ChainPrev, detail);
            }
            None => {
                self.doubted = Some(seq);
                self.roots_void = true;
            }
            Some(doubted) if breaks => {
                let detail = "neither neighbour names the leaf that the other has".to_owned();
                self.report_break(doubted, ProblemKind::ChainPrev, detail);
            }
            Some(doubted) => {
                let detail = format!("record {doubted} names another leaf for it");
                self.report_break(doubted.saturating_sub(1), ProblemKind::ChainPrev, detail);
            }
        }
    }

    /// Whether the body is the one that the envelope commits to.
    fn check_body(&mut self, envelope: &Envelope, body: Option<&[u8]>) {
        let Some(stored) = body else {
            self.pruned = self.pruned.saturating_add(1);
            return;
        };
        let seq = self.tree.size();
        let expected = u64::from(envelope.body_bytes);
        let found = stored
            .len()
            .checked_sub(SALT_BYTES)
            .and_then(|json| u64::try_from(json).ok());
        if found != Some(expected) {
            let bytes = stored.len();
            let detail = format!("{bytes} bytes are stored, the JSON should have {expected}");
            self.report(Problem {
                seq,
                kind: ProblemKind::BodyLength,
                detail,
            });
        } else if body_hash(stored) != envelope.body_sha256 {
            let detail = format!("its hash is not {}", hex(&envelope.body_sha256));
            self.report(Problem {
                seq,
                kind: ProblemKind::BodyHash,
                detail,
            });
        }
    }

    fn check_known_heads(&mut self) {
        while let Some((size, root)) = self.known_heads.first().copied() {
            if size > self.tree.size() {
                break;
            }
            self.known_heads.pop_first();
            if size == self.tree.size() {
                self.check_root(&root, "of a known head");
            }
        }
    }

    fn check_root(&mut self, expected: &Hash, whose: &str) {
        let found = self.tree.root();
        self.root_holds = found == *expected;
        if !self.root_holds && !self.roots_void {
            let (size, found, expected) = (self.tree.size(), hex(&found), hex(expected));
            let detail = format!("the root at size {size} is {found}, that {whose} is {expected}");
            let seq = self.tree.size().saturating_sub(1);
            self.open_root = Some(Problem {
                seq,
                kind: ProblemKind::TreeRoot,
                detail,
            });
        }
        self.roots_void = !self.root_holds;
    }

    /// Reports what waits for a record that will not come: of two that were perhaps changed, the
    /// earlier.
    fn settle(&mut self) {
        if let Some(doubted) = self.doubted.take() {
            let detail = format!("record {doubted} names another leaf for it; one was changed");
            self.report_break(doubted.saturating_sub(1), ProblemKind::ChainPrev, detail);
        }
        if let Some(problem) = self.open_root.take() {
            self.report(problem);
        }
    }

    /// Reports what makes the roots that follow differ, too.
    fn report_break(&mut self, seq: u64, kind: ProblemKind, detail: String) {
        self.roots_void = true;
        self.report(Problem { seq, kind, detail });
    }

    fn report(&mut self, problem: Problem) {
        self.problem_count = self.problem_count.saturating_add(1);
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

/// The first record beneath an entry of a tile.
fn first_seq(level: u8, index: u64, entry: usize) -> u64 {
    let entry = u64::try_from(entry).unwrap_or(u64::MAX);
    let records_per_entry = 256_u64.saturating_pow(level.into());
    index
        .saturating_mul(256)
        .saturating_add(entry)
        .saturating_mul(records_per_entry)
}

#[cfg(test)]
mod tests;
