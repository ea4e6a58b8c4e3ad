//! Histories that were cut, rolled back, forked, rewritten or signed by others.

use antiphon_ledger::signature::{LOG, OWNER, RECOVERY};
use antiphon_testkit::ledger_maker::{
    LedgerMaker, ORIGIN, cosignature, signed_checkpoint, witness,
};
use serde_json::json;

use super::*;

#[test]
fn an_intact_log_is_sealed_and_stated_as_it_is() {
    let maker = LedgerMaker::journey(300);
    for head in [0, 1, 17, 256, 300] {
        let audit = audit(&maker, Some(&maker.trust(head)));
        assert_eq!(told(&audit), [], "{head}");
        assert_eq!(
            (audit.size, audit.checkpoint_size, audit.pruned),
            (300, Some(300), 56)
        );
        assert_eq!(audit.root, maker.tree(300).root());
        assert_eq!(audit.checkpoint_root, Some(audit.root));
        assert_eq!(audit.origin.as_deref(), Some(ORIGIN));
    }
}

#[test]
fn records_beyond_the_checkpoint_are_chained_and_not_sealed() {
    let maker = LedgerMaker::journey(40);
    for size in [1, 20, 39, 40] {
        // The newest key is the log's from record 9 on.
        let key = &maker.keys(LOG)[usize::from(size > 8)];
        let checkpoint = signed_checkpoint(ORIGIN, &maker.tree(size).head(), &[key]);
        let audit = audit_with(&maker, None, Some(&checkpoint));
        assert_eq!(told(&audit), [], "{size}");
        assert_eq!((audit.size, audit.checkpoint_size), (40, Some(size)));
        assert_eq!(audit.checkpoint_root, Some(maker.tree(size).root()));
    }
}

#[test]
fn a_checkpoint_is_signed_by_the_key_that_is_valid_at_its_size() {
    let maker = LedgerMaker::journey(20);
    let [old, new] = maker.keys(LOG) else {
        panic!("the journey rotates the log's key once")
    };
    let check = |size: u64, keys: &[&antiphon_ledger::key::SigningKey], is_good: bool| {
        let checkpoint = signed_checkpoint(ORIGIN, &maker.tree(size).head(), keys);
        let found = told(&audit_with(&maker, None, Some(&checkpoint)));
        let expected: &[_] = if is_good {
            &[]
        } else {
            &[("checkpoint.signature", None)]
        };
        assert_eq!(found, expected, "{size}");
    };
    // The rotation is record 8; for a day both sign, and the new one counts.
    check(8, &[old], true);
    check(8, &[new], false);
    for size in [9, 20] {
        check(size, &[new], true);
        check(size, &[new, old], true);
        check(size, &[old], false);
        check(size, &[maker.key(OWNER)], false);
    }
}

#[test]
fn what_was_trusted_is_remembered_and_a_first_look_trusts_the_logs_own_first_keys() {
    let maker = LedgerMaker::journey(30);
    let first = audit(&maker, None);
    let remembered = first.trust.unwrap();
    assert_eq!(remembered, parsed(&maker.trust(30)));
    let mut longer = LedgerMaker::journey(33);
    let again = audit(
        &longer,
        Some(&serde_json::from_str(&remembered.to_json()).unwrap()),
    );
    assert_eq!(told(&again), []);
    assert_eq!(again.trust.unwrap(), parsed(&longer.trust(33)));
    let checkpoint = longer.checkpoint(33);
    longer.records_mut().pop();
    let cut = audit_with(&longer, Some(&maker.trust(30)), Some(&checkpoint));
    assert_eq!(cut.trust, None, "something is wrong");
    let shorter = audit(&LedgerMaker::journey(29), Some(&maker.trust(20)));
    assert_eq!(
        shorter.trust.unwrap(),
        parsed(&LedgerMaker::journey(29).trust(29))
    );
}

#[test]
fn a34_f20_a_log_that_was_rolled_back_is_refused_by_whoever_saw_more() {
    let longer = LedgerMaker::journey(60);
    for size in [20, 59] {
        let older = LedgerMaker::journey(size);
        let found = told(&audit(&older, Some(&longer.trust(60))));
        assert_eq!(found, [("head.ahead", None)], "{size}");
    }
}

