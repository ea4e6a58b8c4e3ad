//! Signatures on records, and events about keys, that are not as they must be.

use antiphon_ledger::key::SigningKey;
use antiphon_ledger::signature::{LOG, OPERATOR, OWNER, RECOVERY};
use antiphon_testkit::ledger_maker::LedgerMaker;
use serde_json::json;

use super::{Case, Kind};

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "signature: none where one must be",
        expected: Some("signature.missing"),
        damage: |case| {
            case.log.unsigned("guard.changed", &json!({"by": OPERATOR}));
        },
    },
    Kind {
        name: "signature: one where none may be",
        expected: Some("signature.unexpected"),
        damage: |case| {
            case.log
                .signed("run.leased", &json!({"run": 1}), "guards", &[OWNER]);
        },
    },
    Kind {
        name: "signature: one more than asked",
        expected: Some("signature.unexpected"),
        damage: |case| guard(case, &[OWNER, OPERATOR]),
    },
    Kind {
        name: "signature: the same twice",
        expected: Some("signature.unexpected"),
        damage: |case| guard(case, &[OWNER, OWNER]),
    },
    Kind {
        name: "signature: by the log's key",
        expected: Some("signature.missing"),
        damage: |case| guard(case, &[LOG]),
    },
    Kind {
        name: "signature: a cut by the operator",
        expected: Some("signature.missing"),
        damage: |case| {
            case.log
                .signed("log.cut", &json!({"by": OPERATOR}), "log", &[OPERATOR]);
        },
    },
    Kind {
        name: "signature: a cut by the owner of a log without a recovery key",
        expected: None,
        damage: |case| {
            let mut log = LedgerMaker::without_records(case.log.origin(), 9);
            let mut created = log.created();
            created["keys"].as_array_mut().unwrap().pop();
            log.unsigned("log.created", &created);
            log.signed("log.cut", &json!({"by": OWNER}), "log", &[OWNER]);
            case.trust = log.trust(1);
            case.trust.as_object_mut().unwrap().remove("recovery_key");
            case.log = log;
        },
    },
    Kind {
        name: "signature: moved to another record of its kind",
        expected: Some("signature.invalid"),
        damage: |case| {
            let (from, to) = (
                case.log.guard_changed(OPERATOR),
                case.log.guard_changed(OPERATOR),
            );
            move_signature(case, from, to);
        },
    },
    Kind {
        name: "signature: moved to a record of another kind",
        expected: Some("signature.invalid"),
        damage: |case| {
            let (from, to) = (
                case.log.guard_changed(OPERATOR),
                case.log.task_changed(OPERATOR),
            );
            move_signature(case, from, to);
        },
    },
    Kind {
        name: "signature: moved from another log",
        expected: Some("signature.invalid"),
        damage: |case| {
            let mut other = LedgerMaker::new("example.com/another", 1);
            other.hold(OPERATOR, case.log.key(OPERATOR).clone());
            let seq = other.guard_changed(OPERATOR);
            let mut strange = Case {
                log: other,
                checkpoint: None,
                trust: json!(null),
                files: Vec::new(),
            };
            let moved = strange.signatures(seq);
            let to = case.log.guard_changed(OPERATOR);
            let own = case.signatures(to);
            case.edit(to, &own, &moved);
        },
    },
    Kind {
        name: "signature: with its body, once more",
        expected: Some("signature.replayed"),
        damage: |case| {
            let seq = case.log.guard_changed(OPERATOR);
            case.log.guard_changed(OPERATOR);
            case.log.replay(seq);
        },
    },
    Kind {
        name: "signature: of an answer, once more",
        expected: Some("signature.replayed"),
        damage: |case| {
            let seq = case.log.ask_answered(OPERATOR);
            case.log.replay(seq);
        },
    },
    Kind {
        name: "signature: of a cut, once more",
        expected: Some("signature.replayed"),
        damage: |case| {
            let seq = case.log.cut();
            case.log.plain();
            case.log.replay(seq);
        },
    },
    Kind {
        name: "signature: with its body, once more behind a rotation",
        expected: Some("signature.key"),
        damage: |case| {
            let seq = case.log.guard_changed(OPERATOR);
            case.log.rotate(OPERATOR);
            case.log.replay(seq);
        },
    },
    Kind {
        name: "signature: with its body, in another's name",
        expected: Some("signature.invalid"),
        damage: |case| {
            let seq = case.log.guard_changed(OPERATOR);
            let again = case.log.replay(seq);
            let key = |agent: &str| format!("{agent}+{}", case.log.key(agent).verifier().id());
            let (from, to) = (key(OPERATOR), key(OWNER));
            case.edit(again, &from, &to);
        },
    },
    Kind {
        name: "signature: of the same words, made anew",
        expected: None,
        damage: |case| {
            guard(case, &[OPERATOR]);
            guard(case, &[OPERATOR]);
        },
    },
    Kind {
        name: "signature: of another form",
        expected: Some("signature.invalid"),
        damage: |case| {
            let seq = case.log.guard_changed(OPERATOR);
            case.edit(seq, "operator+", "operator-");
        },
    },
    Kind {
        name: "signature: with another subject",
        expected: Some("signature.invalid"),
        damage: |case| {
            case.log.signed(
                "guard.changed",
                &json!({"by": OPERATOR}),
                "guard",
                &[OPERATOR],
            );
        },
    },
    Kind {
        name: "signature: by a key that the log does not have",
        expected: Some("key.unknown"),
        damage: |case| {
            let key = case.log.new_key(OPERATOR);
            signed_by(case, OPERATOR, key);
        },
    },
    Kind {
        name: "signature: by a key that was replaced",
        expected: Some("signature.key"),
        damage: |case| {
            let key = case.log.key(OPERATOR).clone();
            case.log.rotate(OPERATOR);
            signed_by(case, OPERATOR, key);
        },
    },
    Kind {
        name: "signature: by a key that was revoked",
        expected: Some("signature.key"),
        damage: |case| {
            let key = case.log.key(OPERATOR).clone();
            case.log.revoke(OPERATOR, case.log.size());
            signed_by(case, OPERATOR, key);
        },
    },
    Kind {
        name: "signature: taken back by a later revocation",
        expected: Some("signature.key"),
        damage: |case| {
            let seq = case.log.guard_changed(OPERATOR);
            case.log.plain();
            case.log.revoke(OPERATOR, seq);
        },
    },
    Kind {
        name: "signature: before a later revocation",
        expected: None,
        damage: |case| {
            let seq = case.log.guard_changed(OPERATOR);
            case.log.plain();
            case.log.revoke(OPERATOR, seq + 1);
        },
    },
    Kind {
        name: "signature: by a key from its own record on",
        expected: Some("key.unknown"),
        damage: |case| {
            let key = case.log.new_key("STIG");
            signed_by(case, "STIG", key.clone());
            case.log.hold("STIG", key);
        },
    },
    Kind {
        name: "key: revoked by the operator",
        expected: Some("signature.missing"),
        damage: |case| {
            let (old, new) = (case.log.key(OWNER).clone(), case.log.new_key(OWNER));
            let body = json!({
                "agent": OWNER, "by": OPERATOR, "custodial": true, "from_seq": case.log.size(),
                "key": new.verifier().to_string(), "of": old.verifier().id().to_string(), "reason": "",
            });
            let by = [(OPERATOR, case.log.key(OPERATOR).clone()), (OWNER, new)];
            case.log.signed_by("key.revoked", &body, "key:owner", &by);
        },
    },
    Kind {
        name: "key: revoked from the revocation itself on, and used before",
        expected: None,
        damage: |case| {
            case.log.guard_changed(OWNER);
            case.log.revoke(OWNER, None);
            case.log.guard_changed(OWNER);
        },
    },
    Kind {
        name: "key: revoked from the revocation itself on, and used after",
        expected: Some("signature.key"),
        damage: |case| {
            let old = case.log.key(OWNER).clone();
            case.log.revoke(OWNER, None);
            case.log.hold(OWNER, old);
            case.log.guard_changed(OWNER);
        },
    },
    Kind {
        name: "key: rotated without the old one",
        expected: Some("signature.missing"),
        damage: |case| {
            let (old, new) = (case.log.key(OWNER).clone(), case.log.new_key(OWNER));
            let body = json!({
                "agent": OWNER, "by": OPERATOR, "custodial": true,
                "key": new.verifier().to_string(), "of": old.verifier().id().to_string(),
            });
            case.log
                .signed_by("key.rotated", &body, "key:owner", &[(OWNER, new)]);
        },
    },
    Kind {
        name: "key: rotated to one that the log has had",
        expected: Some("key.malformed"),
        damage: |case| rotate_to(case, OWNER, |case| case.log.keys(OWNER)[0].clone()),
    },
    Kind {
        name: "key: rotated to one that is named otherwise",
        expected: Some("key.malformed"),
        damage: |case| rotate_to(case, OWNER, |case| case.log.new_key("STIG")),
    },
    Kind {
        name: "key: rotated twice from the same",
        expected: Some("key.malformed"),
        damage: |case| {
            let old = case.log.key(OWNER).clone();
            case.log.rotate(OWNER);
            case.log.hold(OWNER, old);
            case.log.rotate(OWNER);
        },
    },
    Kind {
        name: "key: registered again",
        expected: Some("key.malformed"),
        damage: |case| {
            case.log.register("FINN");
        },
    },
    Kind {
        name: "key: revoked from a place to come",
        expected: Some("key.malformed"),
        damage: |case| {
            case.log.revoke(OWNER, case.log.size() + 1);
        },
    },
    Kind {
        name: "key: revoked from before its first place",
        expected: Some("key.malformed"),
        damage: |case| {
            case.log.revoke(OWNER, 1);
        },
    },
    Kind {
        name: "key: the recovery key revoked",
        expected: Some("key.malformed"),
        damage: |case| {
            case.log.revoke(RECOVERY, case.log.size());
        },
    },
    Kind {
        name: "key: another log.created",
        expected: Some("key.malformed"),
        damage: |case| {
            let created = case.log.created();
            case.log.unsigned("log.created", &created);
        },
    },
    Kind {
        name: "key: record 0 is another",
        expected: Some("key.malformed"),
        damage: |case| {
            let mut log = LedgerMaker::without_records(case.log.origin(), 1);
            log.plain();
            case.log = log;
            case.forget_head();
        },
    },
    Kind {
        name: "key: record 0 is of another origin",
        expected: Some("key.malformed"),
        damage: |case| {
            let mut log = LedgerMaker::without_records(case.log.origin(), 1);
            let mut created = log.created();
            created["origin"] = "example.com/another".into();
            log.unsigned("log.created", &created);
            case.log = log;
            case.forget_head();
        },
    },
    Kind {
        name: "key: an event with a member more",
        expected: Some("key.malformed"),
        damage: |case| {
            let new = case.log.new_key("STIG");
            let body = json!({
                "agent": "STIG", "by": OPERATOR, "custodial": true, "key": new.verifier().to_string(),
                "note": "more",
            });
            let by = [(OPERATOR, case.log.key(OPERATOR).clone()), ("STIG", new)];
            case.log.signed_by("key.registered", &body, "key:STIG", &by);
        },
    },
];

fn guard(case: &mut Case, agents: &[&str]) {
    case.log
        .signed("guard.changed", &json!({"by": "x"}), "guards", agents);
}

fn signed_by(case: &mut Case, agent: &str, key: SigningKey) {
    case.log.signed_by(
        "guard.changed",
        &json!({"by": agent}),
        "guards",
        &[(agent, key)],
    );
}

fn move_signature(case: &mut Case, from: u64, to: u64) {
    let (moved, own) = (case.signatures(from), case.signatures(to));
    case.edit(to, &own, &moved);
}

fn rotate_to(case: &mut Case, agent: &str, new: fn(&mut Case) -> SigningKey) {
    let old = case.log.key(agent).clone();
    let new = new(case);
    let body = json!({
        "agent": agent, "by": OPERATOR, "custodial": true,
        "key": new.verifier().to_string(), "of": old.verifier().id().to_string(),
    });
    case.log.signed_by(
        "key.rotated",
        &body,
        &format!("key:{agent}"),
        &[(agent, old), (agent, new)],
    );
}
