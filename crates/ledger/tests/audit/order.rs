//! Of many things that are wrong, which is told first; and what single records may not be.

use antiphon_ledger::signature::OWNER;
use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN};

use super::*;

#[test]
fn findings_are_told_in_the_order_of_the_reference() {
    let mut maker = LedgerMaker::journey(300);
    let trust = LedgerMaker::new(ORIGIN, 9).trust(1);
    let checkpoint = maker.checkpoint(300);
    maker.records_mut()[31].body.as_mut().unwrap()[20] ^= 1;
    let envelope = &mut maker.records_mut()[28].envelope;
    let elapsed = envelope.windows(10).position(|it| it == b"\"elapsed\":");
    envelope[elapsed.unwrap() + 10] ^= 1;
    let mut auditor = Auditor::new(Terms {
        trust: Some(parsed(&trust)),
        checkpoint: Some(checkpoint.as_bytes()),
        is_checkpoint_required: true,
    });
    for record in maker.records() {
        auditor.record(&record.envelope, record.body.as_deref());
    }
    auditor.bytes_behind(false);
    auditor.verify_tiles(|_, _| None);
    auditor.verify_partial_tiles(|_, _, _| Some(Vec::new()));
    let found = told(&auditor.finish());
    let codes: Vec<_> = found.iter().map(|it| it.0).collect();
    assert_eq!(
        codes,
        [
            "chain.prev",
            "body.hash",
            "envelope.malformed",
            "checkpoint.root",
            "tile.missing",
            "tile.mismatch",
            "tile.mismatch",
            "head.fork",
            "key.untrusted",
            "key.untrusted",
        ][..]
            .to_vec()
    );
}

#[test]
fn a_revocation_tells_of_earlier_records_where_it_stands() {
    let mut maker = LedgerMaker::new(ORIGIN, 1);
    maker.register("FINN");
    maker.guard_changed("FINN");
    maker.unsigned("guard.changed", &serde_json::json!({}));
    maker.revoke("FINN", 2);
    maker.unsigned("task.changed", &serde_json::json!({}));
    assert_eq!(
        told(&audit(&maker, None)),
        [
            ("signature.missing", Some(3)),
            ("signature.key", Some(2)),
            ("signature.missing", Some(5)),
        ]
    );
}

#[test]
fn g17_pruned_bodies_are_counted_and_those_that_are_kept_are_missed() {
    let mut maker = LedgerMaker::new(ORIGIN, 1);
    maker.guard_changed(OWNER);
    maker.plain();
    maker.unsigned("snapshot.taken", &serde_json::json!({}));
    for (seq, expected) in [
        (0, Some("body.pruned")),
        (1, Some("body.pruned")),
        (2, None),
        (3, Some("body.pruned")),
    ] {
        let mut pruned = maker.clone();
        pruned.prune(seq);
        let audit = audit(&pruned, None);
        let expected = expected.map(|code| (code, Some(seq)));
        assert_eq!(told(&audit).first().copied(), expected, "{seq}");
        assert_eq!(audit.pruned, 1);
    }
}

#[test]
fn a_missing_or_malformed_checkpoint_is_told_first() {
    let maker = LedgerMaker::journey(20);
    let check = |checkpoint: Option<&str>, expected: &str| {
        let audit = audit_with(&maker, None, checkpoint);
        assert_eq!(told(&audit), [(expected, None)]);
        assert_eq!((audit.size, audit.checkpoint_size), (20, None));
    };
    let good = maker.checkpoint(20);
    check(None, "checkpoint.missing");
    check(Some(""), "checkpoint.malformed");
    check(Some(good.trim_end()), "checkpoint.malformed");
    check(
        Some(&good.replace("\n20\n", "\n020\n")),
        "checkpoint.malformed",
    );
    check(
        Some(&good.replace("\n\n", "\nextension\n\n")),
        "checkpoint.malformed",
    );
    check(
        Some(&good.replace("\n20\n", "\n9007199254740992\n")),
        "checkpoint.malformed",
    );
}
