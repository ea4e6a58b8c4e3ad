//! Keys that come and go: at every place of the log, which signatures are good.

use antiphon_ledger::signature::{LOG, OPERATOR, OWNER, RECOVERY};
use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN};
use serde_json::{Value, json};

use super::*;

fn maker() -> LedgerMaker {
    LedgerMaker::new(ORIGIN, 1)
}

/// A log in which FINN has had three keys: registered at 1, rotated at 4, revoked at 8 from 6 on.
fn three_keys(signs: impl Fn(&mut LedgerMaker, u64)) -> LedgerMaker {
    let mut maker = maker();
    for seq in 1..12 {
        match seq {
            1 => maker.register("FINN"),
            4 => maker.rotate("FINN"),
            8 => maker.revoke("FINN", 6),
            _ => {
                let before = maker.size();
                signs(&mut maker, seq);
                if maker.size() == before {
                    maker.plain();
                }
                seq
            }
        };
    }
    maker
}

/// What is said when the key of FINN that is the `nth`, from 0, signs the record at `seq`.
fn check(nth: usize, seq: u64, expected: Option<&'static str>) {
    let key = three_keys(|_, _| ()).keys("FINN")[nth].clone();
    let maker = three_keys(|maker, at| {
        if at == seq {
            let body = json!({"by": "FINN", "guards": {}});
            maker.signed_by("guard.changed", &body, "guards", &[("FINN", key.clone())]);
        }
    });
    let expected: Vec<_> = expected.iter().map(|code| (*code, Some(seq))).collect();
    assert_eq!(told(&audit(&maker, None)), expected, "key {nth} at {seq}");
}

#[test]
fn a_key_is_valid_behind_what_brings_it_and_up_to_what_ends_it() {
    for seq in [2, 3] {
        check(0, seq, None);
        check(1, seq, Some("key.unknown"));
        check(2, seq, Some("key.unknown"));
    }
    check(0, 5, Some("signature.key"));
    check(1, 5, None);
    check(2, 5, Some("key.unknown"));
    for seq in [9, 10, 11] {
        check(0, seq, Some("signature.key"));
        check(1, seq, Some("signature.key"));
        check(2, seq, None);
    }
}

#[test]
fn a37_f25_what_a_revoked_key_signed_from_the_place_of_its_revocation_on_is_refused() {
    check(0, 6, Some("signature.key"));
    check(1, 6, Some("signature.key"));
    check(1, 7, Some("signature.key"));
    check(2, 7, Some("key.unknown"));
}

#[test]
fn f24_at_every_place_exactly_one_key_of_an_agent_is_valid_or_none() {
    let maker = three_keys(|_, _| ());
    let mut auditor = Auditor::new(Terms::default());
    for record in maker.records() {
        auditor.record(&record.envelope, record.body.as_deref());
        let size = auditor.tree().size();
        let keyring = auditor.keyring();
        for place in 0..size + 3 {
            let valid = |agent| {
                let of_agent = keyring.tenures().iter().filter(|it| it.agent == agent);
                of_agent.filter(|it| it.is_valid_at(place)).count()
            };
            assert_eq!(valid(LOG), 1, "{place} of {size}");
            assert!(valid("FINN") <= 1, "{place} of {size}");
        }
        // Of the next record, whatever comes: the newest key alone is valid.
        assert_eq!(keyring.valid_at("FINN", size).is_some(), size > 1, "{size}");
    }
    let keys = maker.keys("FINN");
    let valid = |place| {
        let tenure = auditor.keyring().valid_at("FINN", place)?;
        keys.iter().position(|key| *key.verifier() == tenure.key)
    };
    let expected = [
        None,
        None,
        Some(0),
        Some(0),
        Some(0),
        Some(1),
        None,
        None,
        None,
        Some(2),
        Some(2),
    ];
    for (place, nth) in (0..).zip(expected) {
        assert_eq!(valid(place), nth, "{place}");
    }
    let states: Vec<_> = auditor
        .keyring()
        .tenures()
        .iter()
        .filter(|it| it.agent == "FINN")
        .collect();
    assert_eq!(
        states.iter().map(|it| it.is_revoked).collect::<Vec<_>>(),
        [false, true, false]
    );
}

