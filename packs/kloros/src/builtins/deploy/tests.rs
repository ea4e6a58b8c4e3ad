use std::fs;

use super::super::testing::{files, run};
use super::*;

const BEFORE: &str = "# by hand\nKLR_VOICE=calm\nKLR_LEARNING_RATE=0.001\n";

fn winner(parameters: &Value) -> Value {
    json!({
        "updated_at": "2026-11-20T15:36:52Z",
        "best": {
            "fitness": 0.7,
            "params": parameters,
            "metrics": {"accuracy": 0.9, "log_loss": 0.3},
        },
    })
}

fn good() -> Value {
    winner(&json!({"learning_rate": 0.05, "batch_size": 32}))
}

fn root_with(winner: &Value) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join(WINNERS)).unwrap();
    put(&root, "one", winner);
    fs::write(root.path().join(ENVIRONMENT), BEFORE).unwrap();
    root
}

fn put(root: &tempfile::TempDir, experiment: &str, winner: &Value) {
    let path = root.path().join(WINNERS).join(format!("{experiment}.json"));
    fs::write(path, winner.to_string()).unwrap();
}

fn complete(experiment: &str) -> Value {
    json!({
        "success": true,
        "dream_cycle_id": "1763116200-0a1b2c3d",
        "winner_path": format!("winners/{experiment}.json"),
        "promotion_set": "ab",
        "promotions": [{"file": "p.json"}],
        "telemetry_sha256": "cd",
    })
}

fn environment(root: &tempfile::TempDir) -> String {
    fs::read_to_string(root.path().join(ENVIRONMENT)).unwrap()
}

/// Nothing is deployed, and the failure says why.
fn check_refused(winner: &Value, facts: &Value, why: &str) {
    let root = root_with(winner);
    let (succeeded, result) = run(deploy, root.path(), "run-1", facts);
    assert!(!succeeded, "{why}");
    let error = result["failures"][0]["error"].as_str().unwrap();
    assert!(error.contains(why), "{error}");
    assert_eq!(environment(&root), BEFORE);
    assert!(!root.path().join(DEPLOYER_STATE).exists());
}

#[test]
fn e41_the_parameters_of_the_winner_stand_in_the_configuration() {
    let root = root_with(&good());
    let (succeeded, result) = run(deploy, root.path(), "run-1", &complete("one"));
    assert!(succeeded);
    assert_eq!(
        environment(&root),
        "# by hand\nKLR_VOICE=calm\nKLR_LEARNING_RATE=0.05\nKLR_BATCH_SIZE=32\n"
    );
    assert_eq!(
        fs::read_to_string(root.path().join(ENVIRONMENT_BACKUP)).unwrap(),
        BEFORE
    );
    assert_eq!(result["winners_deployed"], 1);
    assert_eq!(
        result["deployment_result"],
        json!({"status": "deployed", "deployed": 1, "skipped": 0, "failed": 0})
    );
}

#[test]
fn e41_what_a_guardrail_stops_does_not_count_as_deployed() {
    let with = |metrics: Value| {
        let mut winner = good();
        winner["best"]["metrics"] = metrics;
        winner
    };
    let check = |metrics: Value, why| check_refused(&with(metrics), &complete("one"), why);
    check(json!({"log_loss": 0.3}), "accuracy was not measured");
    check(json!({"accuracy": 0.9}), "log_loss was not measured");
    check(
        json!({"accuracy": 0.74, "log_loss": 0.3}),
        "accuracy is 0.74",
    );
    check(json!({"accuracy": 0.9, "log_loss": 0.7}), "log_loss is 0.7");
    check(
        json!({"accuracy": true, "log_loss": 0.3}),
        "accuracy was not measured",
    );
    check(
        json!({"accuracy": 0.9, "log_loss": 0.3, "hallucination_rate": 0.3}),
        "hallucination",
    );
    check(
        json!({"accuracy": 0.9, "log_loss": 0.3, "context_precision": null}),
        "precision",
    );
}

#[test]
fn e41_a_winner_beyond_its_bounds_or_without_form_is_refused() {
    let check = |winner: &Value, why| check_refused(winner, &complete("one"), why);
    check(&winner(&json!({"learning_rate": 0.2})), "maximum");
    check(
        &winner(&json!({"batch_size": "8\nKLR_EVIL=1"})),
        "no finite number",
    );
    check(
        &winner(&json!({"dropout": 0.2})),
        "not a registered parameter",
    );
    check(&winner(&json!({})), "empty");
    check(&json!({"best": {}}), "params is missing");
    check(&json!([]), "invalid type");
}

