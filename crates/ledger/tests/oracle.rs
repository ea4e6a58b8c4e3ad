//! Ours against `signed_note` and `tlog_tiles`, which other people wrote from the same
//! specifications: what each makes, the other accepts.
//!
//! They have no bundles, cosignatures and files of proofs; those stand on the specification's own
//! examples, in the tests of their modules.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test"
)]

use std::cell::RefCell;
use std::convert::Infallible;

use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::key::{Algorithm, SigningKey};
use antiphon_ledger::note::Note;
use antiphon_ledger::proof::{Prover, verify_consistency, verify_inclusion};
use antiphon_ledger::tile::{TileKind, TilePath};
use antiphon_ledger::tree::Tree;
use antiphon_ledger::{Hash, TreeHead};
use signed_note::{Signer, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::tlog::{self, HashReader};
use tlog_tiles::{Tile, TileHashReader, TileReader};

const ORIGIN: &str = "example.com/log";
const SIZE_MAX: u64 = 1_025;

type ReadTile = Result<Option<Vec<u8>>, Infallible>;

/// One log, kept by both.
struct Logs {
    leaves: Vec<Hash>,
    heads: Vec<TreeHead>,
    theirs: Theirs,
}

/// Their hashes, in their order.
struct Theirs(RefCell<Vec<tlog::Hash>>);

impl HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let hashes = self.0.borrow();
        Ok(indexes.iter().map(|at| hashes[place(*at)]).collect())
    }
}

impl Logs {
    fn new() -> Self {
        let mut tree = Tree::new();
        let mut logs = Self {
            leaves: Vec::new(),
            heads: vec![tree.head()],
            theirs: Theirs(RefCell::default()),
        };
        for at in 0..SIZE_MAX {
            let entry = format!("entry {at}");
            let leaf = leaf_hash(entry.as_bytes());
            tree.push(&leaf);
            logs.leaves.push(leaf);
            logs.heads.push(tree.head());
            let new = tlog::stored_hashes(at, entry.as_bytes(), &logs.theirs).unwrap();
            logs.theirs.0.borrow_mut().extend(new);
        }
        logs
    }

    /// Our prover over leaves alone: every higher tile is made from them.
    fn prover(&self) -> Prover<impl FnMut(u8, u64) -> ReadTile> {
        Prover::new(|level, index| {
            let tile = self.leaves.chunks(256).nth(place(index));
            Ok(tile.filter(|_| level == 0).map(<[Hash]>::concat))
        })
    }

