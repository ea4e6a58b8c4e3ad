//! The exported folder of a made log.

use std::fs;
use std::path::Path;

use antiphon_ledger::hash::{Hash, leaf_hash, node_hash};

use super::{LedgerMaker, Stored};

/// Hashes of a full tile, and records of a full bundle.
const FULL: usize = 256;

impl LedgerMaker {
    /// Writes the first `size` records, their tiles and a checkpoint below `folder`.
    pub fn export(&self, folder: &Path, size: u64) {
        self.export_with(folder, size, &self.checkpoint(size));
    }

    /// The bundles of entries and of bodies of the records from `start` on and below `end`.
    #[must_use]
    pub fn bundle(&self, start: usize, end: usize) -> (Vec<u8>, Vec<u8>) {
        let records = &self.records[start..end];
        (entries(records), bodies(records))
    }

    /// The leaves of the first `size` records, one behind the other.
    #[must_use]
    pub fn leaves(&self, size: usize) -> Vec<u8> {
        let leaves = self.records[..size]
            .iter()
            .map(|it| leaf_hash(&it.envelope));
        leaves.collect::<Vec<Hash>>().into_flattened()
    }

    /// The same with another checkpoint.
    pub fn export_with(&self, folder: &Path, size: u64, checkpoint: &str) {
        let records = &self.records[..usize::try_from(size).unwrap()];
        write(folder, "checkpoint", checkpoint.as_bytes());
        for (index, bundle) in records.chunks(FULL).enumerate() {
            let path = place(index, bundle.len());
            write(folder, &format!("tile/entries/{path}"), &entries(bundle));
            write(folder, &format!("body/{path}"), &bodies(bundle));
        }
        let mut hashes: Vec<Hash> = records.iter().map(|it| leaf_hash(&it.envelope)).collect();
        for level in 0.. {
            if hashes.is_empty() {
                break;
            }
            for (index, tile) in hashes.chunks(FULL).enumerate() {
                let path = format!("tile/{level}/{}", place(index, tile.len()));
                write(folder, &path, tile.as_flattened());
            }
            let full = hashes.chunks_exact(FULL);
            hashes = full.map(root).collect();
        }
    }
}

/// `x001/x234/067` for 1234067, with `.p/W` when it is not full.
#[must_use]
pub fn place(index: usize, width: usize) -> String {
    let mut path = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1_000);
        rest /= 1_000;
    }
    if width < FULL {
        path = format!("{path}.p/{width}");
    }
    path
}

/// The root over a whole tile.
fn root(hashes: &[Hash]) -> Hash {
    let mut hashes = hashes.to_vec();
    while hashes.len() > 1 {
        hashes = hashes
            .chunks_exact(2)
            .map(|it| node_hash(&it[0], &it[1]))
            .collect();
    }
    hashes[0]
}

fn entries(records: &[Stored]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let length = u16::try_from(record.envelope.len()).unwrap();
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&record.envelope);
    }
    bytes
}

fn bodies(records: &[Stored]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        match &record.body {
            Some(body) => {
                let length = u32::try_from(body.len()).unwrap();
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(body);
            }
            None => bytes.extend_from_slice(&u32::MAX.to_be_bytes()),
        }
    }
    bytes
}

fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
