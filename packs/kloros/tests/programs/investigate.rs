//! `investigate.py`: what it finds, what it refuses, and that it appends once.

use serde_json::{Value, json};

use crate::stage::{Stage, question};

const JOURNAL: &str = "curiosity_investigations.jsonl";

/// Investigates, expects a record with the status `failed`, and gives its error.
fn error_of(stage: &Stage, run_id: &str, facts: &Value) -> String {
    let ended = stage.run("investigate", run_id, facts);
    assert_eq!(ended.code, Some(0), "a verdict is no failure of the task");
    assert_eq!(ended.result["status"], "failed");
    ended.result["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_package_is_read_and_what_stands_in_it_is_the_record() {
    let stage = Stage::new();
    let ended = stage.run("investigate", "run-1", &question("src/audio"));
    assert_eq!(ended.code, Some(0));
    let result = &ended.result;
    assert_eq!(result["status"], "completed");
    assert_eq!(result["module_name"], "audio");
    assert_eq!(result["model_used"], "static_analysis");
    assert_eq!(result["tokens_used"], 0);
    let records = stage.lines(JOURNAL);
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(record["timestamp"], result["investigation_timestamp"]);
    assert_eq!(record["module_path"], "src.audio");
    assert_eq!(record["hypothesis"], "UNDISCOVERED_MODULE_AUDIO");
    assert_eq!(record["key_abstractions"], json!(["frames.Frame"]));
    let interface = record["callable_interface"].as_array().unwrap();
    let split = interface.iter().find(|item| item["name"] == "frames.split");
    assert_eq!(split.unwrap()["signature"], "(samples, size=400, step=160)");
    let imports = record["integration_points"].as_array().unwrap();
    assert!(imports.contains(&json!("math")) && imports.contains(&json!(".frames")));
    let evidence = record["evidence"].to_string();
    for expected in [
        "path:src/audio",
        "has_init:true",
        "py_files:3",
        "has_docs:true",
        "age_days:0",
    ] {
        assert!(evidence.contains(expected), "{expected} in {evidence}");
    }
}

#[test]
fn e43_the_capability_that_the_integrator_needs_is_written() {
    let stage = Stage::new();
    stage.run("investigate", "run-1", &question("src/audio"));
    let mut named = question("src/memory");
    named["capability_key"] = json!("memory.episodes");
    stage.run("investigate", "run-2", &named);
    let records = stage.lines(JOURNAL);
    assert_eq!(records[0]["capability"], "module.audio");
    assert_eq!(records[1]["capability"], "memory.episodes");
}

#[test]
fn e43_evidence_may_hold_anything() {
    let stage = Stage::new();
    let check = |run_id: &str, evidence: Value, module_path: &str, question_id: &str| {
        let facts =
            json!({"evidence": evidence, "module_path": module_path, "question_id": question_id});
        let ended = stage.run("investigate", run_id, &facts);
        assert_eq!(ended.result["module_name"], "memory", "{facts}");
    };
    check("run-1", json!([{"path": "src/memory"}]), "", "");
    check(
        "run-2",
        json!([7, null, {"x": 1}, ["path:/etc"], "path: src/memory "]),
        "",
        "",
    );
    check("run-3", json!("path:/etc"), "src.memory", "");
    check("run-4", json!(null), "src/memory", "");
    check("run-5", json!({}), "", "discover.module.memory");
    check("run-6", json!([]), "", "reinvestigate.memory");
}

#[test]
fn e44_path_outside_the_root_is_refused() {
    let stage = Stage::new();
    std::os::unix::fs::symlink("/usr/lib/python3", stage.path("src/link")).unwrap();
    for (index, path) in ["/etc", "../..", "src/../../etc", "src/link", ""]
        .iter()
        .enumerate()
    {
        let facts = json!({"evidence": [format!("path:{path}")]});
        assert_eq!(
            error_of(&stage, &format!("run-{index}"), &facts),
            "path_outside_the_root"
        );
    }
    let records = stage.lines(JOURNAL);
    assert!(
        records
            .iter()
            .all(|record| record["files_analyzed"] == json!([]))
    );
}

#[test]
fn a_question_that_has_no_answer_is_a_failed_record() {
    let stage = Stage::new();
    stage.write("src/empty/readme.txt", "nothing here");
    assert_eq!(
        error_of(&stage, "run-1", &question("src/ghost")),
        "directory_not_found"
    );
    assert_eq!(
        error_of(&stage, "run-2", &question("src/empty")),
        "no_python_files"
    );
    assert_eq!(
        error_of(&stage, "run-3", &json!({"question": "Why?"})),
        "no_package_named"
    );
    assert_eq!(stage.lines(JOURNAL).len(), 3);
}

#[test]
fn the_same_evidence_again_is_no_new_answer() {
    let stage = Stage::new();
    let first = stage.run("investigate", "run-1", &question("src/audio"));
    let mut again = question("src/audio");
    again["previous_evidence_hash"] = first.result["evidence_hash"].clone();
    assert_eq!(error_of(&stage, "run-2", &again), "same_evidence_as_before");
    stage.write("src/audio/more.py", "def more():\n    return 1\n");
    let changed = stage.run("investigate", "run-3", &again);
    assert_eq!(changed.result["status"], "completed");
}

#[test]
fn source_is_read_and_never_run() {
    let stage = Stage::new();
    let evil = "open('ran', 'w').write('x')\nimport os\nos._exit(3)\n";
    stage.write("src/evil/__init__.py", evil);
    stage.write("src/evil/broken.py", "def (:\n");
    stage.write(
        "src/evil/deep.py",
        &format!("x = {}1{}\n", "(".repeat(900), ")".repeat(900)),
    );
    let ended = stage.run("investigate", "run-1", &question("src/evil"));
    assert_eq!(ended.result["status"], "completed");
    assert!(!stage.path("ran").exists());
    let structure = stage.lines(JOURNAL)[0]["structure"].to_string();
    assert!(
        structure.contains("\"error\":\"SyntaxError\""),
        "{structure}"
    );
}

#[test]
fn the_same_run_appends_once() {
    let stage = Stage::new();
    let first = stage.run("investigate", "run-1", &question("src/audio"));
    let before = stage.files();
    let again = stage.run("investigate", "run-1", &question("src/audio"));
    assert_eq!(first.result, again.result);
    assert_eq!(stage.files(), before);
}

#[test]
fn e45_every_record_has_a_time_of_its_own_that_later_ones_follow() {
    let stage = Stage::new();
    let future = "{\"timestamp\":\"2999-01-01T00:00:00.000000Z\",\"run_id\":\"x\"}\n{\"torn\":";
    stage.write(JOURNAL, future);
    for run_id in ["run-1", "run-2"] {
        stage.run("investigate", run_id, &question("src/audio"));
    }
    let text = stage.read(JOURNAL);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1], "{\"torn\":", "what was left is not touched");
    assert!(lines[2].contains("\"timestamp\":\"2999-01-01T00:00:00.000001Z\""));
    assert!(lines[3].contains("\"timestamp\":\"2999-01-01T00:00:00.000002Z\""));
}

#[test]
fn what_is_no_set_of_facts_fails_and_says_so() {
    let stage = Stage::new();
    let ended = stage.run("investigate", "run-1", &json!([1]));
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.result["error"]
            .as_str()
            .unwrap()
            .contains("not an object")
    );
    assert!(!stage.path(JOURNAL).exists());
}
