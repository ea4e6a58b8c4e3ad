//! Proofs against the recursive definitions of RFC 6962, for every size that is cheap.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::hash::leaf_hash;
use crate::tile::{TileKind, TilePath};
use crate::tree::Tree;

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|at| leaf_hash(&at.to_be_bytes())).collect()
}

type ReadTile = Result<Option<Vec<u8>>, Infallible>;

/// The log as it is stored: full tiles, and the leaves behind the last.
struct Log {
    leaves: Vec<Hash>,
    tiles: Vec<(u8, u64, Vec<u8>)>,
    roots: Vec<Hash>,
}

impl Log {
    fn of(count: u64) -> Self {
        let leaves = leaves(count);
        let mut tree = Tree::new();
        let mut roots = vec![tree.root()];
        for leaf in &leaves {
            tree.push(leaf);
            roots.push(tree.root());
        }
        let tiles = tree.take_full_tiles();
        Self {
            leaves,
            tiles,
            roots,
        }
    }

    fn prover(&self) -> Prover<impl FnMut(u8, u64) -> ReadTile> {
        Prover::new(|level, index| {
            let tail = self.leaves.chunks(256).nth(usize::try_from(index).unwrap());
            let stored = self.tiles.iter().find(|it| (it.0, it.1) == (level, index));
            let tail = tail.filter(|_| level == 0).map(<[Hash]>::concat);
            Ok(stored.map(|(.., bytes)| bytes.clone()).or(tail))
        })
    }

    fn head(&self, size: u64) -> TreeHead {
        let root = self.roots[usize::try_from(size).unwrap()];
        TreeHead { size, root }
    }
}

/// MTH of RFC 6962 section 2.1.
fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => TreeHead::EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(half(leaves.len()));
            node_hash(&root_by_definition(left), &root_by_definition(right))
        }
    }
}

/// PATH of RFC 6962 section 2.1.1.
fn path_by_definition(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let middle = half(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut path, sibling) = if index < middle {
        (path_by_definition(index, left), right)
    } else {
        (path_by_definition(index - middle, right), left)
    };
    path.push(root_by_definition(sibling));
    path
}

/// SUBPROOF of RFC 6962 section 2.1.2.
fn subproof_by_definition(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        let root = root_by_definition(leaves);
        return if known { Vec::new() } else { vec![root] };
    }
    let middle = half(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut proof, sibling) = if old <= middle {
        (subproof_by_definition(old, left, known), right)
    } else {
        (subproof_by_definition(old - middle, right, false), left)
    };
    proof.push(root_by_definition(sibling));
    proof
}

fn half(count: usize) -> usize {
    count.next_power_of_two() / 2
}

#[test]
fn proofs_are_those_of_the_definition_for_every_pair_of_small_sizes() {
    let log = Log::of(70);
    let mut prover = log.prover();
    for size in 1..=70_u64 {
        let leaves = &log.leaves[..usize::try_from(size).unwrap()];
        assert_eq!(log.head(size).root, root_by_definition(leaves));
        for at in 0..size {
            let place = usize::try_from(at).unwrap();
            let proof = prover.inclusion(at, size).unwrap();
            assert_eq!(proof, path_by_definition(place, leaves), "{at} of {size}");
            let head = log.head(size);
            assert_eq!(verify_inclusion(&leaves[place], at, &head, &proof), Ok(()));
            let (old, proof) = (at + 1, prover.consistency(at + 1, size).unwrap());
            let expected = subproof_by_definition(place + 1, leaves, true);
            assert_eq!(proof, expected, "{old} to {size}");
            assert_eq!(verify_consistency(&log.head(old), &head, &proof), Ok(()));
        }
    }
}

