//! A Bloom filter over hashes that are random already: 16 bits and 6 probes per key, so that one
//! absent key in a thousand costs a look at the disk.
//!
//! Source: Kirsch and Mitzenmacher, "Less hashing, same performance" (two hashes make all probes).

use crate::error::Error;

const BITS_PER_KEY: usize = 16;
const PROBES: u64 = 6;
const WORD_BYTES: usize = 8;

/// Which hashes may be in a run.
#[derive(Debug)]
pub(super) struct Bloom {
    words: Box<[u64]>,
}

impl Bloom {
    /// An empty filter with room for `keys` hashes.
    pub(super) fn with_room(keys: usize) -> Self {
        let words = keys.saturating_mul(BITS_PER_KEY).div_ceil(64).max(1);
        Self {
            words: vec![0; words].into(),
        }
    }

    pub(super) fn insert(&mut self, hash: &[u8; 16]) {
        for (word, bit) in places(hash, self.words.len()) {
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// False only when `hash` was never inserted.
    pub(super) fn may_hold(&self, hash: &[u8; 16]) -> bool {
        places(hash, self.words.len())
            .all(|(word, bit)| self.words.get(word).is_none_or(|word| word & bit != 0))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        match bytes.as_chunks::<WORD_BYTES>() {
            (words, []) if !words.is_empty() => Ok(Self {
                words: words.iter().map(|word| u64::from_le_bytes(*word)).collect(),
            }),
            _ => Err(Error::View("a filter of keys is cut")),
        }
    }
}

/// The word and the bit of each probe among `words` words.
fn places(hash: &[u8; 16], words: usize) -> impl Iterator<Item = (usize, u64)> {
    let mixed = u128::from_be_bytes(*hash);
    let [first, second] = [mixed >> 64, mixed & u128::from(u64::MAX)]
        .map(|half| u64::try_from(half).unwrap_or_default());
    (0..PROBES).map(move |probe| {
        let hash = second.wrapping_add(probe.wrapping_mul(first | 1));
        let word = (u128::from(hash) * u128::try_from(words).unwrap_or_default()) >> 64;
        (usize::try_from(word).unwrap_or_default(), 1 << (hash & 63))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    fn hash(number: u64) -> [u8; 16] {
        let digest = Sha256::digest(number.to_be_bytes());
        *digest.first_chunk().unwrap()
    }

    #[test]
    fn what_was_inserted_is_found_and_little_else() {
        let mut bloom = Bloom::with_room(10_000);
        (0..10_000).for_each(|number| bloom.insert(&hash(number)));
        let bloom = Bloom::from_bytes(&bloom.to_bytes()).unwrap();
        assert!((0..10_000).all(|number| bloom.may_hold(&hash(number))));
        let wrong = (10_000..110_000)
            .filter(|number| bloom.may_hold(&hash(*number)))
            .count();
        assert!(
            wrong < 200,
            "{wrong} of 100,000 absent keys were said to be there"
        );
    }

    #[test]
    fn a_cut_filter_is_damage() {
        assert!(Bloom::from_bytes(&[0; 15]).is_err());
        assert!(Bloom::from_bytes(&[]).is_err());
    }
}
