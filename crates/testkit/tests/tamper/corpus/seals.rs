//! Checkpoints, cosignatures, heads and trust that are not as they must be: logs that were rolled
//! back, forked or written anew.

use antiphon_ledger::TreeHead;
use antiphon_ledger::key::SigningKey;
use antiphon_ledger::signature::{LOG, RECOVERY};
use antiphon_testkit::ledger_maker::{
    LedgerMaker, ORIGIN, cosignature, signed_checkpoint, witness,
};
use serde_json::json;

use super::{Case, Kind};

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "rollback: all files",
        expected: Some("head.ahead"),
        damage: |case| {
            case.records().truncate(300);
        },
    },
    Kind {
        name: "rollback: one who has not seen it cannot tell",
        expected: None,
        damage: |case| {
            case.forget_head();
            case.records().truncate(300);
        },
    },
    Kind {
        name: "rollback: to before the trusted key",
        expected: Some("key.untrusted"),
        damage: |case| {
            trust_newest_key(case);
            case.forget_head();
            case.log.rotate(LOG);
            trust_newest_key(case);
            case.records().truncate(300);
            let keys = case.log.keys(LOG).to_vec();
            let old = keys.iter().rev().nth(1);
            let head = case.log.tree(300).head();
            case.checkpoint = old.map(|key| signed_checkpoint(ORIGIN, &head, &[key]));
        },
    },
    Kind {
        name: "rollback: to nothing",
        expected: Some("head.ahead"),
        damage: |case| {
            case.records().clear();
        },
    },
    Kind {
        name: "empty tree: signed by the log's key",
        expected: Some("key.untrusted"),
        damage: |case| {
            case.forget_head();
            case.records().clear();
        },
    },
    Kind {
        name: "empty tree: with another root",
        expected: Some("checkpoint.root"),
        damage: |case| {
            case.records().clear();
            reseal(
                case,
                TreeHead {
                    size: 0,
                    root: [0; 32],
                },
            );
        },
    },
    Kind {
        name: "fork: by the log's own key",
        expected: Some("head.fork"),
        damage: |case| {
            case.records().truncate(350);
            while case.log.size() < 700 {
                case.log.task_changed("FINN");
            }
        },
    },
    Kind {
        name: "fork: beyond what was seen",
        expected: None,
        damage: |case| {
            case.records().truncate(450);
            case.log.task_changed("FINN");
        },
    },
    Kind {
        name: "fork: at the size that was seen",
        expected: Some("head.fork"),
        damage: |case| {
            case.records().truncate(399);
            case.log.task_changed("FINN");
        },
    },
    Kind {
        name: "rewrite: signed by other keys",
        expected: Some("head.fork"),
        damage: |case| rewrite(case),
    },
    Kind {
        name: "rewrite: signed by other keys, to one who has seen nothing",
        expected: Some("key.untrusted"),
        damage: |case| {
            case.forget_head();
            rewrite(case);
        },
    },
    Kind {
        name: "rewrite: of the log's own keys, with a recovery key of its own",
        expected: Some("key.untrusted"),
        damage: |case| {
            case.forget_head();
            let key = case.log.new_key(RECOVERY);
            case.trust["recovery_key"] = key.verifier().to_string().into();
        },
    },
    Kind {
        name: "origin: the checkpoint of another log",
        expected: Some("checkpoint.origin"),
        damage: |case| {
            let head = case.log.tree(case.log.size()).head();
            case.checkpoint = Some(signed_checkpoint(
                "example.com/another",
                &head,
                &[case.log.key(LOG)],
            ));
        },
    },
    Kind {
        name: "origin: another log altogether",
        expected: Some("checkpoint.origin"),
        damage: |case| {
            case.log = LedgerMaker::new("example.com/another", 1);
        },
    },
    Kind {
        name: "checkpoint: signed by a stranger only",
        expected: Some("checkpoint.signature"),
        damage: |case| {
            let key = case.log.new_key(LOG);
            sealed_by(case, &[&key]);
        },
    },
    Kind {
        name: "checkpoint: signed by strangers, too",
        expected: None,
        damage: |case| {
            let (first, second) = (case.log.new_key(LOG), case.log.new_key("VEGA"));
            let own = case.log.key(LOG).clone();
            sealed_by(case, &[&first, &own, &second]);
        },
    },
    Kind {
        name: "checkpoint: signed by the key that was replaced",
        expected: Some("checkpoint.signature"),
        damage: |case| {
            let old = case.log.key(LOG).clone();
            case.log.rotate(LOG);
            sealed_by(case, &[&old]);
        },
    },
    Kind {
        name: "checkpoint: signed by the key that was replaced, too",
        expected: None,
        damage: |case| {
            let old = case.log.key(LOG).clone();
            case.log.rotate(LOG);
            let new = case.log.key(LOG).clone();
            sealed_by(case, &[&new, &old]);
        },
    },
    Kind {
        name: "checkpoint: signed by the key that was revoked",
        expected: Some("checkpoint.signature"),
        damage: |case| {
            let old = case.log.key(LOG).clone();
            case.log.revoke(LOG, case.log.size());
            sealed_by(case, &[&old]);
        },
    },
    Kind {
        name: "checkpoint: the signature of another size",
        expected: Some("checkpoint.signature"),
        damage: |case| {
            let (text, line) = (case.log.checkpoint(600), case.log.checkpoint(599));
            let text = text.split_once("\n\n").map_or("", |(text, _)| text);
            let line = line.split_once("\n\n").map_or("", |(_, line)| line);
            case.checkpoint = Some(format!("{text}\n\n{line}"));
        },
    },
    Kind {
        name: "leaf and node: a tree of nodes, half as large, with the same root",
        expected: Some("envelope.malformed"),
        damage: |case| {
            case.forget_head();
            case.records().truncate(512);
            let head = case.log.tree(512).head();
            let halves: Vec<_> = (0..256).map(|at| case.two_leaves(2 * at)).collect();
            for (record, half) in case.records().iter_mut().zip(halves) {
                record.envelope = half;
            }
            case.records().truncate(256);
            reseal(
                case,
                TreeHead {
                    size: 256,
                    root: head.root,
                },
            );
        },
    },
    Kind {
        name: "cosignature: as asked",
        expected: None,
        damage: |case| cosigned(case, 1, &["w/1"], &["w/1"]),
    },
    Kind {
        name: "cosignature: two of three",
        expected: None,
        damage: |case| cosigned(case, 2, &["w/1", "w/2", "w/3"], &["w/3", "w/1"]),
    },
    Kind {
        name: "cosignature: left out",
        expected: Some("cosignature.missing"),
        damage: |case| cosigned(case, 1, &["w/1"], &[]),
    },
    Kind {
        name: "cosignature: by a stranger",
        expected: Some("cosignature.missing"),
        damage: |case| cosigned(case, 1, &["w/1"], &["w/2"]),
    },
    Kind {
        name: "cosignature: the same twice",
        expected: Some("cosignature.missing"),
        damage: |case| cosigned(case, 2, &["w/1", "w/2"], &["w/1", "w/1"]),
    },
    Kind {
        name: "cosignature: of another checkpoint",
        expected: Some("checkpoint.signature"),
        damage: |case| {
            cosigned(case, 1, &["w/1"], &[]);
            let line = cosignature(&witness("w/1", 1), &case.log.checkpoint(599), 1_700_000_000);
            case.checkpoint = Some(format!("{}{line}", case.log.checkpoint(600)));
        },
    },
    Kind {
        name: "cosignature: in the name of a witness, by the log",
        expected: Some("checkpoint.signature"),
        damage: |case| {
            cosigned(case, 1, &["w/1"], &["w/1"]);
            let forged = case.checkpoint.take().unwrap_or_default();
            let plain = case.log.checkpoint(600);
            let signature = plain.rsplit(' ').next().unwrap_or_default().to_owned();
            let own = forged.rsplit(' ').next().unwrap_or_default().to_owned();
            // Its id stays that of the witness: the first six characters are its four bytes, nearly.
            let mixed = format!(
                "{}{}",
                own.get(..8).unwrap_or_default(),
                signature.get(8..).unwrap_or_default()
            );
            case.checkpoint = Some(forged.replace(&own, &mixed));
        },
    },
    Kind {
        name: "trust: the newest key, from its place on",
        expected: None,
        damage: |case| {
            case.log.rotate(LOG);
            trust_newest_key(case);
        },
    },
    Kind {
        name: "trust: the newest key, from a place before its own",
        expected: Some("key.untrusted"),
        damage: |case| {
            case.log.rotate(LOG);
            trust_newest_key(case);
            case.trust["key_size"] = (case.log.size() - 1).into();
        },
    },
    Kind {
        name: "trust: a head of its own",
        expected: Some("head.fork"),
        damage: |case| {
            let head = TreeHead {
                size: 400,
                root: [9; 32],
            };
            let note = signed_checkpoint(ORIGIN, &head, &[case.log.key(LOG)]);
            case.trust["head"] = note.into();
        },
    },
];

