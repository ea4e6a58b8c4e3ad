use std::collections::BTreeMap;

use super::*;
use crate::envelope::Envelope;
use crate::hash::{SALT_BYTES, body_hash, leaf_hash};

mod damage;
mod order;

/// A log as it may lie in a store: turns of records, each with its root.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Log {
    turns: Vec<Turn>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Turn {
    records: Vec<Stored>,
    root: Hash,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    envelope: Vec<u8>,
    body: Option<Vec<u8>>,
}

impl Log {
    /// A log with turns of so many records each; `origin` tells logs apart.
    fn written(turn_sizes: &[usize], origin: u8) -> Self {
        let (mut tree, mut prev) = (Tree::new(), NO_LEAF);
        let mut turns = Vec::new();
        for count in turn_sizes {
            let mut records = Vec::new();
            for _ in 0..*count {
                let record = written(tree.size(), prev, origin);
                prev = leaf_hash(&record.envelope);
                tree.push(&prev);
                records.push(record);
            }
            turns.push(Turn {
                records,
                root: tree.root(),
            });
        }
        Self { turns }
    }

    fn records(&self) -> Vec<&Stored> {
        self.turns.iter().flat_map(|turn| &turn.records).collect()
    }

    fn record_mut(&mut self, seq: usize) -> &mut Stored {
        self.turns
            .iter_mut()
            .flat_map(|turn| &mut turn.records)
            .nth(seq)
            .unwrap()
    }

    /// Turn and place in the turn of a record.
    fn place(&self, seq: usize) -> (usize, usize) {
        let mut first = 0;
        for (turn, records) in self.turns.iter().map(|turn| turn.records.len()).enumerate() {
            if seq < first + records {
                return (turn, seq - first);
            }
            first += records;
        }
        panic!("there is no record {seq}")
    }

    fn verified(&self) -> Statement {
        let mut verifier = Verifier::new();
        for turn in &self.turns {
            for record in &turn.records {
                verifier.record(&record.envelope, record.body.as_deref());
            }
            verifier.turn_root(&turn.root);
        }
        verifier.finish()
    }

    fn head(&self) -> TreeHead {
        let statement = self.verified();
        TreeHead {
            size: statement.size,
            root: statement.root,
        }
    }
}