#[test]
fn a35_f19_a_fork_is_refused_by_whoever_saw_the_other_branch() {
    let ours = LedgerMaker::journey(40);
    let mut theirs = LedgerMaker::journey(25);
    theirs.guard_changed(OWNER);
    while theirs.size() < 50 {
        theirs.plain();
    }
    assert_eq!(told(&audit(&theirs, Some(&ours.trust(25)))), []);
    for head in [26, 27, 40] {
        let found = told(&audit(&theirs, Some(&ours.trust(head))));
        assert_eq!(found, [("head.fork", None)], "{head}");
    }
}

#[test]
fn f17_a_log_that_ends_before_its_checkpoint_is_named_where_it_ends() {
    let maker = LedgerMaker::journey(40);
    let checkpoint = maker.checkpoint(40);
    for kept in [0, 1, 25, 39] {
        let mut cut = maker.clone();
        cut.records_mut().truncate(kept);
        let found = told(&audit_with(&cut, Some(&maker.trust(20)), Some(&checkpoint)));
        assert_eq!(found[0], ("checkpoint.size", Some(kept as u64)), "{kept}");
    }
}

#[test]
fn f18_a_log_that_was_edited_and_chained_again_without_the_key_is_refused() {
    let maker = LedgerMaker::journey(40);
    let checkpoint = maker.checkpoint(40);
    for edited in [19, 22, 39] {
        let mut forged = maker.clone();
        let other = LedgerMaker::journey(41).records()[40].clone();
        forged.records_mut()[edited] = other;
        forged.chain_again(edited as u64);
        let found = told(&audit_with(&forged, None, Some(&checkpoint)));
        assert_eq!(found, [("checkpoint.root", None)], "{edited}");
        // With a checkpoint of his own the forger is a stranger.
        let key = LedgerMaker::new(ORIGIN, 9).key(LOG).clone();
        let own = signed_checkpoint(ORIGIN, &forged.tree(40).head(), &[&key]);
        let found = told(&audit_with(&forged, None, Some(&own)));
        assert_eq!(found, [("checkpoint.signature", None)], "{edited}");
    }
}

#[test]
fn a37_f25_a_history_rewritten_with_the_stolen_key_is_refused_by_a_head_and_by_a_witness() {
    let maker = LedgerMaker::journey(40);
    let mut forged = LedgerMaker::journey(30);
    while forged.size() < 40 {
        forged.guard_changed(OWNER);
    }
    // Whoever has seen nothing cannot tell.
    assert_eq!(told(&audit(&forged, Some(&maker.trust(30)))), []);
    assert_eq!(
        told(&audit(&forged, Some(&maker.trust(31)))),
        [("head.fork", None)]
    );
    let vega = witness("example.com/vega", 7);
    let mut trust = maker.trust(30);
    trust["witnesses"] = json!([vega.verifier().to_string()]);
    trust["cosignatures_required"] = json!(1);
    assert_eq!(
        told(&audit(&forged, Some(&trust))),
        [("cosignature.missing", None)]
    );
    // Nor does a cosignature that was made for the other history help.
    let seen = maker.checkpoint(40);
    let moved = format!("{}{}", forged.checkpoint(40), cosignature(&vega, &seen, 5));
    let found = told(&audit_with(&forged, Some(&trust), Some(&moved)));
    assert_eq!(
        found,
        [
            ("checkpoint.signature", None),
            ("cosignature.missing", None)
        ]
    );
    let good = format!("{seen}{}", cosignature(&vega, &seen, 5));
    let audit = audit_with(&maker, Some(&trust), Some(&good));
    assert_eq!(
        (told(&audit), audit.cosigned_by),
        (vec![], vec!["example.com/vega".to_owned()])
    );
}

