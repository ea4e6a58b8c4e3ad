//! Records about keys and about the log are written by the core and read by the ledger, which know
//! nothing of each other: here both are held together.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;

use antiphon_core::record::{Body, FirstKey, KeyRegistered, KeyRevoked, KeyRotated, LogCreated};
use antiphon_ledger::audit::{Audit, Auditor, Terms};
use antiphon_ledger::hash::SALT_BYTES;
use antiphon_ledger::signature::{LOG, OPERATOR, OWNER, RECOVERY, SIGNED_KINDS};
use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN};

fn audit(maker: &LedgerMaker) -> Audit {
    let mut auditor = Auditor::new(Terms::default());
    for record in maker.records() {
        auditor.record(&record.envelope, record.body.as_deref());
    }
    auditor.finish()
}

fn json(body: &Body) -> serde_json::Value {
    let mut bytes = Vec::new();
    body.encode(&mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn what_the_core_writes_about_keys_is_what_the_ledger_reads() {
    let mut maker = LedgerMaker::without_records(ORIGIN, 1);
    let key = |maker: &LedgerMaker, agent: &str| {
        let text = maker.key(agent).verifier().to_string();
        antiphon_core::key::KeyText::new(&text).unwrap()
    };
    let first = |agent: &str| FirstKey {
        agent: agent.to_owned().try_into().unwrap(),
        custodial: agent != RECOVERY,
        key: key(&maker, agent),
    };
    let created = Body::LogCreated(Box::new(LogCreated {
        format: 1,
        id: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
        keys: [LOG, OPERATOR, OWNER, RECOVERY].map(first).into(),
        origin: ORIGIN.to_owned(),
        version: "1.0.0".to_owned(),
    }));
    maker.unsigned(created.kind(), &json(&created));

    // A name that needs an escape in JSON is written alike by both.
    let by = "ada \"\u{7}\u{7f}\u{20ac}\"".to_owned();
    let (agent, custodial) = ("FINN".to_owned().try_into().unwrap(), false);
    let new = maker.new_key("FINN");
    maker.hold("FINN", new);
    let registered = Body::KeyRegistered(Box::new(KeyRegistered {
        agent,
        by: by.clone(),
        custodial,
        key: key(&maker, "FINN"),
    }));
    let (kind, body) = (registered.kind(), json(&registered));
    maker.signed(kind, &body, "key:FINN", &[OPERATOR, "FINN"]);

    let old = maker.key("FINN").clone();
    let new = maker.new_key("FINN");
    maker.hold("FINN", new.clone());
    let rotated = Body::KeyRotated(Box::new(KeyRotated {
        agent: "FINN".to_owned().try_into().unwrap(),
        by: by.clone(),
        custodial,
        key: key(&maker, "FINN"),
        of: antiphon_core::key::KeyId::new(&old.verifier().id().to_string()).unwrap(),
    }));
    let signers = [("FINN", old), ("FINN", new.clone())];
    maker.signed_by(rotated.kind(), &json(&rotated), "key:FINN", &signers);

    let old = new;
    let new = maker.new_key("FINN");
    maker.hold("FINN", new.clone());
    let revoked = Body::KeyRevoked(Box::new(KeyRevoked {
        agent: "FINN".to_owned().try_into().unwrap(),
        by,
        custodial,
        from_seq: Some(3),
        key: key(&maker, "FINN"),
        of: antiphon_core::key::KeyId::new(&old.verifier().id().to_string()).unwrap(),
        reason: String::new(),
    }));
    let signers = [(RECOVERY, maker.key(RECOVERY).clone()), ("FINN", new)];
    maker.signed_by(revoked.kind(), &json(&revoked), "key:FINN", &signers);
    maker.guard_changed("FINN");
    assert_eq!(audit(&maker).findings, []);
}

#[test]
fn what_the_reference_says_about_keys_and_logs_is_what_the_core_reads() {
    let maker = LedgerMaker::journey(20);
    assert_eq!(audit(&maker).findings, []);
    let mut kinds = BTreeSet::new();
    for record in maker.records() {
        let envelope = antiphon_ledger::envelope::Envelope::decode(&record.envelope).unwrap();
        let kind = envelope.kind;
        if !kind.starts_with("key.") && !kind.starts_with("log.") {
            continue;
        }
        kinds.insert(kind.to_owned());
        let json = &record.body.as_ref().unwrap()[SALT_BYTES..];
        let body = Body::decode(kind, 1, json).unwrap();
        let mut again = Vec::new();
        body.encode(&mut again).unwrap();
        assert_eq!(again, json, "{kind}");
    }
    let expected = [
        "key.registered",
        "key.revoked",
        "key.rotated",
        "log.created",
        "log.cut",
        "log.restored",
    ];
    assert_eq!(
        kinds.iter().collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
}

#[test]
fn both_sign_the_same_kinds() {
    let known: BTreeSet<&str> = Body::KINDS.iter().copied().collect();
    assert!(SIGNED_KINDS.iter().all(|kind| known.contains(kind)));
    let samples = include_str!("../../core/tests/golden/records.txt");
    let mut signed = BTreeSet::new();
    let mut unsigned = BTreeSet::new();
    for line in samples.lines() {
        let mut parts = line.splitn(3, ' ');
        let (kind, version, json) = (parts.next().unwrap(), parts.next().unwrap(), parts.next());
        let json = json.unwrap().as_bytes();
        let body = Body::decode(kind, version.parse().unwrap(), json).unwrap();
        let is_signed = body.signed_subject().is_some();
        if is_signed {
            &mut signed
        } else {
            &mut unsigned
        }
        .insert(kind);
    }
    assert_eq!(signed, SIGNED_KINDS.into_iter().collect());
    assert_eq!(
        signed.union(&unsigned).copied().collect::<BTreeSet<_>>(),
        known
    );
}
