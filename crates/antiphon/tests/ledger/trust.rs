//! What is said of roots and folders by a trust file, by memory, and at the first look.

use std::path::{Path, PathBuf};

use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN, cosignature, witness};
use serde_json::{Value, json};

use super::place::{Place, append, files};

#[test]
fn a_root_is_sealed_to_its_checkpoint_and_says_so() {
    let place = Place::new();
    let maker = LedgerMaker::journey(300);
    let root = place.root("root", &maker, 280);
    let (codes, verdict) = place.problems(&[root.to_str().unwrap()]);
    assert_eq!(codes, [""; 0]);
    let expected = json!({
        "ok": true, "what": "root", "origin": ORIGIN, "size": 300,
        "root": antiphon_ledger::hash::hex(&maker.tree(280).root()), "checkpoint_size": 280,
        "cosigned_by": [], "pruned": 56, "trust": "first_look", "problem_count": 0, "problems": [],
    });
    assert_eq!(verdict, expected);
    let said = place.ledger(&["verify", "--root", "root"]).done();
    assert!(said.contains("sealed to 280 of 300"), "{said}");
    assert!(said.contains("56 bodies were pruned"), "{said}");
}

#[test]
fn a_root_without_a_checkpoint_is_not_sealed_and_an_export_without_one_is_refused() {
    let place = Place::new();
    let maker = LedgerMaker::journey(20);
    place.root("root", &maker, 0);
    maker.export(&place.path("export"), 20);
    let said = place.ledger(&["verify", "root"]).done();
    assert!(said.contains("not sealed"), "{said}");
    std::fs::remove_file(place.path("export/checkpoint")).unwrap();
    assert_eq!(place.problems(&["export"]).0, ["checkpoint.missing"]);
    for command in [
        &["prove", "3"][..],
        &["checkpoint"],
        &["export", "--to", "out"],
    ] {
        let said = place.ledger(&[command, &["--root", "root"]].concat());
        said.refused(75, "ledger.unsealed");
    }
}

#[test]
fn a38_the_first_look_is_believed_and_said_to_be_and_then_keys_and_head_are_pinned() {
    let place = Place::new();
    let maker = LedgerMaker::journey(30);
    let root = place.root("root", &maker, 30);
    let said = place.ledger(&["verify", "root"]).done();
    let key = maker.keys("log")[0].verifier().to_string();
    assert!(
        said.contains("trusted at first look") && said.contains(&key),
        "{said}"
    );
    let said = place.ledger(&["verify", "root"]).done();
    assert!(!said.contains("first look"), "{said}");

    // The log goes on, and so does what is remembered.
    let longer = LedgerMaker::journey(40);
    append(&root, &longer);
    std::fs::write(root.join("checkpoint"), longer.checkpoint(40)).unwrap();
    let (codes, verdict) = place.problems(&["root"]);
    assert_eq!((codes, &verdict["trust"]), (vec![], &json!("remembered")));

    // A stranger with the same origin, and an older copy of everything.
    let stranger = LedgerMaker::new(ORIGIN, 9);
    place.root("stranger", &stranger, 1);
    let codes = place.problems(&["stranger"]).0;
    assert_eq!(codes, ["head.ahead", "key.untrusted", "key.untrusted"]);
    place.root("older", &maker, 30);
    assert_eq!(place.problems(&["older"]).0, ["head.ahead"]);
    // What was wrong is not remembered.
    assert_eq!(place.problems(&["root"]).0, [""; 0]);
}

#[test]
fn nothing_is_written_inside_of_what_is_verified() {
    let place = Place::new();
    let maker = LedgerMaker::journey(20);
    // Where the verifier keeps its state lies inside of the root.
    let root = place.root("state", &maker, 20);
    let own = |root: &Path| {
        let names = files(root).into_keys();
        let is_own = |name: &PathBuf| !name.to_string_lossy().starts_with("antiphon.db-");
        names.filter(is_own).collect::<Vec<_>>()
    };
    let before = own(&root);
    let said = place.ledger(&["verify", "state"]).done();
    assert!(said.contains("not remembered"), "{said}");
    assert_eq!(own(&root), before);

    let elsewhere = Place::new();
    maker.export(&elsewhere.path("export"), 20);
    let exported = files(&elsewhere.path("export"));
    elsewhere.ledger(&["verify", "export"]).done();
    assert_eq!(files(&elsewhere.path("export")), exported);
    assert_eq!(files(&elsewhere.path("state")).len(), 1);
}

