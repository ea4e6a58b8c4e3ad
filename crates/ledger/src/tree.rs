//! The Merkle tree over the leaves of a log, grown at its right edge.
//!
//! In: leaf hashes, in order. Out: the root after each, and tiles as they fill. A tile is 256 hashes
//! of one level; level 0 holds the leaves, an entry of level n is the root of a whole tile of level
//! n - 1. Kept: per level the tile that still grows and the roots of its complete subtrees, so a
//! push costs one node hash on average, and a clone at most a few tiles.
//!
//! Invariants: the state is a function of the leaves alone, whether pushed or restored from tiles.
//! Not here: proofs and signed heads; reading and storing tiles (the caller).
//! Source: RFC 6962 section 2.1 for the tree, C2SP tlog-tiles for the tiles.

use crate::hash::{Hash, node_hash};

/// Hashes in a full tile.
pub const TILE_HASHES: usize = 256;
/// Bytes of a full tile.
pub const TILE_BYTES: usize = 8_192;

/// Levels of tiles that a size of 64 bits can have: eight bits each.
const LEVELS: usize = 8;

/// How many leaves a tree has, and what they hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// The number of leaves.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl TreeHead {
    /// The root of the tree without leaves: SHA-256 of nothing.
    pub const EMPTY_ROOT: Hash = [
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ];
    /// The head of the tree without leaves.
    pub const EMPTY: Self = Self {
        size: 0,
        root: Self::EMPTY_ROOT,
    };
}

/// A tile that has been filled: its level, its place in its level from 0, its [`TILE_BYTES`].
pub type FullTile = (u8, u64, Vec<u8>);

/// A tree that grows by one leaf at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    levels: [GrowingTile; LEVELS],
    full: Vec<FullTile>,
}

impl Tree {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree over the first `size` leaves of a log, as if each had been pushed.
    ///
    /// `tiles` answers for a level and an index with that tile's hashes, `None` when it is not
    /// stored; more hashes than needed do no harm, so the tiles of a log that has grown since serve
    /// as well. `tail_leaves` are the leaves behind the last full tile of level 0. Tiles are taken
    /// at their word: compare the root with one that is trusted.
    ///
    /// # Errors
    /// [`TreeError`] when a tile is missing or too short, or there are too few or many tail leaves.
    pub fn from_tiles(
        size: u64,
        mut tiles: impl FnMut(u8, u64) -> Option<Vec<u8>>,
        tail_leaves: &[Hash],
    ) -> Result<Self, TreeError> {
        let expected = in_last_tile(size);
        if tail_leaves.len() != expected {
            return Err(TreeError::Tail {
                expected,
                found: tail_leaves.len(),
            });
        }
        let mut tree = Self {
            size,
            ..Self::default()
        };
        let mut count = size;
        for (level, tile) in (0..).zip(&mut tree.levels) {
            tile.index = full_tiles(count);
            let hashes = match level {
                0 => tail_leaves.to_vec(),
                _ => read_hashes(&mut tiles, level, tile.index, in_last_tile(count))?,
            };
            for hash in &hashes {
                tile.add(hash);
            }
            count = full_tiles(count);
        }
        Ok(tree)
    }

    /// The root of the tree over the first `size` leaves, from tiles alone; `tiles` is as in
    /// [`Tree::from_tiles`] and answers for the last tile of level 0, too, if `size` cuts one.
    ///
    /// # Errors
    /// [`TreeError`] when a tile is missing or too short.
    pub fn root_at(
        size: u64,
        mut tiles: impl FnMut(u8, u64) -> Option<Vec<u8>>,
    ) -> Result<Hash, TreeError> {
        let tail = read_hashes(&mut tiles, 0, full_tiles(size), in_last_tile(size))?;
        Ok(Self::from_tiles(size, tiles, &tail)?.root())
    }