    fn head(&self, size: u64) -> &TreeHead {
        &self.heads[place(size)]
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

fn their_hashes(hashes: &[Hash]) -> Vec<tlog::Hash> {
    hashes.iter().map(|hash| tlog::Hash(*hash)).collect()
}

fn our_hashes(hashes: &[tlog::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| hash.0).collect()
}

#[test]
fn every_tree_to_1_025_leaves_has_the_same_root_and_proofs() {
    let logs = Logs::new();
    let mut prover = logs.prover();
    for size in 0..=SIZE_MAX {
        let head = logs.head(size);
        let theirs = tlog::tree_hash(size, &logs.theirs).unwrap();
        assert_eq!(theirs.0, head.root, "{size}");
        let places = [0, size / 3, size / 2, size.saturating_sub(1)];
        for at in places.into_iter().filter(|at| *at < size) {
            let ours = prover.inclusion(at, size).unwrap();
            let theirs = tlog::prove_record(size, at, &logs.theirs).unwrap();
            assert_eq!(our_hashes(&theirs), ours, "{at} of {size}");
            let leaf = logs.leaves[place(at)];
            verify_inclusion(&leaf, at, head, &our_hashes(&theirs)).unwrap();
            let (root, leaf) = (tlog::Hash(head.root), tlog::Hash(leaf));
            tlog::check_record(&their_hashes(&ours), size, root, at, leaf).unwrap();

            let old = logs.head(at + 1);
            let ours = prover.consistency(old.size, size).unwrap();
            let theirs = tlog::prove_tree(size, old.size, &logs.theirs).unwrap();
            assert_eq!(our_hashes(&theirs), ours, "{} to {size}", old.size);
            verify_consistency(old, head, &our_hashes(&theirs)).unwrap();
            let old_root = tlog::Hash(old.root);
            tlog::check_tree(&their_hashes(&ours), size, root, old.size, old_root).unwrap();
        }
    }
}

#[test]
fn a_broken_proof_is_refused_by_both() {
    let logs = Logs::new();
    let (size, at) = (700, 300);
    let (head, old) = (logs.head(size), logs.head(at));
    let leaf = logs.leaves[place(at)];
    let root = tlog::Hash(head.root);
    let inclusion = logs.prover().inclusion(at, size).unwrap();
    let consistency = logs.prover().consistency(at, size).unwrap();
    let check = |inclusion: &[Hash], consistency: &[Hash], good| {
        let ours = verify_inclusion(&leaf, at, head, inclusion).is_ok();
        let theirs = their_hashes(inclusion);
        let theirs = tlog::check_record(&theirs, size, root, at, tlog::Hash(leaf)).is_ok();
        assert_eq!((ours, theirs), (good, good));
        let ours = verify_consistency(old, head, consistency).is_ok();
        let theirs = their_hashes(consistency);
        let theirs = tlog::check_tree(&theirs, size, root, at, tlog::Hash(old.root)).is_ok();
        assert_eq!((ours, theirs), (good, good));
    };
    check(&inclusion, &consistency, true);
    check(&inclusion[1..], &consistency[1..], false);
    let longer = |proof: &[Hash]| [proof, &[leaf]].concat();
    check(&longer(&inclusion), &longer(&consistency), false);
    for hash in 0..inclusion.len().min(consistency.len()) {
        let changed = |proof: &[Hash]| {
            let mut proof = proof.to_vec();
            proof[hash][7] ^= 0x10;
            proof
        };
        check(&changed(&inclusion), &changed(&consistency), false);
    }
}

/// Our tiles, as their client fetches them by path.
struct Served<'a>(&'a Logs, u64);

impl TileReader for Served<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
        let mut prover = self.0.prover();
        let read = tiles.iter().map(|tile| {
            let path: TilePath = tile.path().replacen("tile/8/", "tile/", 1).parse().unwrap();
            assert!(path.is_within(self.1), "{path} is not in the tree");
            prover.tile(&path).unwrap()
        });
        Ok(read.collect())
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

#[test]
fn proofs_that_they_make_from_our_tiles_are_accepted_by_ours() {
    let logs = Logs::new();
    for size in [1, 2, 255, 256, 257, 511, 512, 700, 1_024, SIZE_MAX] {
        let head = logs.head(size);
        let served = Served(&logs, size);
        let reader = TileHashReader::new(size, tlog::Hash(head.root), &served);
        for at in [0, size / 2, size - 1] {
            let proof = tlog::prove_record(size, at, &reader).unwrap();
            let leaf = logs.leaves[place(at)];
            verify_inclusion(&leaf, at, head, &our_hashes(&proof)).unwrap();
            let proof = tlog::prove_tree(size, at + 1, &reader).unwrap();
            verify_consistency(logs.head(at + 1), head, &our_hashes(&proof)).unwrap();
        }
    }
}

#[test]
fn tiles_have_the_paths_and_bytes_that_theirs_have() {
    let logs = Logs::new();
    let mut prover = logs.prover();
    for size in [1, 255, 256, 257, 700, SIZE_MAX] {
        let theirs = Tile::new_tiles(8, 0, size);
        let mut ours: Vec<TilePath> = TilePath::all(size)
            .filter(|path| matches!(path.kind(), TileKind::Hashes { .. }))
            .collect();
        assert_eq!(ours.len(), theirs.len(), "{size}");
        for tile in theirs {
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            let at = ours.iter().position(|it| it.to_string() == path);
            let ours = ours.remove(at.unwrap_or_else(|| panic!("no {path} in {size}")));
            let bytes = tile.read_data(&logs.theirs).unwrap();
            assert_eq!(prover.tile(&ours).unwrap(), bytes, "{path} of {size}");
        }
    }
    for index in [0, 999, 1_000, 1_234_067, 999_999_999] {
        for (kind, is_data) in [
            (TileKind::Hashes { level: 0 }, false),
            (TileKind::Entries, true),
        ] {
            for width in [1, 17, 255, 256] {
                let theirs = Tile::new(8, 0, index, width, is_data).path();
                let ours = TilePath::at(kind, index, index * 256 + u64::from(width)).unwrap();
                let expected = ours.to_string().replacen("tile/", "tile/8/", 1);
                assert_eq!(theirs, expected.replacen("entries", "data", 1));
            }
        }
    }
}

#[test]
fn checkpoints_that_we_sign_are_accepted_by_theirs() {
    let key = SigningKey::new(ORIGIN, Algorithm::Ed25519, &[5; 32]).unwrap();
    let witness = SigningKey::new("w", Algorithm::CosignatureV1, &[6; 32]).unwrap();
    let logs = Logs::new();
    for size in [0, 1, 700, SIZE_MAX] {
        let head = *logs.head(size);
        let checkpoint = Checkpoint::new(ORIGIN, head).unwrap();
        let mut note = checkpoint.sign(&key).unwrap();
        note.add(antiphon_ledger::cosignature::cosign(&note, &witness, 7).unwrap())
            .unwrap();
        let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
        let verifier = StandardVerifier::new(&key.verifier().to_string()).unwrap();
        let known = VerifierList::new(vec![Box::new(verifier)]);
        let (known_good, unknown) = theirs.verify(&known).unwrap();
        assert_eq!((known_good.len(), unknown.len()), (1, 1));
        let theirs = tlog_tiles::Checkpoint::from_bytes(theirs.text()).unwrap();
        assert_eq!((theirs.origin(), theirs.size()), (ORIGIN, size));
        assert_eq!(theirs.hash().0, head.root);
    }
}

#[test]
fn checkpoints_that_they_sign_are_accepted_by_ours() {
    let key = SigningKey::new(ORIGIN, Algorithm::Ed25519, &[5; 32]).unwrap();
    let their_key = StandardSigner::new(&key.to_private_text()).unwrap();
    assert_eq!(their_key.key_id().to_be_bytes(), key.verifier().id().0);
    for (size, extension) in [(0, ""), (20_852_163, ""), (7, "extension\n")] {
        let root = tlog::Hash([9; 32]);
        let checkpoint = tlog_tiles::Checkpoint::new(ORIGIN, size, root, extension).unwrap();
        let mut theirs = signed_note::Note::new(&checkpoint.to_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&their_key]).unwrap();
        let note = Note::parse(&theirs.to_bytes()).unwrap();
        assert!(note.verified_by(key.verifier()));
        let ours: Checkpoint = note.text().parse().unwrap();
        let head = TreeHead { size, root: root.0 };
        assert_eq!(ours, Checkpoint::new(ORIGIN, head).unwrap());
        assert_eq!(note.to_string().into_bytes(), theirs.to_bytes());
        let again = Note::signed(note.text(), &key).unwrap();
        assert_eq!(again, note, "the same text, the same signature");
    }
}
