//! `semantic_dedup.py`: what is alike, what is doubtful, and that nothing is lost.

use std::fs;

use serde_json::{Value, json};

use crate::stage::{Ended, Stage, question};

const STORE: &str = "semantic_evidence.json";
const LEDGER: &str = "semantic_processed_investigations.jsonl";

/// Investigates and deduplicates.
fn learn(stage: &Stage, run_id: &str, facts: &Value) -> Ended {
    let investigated = stage.run("investigate", run_id, facts);
    stage.run("semantic_dedup", run_id, &investigated.result)
}

#[test]
fn a_copy_is_a_near_duplicate_and_another_module_is_not() {
    let stage = Stage::new();
    let first = learn(&stage, "run-1", &question("src/audio"));
    assert_eq!(
        (first.code, &first.result["status"]),
        (Some(0), &json!("recorded"))
    );
    let other = learn(&stage, "run-2", &question("src/memory"));
    assert_eq!(other.result["status"], "recorded");
    assert!(
        other.result["similarity"].as_f64().unwrap() < 0.2,
        "{:?}",
        other.result
    );
    for file in ["__init__.py", "frames.py", "level.py"] {
        let content = stage.read(&format!("src/audio/{file}"));
        stage.write(&format!("src/sound/{file}"), &content);
    }
    let copy = learn(&stage, "run-3", &question("src/sound"));
    assert_eq!(copy.result["status"], "near_duplicate");
    assert_eq!(copy.result["duplicate_of"], "audio");
    assert!(copy.result["similarity"].as_f64().unwrap() >= 0.85);
    let store = stage.json(STORE);
    assert_eq!(store.as_object().unwrap().len(), 3);
    assert_eq!(
        store["memory"]["provides_capabilities"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(store["audio"]["suppression"]["suppressed"], false);
}

#[test]
fn modules_that_import_one_another_know_of_it_in_both_directions() {
    let stage = Stage::new();
    learn(&stage, "run-1", &question("src/audio"));
    stage.write(
        "src/ear/__init__.py",
        "\"\"\"Listens.\"\"\"\nimport src.audio\n",
    );
    learn(&stage, "run-2", &question("src/ear"));
    let store = stage.json(STORE);
    assert_eq!(store["ear"]["integrates_with"], json!(["audio"]));
    assert_eq!(store["audio"]["used_by"], json!(["ear"]));
}

#[test]
fn doubtful_evidence_asks_to_be_looked_at_again() {
    let stage = Stage::new();
    let sound = learn(&stage, "run-1", &question("src/audio"));
    assert_eq!(sound.result["reinvestigate"], false);
    stage.write("src/bare/x.py", "1\n");
    let bare = learn(&stage, "run-2", &question("src/bare"));
    assert_eq!(bare.result["reinvestigate"], true);
    assert_eq!(bare.result["reinvestigate_reason"], "evidence_empty");
    let investigated = stage.run("investigate", "run-3", &question("src/memory"));
    stage.write("src/memory/new.py", "def new():\n    \"\"\"New.\"\"\"\n");
    let doubtful = stage.run("semantic_dedup", "run-3", &investigated.result);
    assert_eq!(doubtful.result["reinvestigate_reason"], "source_changed");
    assert_eq!(
        doubtful.result["evidence_hash"],
        investigated.result["evidence_hash"]
    );
    let again = json!({
        "question_id": "reinvestigate.memory",
        "module_path": doubtful.result["module_path"],
        "evidence": ["reason:source_changed"],
        "previous_evidence_hash": doubtful.result["evidence_hash"],
    });
    let settled = learn(&stage, "run-4", &again);
    assert_eq!(settled.result["reinvestigate"], false);
    assert_ne!(
        settled.result["evidence_hash"],
        doubtful.result["evidence_hash"]
    );
}

#[test]
fn e47_what_failed_is_counted_and_suppresses_after_five() {
    let stage = Stage::new();
    for index in 1..=5 {
        let ended = learn(&stage, &format!("run-{index}"), &question("src/ghost"));
        let expect = if index < 5 { "failed" } else { "suppressed" };
        assert_eq!(ended.result["status"], expect);
        assert_eq!(ended.result["reinvestigate"], false);
    }
    let suppression = &stage.json(STORE)["ghost"]["suppression"];
    assert_eq!(suppression["failure_count"], 5);
    assert_eq!(suppression["suppressed"], true);
    assert_eq!(stage.lines(LEDGER).len(), 5);
}

#[test]
fn the_same_investigation_is_taken_once() {
    let stage = Stage::new();
    let investigated = stage.run("investigate", "run-1", &question("src/audio"));
    let first = stage.run("semantic_dedup", "run-2", &investigated.result);
    let before = stage.files();
    for run_id in ["run-2", "run-3"] {
        let again = stage.run("semantic_dedup", run_id, &investigated.result);
        assert_eq!(again.result, first.result);
    }
    assert_eq!(stage.files(), before);
}

#[test]
fn e48_a_store_that_cannot_be_read_stops_the_work_and_stays() {
    let stage = Stage::new();
    let investigated = stage.run("investigate", "run-1", &question("src/audio"));
    for broken in ["{\"audio\": {\"purpose\": \"x", "", "[1]", "{\"a\": NaN}"] {
        stage.write(STORE, broken);
        let ended = stage.run("semantic_dedup", "run-2", &investigated.result);
        assert_eq!(ended.code, Some(1), "{broken}");
        assert!(
            ended.result["error"]
                .as_str()
                .unwrap()
                .starts_with("Malformed")
        );
        assert_eq!(stage.read(STORE), broken);
        assert_eq!(stage.lines(LEDGER).len(), 0, "it is taken again later");
    }
    fs::remove_file(stage.path(STORE)).unwrap();
    let ended = stage.run("semantic_dedup", "run-2", &investigated.result);
    assert_eq!(ended.result["status"], "recorded");
}

#[test]
fn e45_an_investigation_that_is_not_there_is_a_failure_and_not_dropped() {
    let stage = Stage::new();
    stage.run("investigate", "run-1", &question("src/audio"));
    let check = |facts: &Value| {
        let ended = stage.run("semantic_dedup", "run-2", facts);
        assert_eq!(ended.code, Some(1), "{facts}");
        assert!(!stage.path(STORE).exists());
    };
    check(&json!({"investigation_timestamp": "2020-01-01T00:00:00.000000Z"}));
    check(&json!({"investigation_timestamp": 1_763_116_200.5}));
    check(&json!({}));
}