    /// Adds the leaf of the next record.
    pub fn push(&mut self, leaf: &Hash) {
        let mut hash = *leaf;
        for (level, tile) in (0..).zip(&mut self.levels) {
            tile.add(&hash);
            let Some((index, hashes, root)) = tile.take_if_full() else {
                break;
            };
            self.full.push((level, index, hashes));
            hash = root;
        }
        self.size = self.size.saturating_add(1);
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves; [`TreeHead::EMPTY_ROOT`] when there are none.
    #[must_use]
    pub fn root(&self) -> Hash {
        let from_the_right = self
            .levels
            .iter()
            .flat_map(|tile| tile.subtrees.iter().rev());
        from_the_right
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or(TreeHead::EMPTY_ROOT)
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead {
            size: self.size,
            root: self.root(),
        }
    }

    /// The tiles that have been filled since this was last asked, in the order in which they were;
    /// a restored tree has none.
    #[must_use]
    pub fn take_full_tiles(&mut self) -> Vec<FullTile> {
        std::mem::take(&mut self.full)
    }

    /// The tiles that are not full: level, place in the level, at least one and at most 255 hashes;
    /// by level.
    #[must_use]
    pub fn partial_tiles(&self) -> Vec<(u8, u64, Vec<Hash>)> {
        let growing = (0..).zip(&self.levels);
        growing
            .filter(|(_, tile)| !tile.hashes.is_empty())
            .map(|(level, tile)| (level, tile.index, tile.hashes.clone()))
            .collect()
    }

    /// Forgets the tiles that have been filled.
    pub(crate) fn drop_full_tiles(&mut self) {
        self.full.clear();
    }
}

/// Why a tree could not be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A tile is not there.
    #[error("tile {index} of level {level} is missing")]
    Missing {
        /// Its level.
        level: u8,
        /// Its place in its level.
        index: u64,
    },
    /// A tile has fewer hashes than the tree has in it, or is no list of at most 256 hashes.
    #[error("tile {index} of level {level} has {found} bytes where {expected} are needed")]
    Length {
        /// Its level.
        level: u8,
        /// Its place in its level.
        index: u64,
        /// The bytes that the tree needs of it.
        expected: usize,
        /// The bytes that it has.
        found: usize,
    },
    /// The leaves behind the last full tile are not as many as the size says.
    #[error("{found} leaves stand behind the last full tile where {expected} are needed")]
    Tail {
        /// Leaves that the size leaves over.
        expected: usize,
        /// Leaves that were given.
        found: usize,
    },
}

impl TreeError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "tile.missing",
            Self::Length { .. } => "tile.length",
            Self::Tail { .. } => "tree.tail",
        }
    }
}

/// The last tile of a level, never full between calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct GrowingTile {
    index: u64,
    hashes: Vec<Hash>,
    /// The roots of its complete subtrees, the greatest first: one per bit of its count of hashes.
    subtrees: Vec<Hash>,
}

impl GrowingTile {
    fn add(&mut self, hash: &Hash) {
        if self.hashes.is_empty() {
            self.hashes.reserve_exact(TILE_HASHES);
        }
        let ends_here = self.hashes.len().trailing_ones();
        self.hashes.push(*hash);
        let mut root = *hash;
        for _ in 0..ends_here {
            if let Some(left) = self.subtrees.pop() {
                root = node_hash(&left, &root);
            }
        }
        self.subtrees.push(root);
    }

    /// When it is full: its place, hashes and root; it is then the empty tile that comes next.
    fn take_if_full(&mut self) -> Option<(u64, Vec<u8>, Hash)> {
        if self.hashes.len() < TILE_HASHES {
            return None;
        }
        let root = self.subtrees.pop()?;
        let index = self.index;
        self.index = index.saturating_add(1);
        Some((
            index,
            std::mem::take(&mut self.hashes).into_flattened(),
            root,
        ))
    }
}

/// The first `count` hashes of a tile: read, or else the roots of the tiles below it.
fn read_hashes(
    tiles: &mut impl FnMut(u8, u64) -> Option<Vec<u8>>,
    level: u8,
    index: u64,
    count: usize,
) -> Result<Vec<Hash>, TreeError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if let Some(bytes) = tiles(level, index) {
        let (hashes, rest) = bytes.as_chunks();
        return match hashes.get(..count) {
            Some(first) if rest.is_empty() && hashes.len() <= TILE_HASHES => Ok(first.to_vec()),
            _ => {
                let expected = count.saturating_mul(size_of::<Hash>());
                Err(TreeError::Length {
                    level,
                    index,
                    expected,
                    found: bytes.len(),
                })
            }
        };
    }
    let below = level
        .checked_sub(1)
        .ok_or(TreeError::Missing { level, index })?;
    let first_below = index.saturating_mul(256);
    (first_below..)
        .take(count)
        .map(|index| tile_root(tiles, below, index))
        .collect()
}

/// The root of a whole tile.
fn tile_root(
    tiles: &mut impl FnMut(u8, u64) -> Option<Vec<u8>>,
    level: u8,
    index: u64,
) -> Result<Hash, TreeError> {
    let mut tile = GrowingTile {
        index,
        ..GrowingTile::default()
    };
    for hash in &read_hashes(tiles, level, index, TILE_HASHES)? {
        tile.add(hash);
    }
    let (_, _, root) = tile
        .take_if_full()
        .ok_or(TreeError::Missing { level, index })?;
    Ok(root)
}

/// How many full tiles `count` hashes of a level make.
fn full_tiles(count: u64) -> u64 {
    count >> 8
}

/// How many of `count` hashes of a level stand behind its last full tile: the low byte.
fn in_last_tile(count: u64) -> usize {
    let [low, ..] = count.to_le_bytes();
    usize::from(low)
}

#[cfg(test)]
mod tests;
