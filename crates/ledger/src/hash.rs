//! The three hashes of a log, each SHA-256 in a domain of its own.
//!
//! In: bytes. Out: 32 bytes. The domains keep a leaf from passing as a node and a body from passing
//! as either. Source: RFC 6962 section 2.1 for leaves and nodes; the body's tag is ours.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// What stands for the leaf before record 0: its `prev`.
pub const NO_LEAF: Hash = [0; 32];

/// Bytes of salt in front of a stored body, so that a pruned body cannot be guessed from its hash.
pub const SALT_BYTES: usize = 16;

const LEAF_DOMAIN: [u8; 1] = [0];
const NODE_DOMAIN: [u8; 1] = [1];
const BODY_DOMAIN: &[u8] = b"antiphon/body/v1\0";

/// The leaf of a record: the hash of its envelope as stored.
#[must_use]
pub fn leaf_hash(envelope: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(LEAF_DOMAIN)
        .chain_update(envelope)
        .finalize()
        .into()
}

/// The hash of the subtree whose halves hash to `left` and `right`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    #[cfg(antiphon_plant)]
    if crate::plant::is("node_hashed_as_leaf") {
        return leaf_hash(&[*left, *right].concat());
    }
    Sha256::new()
        .chain_update(NODE_DOMAIN)
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The hash of a body as stored: [`SALT_BYTES`] of salt, then its JSON.
#[must_use]
pub fn body_hash(stored: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(BODY_DOMAIN)
        .chain_update(stored)
        .finalize()
        .into()
}

/// `hash` as 64 lower-case hexadecimal digits.
#[must_use]
pub fn hex(hash: &Hash) -> String {
    hex_digits(hash).iter().copied().map(char::from).collect()
}

/// `hash` as 64 lower-case hexadecimal digits in ASCII.
pub(crate) fn hex_digits(hash: &Hash) -> [u8; 64] {
    let mut digits = [0; 64];
    let (pairs, _) = digits.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(hash) {
        *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
    }
    digits
}

/// The hash that 64 lower-case hexadecimal digits write; `None` for any other bytes.
pub(crate) fn from_hex_digits(digits: &[u8; 64]) -> Option<Hash> {
    let mut hash = [0; 32];
    let mut seen = 0;
    let (pairs, _) = digits.as_chunks::<2>();
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        let (high, low) = (hex_value(*high), hex_value(*low));
        seen |= high | low;
        *byte = high.wrapping_shl(4) | low;
    }
    (seen < NOT_HEX).then_some(hash)
}

/// The value of a byte that is no hexadecimal digit: a bit that no digit has.
const NOT_HEX: u8 = 16;

fn hex_digit(value: u8) -> u8 {
    if value < 10 {
        b'0'.wrapping_add(value)
    } else {
        b'a'.wrapping_add(value).wrapping_sub(10)
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit.wrapping_sub(b'0'),
        b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
        _ => NOT_HEX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leaf_of_nothing_is_that_of_rfc_6962() {
        let known = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(hex(&leaf_hash(b"")), known);
    }

    #[test]
    fn each_hash_has_a_domain_of_its_own() {
        let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
        let both = [left, right].concat();
        assert_ne!(leaf_hash(&both), node_hash(&left, &right));
        assert_ne!(leaf_hash(&both), body_hash(&both));
        assert_eq!(node_hash(&left, &right), leaf_like(&[1], &both));
        assert_eq!(body_hash(&both), leaf_like(b"antiphon/body/v1\0", &both));
    }

    fn leaf_like(domain: &[u8], bytes: &[u8]) -> Hash {
        Sha256::digest([domain, bytes].concat()).into()
    }

    #[test]
    fn only_64_lower_case_digits_are_a_hash() {
        let hash = leaf_hash(b"x");
        let digits = hex_digits(&hash);
        assert_eq!(from_hex_digits(&digits), Some(hash));
        for place in 0..64 {
            for wrong in (0..=255_u8).filter(|byte| !b"0123456789abcdef".contains(byte)) {
                let mut changed = digits;
                changed[place] = wrong;
                assert_eq!(from_hex_digits(&changed), None, "byte {wrong} at {place}");
            }
        }
    }
}
