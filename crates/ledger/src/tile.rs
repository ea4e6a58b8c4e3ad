//! Tiles and bundles as static files: where each lies, how wide it is, and its bytes.
//!
//! In: paths of requests, sizes of trees, entries and bodies. Out: [`TilePath`], bundles of entries
//! and of bodies. A tile is up to 256 hashes of one level, a bundle up to 256 entries or bodies.
//!
//! Invariants: a path has one form, and any other is refused; the width of a path follows from the
//! size of the tree; bundles are decoded only whole and in one form.
//! Not here: the tree that tiles are made of ([`crate::tree`]), proofs from them ([`crate::proof`]),
//! reading and serving them (the callers).
//! Source: C2SP tlog-tiles; bundles of bodies are ours, `docs/reference/ledger.md`.

use std::fmt;
use std::str::FromStr;

use crate::text;
use crate::tree::TILE_HASHES;

mod bundle;
pub use bundle::{
    BundleError, ENTRY_BYTES_MAX, decode_bodies, decode_entries, encode_bodies, encode_entries,
};

/// The greatest level that a path may name.
pub const LEVEL_MAX: u8 = 63;

/// Levels that a tree can have: a size has 63 bits, and a level takes 8 of them.
const LEVELS: u8 = 8;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of a level, 0 for the leaves.
    Hashes {
        /// At most [`LEVEL_MAX`].
        level: u8,
    },
    /// The entries of leaves: envelopes.
    Entries,
    /// The bodies of the same records.
    Bodies,
}

impl TileKind {
    /// How many hashes, entries or bodies of this kind a tree of `size` leaves has.
    #[must_use]
    pub fn count(self, size: u64) -> u64 {
        match self {
            Self::Hashes { level } => size.checked_shr(u32::from(level).saturating_mul(8)),
            Self::Entries | Self::Bodies => Some(size),
        }
        .unwrap_or_default()
    }
}

/// Where a tile or a bundle lies below a log's prefix, without a slash in front:
/// `tile/L/N[.p/W]`, `tile/entries/N[.p/W]`, `body/N[.p/W]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    /// From 1 to 256.
    width: u16,
}

impl TilePath {
    /// The file at place `index` of its kind in a tree of `size` leaves, as wide as it is there;
    /// `None` when that tree has nothing in it.
    #[must_use]
    pub fn at(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let before = index.checked_mul(256)?;
        let behind = kind.count(size).checked_sub(before)?;
        let width = u16::try_from(behind.min(256)).ok().filter(|it| *it > 0)?;
        Some(Self { kind, index, width })
    }

    /// Every file of a tree of `size` leaves: the tiles of each level, then entries, then bodies,
    /// each kind from its start, the last of a kind as wide as it is.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        (0..LEVELS)
            .map(|level| TileKind::Hashes { level })
            .chain([TileKind::Entries, TileKind::Bodies])
            .flat_map(move |kind| (0..).map_while(move |index| Self::at(kind, index, size)))
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its place among those of its kind, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Hashes, entries or bodies in it, from 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it has all its 256.
    #[must_use]
    pub fn is_full(&self) -> bool {
        usize::from(self.width) == TILE_HASHES
    }

    /// The place of its first hash, entry or body among all of its kind.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.index.saturating_mul(256)
    }

    /// Whether a tree of `size` leaves has all that is in it, so that it never changes.
    #[must_use]
    pub fn is_within(&self, size: u64) -> bool {
        self.start().saturating_add(u64::from(self.width)) <= self.kind.count(size)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(formatter, "tile/{level}/")?,
            TileKind::Entries => formatter.write_str("tile/entries/")?,
            TileKind::Bodies => formatter.write_str("body/")?,
        }
        let digits = format!("{:021}", self.index);
        let (groups, _) = digits.as_bytes().as_chunks::<3>();
        let mut groups = groups
            .iter()
            .skip_while(|group| **group == *b"000")
            .peekable();
        let mut last = *b"000";
        while let Some(group) = groups.next() {
            last = *group;
            if groups.peek().is_some() {
                write!(formatter, "x{}/", group.escape_ascii())?;
            }
        }
        write!(formatter, "{}", last.escape_ascii())?;
        if self.is_full() {
            Ok(())
        } else {
            write!(formatter, ".p/{}", self.width)
        }
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        parse(path).ok_or(TilePathError)
    }
}

/// The path is none of a tile or a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no path of a tile, as in tile/0/x001/234 or tile/entries/005.p/17")]
pub struct TilePathError;

impl TilePathError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "tile.path"
    }
}

fn parse(path: &str) -> Option<TilePath> {
    let (kind, place) = if let Some(place) = path.strip_prefix("body/") {
        (TileKind::Bodies, place)
    } else {
        let (level, place) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match level {
            "entries" => TileKind::Entries,
            _ => TileKind::Hashes {
                level: small_number(level, LEVEL_MAX)?,
            },
        };
        (kind, place)
    };
    let (place, width) = match place.split_once(".p/") {
        Some((place, width)) => {
            let width = small_number(width, u8::MAX).filter(|it| *it > 0)?;
            (place, u16::from(width))
        }
        None => (place, 256),
    };
    let index = parse_index(place)?;
    Some(TilePath { kind, index, width })
}

fn small_number(text: &str, max: u8) -> Option<u8> {
    let number = u8::try_from(text::number(text)?).ok()?;
    (number <= max).then_some(number)
}

/// The number that groups of three digits write, all but the last behind an `x`.
fn parse_index(place: &str) -> Option<u64> {
    let (front, last) = place
        .rsplit_once('/')
        .map_or((None, place), |(front, last)| (Some(front), last));
    let mut digits = String::new();
    for group in front.into_iter().flat_map(|front| front.split('/')) {
        digits.push_str(three_digits(group.strip_prefix('x')?)?);
    }
    if digits.starts_with("000") {
        return None;
    }
    digits.push_str(three_digits(last)?);
    let significant = digits.trim_start_matches('0');
    text::number(if significant.is_empty() {
        "0"
    } else {
        significant
    })
}

fn three_digits(group: &str) -> Option<&str> {
    let is_group = group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    is_group.then_some(group)
}

#[cfg(test)]
mod tests;
