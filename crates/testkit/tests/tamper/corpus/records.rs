//! Records that were cut, moved, edited, doubled, pruned or made up.

use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN};
use serde_json::json;

use super::{Case, Kind, SIZE};

/// A record that is not signed, with a body.
const PLAIN: u64 = 301;
/// Where it stands.
const AT: usize = 301;
/// The second bundle.
const BUNDLE: std::ops::Range<usize> = 256..512;

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "nothing",
        expected: None,
        damage: |_| (),
    },
    Kind {
        name: "cut: prefix",
        expected: Some("chain.seq"),
        damage: |case| cut(case, 0, 5),
    },
    Kind {
        name: "cut: middle",
        expected: Some("chain.seq"),
        damage: |case| cut(case, AT, 5),
    },
    Kind {
        name: "cut: middle, numbered and chained again",
        expected: Some("head.fork"),
        damage: |case| {
            cut(case, AT, 5);
            case.log.chain_again(PLAIN);
        },
    },
    Kind {
        name: "splice: a bundle of another log",
        expected: Some("chain.prev"),
        damage: |case| {
            let strange = strange_log().records()[BUNDLE].to_vec();
            drop(case.records().splice(BUNDLE, strange));
        },
    },
    Kind {
        name: "splice: the body of another log",
        expected: Some("body.hash"),
        damage: |case| {
            let strange = strange_log().records()[AT].clone();
            case.record(PLAIN).body = strange.body;
        },
    },
    Kind {
        name: "swap: two records",
        expected: Some("chain.seq"),
        damage: |case| {
            case.records().swap(AT, AT + 7);
        },
    },
    Kind {
        name: "swap: two records, numbered and chained again",
        expected: Some("head.fork"),
        damage: |case| {
            case.records().swap(AT, AT + 7);
            case.log.chain_again(PLAIN);
        },
    },
    Kind {
        name: "swap: two bodies",
        expected: Some("body.hash"),
        damage: |case| {
            let other = case.record(PLAIN + 1).body.clone();
            case.record(PLAIN).body = other;
        },
    },
    Kind {
        name: "edit: one record",
        expected: Some("chain.prev"),
        damage: |case| case.change(PLAIN, |envelope| envelope.kind = "report.imagined"),
    },
    Kind {
        name: "edit: what a record names before it",
        expected: Some("chain.prev"),
        damage: |case| case.change(PLAIN, |envelope| envelope.prev = [7; 32]),
    },
    Kind {
        name: "edit: chained again, under the old checkpoint",
        expected: Some("checkpoint.root"),
        damage: |case| {
            case.keep_checkpoint();
            edit_and_chain(case);
        },
    },
    Kind {
        name: "edit: chained again, with a checkpoint of the log's own key",
        expected: Some("head.fork"),
        damage: edit_and_chain,
    },
    Kind {
        name: "number: doubled",
        expected: Some("chain.seq"),
        damage: |case| {
            let twin = case.record(PLAIN).clone();
            case.records().insert(AT + 1, twin);
        },
    },
    Kind {
        name: "number: left out",
        expected: Some("chain.seq"),
        damage: |case| cut(case, AT, 1),
    },
    Kind {
        name: "number: another than its place",
        expected: Some("chain.seq"),
        damage: |case| case.change(PLAIN, |envelope| envelope.seq += 1),
    },
    Kind {
        name: "clock: wall time goes back",
        expected: None,
        damage: |case| {
            case.forget_head();
            case.change(PLAIN, |envelope| envelope.time_ms = 0);
            case.log.chain_again(PLAIN);
        },
    },
    Kind {
        name: "clock: elapsed time goes back",
        expected: None,
        damage: |case| {
            case.forget_head();
            case.change(PLAIN, |envelope| envelope.elapsed_ms = 0);
            case.log.chain_again(PLAIN);
        },
    },
    Kind {
        name: "envelope: white space",
        expected: Some("envelope.malformed"),
        damage: |case| case.edit(PLAIN, "\"seq\":", "\"seq\": "),
    },
    Kind {
        name: "envelope: a member more",
        expected: Some("envelope.malformed"),
        damage: |case| case.edit(PLAIN, "\"v\":1", "\"v\":1,\"w\":1"),
    },
    Kind {
        name: "leaf and node: a node's two hashes as an entry",
        expected: Some("envelope.malformed"),
        damage: |case| {
            let node = case.two_leaves(PLAIN);
            case.record(PLAIN).envelope = node;
        },
    },
    Kind {
        name: "pruned: a body that may be",
        expected: None,
        damage: |case| {
            case.record(PLAIN).body = None;
        },
    },
    Kind {
        name: "pruned: a body that never is",
        expected: Some("body.pruned"),
        damage: |case| {
            case.record(1).body = None;
        },
    },
    Kind {
        name: "pruned: record 0",
        expected: Some("body.pruned"),
        damage: |case| {
            case.record(0).body = None;
        },
    },
    Kind {
        name: "pruned: but claimed, without a byte",
        expected: Some("body.length"),
        damage: |case| {
            case.record(PLAIN).body = Some(Vec::new());
        },
    },
    Kind {
        name: "pruned: but claimed, with a made up salt",
        expected: Some("body.hash"),
        damage: |case| {
            if let Some(body) = &mut case.record(PLAIN).body {
                body.iter_mut().take(16).for_each(|byte| *byte = 0);
            }
        },
    },
    Kind {
        name: "snapshot: not in the log, put into it",
        expected: Some("head.fork"),
        damage: |case| {
            let body = json!({"seq": 200, "sha256": "00", "state_version": 1});
            case.log.unsigned("snapshot.taken", &body);
            let snapshot = case.records().pop();
            drop(case.records().splice(AT..AT, snapshot));
            case.log.chain_again(PLAIN);
        },
    },
    Kind {
        name: "snapshot: pruned",
        expected: Some("body.pruned"),
        damage: |case| {
            let body = json!({"seq": 200, "sha256": "00", "state_version": 1});
            let seq = case.log.unsigned("snapshot.taken", &body);
            case.log.prune(seq);
        },
    },
];

fn cut(case: &mut Case, from: usize, count: usize) {
    drop(case.records().drain(from..from + count));
}

fn edit_and_chain(case: &mut Case) {
    case.change(PLAIN, |envelope| envelope.kind = "report.imagined");
    case.log.chain_again(PLAIN);
}

/// A log of the same origin with other keys.
fn strange_log() -> LedgerMaker {
    let mut log = LedgerMaker::new(ORIGIN, 2);
    while log.size() < SIZE {
        log.plain();
    }
    log
}
