use std::fs;

use super::super::testing::{files, run};
use super::*;

const VALID: &str =
    r#"{"schema":"v1","id":"other","timestamp":1,"fitness":0.5,"changes":{"batch_size":8}}"#;
const INVALID: &str = r#"{"schema":"v1","id":"x","timestamp":1,"fitness":-1,"changes":{}}"#;

fn root_with(promotions: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join(PROMOTIONS)).unwrap();
    for (name, content) in promotions {
        fs::write(root.path().join(PROMOTIONS).join(name), content).unwrap();
    }
    root
}

fn judged(name: &str, content: &str, accepted: bool) -> Value {
    let reason = if accepted {
        "valid"
    } else {
        "fitness is negative"
    };
    let sha256 = Digest::of(content.as_bytes()).to_string();
    json!({"file": name, "sha256": sha256, "accepted": accepted, "reason": reason})
}

fn deployed(promotions: &Value) -> Value {
    json!({
        "dream_cycle_id": "1763116200-0a1b2c3d",
        "telemetry_sha256": "abc",
        "promotion_set": "set",
        "promotions": promotions,
    })
}

#[test]
fn an_acknowledgement_has_the_form_of_a5() {
    let root = root_with(&[("p1.json", VALID), ("p2.json", INVALID)]);
    let promotions = json!([
        judged("p1.json", VALID, true),
        judged("p2.json", INVALID, false)
    ]);
    let (succeeded, result) = run(acknowledge, root.path(), "run-1", &deployed(&promotions));
    assert!(succeeded);
    assert_eq!(
        (&result["accepted"], &result["rejected"]),
        (&json!(1), &json!(1))
    );
    let read =
        |name: &str| fs::read_to_string(root.path().join(ACKNOWLEDGEMENTS).join(name)).unwrap();
    assert_eq!(
        read("p1_ack.json"),
        "{\n  \"promotion_id\": \"p1\",\n  \"accepted\": true,\n  \
         \"phase_epoch\": \"1763116200-0a1b2c3d\",\n  \"phase_sha\": \"abc\",\n  \
         \"ts\": 1795189012,\n  \"schema\": \"v1\"\n}\n"
    );
    assert!(read("p2_ack.json").contains("\"accepted\": false"));
    assert!(read("p2_ack.json").contains("\"rejection_reason\": \"fitness is negative\"\n}"));
}

#[test]
fn what_a4_refuses_is_not_accepted_whoever_says_so() {
    let root = root_with(&[("p.json", INVALID)]);
    let promotions = json!([judged("p.json", INVALID, true)]);
    let (_, result) = run(acknowledge, root.path(), "run-1", &deployed(&promotions));
    assert_eq!(
        (&result["accepted"], &result["rejected"]),
        (&json!(0), &json!(1))
    );
}

#[test]
fn an_acknowledgement_stays_as_it_is_and_half_a_one_is_written_anew() {
    let root = root_with(&[("p.json", VALID), ("half.json", VALID)]);
    let directory = root.path().join(ACKNOWLEDGEMENTS);
    fs::create_dir(&directory).unwrap();
    fs::write(
        directory.join("half_ack.json"),
        "{\"promotion_id\": \"half\", \"acc",
    )
    .unwrap();
    let promotions = json!([
        judged("p.json", VALID, true),
        judged("half.json", VALID, true)
    ]);
    let (_, first) = run(acknowledge, root.path(), "run-1", &deployed(&promotions));
    assert_eq!(first["accepted"], 2);
    let before = files(root.path());
    let mut later = deployed(&promotions);
    later["dream_cycle_id"] = json!("another");
    let (_, second) = run(acknowledge, root.path(), "run-2", &later);
    assert_eq!(second["already_acknowledged"], 2);
    assert_eq!(files(root.path()), before);
}

#[test]
fn a_promotion_that_changed_since_waits_for_the_next_cycle() {
    let root = root_with(&[("p.json", VALID)]);
    let promotions = json!([
        judged("p.json", INVALID, false),
        judged("gone.json", VALID, true)
    ]);
    let (succeeded, result) = run(acknowledge, root.path(), "run-1", &deployed(&promotions));
    assert!(succeeded);
    assert_eq!(result["changed_since"], 2);
    assert!(!root.path().join(ACKNOWLEDGEMENTS).exists());
}

#[test]
fn e44_a_name_that_is_a_path_is_refused() {
    let root = root_with(&[]);
    for name in [
        "../p.json",
        "a/b.json",
        "/etc/p.json",
        ".p.json",
        "",
        "p.txt",
    ] {
        let promotions = json!([judged(name, VALID, true)]);
        let (succeeded, result) = run(acknowledge, root.path(), "run-1", &deployed(&promotions));
        assert!(!succeeded, "{name}");
        assert_eq!(result["reason"], "kloros.path_outside_the_root");
    }
}
