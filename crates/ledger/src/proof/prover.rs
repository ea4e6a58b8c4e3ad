//! Making proofs from the tiles of a log.

use std::collections::BTreeMap;

use crate::hash::{Hash, node_hash};
use crate::tile::{TileKind, TilePath};
use crate::tree::{TILE_HASHES, TreeHead};

/// Tiles that are kept between proofs: a few proofs' worth, half a megabyte.
const CACHED_TILES_MAX: usize = 64;

/// Levels of the tree within a tile.
const TILE_HEIGHT: u32 = 8;

/// Makes proofs from what reads a log's tiles.
///
/// The reader answers for a level and a place in it with that tile's hashes, `None` when it is not
/// stored. More hashes than are needed do no harm, so that the tiles of a log that has grown since
/// serve as well. A tile of level 1 or above that is not stored is made from those below it; those
/// of level 0 must be there, the one at the right edge included. Hashes are taken at their word: a
/// proof from wrong ones does not hold.
#[derive(Debug)]
pub struct Prover<Read> {
    read: Read,
    cached: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl<Read, E> Prover<Read>
where
    Read: FnMut(u8, u64) -> Result<Option<Vec<u8>>, E>,
{
    /// A prover for the log whose tiles `read` reads.
    pub fn new(read: Read) -> Self {
        Self {
            read,
            cached: BTreeMap::new(),
        }
    }

    /// The root of the tree over the first `size` leaves.
    ///
    /// # Errors
    /// [`ProveError`] when a tile cannot be had.
    pub fn root(&mut self, size: u64) -> Result<Hash, ProveError<E>> {
        if size == 0 {
            return Ok(TreeHead::EMPTY_ROOT);
        }
        self.subtree(0, size, size)
    }

    /// The proof that the tree of `size` leaves has the one at `index`.
    ///
    /// # Errors
    /// [`ProveError`] when a tile cannot be had, or the tree has no such leaf.
    pub fn inclusion(&mut self, index: u64, size: u64) -> Result<Vec<Hash>, ProveError<E>> {
        if index >= size {
            return Err(ProveError::Beyond);
        }
        let mut proof = Vec::new();
        let (mut start, mut end) = (0, size);
        while let Some(middle) = split(start, end) {
            if index < middle {
                proof.push(self.subtree(middle, end, size)?);
                end = middle;
            } else {
                proof.push(self.subtree(start, middle, size)?);
                start = middle;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// The proof that the tree of `old_size` leaves is the beginning of the one of `size`; without
    /// hashes when it is empty or the same.
    ///
    /// # Errors
    /// [`ProveError`] when a tile cannot be had, or the old tree is the larger one.
    pub fn consistency(&mut self, old_size: u64, size: u64) -> Result<Vec<Hash>, ProveError<E>> {
        if old_size > size {
            return Err(ProveError::Beyond);
        }
        let mut proof = Vec::new();
        if old_size == 0 {
            return Ok(proof);
        }
        let (mut start, mut end) = (0, size);
        while old_size != end {
            let Some(middle) = split(start, end) else {
                break;
            };
            if old_size <= middle {
                proof.push(self.subtree(middle, end, size)?);
                end = middle;
            } else {
                proof.push(self.subtree(start, middle, size)?);
                start = middle;
            }
        }
        // The whole old tree is known to whoever checks; a part of it is not.
        if start > 0 {
            proof.push(self.subtree(start, end, size)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// The hashes of the tile that `path` names, in a tree of which it has all; to write the
    /// partial ones of an exported log.
    ///
    /// # Errors
    /// [`ProveError`] when a tile cannot be had, or the path names none of hashes.
    pub fn tile(&mut self, path: &TilePath) -> Result<Vec<u8>, ProveError<E>> {
        match path.kind() {
            TileKind::Hashes { level } => {
                let hashes = self.hashes(level, path.index(), usize::from(path.width()))?;
                Ok(hashes.into_flattened())
            }
            TileKind::Entries | TileKind::Bodies => Err(ProveError::Beyond),
        }
    }

    /// The root over the leaves from `start` up to and without `end`, as the tree of `size` leaves
    /// has it: `start` is a multiple of the next power of two.
    fn subtree(&mut self, start: u64, end: u64, size: u64) -> Result<Hash, ProveError<E>> {
        let mut roots = Vec::new();
        let mut start = start;
        while start < end {
            let height = end.saturating_sub(start).ilog2();
            roots.push(self.complete(start, height, size)?);
            start = start.saturating_add(1 << height);
        }
        let mut from_the_right = roots.into_iter().rev();
        let last = from_the_right.next().ok_or(ProveError::Beyond)?;
        Ok(from_the_right.fold(last, |right, left| node_hash(&left, &right)))
    }

    /// The root of the complete subtree of 2^`height` leaves from `start`.
    fn complete(&mut self, start: u64, height: u32, size: u64) -> Result<Hash, ProveError<E>> {
        let within = height.checked_rem(TILE_HEIGHT).unwrap_or_default();
        let below = height.saturating_sub(within);
        let level = u8::try_from(below >> 3).ok().ok_or(ProveError::Beyond)?;
        let place = start >> below;
        let [offset, ..] = place.to_le_bytes();
        let tile = TilePath::at(TileKind::Hashes { level }, place >> TILE_HEIGHT, size)
            .ok_or(ProveError::Beyond)?;
        let key = (level, tile.index());
        let width = usize::from(tile.width());
        if self.cached.get(&key).is_none_or(|it| it.len() < width) {
            let hashes = self.hashes(level, tile.index(), width)?;
            if self.cached.len() >= CACHED_TILES_MAX {
                self.cached.clear();
            }
            self.cached.insert(key, hashes);
        }
        let hashes = self.cached.get(&key).and_then(|hashes| {
            let (_, hashes) = hashes.split_at_checked(usize::from(offset))?;
            hashes.get(..1 << within)
        });
        hashes.and_then(complete_root).ok_or(ProveError::Beyond)
    }

    /// The first `width` hashes of a tile: read, or else the roots of the tiles below it.
    fn hashes(&mut self, level: u8, index: u64, width: usize) -> Result<Vec<Hash>, ProveError<E>> {
        if let Some(bytes) = (self.read)(level, index).map_err(ProveError::Read)? {
            let (hashes, rest) = bytes.as_chunks();
            return match hashes.get(..width) {
                Some(first) if rest.is_empty() && hashes.len() <= TILE_HASHES => Ok(first.to_vec()),
                _ => Err(ProveError::Length { level, index }),
            };
        }
        let missing = ProveError::Missing { level, index };
        let Some(below) = level.checked_sub(1) else {
            return Err(missing);
        };
        let first_below = index.saturating_mul(256);
        (first_below..)
            .take(width)
            .map(|index| {
                let tile = self.hashes(below, index, TILE_HASHES)?;
                complete_root(&tile).ok_or(ProveError::Beyond)
            })
            .collect()
    }
}

/// Where the tree over the leaves from `start` up to and without `end` splits: behind the greatest
/// power of two that is smaller than it; `None` for a single leaf.
fn split(start: u64, end: u64) -> Option<u64> {
    let last = end.checked_sub(start)?.checked_sub(1)?;
    start.checked_add(1 << last.checked_ilog2()?)
}

/// The root over hashes whose number is a power of two.
fn complete_root(hashes: &[Hash]) -> Option<Hash> {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        let (pairs, _) = level.as_chunks();
        level = pairs
            .iter()
            .map(|[left, right]| node_hash(left, right))
            .collect();
    }
    level.pop()
}

/// Why a proof could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// The reader failed.
    #[error("the tiles of the log cannot be read")]
    Read(#[source] E),
    /// A tile that is needed is not stored.
    #[error("tile {index} of level {level} is missing")]
    Missing {
        /// Its level.
        level: u8,
        /// Its place in its level.
        index: u64,
    },
    /// A tile has fewer hashes than are needed, or is no list of at most 256.
    #[error("tile {index} of level {level} has too few bytes or too many")]
    Length {
        /// Its level.
        level: u8,
        /// Its place in its level.
        index: u64,
    },
    /// What is to be proven lies beyond the tree.
    #[error("the tree does not reach so far")]
    Beyond,
}

impl<E> ProveError<E> {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(_) => "tile.unreadable",
            Self::Missing { .. } => "tile.missing",
            Self::Length { .. } => "tile.length",
            Self::Beyond => "proof.beyond",
        }
    }
}