/// What is said of a record of `kind` that only the newest keys of `agents` sign.
fn check_signers(kind: &str, subject: &str, agents: &[&str], expected: Option<&'static str>) {
    check_signers_of(maker(), kind, subject, agents, expected);
}

fn check_signers_of(
    mut maker: LedgerMaker,
    kind: &str,
    subject: &str,
    agents: &[&str],
    expected: Option<&'static str>,
) {
    maker.register("FINN");
    let body = json!({"epoch": 1});
    let seq = maker.signed(kind, &body, subject, agents);
    let expected: Vec<_> = expected.iter().map(|code| (*code, Some(seq))).collect();
    assert_eq!(told(&audit(&maker, None)), expected, "{kind} by {agents:?}");
}

#[test]
fn exactly_the_kinds_of_the_reference_are_signed_by_whom_they_must_be() {
    let missing = Some("signature.missing");
    for (kind, subject) in [
        ("config.applied", "policy:00"),
        ("guard.changed", "guards"),
        ("task.changed", "task:dream"),
        ("ask.answered", "ask:1"),
    ] {
        for agent in [OWNER, OPERATOR, "FINN"] {
            check_signers(kind, subject, &[agent], None);
        }
        check_signers(kind, subject, &[LOG], missing);
        check_signers(kind, subject, &[RECOVERY], missing);
        check_signers(
            kind,
            subject,
            &[OWNER, "FINN"],
            Some("signature.unexpected"),
        );
        check_signers(kind, subject, &[], missing);
        check_signers(kind, "other", &[OWNER], Some("signature.invalid"));
    }
    for kind in ["log.cut", "log.restored"] {
        check_signers(kind, "log", &[RECOVERY], None);
        check_signers(kind, "log", &[OWNER], missing);
        check_signers(
            kind,
            "log",
            &[RECOVERY, OWNER],
            Some("signature.unexpected"),
        );
        check_signers(kind, "logs", &[RECOVERY], Some("signature.invalid"));
        let without_recovery = || {
            let mut maker = LedgerMaker::without_records(ORIGIN, 1);
            let mut created = maker.created();
            created["keys"].as_array_mut().unwrap().pop();
            maker.unsigned("log.created", &created);
            maker
        };
        check_signers_of(without_recovery(), kind, "log", &[OWNER], None);
        check_signers_of(without_recovery(), kind, "log", &[OPERATOR], missing);
        let unknown = Some("key.unknown");
        check_signers_of(without_recovery(), kind, "log", &[RECOVERY], unknown);
    }
    for kind in [
        "signal.accepted",
        "run.settled",
        "owner.started",
        "snapshot.taken",
    ] {
        check_signers(kind, "run", &[OWNER], Some("signature.unexpected"));
        check_signers(kind, "run", &[], None);
    }
}

#[test]
fn events_about_keys_are_signed_by_the_keys_that_they_name() {
    let signed = |kind: &str, of: &str, signers: &[&'static str], with_new: bool| {
        let mut maker = maker();
        maker.register("FINN");
        let (old, new) = (maker.key("FINN").clone(), maker.new_key("FINN"));
        let agent = if kind == "key.registered" {
            "STIG"
        } else {
            "FINN"
        };
        let new = if agent == "STIG" {
            maker.new_key("STIG")
        } else {
            new
        };
        let mut body = json!({
            "agent": agent, "by": "operator", "custodial": true, "key": new.verifier().to_string(),
        });
        if kind != "key.registered" {
            body["of"] = json!(old.verifier().id().to_string());
        }
        if kind == "key.revoked" {
            body["from_seq"] = json!(2);
            body["reason"] = json!("lost");
        }
        let mut keys: Vec<_> = signers
            .iter()
            .map(|it| (*it, maker.key(it).clone()))
            .collect();
        if with_new {
            keys.push((agent, new));
        }
        let subject = format!("{of}{agent}");
        maker.signed_by(kind, &body, &subject, &keys);
        told(&audit(&maker, None)).first().map(|it| it.0)
    };
    let missing = Some("signature.missing");
    for (kind, signer) in [
        ("key.registered", OPERATOR),
        ("key.rotated", "FINN"),
        ("key.revoked", RECOVERY),
    ] {
        assert_eq!(signed(kind, "key:", &[signer], true), None, "{kind}");
        assert_eq!(signed(kind, "key:", &[signer], false), missing, "{kind}");
        assert_eq!(signed(kind, "key:", &[], true), missing, "{kind}");
        assert_eq!(signed(kind, "key:", &[OWNER], true), missing, "{kind}");
        assert_eq!(
            signed(kind, "", &[signer], true),
            Some("signature.invalid"),
            "{kind}"
        );
        let both = [OPERATOR, RECOVERY, "FINN"];
        assert_eq!(
            signed(kind, "key:", &both, true),
            Some("signature.unexpected"),
            "{kind}"
        );
    }
}

