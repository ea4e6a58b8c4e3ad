//! Copies of a log: whole beside its owner, cut, and of logs that are damaged.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test"
)]

use std::path::Path;

use antiphon_backend_sqlite::{Extent, HeldRoot, SqliteStore, UNFINISHED, copy_log, open_reader};
use antiphon_engine::ports::store::{
    Batch, Head, Snapshot, Store, StoreError, Tile, Turn, push_framed,
};
use antiphon_ledger::envelope::Envelope;
use antiphon_ledger::hash::{body_hash, leaf_hash};
use antiphon_ledger::tree::Tree;
use antiphon_ledger::verify::{Statement, Verifier};
use rusqlite::Connection;
use tempfile::TempDir;

/// Records of one turn.
const TURN: u64 = 7;

/// A log that is well chained and hashed, and its owner.
struct Log {
    root: TempDir,
    store: SqliteStore,
    tree: Tree,
    head: Head,
}

impl Log {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(root.path(), 0).unwrap();
        Self {
            root,
            store,
            tree: Tree::new(),
            head: Head::empty(),
        }
    }

    /// A log of so many turns.
    fn of(turns: u64) -> Self {
        let mut log = Self::new();
        (0..turns).for_each(|_turn| log.append());
        log
    }

    fn append(&mut self) {
        let mut batch = Batch::default();
        let turn = &mut batch.turn;
        turn.first_seq = self.head.next_seq;
        let bodies = turn.bodies.insert(Vec::new());
        let mut prev = self.head.last_leaf;
        for seq in (turn.first_seq..).take(usize::try_from(TURN).unwrap()) {
            let body = format!("0123456789abcdef{{\"record\":{seq}}}");
            let envelope = Envelope {
                body_bytes: u32::try_from(body.len() - 16).unwrap(),
                body_sha256: body_hash(body.as_bytes()),
                elapsed_ms: seq,
                kind: "signal.accepted",
                prev,
                seq,
                sig: None,
                time_ms: 0,
                version: 1,
            };
            let mut bytes = Vec::new();
            envelope.encode_into(&mut bytes).unwrap();
            prev = leaf_hash(&bytes);
            self.tree.push(&prev);
            push_framed(&mut turn.envelopes, &bytes);
            push_framed(bodies, body.as_bytes());
            turn.count += 1;
        }
        turn.root = self.tree.root();
        batch.last_leaf = prev;
        let tile = |(level, index, hashes)| Tile {
            level,
            index,
            hashes,
        };
        batch.tiles = self.tree.take_full_tiles().into_iter().map(tile).collect();
        self.store.append(&self.head, &batch).unwrap();
        self.head = batch.head();
    }

    fn snapshot(&mut self, at_seq: u64, recorded: Option<u64>) {
        let bytes = at_seq.to_be_bytes().to_vec();
        let snapshot = Snapshot { at_seq, bytes };
        self.store.put_snapshot(&snapshot, recorded).unwrap();
    }

    fn copy(&self, extent: Extent) -> (TempDir, Result<Head, StoreError>) {
        copy(self.root.path(), extent)
    }

    /// The log at rest.
    fn close(self) -> TempDir {
        drop(self.store);
        self.root
    }
}

fn copy(from: &Path, extent: Extent) -> (TempDir, Result<Head, StoreError>) {
    let to = tempfile::tempdir().unwrap();
    let copied = copy_log(from, to.path(), extent, &mut |_, _| ());
    (to, copied)
}

/// What a log is, tiles included.
fn verify(root: &Path) -> Statement {
    let mut log = open_reader(root).unwrap();
    let mut verifier = Verifier::new().with_tiles();
    for turn in log.turns_from(0, usize::MAX).unwrap() {
        for record in turn.records().unwrap() {
            verifier.record(record.envelope, record.body);
        }
        verifier.turn_root(&turn.root);
    }
    verifier.verify_tiles(|level, index| Some(log.tiles(level, index, 1).unwrap().pop()?.hashes));
    verifier.finish()
}

fn turns(root: &Path) -> Vec<Turn> {
    open_reader(root)
        .unwrap()
        .turns_from(0, usize::MAX)
        .unwrap()
}

#[test]
fn a_whole_copy_is_the_log_in_one_file_that_an_owner_can_go_on_with() {
    let mut log = Log::of(200);
    log.snapshot(20, None);
    log.snapshot(400, Some(20));
    let first = turns(log.root.path());
    let pruned = first[0].pruned(|_record| false).unwrap();
    log.store.prune(&[pruned], TURN).unwrap();
    let (to, copied) = log.copy(Extent::Whole);
    assert_eq!(copied.unwrap(), log.head);
    assert_eq!(turns(to.path()), turns(log.root.path()));
    let statement = verify(to.path());
    assert!(statement.is_intact(), "{:?}", statement.problems);
    assert_eq!((statement.size, statement.pruned), (200 * TURN, TURN));
    let names: Vec<_> = std::fs::read_dir(to.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let mut source = open_reader(log.root.path()).unwrap();
    let mut copy = open_reader(to.path()).unwrap();
    assert_eq!(copy.snapshots().unwrap(), source.snapshots().unwrap());
    assert_eq!(copy.pruned_to().unwrap(), TURN);
    let epoch = log.store.epoch();
    drop((source, copy));
    let mut owner = SqliteStore::open(to.path(), 0).unwrap();
    assert!(owner.epoch() > epoch);
    assert_eq!(owner.head().unwrap(), log.head);
}

#[test]
fn a_copy_beside_an_owner_that_appends_is_a_log_of_some_instant() {
    let mut log = Log::of(20);
    let root = log.root.path().to_owned();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let copies = scope.spawn(|| {
            let copies: Vec<_> = (0..10).map(|_| copy(&root, Extent::Whole)).collect();
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
            copies
        });
        while !stop.load(std::sync::atomic::Ordering::SeqCst) {
            log.append();
        }
        let mut size = 20 * TURN;
        for (to, copied) in copies.join().unwrap() {
            let head = copied.unwrap();
            assert!(head.next_seq >= size, "what was there before is in it");
            size = head.next_seq;
            let statement = verify(to.path());
            assert!(statement.is_intact(), "{:?}", statement.problems);
            assert_eq!((statement.size, statement.root), (size, head.root));
        }
    });
}

