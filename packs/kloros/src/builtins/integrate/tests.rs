use std::fs;

use super::super::testing::{files, run};
use super::*;

const STAMP: &str = "2026-11-20T15:36:52.000001Z";
const REGISTRY: &str = "# By hand.\ncore:\n  module: src.core   # stays\n  enabled: true\n";

/// A root with a package `src/memory` without `__init__.py`, a registry, and one investigation.
fn root_with(investigation: &Value) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("src/memory")).unwrap();
    fs::write(root.path().join("src/memory/store.py"), "x = 1\n").unwrap();
    fs::write(root.path().join(CAPABILITIES), REGISTRY).unwrap();
    fs::write(
        root.path().join(INVESTIGATIONS),
        format!("{investigation}\n"),
    )
    .unwrap();
    root
}

fn investigation(evidence: &Value) -> Value {
    json!({
        "timestamp": STAMP,
        "module_name": "memory",
        "module_path": "src.memory",
        "capability": "module.memory",
        "hypothesis": "UNDISCOVERED_MODULE_MEMORY",
        "question": "What is it?",
        "question_id": "discover.module.memory",
        "status": "completed",
        "evidence": evidence,
    })
}

fn complete() -> Value {
    json!({"investigation_timestamp": STAMP, "status": "completed"})
}

fn check(investigation: &Value, status: &str, reason: &str) {
    let root = root_with(investigation);
    let before = files(root.path());
    let (succeeded, result) = run(integrate, root.path(), "run-1", &complete());
    assert!(succeeded);
    assert_eq!(
        (&result["status"], &result["reason"]),
        (&json!(status), &json!(reason))
    );
    if status != "integrated" {
        let mut after = files(root.path());
        after.retain(|(name, _)| name != INTEGRATED);
        assert_eq!(after, before, "a refusal changes nothing");
    }
}

#[test]
fn every_criterion_has_its_reason() {
    let good = json!(["path:src/memory", "py_files:1"]);
    check(
        &investigation(&good),
        "integrated",
        "integration_criteria_met",
    );
    let mut other = investigation(&good);
    other["hypothesis"] = json!("SOMETHING_ELSE");
    check(&other, "not_applicable", "not_undiscovered_module");
    let mut failed = investigation(&good);
    failed["status"] = json!("failed");
    check(&failed, "not_applicable", "investigation_not_completed");
    let refused = |evidence: Value, reason| check(&investigation(&evidence), "refused", reason);
    refused(
        json!(["path:src/memory", "py_files:0"]),
        "insufficient_files",
    );
    refused(json!(["py_files:1"]), "missing_path");
    refused(json!(["path:src/ghost"]), "directory_not_found_phantom");
    refused(json!(["path:src/memory/store.py"]), "not_a_directory");
    refused(json!(["path:src"]), "no_python_files_phantom");
}

#[test]
fn e44_path_outside_the_root_is_refused() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("victim.py"), "").unwrap();
    for path in [
        "/etc",
        "../outside",
        "src/../../x",
        &outside.path().display().to_string(),
    ] {
        let evidence = json!([format!("path:{path}")]);
        check(
            &investigation(&evidence),
            "refused",
            "path_outside_the_root",
        );
    }
    let root = root_with(&investigation(&json!(["path:src/link"])));
    std::os::unix::fs::symlink(outside.path(), root.path().join("src/link")).unwrap();
    let (_, result) = run(integrate, root.path(), "run-1", &complete());
    assert_eq!(result["reason"], "path_outside_the_root");
    assert_eq!(
        fs::read_dir(outside.path()).unwrap().count(),
        1,
        "nothing was created there"
    );
}

#[test]
fn e43_evidence_may_hold_anything_and_a_record_without_capability_is_known_by_its_module() {
    let odd = json!([{"path": "x"}, 7, null, ["path:/etc"], "py_files:many", "path:src/memory"]);
    check(
        &investigation(&odd),
        "integrated",
        "integration_criteria_met",
    );
    let mut record = investigation(&odd);
    record.as_object_mut().unwrap().remove("capability");
    let root = root_with(&record);
    let (_, first) = run(integrate, root.path(), "run-1", &complete());
    assert_eq!(first["capability_key"], "src.memory");
    let (_, second) = run(integrate, root.path(), "run-2", &complete());
    assert_eq!(second["status"], "already_integrated");
}