#[test]
fn every_size_to_1_025_has_its_root_and_proofs_that_hold() {
    let log = Log::of(1_025);
    let mut prover = log.prover();
    for size in 0..=1_025_u64 {
        let head = log.head(size);
        assert_eq!(prover.root(size).unwrap(), head.root, "{size}");
        let places = [
            0,
            1,
            size / 3,
            size / 2,
            size.saturating_sub(2),
            size.saturating_sub(1),
        ];
        for at in places.into_iter().filter(|at| *at < size) {
            let proof = prover.inclusion(at, size).unwrap();
            let leaf = &log.leaves[usize::try_from(at).unwrap()];
            assert_eq!(
                verify_inclusion(leaf, at, &head, &proof),
                Ok(()),
                "{at} of {size}"
            );
            assert!(proof.len() <= HASHES_MAX);
        }
        for old in places
            .into_iter()
            .chain([255, 256, 257, 511, 512, 513, 768, size])
        {
            if old <= size {
                let proof = prover.consistency(old, size).unwrap();
                let holds = verify_consistency(&log.head(old), &head, &proof);
                assert_eq!(holds, Ok(()), "{old} to {size}");
            }
        }
    }
}

#[test]
fn proofs_reach_over_tiles_of_higher_levels() {
    let log = Log::of(66_000);
    let mut prover = log.prover();
    for size in [65_535, 65_536, 65_537, 66_000] {
        let head = log.head(size);
        for at in [0, 255, 256, 32_768, 65_279, 65_534, size - 1] {
            let proof = prover.inclusion(at, size).unwrap();
            let leaf = &log.leaves[usize::try_from(at).unwrap()];
            assert_eq!(
                verify_inclusion(leaf, at, &head, &proof),
                Ok(()),
                "{at} of {size}"
            );
            let proof = prover.consistency(at, size).unwrap();
            assert_eq!(verify_consistency(&log.head(at), &head, &proof), Ok(()));
        }
    }
}

#[test]
fn partial_tiles_are_made_from_what_is_stored() {
    let log = Log::of(1_000);
    let mut prover = log.prover();
    let path = TilePath::at(TileKind::Hashes { level: 1 }, 0, 1_000).unwrap();
    let expected: Vec<Hash> = log
        .leaves
        .chunks_exact(256)
        .map(root_by_definition)
        .collect();
    assert_eq!(prover.tile(&path).unwrap(), expected.concat());
    let path = TilePath::at(TileKind::Hashes { level: 0 }, 3, 1_000).unwrap();
    assert_eq!(prover.tile(&path).unwrap(), log.leaves[768..].concat());
    let path = TilePath::at(TileKind::Entries, 3, 1_000).unwrap();
    assert_eq!(prover.tile(&path), Err(ProveError::Beyond));
}

#[test]
fn every_flipped_bit_of_a_proof_fails() {
    let log = Log::of(100);
    let mut prover = log.prover();
    for (old, size) in [
        (1, 2),
        (3, 7),
        (6, 8),
        (7, 8),
        (64, 100),
        (65, 100),
        (99, 100),
    ] {
        let (head, old_head) = (log.head(size), log.head(old));
        let leaf = &log.leaves[usize::try_from(old).unwrap()];
        let inclusion = prover.inclusion(old, size).unwrap();
        let consistency = prover.consistency(old, size).unwrap();
        let fails = |included: &[Hash], consistent: &[Hash]| {
            assert!(verify_inclusion(leaf, old, &head, included).is_err() || included == inclusion);
            let holds = verify_consistency(&old_head, &head, consistent);
            assert!(holds.is_err() || consistent == consistency);
        };
        for (place, bit) in (0..7).flat_map(|place| (0..256).map(move |bit| (place, bit))) {
            let flipped = |proof: &[Hash]| {
                let mut proof = proof.to_vec();
                if let Some(hash) = proof.get_mut(place) {
                    hash[bit / 8] ^= 1 << (bit % 8);
                }
                proof
            };
            fails(&flipped(&inclusion), &flipped(&consistency));
        }
        fails(&inclusion[1..], &consistency[1..]);
        fails(
            &inclusion[..inclusion.len() - 1],
            &consistency[..consistency.len() - 1],
        );
        let longer = |proof: &[Hash]| [proof, &[head.root]].concat();
        fails(&longer(&inclusion), &longer(&consistency));
        let first = |proof: &[Hash]| [&[head.root], proof].concat();
        fails(&first(&inclusion), &first(&consistency));
        fails(&vec![head.root; 200], &vec![head.root; 200]);
    }
}

