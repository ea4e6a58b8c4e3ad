//! What only this crate can see of the log: its files and its failures.

use antiphon_engine::ports::store::Tile;

use super::*;

fn batch(head: &Head) -> Batch {
    let mut batch = Batch {
        last_leaf: [1; 32],
        ..Batch::default()
    };
    batch.turn.first_seq = head.next_seq;
    batch.turn.count = 1;
    batch
}

fn bytes(root: &Path) -> Vec<Vec<u8>> {
    ["antiphon.db", "antiphon.db-wal"]
        .iter()
        .map(|name| std::fs::read(root.join(name)).unwrap())
        .collect()
}

#[test]
fn f7_after_a_failed_write_the_file_is_never_touched_again() {
    let root = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(root.path(), 0).unwrap();
    let first = batch(&Head::empty());
    store.append(&Head::empty(), &first).unwrap();
    let head = store.head().unwrap();
    // The insert of a tile fails after that of its turn.
    store.connection.execute_batch("DROP TABLE tile").unwrap();
    let mut broken = batch(&head);
    broken.tiles = vec![Tile {
        level: 0,
        index: 0,
        hashes: vec![0; 8_192],
    }];
    let before = bytes(root.path());
    let failed = store.append(&head, &broken);
    assert!(matches!(failed, Err(StoreError::Io { .. })), "{failed:?}");
    let refused = store.append(&head, &batch(&head));
    assert!(
        matches!(refused, Err(StoreError::Io { .. })),
        "a whole batch: {refused:?}"
    );
    assert!(matches!(store.head(), Err(StoreError::Io { .. })));
    let snapshot = Snapshot {
        at_seq: 0,
        bytes: Vec::new(),
    };
    assert!(matches!(
        store.put_snapshot(&snapshot, None),
        Err(StoreError::Io { .. })
    ));
    assert!(matches!(store.prune(&[], 0), Err(StoreError::Io { .. })));
    drop(store);
    assert_eq!(bytes(root.path()), before, "closing copies nothing back");
    let mut again = SqliteStore::open(root.path(), 0).unwrap();
    assert_eq!(
        again.head().unwrap(),
        head,
        "nothing of the failed batch is there"
    );
}

#[test]
fn the_write_ahead_file_is_copied_back_and_written_over() {
    let root = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(root.path(), 0).unwrap();
    let wal = root.path().join("antiphon.db-wal");
    let mut longest = 0;
    let grow = |store: &mut SqliteStore, turns: usize| {
        for _ in 0..turns {
            let head = store.head().unwrap();
            let mut next = batch(&head);
            next.turn.envelopes = vec![7; 1_000_000];
            store.append(&head, &next).unwrap();
        }
        wal.metadata().unwrap().len()
    };
    for _ in 0..25 {
        longest = grow(&mut store, 4).max(longest);
    }
    assert!(longest < 70_000_000, "100 MB went through {longest} bytes");
    // A reader in the way makes it longer, but only until the reader lets go.
    let reader = crate::connection::open_read_only(&root.path().join(DATABASE), 100).unwrap();
    let transaction = reader.unchecked_transaction().unwrap();
    read_head(&transaction).unwrap();
    let pinned = grow(&mut store, 8);
    drop(transaction);
    assert!(grow(&mut store, 12) < pinned + 2_000_000);
}