#[test]
fn a_log_is_cut_anywhere_also_within_a_turn_and_a_tile() {
    let mut log = Log::of(80);
    log.snapshot(20, None);
    log.snapshot(400, Some(20));
    for end in [0, 1, TURN, TURN + 1, 255, 256, 257, 400, 401, 559, 560] {
        let (to, copied) = log.copy(Extent::Below(end));
        let head = copied.unwrap();
        assert_eq!(head.next_seq, end);
        let statement = verify(to.path());
        assert!(statement.is_intact(), "{end}: {:?}", statement.problems);
        assert_eq!((statement.size, statement.root), (end, head.root));
        let mut reader = open_reader(to.path()).unwrap();
        assert_eq!(reader.head().unwrap(), head);
        let kept = reader.snapshots().unwrap().into_iter();
        assert!(kept.map(|snapshot| snapshot.at_seq).all(|seq| seq < end));
    }
    let (_to, beyond) = log.copy(Extent::Below(561));
    assert!(
        matches!(beyond, Err(StoreError::Damaged { seq: 560, .. })),
        "{beyond:?}"
    );
}

/// What a copy of the log in `root` names as the first bad record after `sql`.
fn check(root: &TempDir, sql: &str, extent: Extent, expect: Option<u64>) {
    let damaged = tempfile::tempdir().unwrap();
    let database = damaged.path().join("antiphon.db");
    std::fs::copy(root.path().join("antiphon.db"), &database).unwrap();
    let connection = Connection::open(database).unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let (_to, copied) = copy(damaged.path(), extent);
    let found = match copied {
        Ok(_head) => None,
        Err(StoreError::Damaged { seq, .. }) => Some(seq),
        Err(other) => panic!("{sql}: {other}"),
    };
    assert_eq!(found, expect, "{sql}");
}

#[test]
fn f16_what_does_not_verify_is_not_copied_and_what_lies_before_it_is() {
    let log = Log::of(80).close();
    let flip = "UPDATE turn SET bodies = CAST(replace(bodies, '99}', '98}') AS BLOB)
                WHERE first_seq = 98";
    let envelope = "UPDATE turn SET envelopes = CAST(replace(envelopes, '\"seq\":99', '\"seq\":97')
                    AS BLOB) WHERE first_seq = 98";
    let root = "UPDATE turn SET root = zeroblob(32) WHERE first_seq = 98";
    let lengths = "UPDATE turn SET envelopes = x'00' WHERE first_seq = 98";
    let gap = "DELETE FROM turn WHERE first_seq = 98";
    for (sql, seq) in [
        (flip, 99),
        (envelope, 99),
        (root, 104),
        (lengths, 98),
        (gap, 98),
    ] {
        check(&log, sql, Extent::Whole, Some(seq));
        check(&log, sql, Extent::Below(105), Some(seq));
        check(&log, sql, Extent::Below(98), None);
    }
    check(&log, flip, Extent::Below(99), None);
    let tiles = "UPDATE tile SET hashes = zeroblob(8192)";
    check(&log, tiles, Extent::Whole, None);
}

#[test]
fn nothing_is_copied_over_a_log() {
    let log = Log::of(1);
    let other = Log::of(2);
    let before = turns(other.root.path());
    let refused = copy_log(
        log.root.path(),
        other.root.path(),
        Extent::Whole,
        &mut |_, _| (),
    );
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    assert_eq!(turns(other.root.path()), before);
}

#[test]
fn a_log_is_replaced_whole_and_the_old_one_is_kept() {
    let log = Log::of(40);
    let root = log.root.path().to_owned();
    let held = HeldRoot::take(&root, 0);
    assert!(matches!(held, Err(StoreError::Held { .. })), "{held:?}");
    let home = log.close();
    std::fs::write(root.join("views.db"), "views of the old log").unwrap();
    let held = HeldRoot::take(&root, 0).unwrap();
    held.settle_log().unwrap();
    let (staged, aside) = (root.join("staged"), root.join("aside"));
    std::fs::create_dir(&aside).unwrap();
    let cut = copy_log(&root, &staged, Extent::Below(100), &mut |_, _| ()).unwrap();
    held.replace_log(&staged, &aside).unwrap();
    drop(held);
    assert_eq!(SqliteStore::open(&root, 0).unwrap().head().unwrap(), cut);
    assert!(!root.join("views.db").exists());
    assert_eq!(verify(&aside).size, 40 * TURN);
    drop(home);
}

#[test]
fn a_root_whose_files_are_not_all_there_has_no_owner() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join(UNFINISHED)).unwrap();
    let refused = SqliteStore::open(root.path(), 0);
    assert!(
        matches!(refused, Err(StoreError::Unfinished { .. })),
        "{refused:?}"
    );
    assert!(!root.path().join("antiphon.db").exists());
}
