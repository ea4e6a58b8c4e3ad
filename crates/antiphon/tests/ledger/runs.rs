//! The evidence bundle of one run.

use antiphon_testkit::ledger_maker::{LedgerMaker, ORIGIN};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::place::Place;

const RUN: &str = "09090909-0909-7909-8909-090909090909";
const OTHER: &str = "0a0a0a0a-0a0a-7a0a-8a0a-0a0a0a0a0a0a";
const SIGNAL: &str = "04040404-0404-7404-8404-040404040404";
const EMITTED: &str = "05050505-0505-7505-8505-050505050505";
const OUTPUT: &[u8] = b"all of it";

fn sha256(bytes: &[u8]) -> String {
    antiphon_ledger::hash::hex(&Sha256::digest(bytes).into())
}

fn plan(run: &str) -> Value {
    let emits = json!({"failed": "Q_WORK_FAILED", "succeeded": "Q_WORK_DONE", "timed_out": "Q_WORK_TIMEOUT"});
    json!({"emits": emits, "id": run, "task": "work", "version": "0d".repeat(32)})
}

fn accepted(id: &str, policy: &str) -> Value {
    json!({
        "correlation": SIGNAL, "depth": 0, "facts": {}, "id": id, "origin": "external",
        "policy": policy, "signal": "Q_A", "source": "test",
    })
}

fn settled(run: &str, token: u64, evidence: &Value) -> Value {
    let output = |evidence: &Value| json!({"bytes": 9, "cut": false, "evidence": evidence, "sha256": sha256(OUTPUT), "text": ""});
    let report = json!({
        "cpu_ms": 5, "duration_ms": 10, "executor_stop": null, "exit": {"code": 0},
        "exited_before_stop": true, "memory_kib_max": 1024, "processes_killed": 0,
        "result": "absent", "stderr": output(&Value::Null), "stdout": output(evidence),
    });
    json!({
        "attempt": 1, "evidence": {"report": report}, "next": "ended", "outcome": "succeeded",
        "run": run, "task": "work", "token": token,
    })
}

/// A log with a run, another one beside it, and a change of keys; the records of the run.
fn log() -> (LedgerMaker, Vec<u64>) {
    let mut maker = LedgerMaker::new(ORIGIN, 1);
    maker.config_applied("owner");
    let policy = maker.config_applied("owner");
    maker.rotate("operator");
    let mut signal = accepted(SIGNAL, &format!("{policy:064x}"));
    signal["runs"] = json!([plan(RUN), plan(OTHER)]);
    let planned = maker.unsigned("signal.accepted", &signal);
    let lease = |run: &str| json!({"agent": "LARS", "attempt": 1, "deadline_ms": 60000, "run": run, "task": "work"});
    let leased = maker.unsigned("run.leased", &lease(RUN));
    let beside = maker.unsigned("run.leased", &lease(OTHER));
    let ended = maker.unsigned("run.settled", &settled(RUN, leased, &json!(sha256(OUTPUT))));
    let mut emitted = accepted(EMITTED, &format!("{policy:064x}"));
    emitted["origin"] = json!({"task": "work"});
    emitted["cause"] = json!(SIGNAL);
    let emitted = maker.unsigned("signal.accepted", &emitted);
    maker.unsigned("run.settled", &settled(OTHER, beside, &Value::Null));
    maker.rotate("log");
    maker.plain();
    (maker, vec![policy, planned, leased, ended, emitted])
}

#[test]
fn the_bundle_of_a_run_has_what_led_to_it_and_came_of_it_and_verifies_alone() {
    let place = Place::new();
    let (maker, records) = log();
    let root = place.root("root", &maker, maker.size());
    std::fs::create_dir(root.join("evidence")).unwrap();
    std::fs::write(root.join("evidence").join(sha256(OUTPUT)), OUTPUT).unwrap();
    let (code, written) = place.json(&["export", "--run", RUN, "--to", "bundle", "--root", "root"]);
    assert_eq!(
        (code, &written["records"], &written["evidence"]),
        (0, &json!(5), &json!(1))
    );
    let index = std::fs::read(place.path("bundle/bundle.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let expected = json!({
        "format": 1, "run": RUN, "origin": ORIGIN, "records": records, "keys": [0, 3, 10],
        "evidence": [sha256(OUTPUT)],
    });
    assert_eq!(index, expected);

    place.file("trust.json", &maker.trust(4).to_string());
    let (codes, verdict) = place.problems(&["bundle", "--trust", "trust.json"]);
    assert_eq!((codes, &verdict["what"]), (vec![], &json!("bundle")));
    assert_eq!(verdict["checkpoint_size"], json!(12));
    let said = place
        .ledger(&["verify", "bundle", "--trust", "trust.json"])
        .done();
    assert!(
        said.contains("sealed in the checkpoint of 12 records"),
        "{said}"
    );
    place.file(&format!("bundle/evidence/{}", sha256(OUTPUT)), "another");
    let codes = place.problems(&["bundle", "--trust", "trust.json"]).0;
    assert_eq!(codes, ["evidence.hash"]);
}

#[test]
fn what_was_removed_by_retention_is_not_in_the_bundle() {
    let place = Place::new();
    let (mut maker, _) = log();
    maker.prune(5);
    place.root("root", &maker, maker.size());
    let (_, written) = place.json(&["export", "--run", RUN, "--to", "bundle", "--root", "root"]);
    // The lease's body named the run; without it nobody can tell whose it was.
    assert_eq!(
        (&written["records"], &written["evidence"]),
        (&json!(4), &json!(0))
    );
    assert_eq!(place.problems(&["bundle"]).0, [""; 0]);
}

#[test]
fn a_run_that_is_not_sealed_is_not_there_yet() {
    let place = Place::new();
    let (maker, _) = log();
    place.root("root", &maker, 4);
    let said = place.ledger(&["export", "--run", RUN, "--to", "bundle", "--root", "root"]);
    said.refused(3, "command.not_found");
    assert!(!place.path("bundle").exists());
    std::fs::create_dir(place.path("used")).unwrap();
    place.file("used/x", "");
    let said = place.ledger(&["export", "--run", RUN, "--to", "used", "--root", "root"]);
    said.refused(2, "command.usage");
}

#[test]
fn a_signal_is_proven_by_its_acceptance_and_a_run_by_its_end() {
    let place = Place::new();
    let (maker, records) = log();
    place.root("root", &maker, maker.size());
    for (id, seq) in [
        (SIGNAL, records[1]),
        (RUN, records[3]),
        (EMITTED, records[4]),
    ] {
        let (code, proven) = place.json(&["prove", id, "--root", "root"]);
        assert_eq!((code, &proven["seq"]), (0, &json!(seq)), "{id}");
    }
}
