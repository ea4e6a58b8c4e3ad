//! Tiles, bundles and proofs of a log, from what its store holds.
//!
//! In: a [`LogReader`]. Out: a [`Prover`] over it, and the files of C2SP's form. Only full tiles are
//! stored; the leaves behind the last one follow from the envelopes. Nothing is checked here:
//! whoever takes the bytes compares a root.
//!
//! Not here: paths and forms (`antiphon_ledger::tile`), the hashing (`antiphon_ledger::proof`).

use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::proof::{ProveError, Prover};
use antiphon_ledger::tile::{self, BundleError, TileKind, TilePath};

use crate::ports::store::{LogReader, StoreError, StoredRecord};
use crate::read;

/// Leaves of one tile, entries of one bundle.
const WIDTH: u64 = 256;

/// Why a tile or a proof cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TilesError {
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tree has not what is asked, or a tile of it is damaged.
    #[error(transparent)]
    Prove(#[from] ProveError<StoreError>),
    /// The records make no bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Reads a tile for a [`Prover`].
type Read<'a> = Box<dyn FnMut(u8, u64) -> Result<Option<Vec<u8>>, StoreError> + 'a>;

/// Makes proofs from `log`, up to any size that it has.
pub fn prover(log: &mut dyn LogReader) -> Prover<Read<'_>> {
    Prover::new(Box::new(|level, index| hashes(log, level, index)))
}

/// The file at `path`, of which the log has all.
///
/// # Errors
/// [`TilesError`] when the log cannot be read, or does not reach so far.
pub fn file(log: &mut dyn LogReader, path: &TilePath) -> Result<Vec<u8>, TilesError> {
    let (start, count) = (path.start(), u64::from(path.width()));
    match path.kind() {
        TileKind::Hashes { .. } => Ok(prover(log).tile(path)?),
        TileKind::Entries => {
            let entries = records(log, start, count, |stored| stored.envelope.to_vec())?;
            complete(&entries, count)?;
            Ok(tile::encode_entries(entries.iter().map(Vec::as_slice))?)
        }
        TileKind::Bodies => {
            let bodies = records(log, start, count, |stored| stored.body.map(<[u8]>::to_vec))?;
            complete(&bodies, count)?;
            Ok(tile::encode_bodies(bodies.iter().map(Option::as_deref))?)
        }
    }
}

/// The hashes of a tile: stored, or those of the records behind the last full one; `None` when it
/// has none or they follow from tiles below it.
///
/// # Errors
/// [`StoreError`] when the log cannot be read.
pub fn hashes(
    log: &mut dyn LogReader,
    level: u8,
    index: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let stored = log.tiles(level, index, 1)?.into_iter().next();
    if let Some(tile) = stored.filter(|tile| tile.index == index) {
        return Ok(Some(tile.hashes));
    }
    if level > 0 {
        return Ok(None);
    }
    let start = index.saturating_mul(WIDTH);
    let leaves = records(log, start, WIDTH, |stored| leaf_hash(stored.envelope))?;
    Ok((!leaves.is_empty()).then(|| leaves.into_flattened()))
}

/// What `take` makes of `count` records from `start` on, or of as many as there are.
fn records<T>(
    log: &mut dyn LogReader,
    start: u64,
    count: u64,
    take: impl Fn(&StoredRecord<'_>) -> T,
) -> Result<Vec<T>, StoreError> {
    let mut taken = Vec::new();
    read::each(log, start..start.saturating_add(count), |_seq, stored| {
        taken.push(take(stored));
        Ok::<_, StoreError>(())
    })?;
    Ok(taken)
}

fn complete<T>(records: &[T], count: u64) -> Result<(), TilesError> {
    if u64::try_from(records.len()) == Ok(count) {
        Ok(())
    } else {
        Err(ProveError::Beyond.into())
    }
}