#[test]
fn a_witness_counts_once_however_often_it_cosigned_or_is_named() {
    let maker = LedgerMaker::journey(20);
    let (vega, other) = (witness("vega", 7), witness("other", 8));
    let mut trust = maker.trust(20);
    let named = [&vega, &vega, &other].map(|witness| witness.verifier().to_string());
    trust["witnesses"] = json!(named);
    trust["cosignatures_required"] = json!(2);
    let note = maker.checkpoint(20);
    let (one, again) = (cosignature(&vega, &note, 5), cosignature(&vega, &note, 6));
    let found = told(&audit_with(
        &maker,
        Some(&trust),
        Some(&format!("{note}{one}{again}")),
    ));
    assert_eq!(found, [("cosignature.missing", None)]);
    let both = format!("{note}{one}{}", cosignature(&other, &note, 6));
    let audit = audit_with(&maker, Some(&trust), Some(&both));
    assert_eq!(
        (told(&audit), audit.cosigned_by),
        (vec![], vec!["other".to_owned(), "vega".to_owned()])
    );
    // Cosignatures that are asked for cannot be had without a checkpoint.
    let mut auditor = Auditor::new(Terms {
        trust: Some(parsed(&trust)),
        ..Terms::default()
    });
    let record = &maker.records()[0];
    auditor.record(&record.envelope, record.body.as_deref());
    assert_eq!(told(&auditor.finish())[0], ("checkpoint.missing", None));
}

#[test]
fn a38_origin_and_keys_are_those_that_the_verifier_trusts_whatever_the_log_says() {
    let (maker, other) = (
        LedgerMaker::journey(20),
        LedgerMaker::new("example.com/other", 3),
    );
    let mut renamed = LedgerMaker::new(ORIGIN, 3);
    renamed.plain();
    // A log that is whole in itself, of another origin.
    assert_eq!(told(&audit(&other, None)), []);
    let found = told(&audit(&other, Some(&maker.trust(0))));
    assert_eq!(found[0], ("checkpoint.origin", None));
    assert!(found.contains(&("key.untrusted", None)), "{found:?}");
    // And one that bears the trusted origin, with keys of its own.
    assert_eq!(told(&audit(&renamed, None)), []);
    assert_eq!(
        told(&audit(&renamed, Some(&maker.trust(0)))),
        [("key.untrusted", None), ("key.untrusted", None)]
    );
    // The checkpoint of one, the records of the other.
    let found = told(&audit_with(&other, None, Some(&maker.checkpoint(1))));
    assert_eq!(found[0], ("key.malformed", Some(0)));
}

#[test]
fn trusted_keys_are_compared_at_their_place() {
    let maker = LedgerMaker::journey(30);
    let check = |key: usize, recovery: usize, key_size: u64, is_good: bool| {
        let mut trust = maker.trust(30);
        trust["log_key"] = json!(maker.keys(LOG)[key].verifier().to_string());
        trust["recovery_key"] = json!(maker.keys(RECOVERY)[recovery].verifier().to_string());
        trust["key_size"] = json!(key_size);
        let found = told(&audit(&maker, Some(&trust)));
        assert_eq!(found.is_empty(), is_good, "{found:?}");
        assert!(
            found.iter().all(|it| *it == ("key.untrusted", None)),
            "{found:?}"
        );
    };
    // The log's key is rotated at record 8, the recovery key at 15.
    check(0, 0, 0, true);
    check(0, 0, 8, true);
    check(1, 0, 9, true);
    check(1, 1, 16, true);
    check(1, 1, 30, true);
    check(0, 0, 9, false);
    check(1, 0, 8, false);
    check(1, 0, 16, false);
    check(1, 1, 31, false);
    let mut none = maker.trust(30);
    none.as_object_mut().unwrap().remove("recovery_key");
    assert_eq!(told(&audit(&maker, Some(&none))), []);
}

#[test]
fn a36_the_empty_log_is_trusted_by_nobody() {
    let empty = LedgerMaker::without_records(ORIGIN, 1);
    let found = told(&audit(&empty, Some(&empty.trust(0))));
    assert_eq!(
        found,
        [
            ("key.untrusted", None),
            ("key.untrusted", None),
            ("checkpoint.signature", None)
        ]
    );
}
