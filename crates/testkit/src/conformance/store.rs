//! What every `Store` must do, by verb.
//!
//! Out: kill -9, power cuts and failing disks, which need a process and a disk of their own.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a failed expectation is a failed test"
)]

mod prune;

use std::path::Path;

use antiphon_engine::ports::store::{
    Batch, Head, Snapshot, Store, StoreError, Tile, Turn, push_framed,
};
use tempfile::TempDir;

/// Opens the log of a root as its owner.
pub type Open<'a> = &'a dyn Fn(&Path) -> Result<Box<dyn Store>, StoreError>;

/// Runs the whole suite.
///
/// # Panics
/// When a claim does not hold.
pub fn suite(open: Open<'_>) {
    opening(open);
    head(open);
    append(open);
    fencing(open);
    turns_from(open);
    tiles(open);
    snapshots(open);
    prune::suite(open);
    reader(open);
    space(open);
}

fn fresh(open: Open<'_>) -> (TempDir, Box<dyn Store>) {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).unwrap();
    (root, store)
}

/// A batch of `count` records that follows `head`; its content is told by its place.
#[must_use]
pub fn batch(head: &Head, count: u32) -> Batch {
    let mut turn = Turn {
        first_seq: head.next_seq,
        count,
        bodies: Some(Vec::new()),
        ..Turn::default()
    };
    for seq in (head.next_seq..).take(usize::try_from(count).unwrap()) {
        push_framed(&mut turn.envelopes, format!("envelope {seq}").as_bytes());
        push_framed(
            turn.bodies.get_or_insert_default(),
            format!("body {seq}").as_bytes(),
        );
    }
    let end = head.next_seq.wrapping_add(u64::from(count)).to_be_bytes();
    let mut last_leaf = [1; 32];
    last_leaf
        .iter_mut()
        .zip(end)
        .for_each(|(to, from)| *to = from);
    turn.root = last_leaf;
    turn.root.reverse();
    Batch {
        turn,
        tiles: Vec::new(),
        last_leaf,
    }
}

/// Appends `turns` batches of `count` records each and returns the head.
fn fill(store: &mut dyn Store, turns: usize, count: u32) -> Head {
    let mut head = store.head().unwrap();
    for _ in 0..turns {
        let next = batch(&head, count);
        store.append(&head, &next).unwrap();
        head = next.head();
    }
    head
}

fn seqs(turns: &[Turn]) -> Vec<u64> {
    turns.iter().map(|turn| turn.first_seq).collect()
}

fn opening(open: Open<'_>) {
    let (root, mut first) = fresh(open);
    let epoch = first.epoch();
    let head = fill(first.as_mut(), 3, 2);
    let second = open(root.path());
    assert!(
        matches!(second, Err(StoreError::Held { .. })),
        "a root has one owner at a time"
    );
    drop(first);
    let mut third = open(root.path()).unwrap();
    assert!(third.epoch() > epoch, "each opening has a greater epoch");
    assert_eq!(
        third.head().unwrap(),
        head,
        "what was appended is there after opening again"
    );
}

fn head(open: Open<'_>) {
    let (_root, mut store) = fresh(open);
    assert_eq!(store.head().unwrap(), Head::empty(), "a new log is empty");
    let next = batch(&Head::empty(), 5);
    store.append(&Head::empty(), &next).unwrap();
    assert_eq!(
        store.head().unwrap(),
        next.head(),
        "the last turn is the head"
    );
}

fn append(open: Open<'_>) {
    let (_root, mut store) = fresh(open);
    let head = fill(store.as_mut(), 2, 3);
    let mut reader = store.reader().unwrap();

    let stale = store.append(&Head::empty(), &batch(&Head::empty(), 1));
    assert!(
        matches!(
            stale,
            Err(StoreError::StaleHead {
                found: 6,
                expected: 0
            })
        ),
        "{stale:?}"
    );
    let ahead = Head {
        next_seq: 7,
        ..head
    };
    let stale = store.append(&ahead, &batch(&ahead, 1));
    assert!(
        matches!(
            stale,
            Err(StoreError::StaleHead {
                found: 6,
                expected: 7
            })
        ),
        "{stale:?}"
    );
    let other_leaf = Head {
        last_leaf: [9; 32],
        ..head
    };
    let stale = store.append(&other_leaf, &batch(&head, 1));
    assert!(
        matches!(stale, Err(StoreError::StaleHead { .. })),
        "another last leaf: {stale:?}"
    );
    let other_root = Head {
        root: [9; 32],
        ..head
    };
    let stale = store.append(&other_root, &batch(&head, 1));
    assert!(
        matches!(stale, Err(StoreError::StaleHead { .. })),
        "another root: {stale:?}"
    );
    let elsewhere = store.append(&head, &batch(&ahead, 1));
    assert!(
        matches!(elsewhere, Err(StoreError::StaleHead { .. })),
        "a batch that does not follow"
    );

    assert_eq!(
        reader.head().unwrap(),
        head,
        "a refused batch wrote nothing"
    );
    let next = batch(&head, 1);
    store.append(&head, &next).unwrap();
    assert_eq!(
        reader.head().unwrap(),
        next.head(),
        "a refusal does not end the store"
    );
}