/// Seals the whole log with these keys.
fn sealed_by(case: &mut Case, keys: &[&SigningKey]) {
    let head = case.log.tree(case.log.size()).head();
    case.checkpoint = Some(signed_checkpoint(ORIGIN, &head, keys));
}

/// Seals what is no head of the log with the log's own key.
fn reseal(case: &mut Case, head: TreeHead) {
    case.checkpoint = Some(signed_checkpoint(ORIGIN, &head, &[case.log.key(LOG)]));
}

/// A log of the same origin and length, by somebody else.
fn rewrite(case: &mut Case) {
    let mut log = LedgerMaker::new(ORIGIN, 2);
    while log.size() < case.log.size() {
        log.plain();
    }
    case.log = log;
}

/// The newest keys are trusted from the next place on.
fn trust_newest_key(case: &mut Case) {
    case.trust["log_key"] = case.log.key(LOG).verifier().to_string().into();
    case.trust["recovery_key"] = case.log.key(RECOVERY).verifier().to_string().into();
    case.trust["key_size"] = case.log.size().into();
}

/// Asks for cosignatures of witnesses, and adds those of others; the name of each ends with its
/// seed.
fn cosigned(case: &mut Case, required: u64, asked: &[&str], by: &[&str]) {
    let key = |name: &&str| witness(name, name.bytes().next_back().unwrap_or_default() - b'0');
    let keys: Vec<String> = asked
        .iter()
        .map(|name| key(name).verifier().to_string())
        .collect();
    case.trust["witnesses"] = json!(keys);
    case.trust["cosignatures_required"] = required.into();
    let mut note = case.log.checkpoint(case.log.size());
    for name in by {
        note.push_str(&cosignature(&key(name), &note.clone(), 1_700_000_000));
    }
    case.checkpoint = Some(note);
}