/// What is said of an event about keys whose body was changed before it was signed.
fn check_event(change: impl Fn(&mut Value, &LedgerMaker), rotates: bool, expected: Option<&str>) {
    let mut maker = maker();
    maker.register("FINN");
    maker.register("STIG");
    let (old, new) = (maker.key("FINN").clone(), maker.new_key("FINN"));
    let mut body = json!({
        "agent": "FINN", "by": "operator", "custodial": true, "key": new.verifier().to_string(),
        "of": old.verifier().id().to_string(),
    });
    if !rotates {
        body["from_seq"] = json!(3);
        body["reason"] = json!("lost");
    }
    change(&mut body, &maker);
    let (kind, by) = if rotates {
        ("key.rotated", "FINN")
    } else {
        ("key.revoked", RECOVERY)
    };
    let signers = [(by, maker.key(by).clone()), ("FINN", new)];
    maker.signed_by(kind, &body, "key:FINN", &signers);
    let found = told(&audit(&maker, None));
    assert_eq!(found.first().map(|it| it.0), expected, "{body}");
}

#[test]
fn an_event_about_keys_that_makes_no_sense_is_refused() {
    let malformed = Some("key.malformed");
    for rotates in [true, false] {
        check_event(|_, _| (), rotates, None);
        check_event(
            |body, _| body["agent"] = json!("NOBODY"),
            rotates,
            malformed,
        );
        check_event(|body, _| body["agent"] = json!("STIG"), rotates, malformed);
        check_event(|body, _| body["custodial"] = json!(1), rotates, malformed);
        check_event(|body, _| body["more"] = json!(1), rotates, malformed);
        check_event(
            |body, _| drop(body.as_object_mut().unwrap().remove("by")),
            rotates,
            malformed,
        );
        check_event(|body, _| body["of"] = json!("00000000"), rotates, malformed);
        check_event(|body, _| body["of"] = json!("x"), rotates, malformed);
        check_event(|body, _| body["key"] = json!("x"), rotates, malformed);
        // A key that the log has had, even another agent's, and the recovery key's name.
        check_event(
            |body, maker| body["key"] = json!(maker.key("FINN").verifier().to_string()),
            rotates,
            malformed,
        );
        check_event(
            |body, maker| body["key"] = json!(maker.key("STIG").verifier().to_string()),
            rotates,
            malformed,
        );
    }
    for (from_seq, expected) in [
        (0, malformed),
        (1, malformed),
        (2, None),
        (3, None),
        (4, malformed),
    ] {
        check_event(
            |body, _| body["from_seq"] = json!(from_seq),
            false,
            expected,
        );
    }
}

#[test]
fn agents_are_registered_once_and_log_and_recovery_never() {
    for agent in [LOG, RECOVERY, OWNER, OPERATOR, "FINN"] {
        let mut maker = maker();
        maker.register("FINN");
        maker.register(agent);
        assert_eq!(
            told(&audit(&maker, None))[0],
            ("key.malformed", Some(2)),
            "{agent}"
        );
    }
}

#[test]
fn the_recovery_key_is_rotated_and_never_revoked() {
    let mut maker = maker();
    maker.rotate(RECOVERY);
    maker.register("FINN");
    maker.revoke("FINN", 3);
    assert_eq!(told(&audit(&maker, None)), []);
    maker.revoke(RECOVERY, 3);
    assert_eq!(told(&audit(&maker, None))[0], ("key.malformed", Some(4)));
}