/// An owner that lost its lock without noticing is fenced by the epoch.
fn fencing(open: Open<'_>) {
    let (root, mut first) = fresh(open);
    let head = fill(first.as_mut(), 1, 1);
    for entry in std::fs::read_dir(root.path()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "lock")
        {
            std::fs::remove_file(path).unwrap();
        }
    }
    let mut second = open(root.path()).unwrap();
    let next = batch(&head, 1);
    let (found, ours) = (second.epoch(), first.epoch());
    let fenced = first.append(&head, &next);
    assert!(
        matches!(fenced, Err(StoreError::StaleEpoch { found: f, ours: o }) if (f, o) == (found, ours)),
        "a40: an owner with an older epoch appends nothing: {fenced:?}"
    );
    let old = Snapshot {
        at_seq: 0,
        bytes: b"old".to_vec(),
    };
    let fenced = first.put_snapshot(&old, None);
    assert!(
        matches!(fenced, Err(StoreError::StaleEpoch { .. })),
        "nor a snapshot: {fenced:?}"
    );
    let fenced = first.prune(&[], 0);
    assert!(
        matches!(fenced, Err(StoreError::StaleEpoch { .. })),
        "nor does it prune: {fenced:?}"
    );
    assert_eq!(second.head().unwrap(), head, "nothing was written");
    second.append(&head, &next).unwrap();
}

fn turns_from(open: Open<'_>) {
    let (_root, mut store) = fresh(open);
    let mut reader = store.reader().unwrap();
    assert_eq!(
        reader.turns_from(0, 1_000).unwrap(),
        [],
        "a new log has no turns"
    );
    fill(store.as_mut(), 4, 3);
    let all = reader.turns_from(0, usize::MAX).unwrap();
    assert_eq!(seqs(&all), [0, 3, 6, 9], "turns come in order");
    let first = batch(&Head::empty(), 3).turn;
    assert_eq!(
        all.first(),
        Some(&first),
        "what is read is what was written"
    );
    let bodies: Vec<_> = first
        .records()
        .unwrap()
        .iter()
        .map(|r| r.body.map(<[u8]>::to_vec))
        .collect();
    assert_eq!(
        bodies.get(2),
        Some(&Some(b"body 2".to_vec())),
        "records come apart again"
    );
    let mut check = |seq, bytes_max, expect: &[u64], claim| {
        assert_eq!(
            seqs(&reader.turns_from(seq, bytes_max).unwrap()),
            expect,
            "{claim}"
        );
    };
    check(3, usize::MAX, &[3, 6, 9], "from a turn's first record");
    check(5, usize::MAX, &[3, 6, 9], "from a turn's last record");
    check(11, usize::MAX, &[9], "from the last record");
    check(12, usize::MAX, &[], "from the end");
    check(u64::MAX >> 1, usize::MAX, &[], "from beyond the end");
    check(0, 0, &[0], "at least one, whatever it weighs");
    let two = first.envelopes.len() + first.bodies.as_ref().map_or(0, Vec::len) + 1;
    check(0, two, &[0, 3], "until the bytes are passed");

    let head = store.head().unwrap();
    let mut pruned = batch(&head, 1);
    pruned.turn.bodies = None;
    store.append(&head, &pruned).unwrap();
    let last = reader.turns_from(12, usize::MAX).unwrap();
    assert_eq!(last, [pruned.turn], "a turn without bodies stays one");
}

