//! Proofs that an entry is in a tree, and that a tree is the beginning of another.
//!
//! In: hashes of a proof, leaves, heads; to make proofs, the tiles of a log. Out: proofs, and
//! whether they hold. A proof is a list of hashes, those nearest the leaves first.
//!
//! Invariants: a proof that holds has exactly one length and one content; a proof can be made for
//! every leaf of every tree up to the size of the log, and holds.
//! Not here: whether a head is trusted ([`crate::note`], [`crate::checkpoint`]); the text of a proof
//! in a file ([`crate::tlog_proof`]).
//! Source: RFC 6962 sections 2.1.1 and 2.1.2 for what they are, RFC 9162 sections 2.1.3.2 and
//! 2.1.4.2 for how they are checked.

use crate::hash::{Hash, node_hash};
use crate::tree::TreeHead;

mod prover;
pub use prover::{ProveError, Prover};

/// Hashes of the longest proof: one for each bit of the greatest size.
pub const HASHES_MAX: usize = 63;

/// Whether the tree `head` has `leaf` at place `index`, from 0.
///
/// # Errors
/// [`ProofError::Inclusion`] when `proof` does not show it.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    head: &TreeHead,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let root = (index < head.size)
        .then(|| included_in(leaf, index, head.size.saturating_sub(1), proof))
        .flatten();
    #[cfg(antiphon_plant)]
    if root.is_some() && crate::plant::is("inclusion_without_root") {
        return Ok(());
    }
    if root == Some(head.root) {
        Ok(())
    } else {
        Err(ProofError::Inclusion)
    }
}

/// Whether the tree `old` is the beginning of the tree `new`, so that nothing of it was changed or
/// cut. Every tree has the empty one as its beginning; a tree begins with itself. Both need no hash.
///
/// # Errors
/// [`ProofError::Consistency`] when `proof` does not show it.
pub fn verify_consistency(
    old: &TreeHead,
    new: &TreeHead,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let holds = if old.size > new.size {
        false
    } else if old.size == new.size {
        proof.is_empty() && old.root == new.root
    } else if old.size == 0 {
        proof.is_empty() && old.root == TreeHead::EMPTY_ROOT
    } else {
        roots(old, new, proof) == Some((old.root, new.root))
    };
    if holds {
        Ok(())
    } else {
        Err(ProofError::Consistency)
    }
}

/// The root that `leaf` at place `at` and `proof` make, of a tree whose last place is `last`.
fn included_in(leaf: &Hash, mut at: u64, mut last: u64, proof: &[Hash]) -> Option<Hash> {
    let mut root = *leaf;
    for hash in proof {
        if last == 0 {
            return None;
        }
        if is_right(at) || at == last {
            root = node_hash(hash, &root);
            let level = shift_to_right_child(at);
            (at, last) = (shift(at, level), shift(last, level));
        } else {
            root = node_hash(&root, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(root)
}

/// The roots of the old and the new tree that `proof` makes; the old one is neither empty nor as
/// large as the new.
fn roots(old: &TreeHead, new: &TreeHead, proof: &[Hash]) -> Option<(Hash, Hash)> {
    let (mut at, mut last) = (old.size.checked_sub(1)?, new.size.checked_sub(1)?);
    let level = at.trailing_ones();
    (at, last) = (shift(at, level), shift(last, level));
    let (first, rest) = match proof.split_first()? {
        _ if old.size.is_power_of_two() => (&old.root, proof),
        parts => parts,
    };
    let (mut old_root, mut new_root) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return None;
        }
        if is_right(at) || at == last {
            old_root = node_hash(hash, &old_root);
            new_root = node_hash(hash, &new_root);
            let level = shift_to_right_child(at);
            (at, last) = (shift(at, level), shift(last, level));
        } else {
            new_root = node_hash(&new_root, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some((old_root, new_root))
}

/// Whether the node at place `at` of its level is the right one of two.
fn is_right(at: u64) -> bool {
    at & 1 == 1
}

/// Levels up from place `at` to a node that is the right one of two, or to the first of a level.
fn shift_to_right_child(at: u64) -> u32 {
    if at == 0 { 0 } else { at.trailing_zeros() }
}

fn shift(place: u64, levels: u32) -> u64 {
    place.checked_shr(levels).unwrap_or_default()
}

/// Why a proof shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It does not show that the entry is in the tree.
    #[error("the proof does not show that this entry stands at its place in the log")]
    Inclusion,
    /// It does not show that the tree is the beginning of the other.
    #[error("the proof does not show that the log only grew")]
    Consistency,
}

impl ProofError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Inclusion => "proof.inclusion",
            Self::Consistency => "proof.consistency",
        }
    }
}

#[cfg(test)]
mod tests;