#[test]
fn a_log_begins_with_the_keys_of_its_first_agents_and_only_once() {
    let begun = |change: &dyn Fn(&mut Value)| {
        let mut maker = LedgerMaker::without_records(ORIGIN, 1);
        let mut body = maker.created();
        change(&mut body);
        maker.unsigned("log.created", &body);
        told(&audit(&maker, None)).first().copied()
    };
    let malformed = Some(("key.malformed", Some(0)));
    assert_eq!(begun(&|_| ()), None);
    assert_eq!(
        begun(&|body| drop(body["keys"].as_array_mut().unwrap().pop())),
        None,
        "no recovery"
    );
    assert_eq!(
        begun(&|body| drop(body["keys"].as_array_mut().unwrap().remove(0))),
        malformed
    );
    assert_eq!(
        begun(&|body| body["keys"].as_array_mut().unwrap().swap(0, 1)),
        malformed
    );
    assert_eq!(
        begun(&|body| body["keys"][1] = body["keys"][2].clone()),
        malformed
    );
    assert_eq!(begun(&|body| body["format"] = json!(2)), malformed);
    assert_eq!(
        begun(&|body| body["origin"] = json!("example.com/other")),
        malformed
    );

    let mut again = maker();
    again.unsigned("log.created", &again.created());
    assert_eq!(told(&audit(&again, None)), [("key.malformed", Some(1))]);
    let mut none = LedgerMaker::without_records(ORIGIN, 1);
    none.plain();
    assert_eq!(told(&audit(&none, None))[0], ("key.malformed", Some(0)));
}

#[test]
fn a_moved_signature_fits_nowhere_else() {
    let mut maker = maker();
    let seq = maker.guard_changed(OWNER);
    let moved = |kind: &str, body: &Value| {
        let mut other = maker.clone();
        let sig = {
            let record = &maker.records()[usize::try_from(seq).unwrap()];
            let envelope = antiphon_ledger::envelope::Envelope::decode(&record.envelope).unwrap();
            envelope.sig.unwrap().to_owned()
        };
        let at = other.unsigned(kind, body);
        let stored = &mut other.records_mut()[usize::try_from(at).unwrap()];
        let mut envelope = antiphon_ledger::envelope::Envelope::decode(&stored.envelope).unwrap();
        envelope.sig = Some(&sig);
        let mut bytes = Vec::new();
        envelope.encode_into(&mut bytes).unwrap();
        stored.envelope = bytes;
        told(&audit(&other, None)).first().copied()
    };
    // The same body, but its salt is that of another place.
    let body = json!({"by": OWNER, "guards": {}, "of": seq});
    assert_eq!(
        moved("guard.changed", &body),
        Some(("signature.invalid", Some(2)))
    );
    assert_eq!(
        moved("task.changed", &body),
        Some(("signature.invalid", Some(2)))
    );
    assert_eq!(
        moved("run.settled", &body),
        Some(("signature.unexpected", Some(2)))
    );
}

#[test]
fn a14_what_a_key_signed_counts_once() {
    let mut maker = maker();
    maker.register("FINN");
    let first = maker.guard_changed("FINN");
    let asked = maker.ask_answered(OPERATOR);
    let (second, third) = (maker.replay(first), maker.replay(asked));
    let rotated = maker.rotate("FINN");
    let late = maker.replay(first);
    assert_eq!(
        told(&audit(&maker, None)),
        [
            ("signature.replayed", Some(second)),
            ("signature.replayed", Some(third)),
            ("signature.key", Some(late)),
        ]
    );
    // That it came again is no second signature of the key's, which its revocation would refuse.
    let mut maker = maker_up_to(&maker, rotated);
    maker.revoke("FINN", second);
    let revoked = told(&audit(&maker, None));
    assert_eq!(
        revoked,
        [
            ("signature.replayed", Some(second)),
            ("signature.replayed", Some(third)),
        ]
    );
}

/// The log as it stands before the record at `size`.
fn maker_up_to(maker: &LedgerMaker, size: u64) -> LedgerMaker {
    let mut shorter = self::maker();
    shorter.register("FINN");
    let records = maker.records().iter().take(usize::try_from(size).unwrap());
    *shorter.records_mut() = records.cloned().collect();
    shorter
}
