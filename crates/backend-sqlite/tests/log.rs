//! The log on a disk that others touch: owners that race, files that were changed.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;

use antiphon_backend_sqlite::{SqliteStore, open_reader};
use antiphon_engine::ports::store::{
    Head, LogReader, Snapshot, Store, StoreError, Tile, push_framed,
};
use antiphon_testkit::conformance::store::batch;
use rusqlite::Connection;
use tempfile::TempDir;

/// A stopped root with three turns of two records, two tiles and two snapshots.
fn stopped() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(root.path(), 0).unwrap();
    let mut head = Head::empty();
    for index in 0..3 {
        let mut next = batch(&head, 2);
        next.tiles = vec![Tile {
            level: 0,
            index,
            hashes: vec![7; 8_192],
        }];
        store.append(&head, &next).unwrap();
        head = next.head();
    }
    for at_seq in [1, 2] {
        let snapshot = Snapshot {
            at_seq,
            bytes: vec![7; 100],
        };
        store.put_snapshot(&snapshot, Some(1)).unwrap();
    }
    root
}

fn change(root: &Path, sql: &str) {
    let connection = Connection::open(root.join("antiphon.db")).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_root_and_its_files_are_private() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("deep/root");
    let _store = SqliteStore::open(&root, 0).unwrap();
    assert_eq!(mode(&root), 0o700);
    for name in [
        "antiphon.db",
        "antiphon.db-wal",
        "antiphon.db-shm",
        "antiphon.lock",
    ] {
        assert_eq!(mode(&root.join(name)), 0o600, "{name}");
    }
}

#[test]
fn f29_of_owners_that_race_exactly_one_wins() {
    const OWNERS: usize = 6;
    let root = tempfile::tempdir().unwrap();
    for _ in 0..15 {
        let start = Barrier::new(OWNERS);
        let opened: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                start.wait();
                SqliteStore::open(root.path(), 0)
            };
            let owners: Vec<_> = (0..OWNERS).map(|_| scope.spawn(open)).collect();
            owners
                .into_iter()
                .map(|owner| owner.join().unwrap())
                .collect()
        });
        let winners = opened.iter().filter(|store| store.is_ok()).count();
        let held = opened
            .iter()
            .filter(|store| matches!(store, Err(StoreError::Held { .. })))
            .count();
        assert_eq!((winners, held), (1, OWNERS - 1));
    }
}

#[test]
fn a_stopped_root_is_read_without_a_lock_and_left_as_it_is() {
    let root = stopped();
    let bytes = || std::fs::read(root.path().join("antiphon.db")).unwrap();
    let before = bytes();
    let mut reader = open_reader(root.path()).unwrap();
    assert_eq!(reader.head().unwrap().next_seq, 6);
    assert_eq!(reader.turns_from(0, usize::MAX).unwrap().len(), 3);
    drop(reader);
    assert_eq!(bytes(), before);
}

#[test]
fn forgotten_snapshots_are_gone_and_the_log_is_not() {
    let root = stopped();
    assert_eq!(
        open_reader(root.path()).unwrap().snapshots().unwrap().len(),
        2
    );
    SqliteStore::open(root.path(), 0)
        .unwrap()
        .forget_snapshots()
        .unwrap();
    let mut reader = open_reader(root.path()).unwrap();
    assert!(reader.snapshots().unwrap().is_empty());
    assert_eq!(reader.head().unwrap().next_seq, 6);
}

#[test]
fn snapshots_that_a_pruned_log_needs_are_not_forgotten() {
    let root = stopped();
    let mut store = SqliteStore::open(root.path(), 0).unwrap();
    let first = store.reader().unwrap().turns_from(0, 0).unwrap();
    let pruned = first[0].pruned(|_record| false).unwrap();
    store.prune(&[pruned], 2).unwrap();
    let refused = store.forget_snapshots();
    assert!(
        matches!(refused, Err(StoreError::SnapshotMissing { pruned_to: 2 })),
        "{refused:?}"
    );
    assert_eq!(store.reader().unwrap().snapshots().unwrap().len(), 2);
}

#[test]
fn a_large_body_that_was_pruned_is_in_no_page_that_is_free() {
    let root = stopped();
    let mut store = SqliteStore::open(root.path(), 0).unwrap();
    let head = store.head().unwrap();
    let secret = b"a secret that fills more than its own page ".repeat(200);
    let mut next = batch(&head, 1);
    next.turn.bodies = Some(Vec::new());
    push_framed(next.turn.bodies.get_or_insert_default(), &secret);
    store.append(&head, &next).unwrap();
    let snapshot = |at_seq: u64| Snapshot {
        at_seq,
        bytes: Vec::new(),
    };
    store.put_snapshot(&snapshot(6), None).unwrap();
    store.put_snapshot(&snapshot(7), Some(6)).unwrap();
    let pruned = next.turn.pruned(|_record| false).unwrap();
    drop(store);
    let holds_secret = || {
        let bytes = std::fs::read(root.path().join("antiphon.db")).unwrap();
        bytes.windows(9).any(|window| window == b"a secret ")
    };
    assert!(holds_secret());
    let mut store = SqliteStore::open(root.path(), 0).unwrap();
    store.prune(&[pruned], 7).unwrap();
    drop(store);
    assert!(!holds_secret());
}

