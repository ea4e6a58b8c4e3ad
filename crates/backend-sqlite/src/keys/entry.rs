//! A key as 48 bytes that sort by its hash: hash 16, payload 8, seq 8, id 16, numbers big-endian.

use antiphon_core::id::Id;
use antiphon_core::signal::Key;
use antiphon_engine::ports::views::KnownKey;

use crate::error::Error;

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 48;
/// Entries of a chunk: with its cell's head it fills one page of 4,096 bytes and spills nothing.
pub(super) const CHUNK_ENTRIES: usize = 84;

/// One entry.
pub(super) type Entry = [u8; ENTRY_BYTES];

/// Appends the entry of `known` to `out`.
pub(crate) fn push_entry(out: &mut Vec<u8>, known: &KnownKey) {
    out.extend_from_slice(&known.key.hash);
    out.extend_from_slice(&known.key.payload);
    out.extend_from_slice(&known.seq.to_be_bytes());
    out.extend_from_slice(known.id.as_bytes());
}

/// The entries of a blob.
pub(super) fn entries(blob: &[u8]) -> Result<&[Entry], Error> {
    match blob.as_chunks() {
        (entries, []) => Ok(entries),
        _ => Err(Error::View("keys are cut")),
    }
}

/// What an entry says.
pub(super) fn known_key(entry: &Entry) -> KnownKey {
    let (hash, rest) = split(entry);
    let (payload, rest) = split(rest);
    let (seq, rest) = split(rest);
    let (id, _) = split(rest);
    KnownKey {
        key: Key { hash, payload },
        seq: u64::from_be_bytes(seq),
        id: Id::from_bytes(id),
    }
}

/// The first half of a hash, by which chunks are found.
pub(super) fn prefix(hash: &[u8]) -> u64 {
    u64::from_be_bytes(split(hash).0)
}

/// The first `N` bytes, zeros for what is not there, and the rest.
fn split<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    bytes
        .split_first_chunk()
        .map_or(([0; N], &[]), |(first, rest)| (*first, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_what_it_holds() {
        let known = KnownKey {
            key: Key {
                hash: [1; 16],
                payload: [2; 8],
            },
            seq: 0x0102_0304_0506_0708,
            id: Id::from_bytes([3; 16]),
        };
        let mut blob = Vec::new();
        push_entry(&mut blob, &known);
        push_entry(&mut blob, &known);
        let read: Vec<_> = entries(&blob).unwrap().iter().map(known_key).collect();
        assert_eq!(read, [known, known]);
        blob.pop();
        assert!(entries(&blob).is_err(), "a cut blob is damage");
    }
}
