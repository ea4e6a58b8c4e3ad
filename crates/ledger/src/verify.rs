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
//! Problems are listed in the order in which they are found, which is that of the records, save
//! that what waits for the record after its own comes before what is wrong with that one.
//!
//! Not here: whether bodies are canonical and mean something (`antiphon-core`), and signatures,
//! keys and checkpoints ([`crate::audit`]).

use std::collections::BTreeSet;

use crate::hash::{Hash, NO_LEAF, hex};
use crate::tree::{FullTile, Tree, TreeHead};

mod examine;
mod problem;

use examine::Place;
pub use examine::{BodyCheck, Examined, examine};
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
    /// The first [`PROBLEMS_MAX`] problems, in the order in which they were found.
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
    problems: Vec<Found>,
    problem_count: u64,
}

/// A problem, and what it is listed by.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The record at which it was found.
    pub(crate) at: u64,
    pub(crate) problem: Problem,
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
        self.take(&examine(envelope, body, None));
    }

    /// Takes the next record, which was examined before.
    pub fn take(&mut self, record: &Examined) {
        let seq = self.tree.size();
        match &record.place {
            Ok(place) => {
                self.check_place(place);
                self.next_seq = place.seq.saturating_add(1);
                self.link = Some(record.leaf);
            }
            Err(detail) => {
                let detail = detail.to_string();
                self.report_break(seq, ProblemKind::EnvelopeMalformed, detail);
                self.next_seq = self.next_seq.saturating_add(1);
                self.link = None;
            }
        }
        if let Some(problem) = &record.body_problem {
            let (kind, detail) = (problem.0, problem.1.clone());
            self.report(Problem { seq, kind, detail });
        }
        if record.is_pruned {
            self.pruned = self.pruned.saturating_add(1);
        }
        self.last_leaf = record.leaf;
        self.root_holds = false;
        self.tree.push(&record.leaf);
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
            if let Some(problem) = tile_problem(level, index, &hashes, stored(level, index)) {
                self.report(problem);
            }
        }
    }

    /// The tiles that the records have filled since this was last asked.
    pub(crate) fn take_full_tiles(&mut self) -> Vec<FullTile> {
        self.tree.take_full_tiles()
    }

    /// The tree over the records read.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Ends the log here.
    #[must_use]
    pub fn finish(self) -> Statement {
        self.finish_found().0
    }

    /// The same, with every problem of the statement as it was found.
    pub(crate) fn finish_found(mut self) -> (Statement, Vec<Found>) {
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
        self.problems
            .sort_by_key(|found| (found.at, is_of_the_record(found.problem.kind)));
        let problems = self.problems.iter().map(|found| found.problem.clone());
        let statement = Statement {
            size,
            root: self.tree.root(),
            last_leaf: self.last_leaf,
            pruned: self.pruned,
            problems: problems.collect(),
            problem_count: self.problem_count,
        };
        (statement, self.problems)
    }

    /// Whether the record stands where its envelope says, behind the record that it names.
    fn check_place(&mut self, record: &Place) {
        let seq = self.tree.size();
        let breaks = self.link.is_some_and(|link| link != record.prev);
        if let Some(problem) = self.open_root.take()
            && !breaks
        {
            self.report(problem);
        }
        if record.seq != seq && record.seq != self.next_seq {
            self.settle();
            let detail = format!("record {} stands in its place", record.seq);
            self.report_break(seq, ProblemKind::ChainSeq, detail);
            return;
        }
        match self.doubted.take() {
            None if !breaks => {}
            None if self.root_holds => {
                let detail = format!("it names the leaf {} before it", hex(&record.prev));
                self.report_break(seq, ProblemKind::ChainPrev, detail);
            }
            None => {
                self.doubted = Some(seq);
                self.roots_void = true;
            }
            Some(doubted) if breaks => {
                let detail = "neither neighbour names the leaf that the other has".to_owned();
                self.report_doubt(doubted, doubted, detail);
            }
            Some(doubted) => {
                let detail = format!("record {doubted} names another leaf for it");
                self.report_doubt(doubted, doubted.saturating_sub(1), detail);
            }
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
            self.report_doubt(doubted, doubted.saturating_sub(1), detail);
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

    /// Reports that `seq` was changed, which was found at `doubted`.
    fn report_doubt(&mut self, doubted: u64, seq: u64, detail: String) {
        self.roots_void = true;
        let kind = ProblemKind::ChainPrev;
        self.report_at(doubted, Problem { seq, kind, detail });
    }

    fn report(&mut self, problem: Problem) {
        self.report_at(problem.seq, problem);
    }

    fn report_at(&mut self, at: u64, problem: Problem) {
        self.problem_count = self.problem_count.saturating_add(1);
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Found { at, problem });
        }
    }
}

/// Whether a problem is one of the record itself, not of its place.
fn is_of_the_record(kind: ProblemKind) -> bool {
    !matches!(
        kind,
        ProblemKind::EnvelopeMalformed | ProblemKind::ChainSeq | ProblemKind::ChainPrev
    )
}

/// What is wrong with the tile that was `found` where `hashes` should be.
pub(crate) fn tile_problem(
    level: u8,
    index: u64,
    hashes: &[u8],
    found: Option<Vec<u8>>,
) -> Option<Problem> {
    let (kind, detail) = match found {
        Some(found) if found == hashes => return None,
        Some(found) => {
            let pairs = found.chunks(32).zip(hashes.chunks(32));
            let entry = pairs.take_while(|(one, other)| one == other).count();
            let detail = format!("tile {index} of level {level} differs from its entry {entry} on");
            (ProblemKind::TileMismatch, detail)
        }
        None => {
            let detail = format!("tile {index} of level {level} is not stored");
            (ProblemKind::TileMissing, detail)
        }
    };
    let seq = first_seq(level, index);
    Some(Problem { seq, kind, detail })
}

/// The first record beneath a tile.
fn first_seq(level: u8, index: u64) -> u64 {
    let records = 256_u64.saturating_pow(u32::from(level).saturating_add(1));
    index.saturating_mul(records)
}

#[cfg(test)]
mod tests;
