//! A log in memory that can be asked for any of its checkpoints and proofs.

use std::collections::BTreeMap;
use std::convert::Infallible;

use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::key::{Algorithm, SigningKey, VerifierKey};
use antiphon_ledger::note::Note;
use antiphon_ledger::proof::Prover;
use antiphon_ledger::tree::Tree;
use antiphon_ledger::witness::AddCheckpoint;
use antiphon_ledger::{Hash, TreeHead};
use bytes::Bytes;

type Read = Result<Option<Vec<u8>>, Infallible>;

pub(crate) struct Log {
    pub(crate) origin: String,
    pub(crate) key: SigningKey,
    leaves: Vec<Hash>,
    /// The root of every size.
    roots: Vec<Hash>,
    tiles: BTreeMap<(u8, u64), Vec<u8>>,
}

impl Log {
    /// A log of `size` entries, which tell `word`.
    pub(crate) fn new(origin: &str, word: &str, size: u32) -> Self {
        let leaf = |place: u32| leaf_hash(format!("{word} {place}").as_bytes());
        let leaves: Vec<Hash> = (0..size).map(leaf).collect();
        let mut tree = Tree::new();
        let mut roots = vec![tree.root()];
        for leaf in &leaves {
            tree.push(leaf);
            roots.push(tree.root());
        }
        // A tile of level 1 that is not full is made once, not for each proof.
        let roots_of_tiles = leaves.as_chunks::<256>().0.iter().map(|tile| {
            let mut tree = Tree::new();
            for leaf in tile {
                tree.push(leaf);
            }
            tree.root()
        });
        let above: Vec<Hash> = roots_of_tiles.collect();
        let tiles = (0..).zip(above.chunks(256));
        Self {
            origin: origin.to_owned(),
            key: SigningKey::new(origin, Algorithm::Ed25519, &[7; 32]).unwrap(),
            leaves,
            roots,
            tiles: tiles
                .map(|(index, hashes)| ((1, index), hashes.concat()))
                .collect(),
        }
    }

    pub(crate) fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn prover(&self) -> Prover<impl FnMut(u8, u64) -> Read> {
        Prover::new(|level, index| {
            if let Some(tile) = self.tiles.get(&(level, index)) {
                return Ok(Some(tile.clone()));
            }
            let start = usize::try_from(index * 256).unwrap();
            let end = self.leaves.len().min(start + 256);
            Ok((level == 0).then(|| self.leaves[start..end].concat()))
        })
    }

    pub(crate) fn head(&self, size: u64) -> TreeHead {
        let root = self.roots[usize::try_from(size).unwrap()];
        TreeHead { size, root }
    }

    pub(crate) fn proof(&self, old_size: u64, size: u64) -> Vec<Hash> {
        self.prover().consistency(old_size, size).unwrap()
    }

    pub(crate) fn note(&self, size: u64) -> Note {
        let checkpoint = Checkpoint::new(self.origin.as_str(), self.head(size)).unwrap();
        checkpoint.sign(&self.key).unwrap()
    }

    /// The body that asks for a cosignature of the first `size` entries.
    pub(crate) fn request(&self, old_size: u64, size: u64) -> Bytes {
        body(old_size, self.proof(old_size, size), self.note(size))
    }
}

pub(crate) fn body(old_size: u64, proof: Vec<Hash>, note: Note) -> Bytes {
    let request = AddCheckpoint::new(old_size, proof, note).unwrap();
    Bytes::from(request.to_string())
}
