//! Exported folders: every damage to any of their bytes, and an audit of what is left.

use std::collections::BTreeMap;

use antiphon_ledger::exported;
use antiphon_ledger::signature::{LOG, OWNER};
use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A folder in memory.
type Files = BTreeMap<String, Vec<u8>>;

/// The exported folder of `maker`.
fn exported(maker: &LedgerMaker) -> Files {
    let folder = TempDir::new().unwrap();
    maker.export(folder.path(), maker.size());
    let mut files = Files::new();
    let mut open = vec![folder.path().to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder.path()).unwrap();
            let name = name.to_str().unwrap().to_owned();
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
    files
}

fn judge(files: &Files, trust: Option<&Value>) -> Audit {
    exported::audit(trust.map(parsed), |path| files.get(path).cloned(), None)
}

#[test]
fn a_folder_is_judged_as_the_log_that_it_holds() {
    for size in [1, 2, 17, 255, 256, 257, 513, 1_025] {
        let maker = LedgerMaker::journey(size);
        let audit = judge(&exported(&maker), Some(&maker.trust(maker.size())));
        assert_eq!(told(&audit), [], "{size}");
        assert_eq!(audit.size, maker.size());
        assert_eq!(audit.root, maker.tree(maker.size()).root());
    }
}

/// What is told first when `change` was done to the exported journey of 300 records.
fn check(change: impl FnOnce(&mut Files), expected: (&'static str, Option<u64>)) {
    let maker = LedgerMaker::journey(300);
    let mut files = exported(&maker);
    change(&mut files);
    assert_eq!(told(&judge(&files, Some(&maker.trust(300))))[0], expected);
}

#[test]
fn f17_a_file_that_is_missing_cut_or_too_long_is_told_by_its_first_record() {
    check(
        |files| drop(files.remove("checkpoint")),
        ("checkpoint.missing", None),
    );
    check(
        |files| drop(files.remove("tile/entries/000")),
        ("checkpoint.size", Some(0)),
    );
    check(
        |files| drop(files.remove("tile/entries/001.p/44")),
        ("checkpoint.size", Some(256)),
    );
    check(
        |files| drop(files.remove("body/000")),
        ("body.length", Some(0)),
    );
    check(
        |files| drop(files.remove("body/001.p/44")),
        ("body.length", Some(256)),
    );
    check(
        |files| drop(files.remove("tile/0/000")),
        ("tile.missing", Some(0)),
    );
    check(
        |files| drop(files.remove("tile/0/001.p/44")),
        ("tile.missing", Some(256)),
    );
    check(
        |files| drop(files.remove("tile/1/000.p/1")),
        ("tile.missing", Some(0)),
    );
    let long = |path: &'static str| move |files: &mut Files| files.get_mut(path).unwrap().push(0);
    check(long("tile/entries/000"), ("envelope.malformed", Some(256)));
    check(
        long("tile/entries/001.p/44"),
        ("envelope.malformed", Some(300)),
    );
    check(long("body/000"), ("body.length", Some(256)));
    check(long("body/001.p/44"), ("body.length", Some(300)));
    check(long("tile/0/000"), ("tile.mismatch", Some(0)));
    check(long("tile/1/000.p/1"), ("tile.mismatch", Some(0)));
    check(long("checkpoint"), ("checkpoint.malformed", None));
    let short = |path: &'static str| {
        move |files: &mut Files| {
            files.get_mut(path).unwrap().pop();
        }
    };
    check(short("tile/entries/000"), ("checkpoint.size", Some(255)));
    check(
        short("tile/entries/001.p/44"),
        ("checkpoint.size", Some(299)),
    );
    check(short("body/001.p/44"), ("body.length", Some(299)));
    check(short("tile/0/000"), ("tile.mismatch", Some(0)));
}

#[test]
fn f17_a_folder_cut_anywhere_in_its_last_three_records_is_refused() {
    let maker = LedgerMaker::journey(20);
    let (whole, trust) = (exported(&maker), maker.trust(20));
    for path in ["tile/entries/000.p/20", "body/000.p/20"] {
        let length = whole[path].len();
        for cut in (1..length.min(1_100)).step_by(3) {
            let mut files = whole.clone();
            files.get_mut(path).unwrap().truncate(length - cut);
            assert!(
                !judge(&files, Some(&trust)).is_intact(),
                "{path} cut by {cut}"
            );
        }
    }
}