fn tiles(open: Open<'_>) {
    let (_root, mut store) = fresh(open);
    let mut reader = store.reader().unwrap();
    let tile = |level: u8, index: u8| Tile {
        level,
        index: u64::from(index),
        hashes: [level, index].repeat(4_096),
    };
    assert_eq!(
        reader.tiles(0, 0, 10).unwrap(),
        [],
        "a new log has no tiles"
    );
    let mut next = batch(&Head::empty(), 1);
    next.tiles = vec![tile(0, 0), tile(0, 1), tile(0, 2), tile(1, 0)];
    store.append(&Head::empty(), &next).unwrap();
    assert_eq!(
        reader.tiles(0, 0, 10).unwrap(),
        [tile(0, 0), tile(0, 1), tile(0, 2)]
    );
    assert_eq!(
        reader.tiles(0, 1, 1).unwrap(),
        [tile(0, 1)],
        "no more than asked for"
    );
    assert_eq!(
        reader.tiles(1, 0, 10).unwrap(),
        [tile(1, 0)],
        "levels stand apart"
    );
    assert_eq!(reader.tiles(0, 3, 10).unwrap(), [], "beyond the last");
    let head = next.head();
    let mut again = batch(&head, 1);
    again.tiles = vec![tile(0, 3)];
    store.append(&head, &again).unwrap();
    assert_eq!(
        reader.tiles(0, 2, 10).unwrap(),
        [tile(0, 2), tile(0, 3)],
        "later turns add"
    );
}

fn snapshots(open: Open<'_>) {
    let (root, mut store) = fresh(open);
    let mut reader = store.reader().unwrap();
    assert_eq!(
        reader.snapshots().unwrap(),
        [],
        "a new log has no snapshots"
    );
    let snapshot = |at_seq: u64| Snapshot {
        at_seq,
        bytes: at_seq.to_be_bytes().repeat(100_000),
    };
    let head = fill(store.as_mut(), 1, 9);
    let mut check = |at_seq: u64, recorded: Option<u64>, kept: &[u64], claim| {
        store.put_snapshot(&snapshot(at_seq), recorded).unwrap();
        let expect: Vec<Snapshot> = kept.iter().copied().map(snapshot).collect();
        assert_eq!(reader.snapshots().unwrap(), expect, "{claim}");
    };
    check(3, None, &[3], "the first");
    check(4, None, &[4], "one that no record names is not kept");
    check(5, Some(4), &[5, 4], "one that a record names is");
    check(6, Some(4), &[6, 4], "as long as it is the newest of them");
    check(8, Some(6), &[8, 6], "and no longer");
    check(8, Some(6), &[8, 6], "written twice is once");
    check(8, Some(8), &[8], "beside itself nothing is kept");
    check(7, Some(8), &[8, 7], "the newest comes first");
    store.append(&head, &batch(&head, 1)).unwrap();
    drop((store, reader));
    let store = open(root.path()).unwrap();
    let kept = store.reader().unwrap().snapshots().unwrap();
    assert_eq!(kept, [snapshot(8), snapshot(7)], "they outlive the owner");
}

fn reader(open: Open<'_>) {
    let (_root, mut store) = fresh(open);
    let mut reader = store.reader().unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| fill(store.as_mut(), 50, 4));
        let mut seen = 0;
        while !writer.is_finished() {
            let head = reader.head().unwrap();
            assert!(head.next_seq >= seen, "the head never goes back");
            assert_eq!(head.next_seq % 4, 0, "a reader sees whole turns only");
            seen = head.next_seq;
        }
        assert_eq!(
            reader.head().unwrap(),
            writer.join().unwrap(),
            "a reader follows the writer"
        );
    });
    assert_eq!(
        reader.turns_from(0, usize::MAX).unwrap().len(),
        50,
        "and misses no turn"
    );
}

fn space(open: Open<'_>) {
    let (_root, mut store) = fresh(open);
    let before = store.space().unwrap();
    assert!(before.free > 0 && before.free <= before.total, "{before:?}");
    let mut heavy = batch(&Head::empty(), 1);
    push_framed(&mut heavy.turn.envelopes, &vec![7; 1_000_000]);
    heavy.turn.count = 2;
    store.append(&Head::empty(), &heavy).unwrap();
    let after = store.space().unwrap();
    assert!(
        after.used >= before.used + 1_000_000,
        "the log's bytes are counted: {after:?}"
    );
}