#[test]
fn e43_the_registry_keeps_every_byte_and_its_backup_is_what_it_was() {
    let root = root_with(&investigation(&json!(["path:src/memory"])));
    let (_, result) = run(integrate, root.path(), "run-1", &complete());
    let read = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
    let registry = read(CAPABILITIES);
    assert!(registry.starts_with(REGISTRY));
    let added = registry.strip_prefix(REGISTRY).unwrap();
    assert_eq!(
        added,
        "\n# Discovered by static analysis at 2026-11-20T15:36:52.001Z.\n\
         # Added by the capability integrator; edit freely.\n\
         memory:\n  module: src.memory\n  enabled: true\n  \
         description: \"Module src.memory found by investigation\"\n  \
         auto_discovered: true\n  discovered_at: \"2026-11-20T15:36:52.001Z\"\n  py_files: 2\n"
    );
    assert_eq!(read(CAPABILITIES_BACKUP), REGISTRY);
    assert_eq!(
        read("src/memory/__init__.py"),
        "\"\"\"The package src.memory.\"\"\"\n"
    );
    assert_eq!(result["module_path"], "src.memory");
    assert_eq!(result["py_files_count"], 2);
}

#[test]
fn the_same_run_changes_nothing_the_second_time_and_another_finds_it_done() {
    let root = root_with(&investigation(&json!(["path:src/memory"])));
    let (_, first) = run(integrate, root.path(), "run-1", &complete());
    let before = files(root.path());
    let (_, again) = run(integrate, root.path(), "run-1", &complete());
    assert_eq!(first, again);
    let (_, other) = run(integrate, root.path(), "run-2", &complete());
    assert_eq!(other["status"], "already_integrated");
    assert_eq!(files(root.path()), before);
}

#[test]
fn work_that_a_crash_cut_short_is_finished() {
    let root = root_with(&investigation(&json!(["path:src/memory"])));
    let (_, whole) = run(integrate, root.path(), "run-1", &complete());
    let done = files(root.path());
    fs::write(root.path().join(INTEGRATED), "").unwrap();
    let (_, finished) = run(integrate, root.path(), "run-1", &complete());
    assert_eq!(finished, whole);
    assert_eq!(files(root.path()), done);
}

#[test]
fn an_entry_that_somebody_wrote_by_hand_is_left_alone() {
    let mut record = investigation(&json!(["path:src/core"]));
    record["module_path"] = json!("src.core");
    let root = root_with(&record);
    fs::create_dir_all(root.path().join("src/core")).unwrap();
    fs::write(root.path().join("src/core/a.py"), "").unwrap();
    let before = files(root.path());
    let (_, result) = run(integrate, root.path(), "run-1", &complete());
    assert_eq!(result["status"], "already_integrated");
    let mut after = files(root.path());
    after.retain(|(name, _)| name != INTEGRATED);
    assert_eq!(after, before);
}

#[test]
fn e45_a_record_is_found_by_its_exact_time_among_floats_and_duplicates() {
    let root = root_with(&investigation(&json!(["path:src/memory"])));
    let path = root.path().join(INVESTIGATIONS);
    let noise = "{\"timestamp\":1763116200.5,\"status\":\"failed\"}\n{\"timestamp\":\"2026-11-20T15:36:52.000001\"}\n{\"torn";
    fs::write(&path, fs::read_to_string(&path).unwrap() + noise).unwrap();
    let (succeeded, result) = run(integrate, root.path(), "run-1", &complete());
    assert!(succeeded);
    assert_eq!(result["status"], "integrated");
}

#[test]
fn what_cannot_be_done_fails_and_leaves_the_registry_alone() {
    let root = root_with(&investigation(&json!(["path:src/memory"])));
    let check = |facts: &Value| {
        let (succeeded, result) = run(integrate, root.path(), "run-1", facts);
        assert!(!succeeded);
        assert_eq!(result["reason"], "kloros.malformed");
    };
    check(&json!({}));
    check(&json!({"investigation_timestamp": "2020-01-01T00:00:00.000000Z"}));
    fs::write(root.path().join(CAPABILITIES), "- no mapping\n").unwrap();
    check(&complete());
    assert_eq!(
        fs::read_to_string(root.path().join(CAPABILITIES)).unwrap(),
        "- no mapping\n"
    );
}
