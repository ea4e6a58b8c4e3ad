use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::hash::{hex, leaf_hash};

/// The tree of RFC 6962 section 2.1 as it is written there.
fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => TreeHead::EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root_by_definition(left), &root_by_definition(right))
        }
    }
}

fn leaves(count: u32) -> Vec<Hash> {
    (0..count)
        .map(|number| leaf_hash(&number.to_be_bytes()))
        .collect()
}

/// A tree that has grown by `leaves`, and the tiles that it filled.
fn grown(leaves: &[Hash]) -> (Tree, BTreeMap<(u8, u64), Vec<u8>>) {
    let mut tree = Tree::new();
    for leaf in leaves {
        tree.push(leaf);
    }
    let full = tree.take_full_tiles();
    let tiles = full
        .into_iter()
        .map(|(level, index, hashes)| ((level, index), hashes))
        .collect();
    (tree, tiles)
}

#[test]
fn the_empty_root_is_the_hash_of_nothing() {
    use sha2::{Digest, Sha256};
    assert_eq!(TreeHead::EMPTY_ROOT, <Hash>::from(Sha256::digest(b"")));
    assert_eq!(Tree::new().head(), TreeHead::EMPTY);
}

/// The leaves and roots that the implementations of Certificate Transparency test with.
#[test]
fn roots_are_those_of_certificate_transparency() {
    let inputs: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Tree::new();
    for (input, root) in inputs.iter().zip(roots) {
        tree.push(&leaf_hash(input));
        assert_eq!(hex(&tree.root()), root, "size {}", tree.size());
    }
}

#[test]
fn a_grown_tree_has_the_root_of_the_definition_at_every_size_to_1025() {
    let leaves = leaves(1_025);
    let mut tree = Tree::new();
    for (size, leaf) in leaves.iter().enumerate() {
        assert_eq!(
            tree.root(),
            root_by_definition(&leaves[..size]),
            "size {size}"
        );
        tree.push(leaf);
    }
    assert_eq!(tree.root(), root_by_definition(&leaves));
}

#[test]
fn tiles_hold_leaves_and_the_roots_of_the_tiles_below() {
    let leaves = leaves(65_536 + 256 + 3);
    let (_, tiles) = grown(&leaves);
    assert_eq!(tiles.len(), 257 + 1);
    for (index, chunk) in (0..).zip(leaves.chunks_exact(256)) {
        assert_eq!(
            tiles[&(0, index)],
            chunk.concat(),
            "tile {index} of level 0"
        );
    }
    let roots: Vec<Hash> = leaves[..65_536]
        .chunks_exact(256)
        .map(root_by_definition)
        .collect();
    assert_eq!(tiles[&(1, 0)], roots.concat());
}

#[test]
fn a_tree_restored_from_tiles_equals_the_one_that_grew() {
    let leaves = leaves(65_536 + 513);
    let (_, tiles) = grown(&leaves);
    for size in [
        0, 1, 255, 256, 257, 511, 512, 1_024, 65_535, 65_536, 65_537, 66_048, 66_049,
    ] {
        let (tree, stored) = grown(&leaves[..size]);
        let tail = &leaves[size - size % 256..size];
        let read = |level, index| stored.get(&(level, index)).cloned();
        let mut restored = Tree::from_tiles(tree.size(), read, tail).unwrap();
        assert_eq!(restored, tree, "size {size}, tiles of that size");
        let read = |level, index| tiles.get(&(level, index)).cloned();
        assert_eq!(
            Tree::from_tiles(tree.size(), read, tail).unwrap(),
            tree,
            "later tiles, {size}"
        );
        if let Some(leaf) = leaves.get(size) {
            restored.push(leaf);
            assert_eq!(
                restored.root(),
                grown(&leaves[..=size]).0.root(),
                "grown on from {size}"
            );
        }
    }
}

#[test]
fn the_root_at_an_earlier_size_comes_from_tiles_alone() {
    let leaves = leaves(1_024);
    let (_, tiles) = grown(&leaves);
    for size in 0..=1_024_u16 {
        let read = |level, index| tiles.get(&(level, index)).cloned();
        let root = Tree::root_at(u64::from(size), read).unwrap();
        assert_eq!(
            root,
            root_by_definition(&leaves[..usize::from(size)]),
            "size {size}"
        );
    }
}

#[test]
fn a_missing_or_short_tile_is_named() {
    let leaves = leaves(600);
    let (_, tiles) = grown(&leaves);
    let without = |level, index| {
        if index == 1 {
            None
        } else {
            tiles.get(&(level, index)).cloned()
        }
    };
    let error = Tree::from_tiles(600, without, &leaves[512..]).unwrap_err();
    assert_eq!(
        (error.code(), error),
        ("tile.missing", TreeError::Missing { level: 0, index: 1 })
    );

    for wrong in [0, 32 * 255, 8_191, 8_193, 8_192 + 32] {
        let short = |level, _| (level == 0).then(|| vec![0; wrong]);
        let error = Tree::from_tiles(600, short, &leaves[512..]).unwrap_err();
        assert_eq!(error.code(), "tile.length", "{wrong} bytes");
    }

    let read = |level, index| tiles.get(&(level, index)).cloned();
    assert_eq!(
        Tree::from_tiles(600, read, &leaves[513..])
            .unwrap_err()
            .code(),
        "tree.tail"
    );
    assert_eq!(Tree::root_at(600, read).unwrap_err().code(), "tile.missing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_leaves_have_the_root_of_the_definition(
        leaves in prop::collection::vec(any::<Hash>(), 0..1_500),
    ) {
        let (tree, tiles) = grown(&leaves);
        prop_assert_eq!(tree.root(), root_by_definition(&leaves));
        let tail = &leaves[leaves.len() - leaves.len() % 256..];
        let read = |level, index| tiles.get(&(level, index)).cloned();
        prop_assert_eq!(Tree::from_tiles(tree.size(), read, tail), Ok(tree));
    }
}