#[test]
fn e40_a_cycle_that_failed_deploys_nothing_and_its_id_is_kept() {
    for success in [json!(false), json!(null), json!("true"), json!(1)] {
        let mut facts = complete("one");
        facts["success"] = success;
        check_refused(&good(), &facts, "did not succeed");
    }
    let root = root_with(&good());
    let (_, result) = run(deploy, root.path(), "run-1", &complete("one"));
    assert_eq!(result["dream_cycle_id"], "1763116200-0a1b2c3d");
    let mut facts = complete("one");
    facts.as_object_mut().unwrap().remove("dream_cycle_id");
    facts["run_tag"] = json!("tag");
    let (_, result) = run(deploy, root.path(), "run-2", &facts);
    assert_eq!(
        result["dream_cycle_id"], "tag",
        "the original's own facts are understood too"
    );
}

#[test]
fn e42_the_same_parameters_in_another_experiment_are_another_winner() {
    let root = root_with(&good());
    put(&root, "two", &good());
    let (_, one) = run(deploy, root.path(), "run-1", &complete("one"));
    let (_, two) = run(deploy, root.path(), "run-2", &complete("two"));
    assert_ne!(one["winner_hash"], two["winner_hash"]);
    assert_eq!(
        two["winners_deployed"], 1,
        "it is in place and remembered as its own"
    );
}

#[test]
fn e42_a_winner_that_comes_back_is_deployed_again() {
    let root = root_with(&good());
    put(
        &root,
        "two",
        &winner(&json!({"learning_rate": 0.01, "batch_size": 4})),
    );
    for (run_id, experiment) in [("run-1", "one"), ("run-2", "two"), ("run-3", "one")] {
        let (_, result) = run(deploy, root.path(), run_id, &complete(experiment));
        assert_eq!(result["winners_deployed"], 1, "{run_id}");
    }
    assert!(environment(&root).contains("KLR_LEARNING_RATE=0.05\n"));
    let (_, again) = run(deploy, root.path(), "run-4", &complete("one"));
    assert_eq!(again["deployment_result"]["status"], "already_deployed");
}

#[test]
fn the_same_run_changes_nothing_the_second_time() {
    let root = root_with(&good());
    let (_, first) = run(deploy, root.path(), "run-1", &complete("one"));
    let before = files(root.path());
    let (_, again) = run(deploy, root.path(), "run-1", &complete("one"));
    assert_eq!(first, again);
    assert_eq!(files(root.path()), before);
}

#[test]
fn work_that_a_crash_cut_short_is_finished() {
    let root = root_with(&good());
    let (_, whole) = run(deploy, root.path(), "run-1", &complete("one"));
    let done = files(root.path());
    fs::remove_file(root.path().join(DEPLOYER_STATE)).unwrap();
    let (_, finished) = run(deploy, root.path(), "run-1", &complete("one"));
    assert_eq!(finished, whole);
    assert_eq!(files(root.path()), done);
}

#[test]
fn e48_a_state_that_cannot_be_read_stops_the_deployment_and_stays() {
    let root = root_with(&good());
    fs::write(
        root.path().join(DEPLOYER_STATE),
        "{\"deployed_hashes\": [\"a\"",
    )
    .unwrap();
    let before = files(root.path());
    let (succeeded, _) = run(deploy, root.path(), "run-1", &complete("one"));
    assert!(!succeeded);
    let mut after = files(root.path());
    after.retain(|(name, _)| !name.starts_with('.'));
    assert_eq!(after, before);
}

#[test]
fn a_file_that_does_not_hold_what_was_written_is_rolled_back() {
    let root = root_with(&good());
    let open = Root::open(root.path(), "run-1").unwrap();
    fs::write(root.path().join(ENVIRONMENT), "KLR_LEARNING_RATE=9\n").unwrap();
    let settings = BTreeMap::from([("KLR_LEARNING_RATE".to_owned(), "0.05".to_owned())]);
    assert!(verify_or_roll_back(&open, BEFORE.as_bytes(), &settings).is_err());
    assert_eq!(environment(&root), BEFORE);
}

#[test]
fn only_the_winner_of_this_cycle_is_deployed() {
    let mut facts = complete("one");
    facts["winner_sha256"] = json!("00");
    check_refused(&good(), &facts, "not the winner of this cycle");
    for path in [
        "../one.json",
        "/etc/passwd",
        "promotions/p.json",
        "winners/deep/x.json",
    ] {
        let mut facts = complete("one");
        facts["winner_path"] = json!(path);
        check_refused(&good(), &facts, "beneath the data root");
    }
}
