//! Bodies go, and nothing else does.

use antiphon_engine::ports::store::{PrunedTurn, Snapshot, Store, StoreError, Turn};

use super::{Open, batch, fill, fresh};

/// Turns of three records, of which pruning keeps those whose number `is_kept` says yes to.
fn pruned(turns: &[Turn], is_kept: fn(usize) -> bool) -> Vec<PrunedTurn> {
    let mut number = 0_usize;
    let mut keep = || {
        number = number.wrapping_add(1);
        is_kept(number.wrapping_sub(1))
    };
    let turns = turns.iter();
    turns.map(|turn| turn.pruned(|_| keep()).unwrap()).collect()
}

pub(super) fn suite(open: Open<'_>) {
    let (root, mut store) = fresh(open);
    let head = fill(store.as_mut(), 4, 3);
    let mut reader = store.reader().unwrap();
    let written = reader.turns_from(0, usize::MAX).unwrap();
    assert_eq!(reader.pruned_to().unwrap(), 0, "a new log is whole");
    let all = pruned(written.get(..3).unwrap(), |number| number == 4);
    let snapshot = |at_seq: u64| Snapshot {
        at_seq,
        bytes: b"state".to_vec(),
    };
    let mut check_refused = |store: &mut dyn Store, claim| {
        let refused = store.prune(&all, 9);
        assert!(
            matches!(refused, Err(StoreError::SnapshotMissing { pruned_to: 9 })),
            "{claim}: {refused:?}"
        );
        assert_eq!(reader.turns_from(0, usize::MAX).unwrap(), written);
        assert_eq!(reader.pruned_to().unwrap(), 0, "nothing was written");
    };
    check_refused(store.as_mut(), "without a snapshot nothing is pruned");
    store.put_snapshot(&snapshot(8), None).unwrap();
    check_refused(store.as_mut(), "nor with a single one");
    store.put_snapshot(&snapshot(10), Some(8)).unwrap();
    store.put_snapshot(&snapshot(7), Some(10)).unwrap();
    check_refused(store.as_mut(), "nor beyond the older of two");
    store.put_snapshot(&snapshot(8), Some(10)).unwrap();

    for _twice in 0..2 {
        store.prune(&all, 9).unwrap();
        let mut reader = store.reader().unwrap();
        let left = reader.turns_from(0, usize::MAX).unwrap();
        let envelopes = |turns: &[Turn]| -> Vec<_> {
            let turns = turns.iter();
            turns
                .map(|it| (it.first_seq, it.root, it.envelopes.clone()))
                .collect()
        };
        assert_eq!(envelopes(&left), envelopes(&written), "bodies alone go");
        assert_eq!(bodies(&left), [4, 9, 10, 11], "those that are kept stay");
        let first = left.first().unwrap();
        assert_eq!(first.bodies, None, "a turn without bodies has none");
        assert_eq!(reader.pruned_to().unwrap(), 9);
        assert_eq!(store.head().unwrap(), head, "the head is the same");
    }
    store.prune(all.get(..1).unwrap(), 3).unwrap();
    assert_eq!(store.reader().unwrap().pruned_to().unwrap(), 9);
    store.append(&head, &batch(&head, 1)).unwrap();
    drop(store);
    let store = open(root.path()).unwrap();
    let mut reader = store.reader().unwrap();
    let left = reader.turns_from(0, usize::MAX).unwrap();
    assert_eq!(bodies(&left), [4, 9, 10, 11, 12], "what went stays away");
    assert_eq!(
        reader.pruned_to().unwrap(),
        9,
        "the mark outlives the owner"
    );
}

/// The numbers of the records that have bodies.
fn bodies(turns: &[Turn]) -> Vec<usize> {
    let records = turns.iter().flat_map(|turn| turn.records().unwrap());
    let numbered = records.enumerate();
    numbered
        .filter_map(|(number, record)| record.body.map(|_body| number))
        .collect()
}