fn written(seq: u64, prev: Hash, origin: u8) -> Stored {
    let json = format!(r#"{{"of":{origin},"seq":{seq}}}"#);
    let body = [&[origin; SALT_BYTES], json.as_bytes()].concat();
    let envelope = Envelope {
        body_bytes: json.len().try_into().unwrap(),
        body_sha256: body_hash(&body),
        elapsed_ms: seq * 10,
        kind: "signal.accepted",
        prev,
        seq,
        sig: None,
        time_ms: 1_795_189_012_001,
        version: 1,
    };
    let mut bytes = Vec::new();
    envelope.encode_into(&mut bytes).unwrap();
    Stored {
        envelope: bytes,
        body: Some(body),
    }
}

/// The first bad entry and the code of what is wrong there.
fn first(statement: &Statement) -> Option<(u64, &'static str)> {
    statement
        .first_problem()
        .map(|problem| (problem.seq, problem.kind.code()))
}

/// All that is wrong: entries and codes.
fn all(statement: &Statement) -> Vec<(u64, &'static str)> {
    statement
        .problems
        .iter()
        .map(|problem| (problem.seq, problem.kind.code()))
        .collect()
}

#[test]
fn the_bytes_of_a_log_are_frozen() {
    let mut verifier = Verifier::new();
    let mut fields = BTreeMap::new();
    for line in include_str!("../../tests/golden/three_records.log").lines() {
        let (name, value) = line.split_once(' ').unwrap();
        fields.insert(name, value);
        if name != "root" {
            continue;
        }
        let body = [&from_hex(fields["salt"]), fields["body"].as_bytes()].concat();
        verifier.record(fields["envelope"].as_bytes(), Some(&body));
        assert_eq!(
            hex(&leaf_hash(fields["envelope"].as_bytes())),
            fields["leaf"]
        );
        assert_eq!(hex(&verifier.tree().root()), value);
    }
    let statement = verifier.finish();
    assert_eq!(statement.problems, []);
    assert_eq!(
        (statement.size, hex(&statement.last_leaf)),
        (3, fields["leaf"].to_owned())
    );
}

fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

#[test]
fn an_intact_log_is_stated_as_it_is() {
    let mut log = Log::written(&[1, 3, 1, 4], 1);
    let statement = log.verified();
    assert!(statement.is_intact(), "{:?}", statement.problems);
    assert_eq!((statement.size, statement.pruned), (9, 0));
    assert_eq!(statement.root, log.turns[3].root);
    assert_eq!(statement.last_leaf, leaf_hash(&log.records()[8].envelope));

    log.record_mut(2).body = None;
    log.record_mut(5).body = None;
    let pruned = log.verified();
    assert_eq!(
        pruned,
        Statement {
            pruned: 2,
            ..statement
        }
    );

    let empty = Verifier::new().finish();
    assert!(empty.is_intact());
    assert_eq!(
        (empty.size, empty.root, empty.last_leaf),
        (0, TreeHead::EMPTY_ROOT, NO_LEAF)
    );
}

#[test]
fn an_envelope_of_another_form_is_found_though_the_chain_holds() {
    let (mut verifier, mut tree, mut prev) = (Verifier::new(), Tree::new(), NO_LEAF);
    for seq in 0..4 {
        let mut record = written(seq, prev, 1);
        record
            .envelope
            .extend_from_slice(if seq == 1 { b" " } else { b"" });
        verifier.record(&record.envelope, None);
        prev = leaf_hash(&record.envelope);
        tree.push(&prev);
        // The last root is wrong, too: that the others hold again makes it count.
        let root = if seq == 3 { NO_LEAF } else { tree.root() };
        verifier.turn_root(&root);
    }
    assert_eq!(
        all(&verifier.finish()),
        [(1, "envelope.malformed"), (3, "tree.root")]
    );
}

#[test]
fn of_two_changes_the_earlier_is_named_first() {
    let log = Log::written(&[7, 1], 1);
    let mut flipped = log.clone();
    change_time(flipped.record_mut(2));
    flipped.record_mut(3).body.as_mut().unwrap()[0] ^= 1;
    assert_eq!(
        all(&flipped.verified()),
        [(2, "chain.prev"), (3, "body.hash")]
    );

    let mut swapped = log.clone();
    change_time(swapped.record_mut(1));
    swapped.turns[0].records.swap(3, 4);
    assert_eq!(first(&swapped.verified()), Some((1, "chain.prev")));

    let mut cut = log.clone();
    change_time(cut.record_mut(1));
    cut.record_mut(3).envelope.pop();
    assert_eq!(
        all(&cut.verified()),
        [(1, "chain.prev"), (3, "envelope.malformed")]
    );
}

/// Another envelope of the same form.
fn change_time(record: &mut Stored) {
    let text = String::from_utf8(record.envelope.clone()).unwrap();
    record.envelope = text.replace(".001Z", ".002Z").into_bytes();
}

#[test]
fn a_rewritten_log_is_found_by_a_head_that_was_kept_elsewhere() {
    let (ours, theirs) = (Log::written(&[2, 1, 3], 1), Log::written(&[2, 1, 3], 2));
    for size in 1..=6 {
        let kept = Log::written(&[size], 1).head();
        for (log, intact) in [(&ours, true), (&theirs, false)] {
            let mut verifier = Verifier::new();
            assert!(verifier.expect(&kept));
            log.records()
                .iter()
                .for_each(|record| verifier.record(&record.envelope, None));
            let statement = verifier.finish();
            assert_eq!(statement.is_intact(), intact, "{:?}", statement.problems);
            assert!(intact || first(&statement) == Some((kept.size - 1, "tree.root")));
        }
    }
}

#[test]
fn of_two_heads_of_one_size_one_is_found_wrong() {
    let log = Log::written(&[4], 1);
    for wrong in [[0; 32], [255; 32]] {
        let mut verifier = Verifier::new();
        assert!(
            verifier.expect(&log.head())
                && verifier.expect(&TreeHead {
                    size: 4,
                    root: wrong
                })
        );
        log.records()
            .iter()
            .for_each(|record| verifier.record(&record.envelope, None));
        assert_eq!(first(&verifier.finish()), Some((3, "tree.root")));
    }
}

#[test]
fn a_verifier_goes_on_from_a_tree_that_is_trusted() {
    let log = Log::written(&[1; 9], 1);
    let mut trusted = Tree::new();
    let leaves = log
        .records()
        .iter()
        .map(|record| leaf_hash(&record.envelope))
        .collect::<Vec<_>>();
    leaves[..5].iter().for_each(|leaf| trusted.push(leaf));
    for (skipped, expected) in [(0, None), (1, Some((5, "chain.seq")))] {
        let mut verifier = Verifier::resume(trusted.clone(), leaves[4]);
        assert!(!verifier.expect(&TreeHead {
            size: 4,
            root: NO_LEAF
        }));
        assert!(verifier.expect(&trusted.head()));
        for record in &log.records()[5 + skipped..] {
            verifier.record(&record.envelope, record.body.as_deref());
        }
        let statement = verifier.finish();
        assert_eq!(first(&statement), expected);
        assert_eq!(statement.is_intact(), statement.root == log.head().root);
    }
}

#[test]
fn a_ruined_log_costs_no_memory() {
    let mut verifier = Verifier::new();
    (0..PROBLEMS_MAX + 10).for_each(|_| verifier.record(b"{}", None));
    let statement = verifier.finish();
    assert_eq!(statement.problems.len(), PROBLEMS_MAX);
    assert_eq!(statement.problem_count, PROBLEMS_MAX as u64 + 10);
    assert_eq!(
        statement.problems[0].to_string(),
        "envelope.malformed at record 0: not an envelope: body_bytes is malformed at byte 0"
    );
}