#[test]
fn a_reader_follows_an_owner_that_comes_later() {
    let root = stopped();
    let mut reader = open_reader(root.path()).unwrap();
    let mut owner = SqliteStore::open(root.path(), 0).unwrap();
    let head = owner.head().unwrap();
    owner.append(&head, &batch(&head, 1)).unwrap();
    assert_eq!(reader.head().unwrap().next_seq, 7);
}

#[test]
fn a_reader_makes_no_log_where_none_is() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(
        open_reader(root.path()),
        Err(StoreError::Io { .. })
    ));
    assert!(matches!(
        open_reader(&root.path().join("none")),
        Err(StoreError::Io { .. })
    ));
    assert_eq!(root.path().read_dir().unwrap().count(), 0);
}

/// What reading a stopped root gives after `sql` has changed it.
fn check<T: std::fmt::Debug>(
    sql: &str,
    read: impl Fn(&mut dyn LogReader) -> Result<T, StoreError>,
    damaged_at: u64,
) {
    let root = stopped();
    change(
        root.path(),
        &format!("PRAGMA ignore_check_constraints = ON; {sql}"),
    );
    let result = read(open_reader(root.path()).unwrap().as_mut());
    let is_found = matches!(result, Err(StoreError::Damaged { seq, .. }) if seq == damaged_at);
    assert!(is_found, "{sql}: {result:?}");
}

#[test]
fn f16_rows_that_were_changed_are_found_and_placed() {
    let turns = |reader: &mut dyn LogReader| reader.turns_from(0, usize::MAX);
    let from_3 = |reader: &mut dyn LogReader| reader.turns_from(3, usize::MAX);
    let tiles = |reader: &mut dyn LogReader| reader.tiles(0, 0, 9);
    let head = |reader: &mut dyn LogReader| reader.head();
    check("DELETE FROM turn WHERE first_seq = 0", turns, 0);
    check("DELETE FROM turn WHERE first_seq = 2", turns, 2);
    check("DELETE FROM turn WHERE first_seq = 2", from_3, 2);
    check("UPDATE turn SET n = 1 WHERE first_seq = 2", turns, 3);
    check("UPDATE turn SET n = 3 WHERE first_seq = 2", turns, 5);
    check("UPDATE turn SET n = -1 WHERE first_seq = 0", turns, 0);
    check("UPDATE turn SET root = x'00' WHERE first_seq = 0", turns, 0);
    check(
        "UPDATE turn SET n = 5000000000 WHERE first_seq = 4",
        head,
        0,
    );
    check(
        "UPDATE turn SET last_leaf = x'00' WHERE first_seq = 4",
        head,
        0,
    );
    check("DELETE FROM tile WHERE place = 1", tiles, 256);
    check("UPDATE tile SET hashes = x'00' WHERE place = 2", tiles, 512);
}

#[test]
fn f16_a_snapshot_that_was_changed_is_passed_over() {
    let root = stopped();
    change(
        root.path(),
        "UPDATE snapshot SET bytes = zeroblob(100) WHERE at_seq = 2",
    );
    let left = open_reader(root.path()).unwrap().snapshots().unwrap();
    assert_eq!(
        left,
        [Snapshot {
            at_seq: 1,
            bytes: vec![7; 100]
        }]
    );
}

#[test]
fn f16_a_broken_page_is_damage() {
    let root = stopped();
    let path = root.path().join("antiphon.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // The first byte of a b-tree page says what it is; every page but the first is one.
    bytes
        .chunks_mut(4_096)
        .skip(1)
        .for_each(|page| page[0] = 0xEE);
    std::fs::write(&path, &bytes).unwrap();
    let opened = SqliteStore::open(root.path(), 0).map(|store| store.epoch());
    assert!(
        matches!(opened, Err(StoreError::Damaged { .. })),
        "{opened:?}"
    );
    bytes.truncate(4_096);
    bytes.fill(0xEE);
    std::fs::write(&path, &bytes).unwrap();
    let opened = open_reader(root.path()).map(|_| ());
    assert!(
        matches!(opened, Err(StoreError::Damaged { .. })),
        "{opened:?}"
    );
}

#[test]
fn a_log_of_a_newer_program_is_refused_by_owner_and_reader() {
    let root = stopped();
    change(root.path(), "PRAGMA user_version = 99");
    let opened = SqliteStore::open(root.path(), 0).map(|store| store.epoch());
    assert!(
        matches!(
            opened,
            Err(StoreError::Version {
                found: 99,
                known: 1
            })
        ),
        "{opened:?}"
    );
    let opened = open_reader(root.path()).map(|_| ());
    assert!(
        matches!(
            opened,
            Err(StoreError::Version {
                found: 99,
                known: 1
            })
        ),
        "{opened:?}"
    );
}

#[test]
fn a_database_that_is_a_link_is_not_followed() {
    let root = stopped();
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("antiphon.db");
    std::os::unix::fs::symlink(root.path().join("antiphon.db"), path).unwrap();
    let opened = SqliteStore::open(elsewhere.path(), 0).map(|store| store.epoch());
    assert!(matches!(opened, Err(StoreError::Io { .. })), "{opened:?}");
}

#[test]
fn f1_a_log_whose_first_owner_died_before_its_tables_is_empty() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("antiphon.db"), "").unwrap();
    let mut reader = open_reader(root.path()).unwrap();
    assert_eq!(reader.head().unwrap(), Head::empty());
    assert!(reader.turns_from(0, 1).unwrap().is_empty());
    assert!(reader.snapshots().unwrap().is_empty());
}