#[test]
fn a_proof_holds_for_its_leaf_place_and_heads_only() {
    let log = Log::of(40);
    let mut prover = log.prover();
    let (head, proof) = (log.head(37), prover.inclusion(20, 37).unwrap());
    let holds = |leaf: usize, at, head: &TreeHead| {
        verify_inclusion(&log.leaves[leaf], at, head, &proof).is_ok()
    };
    assert!(holds(20, 20, &head));
    for at in (0..40).filter(|at| *at != 20) {
        let place = usize::try_from(at).unwrap();
        assert!(!holds(place, 20, &head) && !holds(20, at, &head), "{at}");
    }
    assert!(!holds(20, 37, &head) && !holds(20, u64::MAX, &head));
    for size in (0..=40).filter(|size| *size != 37) {
        assert!(!holds(20, 20, &log.head(size)), "{size}");
    }
    let proof = prover.consistency(20, 37).unwrap();
    for (old, new) in (0..=40).flat_map(|old| (0..=40).map(move |new| (old, new))) {
        let holds = verify_consistency(&log.head(old), &log.head(new), &proof).is_ok();
        assert_eq!(holds, (old, new) == (20, 37), "{old} to {new}");
    }
}

#[test]
fn empty_and_equal_trees_need_no_hash() {
    let log = Log::of(5);
    let (empty, whole) = (log.head(0), log.head(5));
    assert_eq!(empty, TreeHead::EMPTY);
    assert!(log.prover().consistency(0, 5).unwrap().is_empty());
    assert!(log.prover().consistency(5, 5).unwrap().is_empty());
    assert_eq!(verify_consistency(&empty, &whole, &[]), Ok(()));
    assert_eq!(verify_consistency(&whole, &whole, &[]), Ok(()));
    assert_eq!(verify_consistency(&empty, &empty, &[]), Ok(()));
    let refused = Err(ProofError::Consistency);
    let hash = [whole.root];
    assert_eq!(verify_consistency(&empty, &whole, &hash), refused);
    assert_eq!(verify_consistency(&whole, &whole, &hash), refused);
    assert_eq!(verify_consistency(&whole, &empty, &[]), refused);
    let other = |size| TreeHead {
        size,
        root: [1; 32],
    };
    assert_eq!(verify_consistency(&other(0), &whole, &[]), refused);
    assert_eq!(verify_consistency(&other(5), &whole, &[]), refused);
    assert_eq!(verify_consistency(&other(0), &empty, &[]), refused);
    let nothing = verify_inclusion(&whole.root, 0, &empty, &[]);
    assert_eq!(nothing, Err(ProofError::Inclusion));
}

#[test]
fn a_tile_that_is_missing_short_or_unreadable_is_named() {
    let log = Log::of(600);
    let (level, index) = (0, 2);
    let short = |_, _| Ok::<_, Infallible>(Some(log.leaves[..87].concat()));
    let refused = Prover::new(short).inclusion(599, 600);
    assert_eq!(refused, Err(ProveError::Length { level, index }));
    let index = 0;
    let mut prover = Prover::new(|_, _| Ok::<_, Infallible>(None));
    assert_eq!(prover.root(1), Err(ProveError::Missing { level, index }));
    let mut prover = Prover::new(|_, _| Err::<Option<Vec<u8>>, _>("disk"));
    assert_eq!(prover.root(1), Err(ProveError::Read("disk")));
    let mut prover = Prover::new(|_, _| Ok::<_, Infallible>(Some(vec![0; 33])));
    assert_eq!(prover.root(1), Err(ProveError::Length { level, index }));
    assert_eq!(log.prover().inclusion(5, 5), Err(ProveError::Beyond));
    assert_eq!(log.prover().consistency(6, 5), Err(ProveError::Beyond));
}

proptest! {
    #[test]
    fn proofs_between_any_two_sizes_hold(size in 1..2_000_u64, chosen: u64) {
        let (log, at) = (&*LOG, chosen % size);
        let proof = log.prover().inclusion(at, size).unwrap();
        let leaf = &log.leaves[usize::try_from(at).unwrap()];
        prop_assert_eq!(verify_inclusion(leaf, at, &log.head(size), &proof), Ok(()));
        let proof = log.prover().consistency(at, size).unwrap();
        prop_assert_eq!(verify_consistency(&log.head(at), &log.head(size), &proof), Ok(()));
    }
}

static LOG: std::sync::LazyLock<Log> = std::sync::LazyLock::new(|| Log::of(2_000));