#[test]
fn a37_a_trust_file_is_the_verifiers_own_word() {
    let place = Place::new();
    let maker = LedgerMaker::journey(30);
    maker.export(&place.path("export"), 30);
    let vega = witness("example.com/vega", 7);
    let mut trust = maker.trust(20);
    let verify = |trust: &Value| {
        place.file("trust.json", &trust.to_string());
        place.problems(&["export", "--trust", "trust.json"])
    };
    let (codes, verdict) = verify(&trust);
    assert_eq!((codes, &verdict["trust"]), (vec![], &json!("file")));
    trust["witnesses"] = json!([vega.verifier().to_string()]);
    trust["cosignatures_required"] = json!(1);
    assert_eq!(verify(&trust).0, ["cosignature.missing"]);
    let note = maker.checkpoint(30);
    let cosigned = format!("{note}{}", cosignature(&vega, &note, 7));
    std::fs::write(place.path("export/checkpoint"), cosigned).unwrap();
    let (codes, verdict) = verify(&trust);
    assert_eq!(
        (codes, &verdict["cosigned_by"]),
        (vec![], &json!(["example.com/vega"]))
    );
    let said = place
        .ledger(&["verify", "export", "--trust", "trust.json"])
        .done();
    assert!(
        said.contains("sealed to 30 of 30, cosigned by example.com/vega"),
        "{said}"
    );

    place.file("trust.json", "{}");
    let said = place.ledger(&["verify", "export", "--trust", "trust.json"]);
    said.refused(78, "trust.malformed");
    place
        .ledger(&["verify", "nowhere"])
        .refused(3, "command.not_found");
    place.ledger(&["verify", "."]).refused(2, "command.usage");
}

#[test]
fn f16_f17_the_first_bad_record_of_a_root_is_named_on_any_number_of_threads() {
    let place = Place::new();
    let maker = LedgerMaker::journey(3_000);
    for (name, spoil) in [("edited", 1_702), ("first", 0), ("last", 2_999)] {
        let mut spoiled = maker.clone();
        let envelope = &mut spoiled.records_mut()[spoil].envelope;
        let at = envelope
            .windows(8)
            .position(|it| it == b"\"time\":\"")
            .unwrap()
            + 30;
        envelope[at] ^= 1;
        place.root(name, &spoiled, 0);
        std::fs::write(place.path(name).join("checkpoint"), maker.checkpoint(3_000)).unwrap();
        let verdicts: Vec<Value> = ["1", "2", "5"]
            .iter()
            .map(|threads| place.problems(&[name, "--threads", threads]).1)
            .collect();
        assert!(verdicts.windows(2).all(|pair| pair[0] == pair[1]));
        let first = &verdicts[0]["problems"][0];
        let expected = if spoil == 2_999 {
            ("checkpoint.root", Value::Null)
        } else {
            ("chain.prev", json!(spoil))
        };
        assert_eq!(
            (first["code"].as_str().unwrap(), first["seq"].clone()),
            expected,
            "{name}"
        );
        let said = place.ledger(&["verify", name]);
        assert_eq!(said.code, 5);
        assert!(said.out.contains(expected.0), "{said:?}");
    }
}

#[test]
fn a_body_that_is_no_canonical_json_is_named_unless_only_hashes_are_checked() {
    let place = Place::new();
    let mut maker = LedgerMaker::new(ORIGIN, 1);
    // Keys of a map stand in their order; here serde_json keeps the text as it is.
    let text: Box<serde_json::value::RawValue> = serde_json::from_str("{\"b\":1,\"a\":2}").unwrap();
    maker.unsigned_text("run.settled", text.get());
    maker.export(&place.path("export"), 2);
    assert_eq!(place.problems(&["export"]).0, ["body.canonical"]);
    assert_eq!(place.problems(&["export", "--hashes-only"]).0, [""; 0]);
}
