//! Two histories of one log, and whoever is shown both.

use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN};
use serde_json::json;

use super::place::Place;

/// A log that parts from the journey at record 25 and rotates the log's key after it.
fn other_branch() -> LedgerMaker {
    let mut maker = LedgerMaker::journey(25);
    maker.guard_changed("owner");
    maker.rotate("log");
    while maker.size() < 50 {
        maker.plain();
    }
    maker
}

#[test]
fn views_of_one_history_are_consistent() {
    let place = Place::new();
    let maker = LedgerMaker::journey(700);
    place.root("root", &maker, 600);
    maker.export(&place.path("export"), 300);
    place.file("checkpoint-600", &maker.checkpoint(600));
    place.file("checkpoint-300", &maker.checkpoint(300));
    for (one, other, sizes) in [
        ("root", "export", [600, 300]),
        ("export", "root", [300, 600]),
        ("root", "root", [600, 600]),
        ("root", "checkpoint-600", [600, 600]),
        ("checkpoint-300", "root", [300, 600]),
        ("checkpoint-300", "checkpoint-300", [300, 300]),
    ] {
        let (code, compared) = place.json(&["compare", one, other]);
        let expected =
            json!({"consistent": true, "sizes": sizes, "fork_size": null, "proof": null});
        assert_eq!((code, compared), (0, expected), "{one} {other}");
    }
    place
        .ledger(&["compare", "checkpoint-300", "checkpoint-600"])
        .refused(2, "command.usage");
    LedgerMaker::new("example.com/other", 1).export(&place.path("stranger"), 1);
    place
        .ledger(&["compare", "root", "stranger"])
        .refused(2, "command.usage");
}

#[test]
fn a35_f19_g18_the_proof_of_a_fork_is_judged_where_neither_history_is() {
    let place = Place::new();
    let (ours, theirs) = (LedgerMaker::journey(40), other_branch());
    place.root("ours", &ours, 40);
    theirs.export(&place.path("theirs"), 50);
    let (code, compared) = place.json(&["compare", "ours", "theirs", "--to", "fork.json"]);
    let expected =
        json!({"consistent": false, "sizes": [40, 50], "fork_size": 40, "proof": "fork.json"});
    assert_eq!((code, compared), (5, expected));

    let elsewhere = Place::new();
    std::fs::copy(place.path("fork.json"), elsewhere.path("fork.json")).unwrap();
    elsewhere.file("trust.json", &ours.trust(10).to_string());
    let (codes, verdict) = elsewhere.problems(&["fork.json", "--trust", "trust.json"]);
    assert_eq!((codes, &verdict["what"]), (vec![], &json!("fork")));
    let root = |maker: &LedgerMaker| antiphon_ledger::hash::hex(&maker.tree(40).root());
    assert_eq!(
        verdict["fork"],
        json!({"size": 40, "roots": [root(&ours), root(&theirs)]})
    );
    let said = elsewhere
        .ledger(&["verify", "fork.json", "--trust", "trust.json"])
        .done();
    assert!(
        said.contains("has signed two histories that differ within 40 records"),
        "{said}"
    );

    // Whoever trusts another key is not convinced, and who trusts nothing is asked for more.
    elsewhere.file(
        "other.json",
        &LedgerMaker::new(ORIGIN, 9).trust(1).to_string(),
    );
    let codes = elsewhere
        .problems(&["fork.json", "--trust", "other.json"])
        .0;
    assert!(codes.contains(&"key.untrusted".to_owned()), "{codes:?}");
    elsewhere
        .ledger(&["verify", "fork.json"])
        .refused(2, "command.usage");
    elsewhere.file("none.json", "{\"format\":1}");
    let said = elsewhere.ledger(&["verify", "none.json", "--trust", "trust.json"]);
    said.refused(5, "fork.malformed");
}

#[test]
fn two_checkpoints_of_one_size_are_a_fork_without_any_log() {
    let place = Place::new();
    let (mut ours, mut theirs) = (LedgerMaker::new(ORIGIN, 1), LedgerMaker::new(ORIGIN, 1));
    ours.plain();
    theirs.guard_changed("owner");
    place.file("ours", &ours.checkpoint(2));
    place.file("theirs", &theirs.checkpoint(2));
    assert_eq!(
        place
            .json(&["compare", "ours", "theirs", "--to", "fork.json"])
            .0,
        5
    );
    place.file("trust.json", &ours.trust(0).to_string());
    assert_eq!(
        place.problems(&["fork.json", "--trust", "trust.json"]).0,
        [""; 0]
    );
}