/// What a verifier states of a log that it finds intact.
fn statement(audit: &Audit) -> (u64, antiphon_ledger::Hash, Option<u64>, u64, Vec<String>) {
    let Audit {
        size,
        root,
        checkpoint_size,
        pruned,
        cosigned_by,
        ..
    } = audit.clone();
    (size, root, checkpoint_size, pruned, cosigned_by)
}

#[test]
fn g17_f16_every_flipped_byte_of_a_folder_is_found() {
    let mut maker = LedgerMaker::new(ORIGIN, 1);
    maker.guard_changed(OWNER);
    maker.rotate(LOG);
    let seq = maker.plain();
    maker.prune(seq);
    maker.plain();
    let (whole, trust) = (exported(&maker), maker.trust(5));
    assert_eq!(told(&judge(&whole, Some(&trust))), []);
    for (path, bytes) in &whole {
        for place in 0..bytes.len() {
            let mut files = whole.clone();
            files.get_mut(path).unwrap()[place] ^= 1 << (place % 8);
            let audit = judge(&files, Some(&trust));
            // Without signatures of strangers no byte of a folder says nothing.
            assert!(!audit.is_intact(), "byte {place} of {path}");
        }
    }
}

#[test]
fn only_the_signatures_of_strangers_may_change_unseen() {
    let maker = LedgerMaker::journey(18);
    let mut whole = exported(&maker);
    let stranger = antiphon_testkit::ledger_maker::witness("stranger", 5);
    let note = maker.checkpoint(18);
    let line = antiphon_testkit::ledger_maker::cosignature(&stranger, &note, 7);
    whole.insert(
        "checkpoint".to_owned(),
        format!("{note}{line}").into_bytes(),
    );
    let trust = maker.trust(18);
    let stated = statement(&judge(&whole, Some(&trust)));
    let mut unseen = 0;
    for bit in 0..whole["checkpoint"].len() * 8 {
        let mut files = whole.clone();
        files.get_mut("checkpoint").unwrap()[bit / 8] ^= 1 << (bit % 8);
        let audit = judge(&files, Some(&trust));
        if audit.is_intact() {
            assert!(bit / 8 >= note.len(), "bit {bit} is the log's own");
            assert_eq!(statement(&audit), stated);
            unseen += 1;
        }
    }
    assert!(unseen > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn g17_cuts_splices_and_swaps_of_a_folder_are_found_or_change_nothing(
        edits in prop::collection::vec(any_edit(), 1..3),
    ) {
        let maker = LedgerMaker::journey(20);
        let (whole, trust) = (exported(&maker), maker.trust(20));
        let mut files = whole.clone();
        for edit in &edits {
            edit.apply(&mut files);
        }
        let audit = judge(&files, Some(&trust));
        let is_same = statement(&audit) == statement(&judge(&whole, Some(&trust)));
        prop_assert!(!audit.is_intact() || is_same);
        prop_assert!(!audit.is_intact() || files == whole, "{:?}", edits);
    }
}

#[derive(Clone, Debug)]
struct Edit {
    path: prop::sample::Index,
    at: prop::sample::Index,
    other_path: prop::sample::Index,
    other_at: prop::sample::Index,
    length: usize,
    kind: u8,
}

prop_compose! {
    fn any_edit()(
        path: prop::sample::Index,
        at: prop::sample::Index,
        other_path: prop::sample::Index,
        other_at: prop::sample::Index,
        length in 1..400_usize,
        kind in 0..4_u8,
    ) -> Edit {
        Edit { path, at, other_path, other_at, length, kind }
    }
}

impl Edit {
    fn apply(&self, files: &mut Files) {
        let names: Vec<String> = files.keys().cloned().collect();
        let (path, other) = (self.path.get(&names), self.other_path.get(&names));
        let from = files[other].clone();
        if from.is_empty() || files[path].is_empty() {
            return;
        }
        let start = self.other_at.index(from.len());
        let piece = &from[start..from.len().min(start + self.length)];
        let bytes = files.get_mut(path).unwrap();
        let at = self.at.index(bytes.len());
        let end = bytes.len().min(at + self.length);
        match self.kind {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, piece.iter().copied())),
            2 => drop(bytes.splice(at..end, piece.iter().copied())),
            _ => {
                files.insert(path.clone(), from);
            }
        }
    }
}
