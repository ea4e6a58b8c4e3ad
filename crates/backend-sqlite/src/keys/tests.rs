//! The key index against a map, with runs so small that a test has many.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_core::id::Id;
use antiphon_core::signal::Key;
use antiphon_engine::ports::views::{KeyIndex, KnownKey};
use proptest::prelude::*;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::build::{KEY_AGE_MS_MIN, KeyBatch, KeySizes, add_keys};
use super::entry::push_entry;
use super::index::SqliteKeyIndex;
use crate::views::ViewFile;

const SMALL: KeySizes = KeySizes {
    run_keys: 50,
    merged_runs: 3,
    tier_max: 2,
};

/// The builder's part, and what the index must know.
struct Bench {
    _root: TempDir,
    file: ViewFile,
    writer: Connection,
    generation: Arc<AtomicU64>,
    next_seq: u64,
    elapsed_ms: u64,
    age_ms: u64,
    /// Seq and elapsed time of each key.
    oracle: BTreeMap<[u8; 16], (u64, u64)>,
}

fn hash(number: u64) -> [u8; 16] {
    *Sha256::digest(number.to_be_bytes()).first_chunk().unwrap()
}

fn known(hash: [u8; 16], seq: u64) -> KnownKey {
    let key = Key {
        hash,
        payload: seq.to_le_bytes(),
    };
    KnownKey {
        key,
        seq,
        id: Id::from_bytes(u128::from(seq).to_be_bytes()),
    }
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let file = ViewFile::new(&root.path().canonicalize().unwrap());
        let writer = file.make(Id::from_bytes([7; 16])).unwrap();
        let generation = Arc::new(AtomicU64::new(0));
        let (next_seq, elapsed_ms, oracle) = (0, 0, BTreeMap::new());
        Self {
            _root: root,
            file,
            writer,
            generation,
            next_seq,
            elapsed_ms,
            age_ms: KEY_AGE_MS_MIN,
            oracle,
        }
    }

    fn index(&self) -> SqliteKeyIndex {
        SqliteKeyIndex::open(self.file.clone(), Arc::clone(&self.generation)).unwrap()
    }

    /// One record per hash, in one transaction.
    fn add(&mut self, hashes: &[[u8; 16]], sizes: KeySizes) {
        let mut entries = Vec::new();
        let first_seq = self.next_seq;
        for hash in hashes {
            push_entry(&mut entries, &known(*hash, self.next_seq));
            self.oracle.insert(*hash, (self.next_seq, self.elapsed_ms));
            self.next_seq += 1;
        }
        let (upto_seq, elapsed_ms) = (self.next_seq, self.elapsed_ms);
        let batch = KeyBatch {
            first_seq,
            upto_seq,
            elapsed_ms,
            age_ms: self.age_ms,
            entries,
        };
        let transaction = self.writer.transaction().unwrap();
        add_keys(&transaction, &batch, sizes).unwrap();
        transaction
            .execute(
                "UPDATE progress SET complete_to = ?1",
                [i64::try_from(self.next_seq).unwrap()],
            )
            .unwrap();
        transaction.commit().unwrap();
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.writer.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    /// Every key that must be known is, as it is; what never was is not.
    fn check(&self, index: &mut SqliteKeyIndex) {
        assert_eq!(index.complete_to().unwrap(), self.next_seq);
        let mut hashes: Vec<_> = self.oracle.keys().copied().collect();
        hashes.extend((0..200).map(|number| hash(u64::MAX - number)));
        let found = index.lookup(&hashes).unwrap();
        let found: BTreeMap<_, _> = found.iter().map(|known| (known.key.hash, *known)).collect();
        for (hash, known_key) in &found {
            let (seq, _) = self.oracle[hash];
            assert_eq!(*known_key, known(*hash, seq), "the newest, whole");
        }
        for (hash, (seq, elapsed_ms)) in &self.oracle {
            let is_young = elapsed_ms + self.age_ms >= self.elapsed_ms;
            assert!(
                found.contains_key(hash) || !is_young,
                "the key of record {seq} is lost"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_knows_what_a_map_knows(
        steps in prop::collection::vec((0_u64..140, 0_u64..400, prop::bool::weighted(0.05)), 1..40),
    ) {
        let mut bench = Bench::new();
        let mut lasting = bench.index();
        for (keys, from, is_month_later) in steps {
            if is_month_later {
                bench.elapsed_ms += KEY_AGE_MS_MIN + 1;
            }
            // Numbers come again: a key that has expired may be used anew.
            let hashes: Vec<_> = (from..from + keys).map(hash).collect();
            bench.add(&hashes, SMALL);
            bench.check(&mut lasting);
            bench.check(&mut bench.index());
        }
    }
}

#[test]
fn full_runs_are_written_and_found_again() {
    let mut bench = Bench::new();
    for start in (0..150_000).step_by(10_000) {
        let hashes: Vec<_> = (start..start + 10_000).map(hash).collect();
        bench.add(&hashes, KeySizes::PRODUCTION);
    }
    assert_eq!((bench.count("key_run"), bench.count("key_tail")), (2, 1));
    bench.check(&mut bench.index());
}

#[test]
fn runs_are_merged_so_that_few_remain() {
    let mut bench = Bench::new();
    for start in (0..5_400).step_by(50) {
        let hashes: Vec<_> = (start..start + 50).map(hash).collect();
        bench.add(&hashes, SMALL);
    }
    // 108 runs of 50: 12 of 450 at the highest tier.
    assert_eq!(bench.count("key_run"), 12);
    assert_eq!(
        bench.count("key_chunk"),
        12 * 6,
        "and nothing of those that were merged"
    );
}

#[test]
fn old_runs_are_removed_whole() {
    let mut bench = Bench::new();
    let mut index = bench.index();
    bench.add(&(0..60).map(hash).collect::<Vec<_>>(), SMALL);
    bench.elapsed_ms = KEY_AGE_MS_MIN;
    bench.add(&[hash(100)], SMALL);
    assert_eq!(
        index.lookup(&[hash(0)]).unwrap().len(),
        1,
        "after 30 days it is there"
    );
    bench.elapsed_ms += 1;
    bench.add(&[hash(101)], SMALL);
    assert_eq!(
        index.lookup(&[hash(0)]).unwrap(),
        [],
        "a moment later it is not"
    );
    assert_eq!((bench.count("key_run"), bench.count("key_chunk")), (0, 0));
    assert_eq!(index.lookup(&[hash(100), hash(101)]).unwrap().len(), 2);
}

#[test]
fn hashes_that_share_their_first_half_are_told_apart() {
    let mut bench = Bench::new();
    let hashes: Vec<[u8; 16]> = (0_u64..400)
        .map(|number| (u128::from(number) | 7 << 64).to_be_bytes())
        .collect();
    bench.add(&hashes, SMALL);
    bench.check(&mut bench.index());
}

/// The index answers rightly while the builder merges runs under it.
#[test]
fn lookups_beside_the_builder_miss_nothing() {
    let mut bench = Bench::new();
    let mut index = bench.index();
    std::thread::scope(|scope| {
        let builder = scope.spawn(move || {
            for start in (0..12_000).step_by(40) {
                bench.add(&(start..start + 40).map(hash).collect::<Vec<_>>(), SMALL);
            }
            bench
        });
        while !builder.is_finished() {
            let complete_to = index.complete_to().unwrap();
            let hashes: Vec<_> = (0..complete_to).step_by(17).map(hash).collect();
            assert_eq!(index.lookup(&hashes).unwrap().len(), hashes.len());
        }
        builder.join().unwrap().check(&mut index);
    });
}

#[test]
fn keys_live_as_long_as_bodies_do() {
    let mut bench = Bench::new();
    bench.age_ms = 3 * KEY_AGE_MS_MIN;
    let mut index = bench.index();
    bench.add(&(0..60).map(hash).collect::<Vec<_>>(), SMALL);
    for (elapsed_ms, known) in [(bench.age_ms, 1), (bench.age_ms + 1, 0)] {
        bench.elapsed_ms = elapsed_ms;
        bench.add(&[hash(elapsed_ms)], SMALL);
        assert_eq!(index.lookup(&[hash(0)]).unwrap().len(), known);
    }
}
