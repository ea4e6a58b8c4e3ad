//! Bundles: up to 256 entries or bodies of neighbouring records, each behind its length.

use crate::tree::TILE_HASHES;

/// Bytes of an entry: what its length, a `u16`, has room for.
pub const ENTRY_BYTES_MAX: usize = 0xffff;

/// The length that stands alone for a body that was pruned.
const PRUNED: [u8; 4] = [0xff; 4];

/// The bundle of `entries`, in their order: of each its length, two bytes with the higher first,
/// and the entry.
///
/// # Errors
/// [`BundleError`] when an entry is longer than [`ENTRY_BYTES_MAX`], or there are none or more than
/// 256.
pub fn encode_entries<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, BundleError> {
    encode(entries, |bundle, entry| {
        let length = u16::try_from(entry.len()).ok()?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
        Some(())
    })
}

/// The `width` entries of a bundle, in their order.
///
/// # Errors
/// [`BundleError`] when it holds more, fewer, or a part of one.
pub fn decode_entries(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    decode(bundle, width, |rest| {
        let (length, rest) = rest.split_first_chunk()?;
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
    })
}

/// The bundle of `bodies`, in their order: of each its length, four bytes with the highest first,
/// and the body as stored; `None` for one that was pruned.
///
/// # Errors
/// [`BundleError`] when a body is longer than its length can say, or there are none or more than
/// 256.
pub fn encode_bodies<'a>(
    bodies: impl IntoIterator<Item = Option<&'a [u8]>>,
) -> Result<Vec<u8>, BundleError> {
    encode(bodies, |bundle, body| {
        let Some(body) = body else {
            bundle.extend_from_slice(&PRUNED);
            return Some(());
        };
        let length = u32::try_from(body.len()).ok()?.to_be_bytes();
        bundle.extend_from_slice(&length);
        bundle.extend_from_slice(body);
        (length != PRUNED).then_some(())
    })
}

/// The `width` bodies of a bundle, in their order; `None` for one that was pruned.
///
/// # Errors
/// [`BundleError`] when it holds more, fewer, or a part of one.
pub fn decode_bodies(bundle: &[u8], width: u16) -> Result<Vec<Option<&[u8]>>, BundleError> {
    decode(bundle, width, |rest| {
        let (length, rest) = rest.split_first_chunk()?;
        if *length == PRUNED {
            return Some((None, rest));
        }
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (body, rest) = rest.split_at_checked(length)?;
        Some((Some(body), rest))
    })
}

fn encode<T>(
    items: impl IntoIterator<Item = T>,
    mut push: impl FnMut(&mut Vec<u8>, T) -> Option<()>,
) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Vec::new();
    let mut width: usize = 0;
    for item in items {
        width = width.saturating_add(1);
        push(&mut bundle, item).ok_or(BundleError::TooLong)?;
    }
    if (1..=TILE_HASHES).contains(&width) {
        Ok(bundle)
    } else {
        Err(BundleError::Width)
    }
}

fn decode<'a, T>(
    bundle: &'a [u8],
    width: u16,
    mut take: impl FnMut(&'a [u8]) -> Option<(T, &'a [u8])>,
) -> Result<Vec<T>, BundleError> {
    let width = usize::from(width);
    if !(1..=TILE_HASHES).contains(&width) {
        return Err(BundleError::Width);
    }
    let mut rest = bundle;
    let mut items = Vec::with_capacity(width);
    for _ in 0..width {
        let (item, behind) = take(rest).ok_or(BundleError::Malformed)?;
        items.push(item);
        rest = behind;
    }
    if rest.is_empty() {
        Ok(items)
    } else {
        Err(BundleError::Malformed)
    }
}

/// Why bytes are no bundle, or one cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It ends within an item, or goes on behind the last.
    #[error("this bundle does not hold just the items that it should")]
    Malformed,
    /// It would have no item, or more than 256.
    #[error("a bundle has 1 to 256 items")]
    Width,
    /// An item is longer than its length can say.
    #[error("an item is too long for a bundle")]
    TooLong,
}

impl BundleError {
    /// A stable name for this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed | Self::Width => "bundle.malformed",
            Self::TooLong => "bundle.too_long",
        }
    }
}
