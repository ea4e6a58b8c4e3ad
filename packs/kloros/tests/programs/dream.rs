//! `dream.py`: promotions judged, fitness measured, once for each set.

use std::fs;

use serde_json::{Value, json};

use crate::stage::{Stage, promotion};

const WINNER: &str = "winners/logistic_regression.json";

/// Drops `promotions` and gives the facts of the trigger for them.
fn trigger(stage: &Stage, promotions: &[(&str, String)]) -> Value {
    for (name, content) in promotions {
        stage.write(&format!("promotions/{name}"), content);
    }
    let seen = stage.look("promotions");
    let mut facts = seen[0].1.clone();
    facts["reason"] = json!("unacknowledged_promotions_detected");
    facts["topic"] = json!(null);
    facts
}

fn valid() -> String {
    promotion(&json!({"learning_rate": 0.05, "batch_size": 16}))
}

#[test]
fn a4_the_table_of_promotions_is_judged_in_python_as_in_rust() {
    let stage = Stage::new();
    let table = include_str!("promotions.table");
    stage.write("table", table);
    let script = "import sys; sys.path.insert(0, 'kloros/programs'); import promotions\n\
         for line in open('table', 'rb'): \
         print(promotions.validate(line.rstrip(b'\\n').partition(b' | ')[2])[0])";
    let ended = stage.end(stage.start(&["-B", "-c", script], "run-1", &json!({})));
    let reasons: Vec<&str> = ended.stdout.lines().collect();
    let cases: Vec<&str> = table.lines().collect();
    assert_eq!(reasons.len(), cases.len());
    for (case, reason) in cases.iter().zip(reasons) {
        let (expect, text) = case.split_once(" | ").unwrap();
        assert!(reason.to_lowercase().contains(expect), "{case}: {reason}");
        assert_eq!(expect == "valid", reason == "valid", "{case}: {reason}");
        let rust = antiphon_kloros::promotion::validate(text.as_bytes());
        let rust = rust.err().unwrap_or_else(|| "valid".to_owned());
        if expect != "json decode error" {
            assert_eq!(rust, reason, "both say it in the same words");
        }
    }
}

#[test]
fn a_cycle_measures_its_winner_and_says_so_with_the_facts_of_the_original() {
    let stage = Stage::quick();
    let reckless = promotion(&json!({"learning_rate": 5}));
    let facts = trigger(&stage, &[("good.json", valid()), ("bad.json", reckless)]);
    let ended = stage.run("dream", "0199a000-0000-7000-8000-0000deadbeef", &facts);
    assert_eq!(ended.code, Some(0));
    let result = &ended.result;
    assert_eq!(result["exit_code"], 0);
    assert_eq!(result["success"], true);
    assert_eq!(result["status"], "winner_found");
    assert_eq!(result["generation"], 2);
    assert_eq!(result["run_tag"], "1759325978-deadbeef");
    assert_eq!(result["dream_cycle_id"], result["run_tag"], "defect 40");
    assert_eq!(
        result["trigger_reason"],
        "unacknowledged_promotions_detected"
    );
    assert_eq!(result["promotion_count"], 2);
    assert_eq!(result["promotion_set"], facts["promotion_set"]);
    let promotions = result["promotions"].as_array().unwrap();
    assert_eq!(promotions[0]["accepted"], false);
    assert_eq!(
        promotions[0]["reason"],
        "learning_rate is above the maximum of 0.1"
    );
    assert_eq!(promotions[1]["accepted"], true);
    let telemetry = stage.read(result["telemetry_path"].as_str().unwrap());
    assert!(telemetry.contains("generation: 2 fitness: 0."));
    assert!(ended.stdout.contains("generation: 1 "), "progress is told");
    let best = &stage.json(WINNER)["best"];
    let log_loss = best["metrics"]["log_loss"].as_f64().unwrap();
    let fitness = best["fitness"].as_f64().unwrap();
    assert!(
        (fitness - (-log_loss).exp()).abs() < 1e-5,
        "fitness is what was measured"
    );
    assert!((1..=128).contains(&best["params"]["batch_size"].as_i64().unwrap()));
}

#[test]
fn e36_a_set_is_dreamt_of_once() {
    let stage = Stage::quick();
    let facts = trigger(&stage, &[("good.json", valid())]);
    let first = stage.run("dream", "run-1", &facts);
    let before = stage.files();
    for run_id in ["run-1", "run-2"] {
        let again = stage.run("dream", run_id, &facts);
        assert_eq!(again.result, first.result);
        assert!(
            !again.stdout.contains("generation"),
            "nothing is searched for"
        );
    }
    assert_eq!(stage.files(), before);
}

#[test]
fn e36_a_set_that_was_answered_meanwhile_leaves_only_the_rest() {
    let stage = Stage::quick();
    let facts = trigger(&stage, &[("a.json", valid()), ("b.json", valid())]);
    let ack = "{\"promotion_id\": \"a\", \"accepted\": true}";
    stage.write("promotions_ack/a_ack.json", ack);
    let ended = stage.run("dream", "run-1", &facts);
    let promotions = ended.result["promotions"].as_array().unwrap();
    assert_eq!(
        (promotions.len(), &promotions[0]["file"]),
        (1, &json!("b.json"))
    );
    let rest = trigger(&stage, &[]);
    assert_ne!(rest["promotion_set"], facts["promotion_set"]);
    let again = stage.run("dream", "run-2", &rest);
    assert_eq!(
        again.result["run_tag"], ended.result["run_tag"],
        "the rest was dreamt of"
    );
    stage.write("promotions_ack/b_ack.json", &ack.replace("\"a\"", "\"b\""));
    let winner = stage.read(WINNER);
    let late = stage.run(
        "dream",
        "run-3",
        &json!({"promotion_files": ["a.json", "b.json"]}),
    );
    assert_eq!(late.result["status"], "already_acknowledged");
    assert_eq!(late.result["winner_path"], json!(null));
    assert_eq!(stage.read(WINNER), winner);
}

#[test]
fn a_set_without_a_valid_promotion_finds_no_winner() {
    let stage = Stage::quick();
    let facts = trigger(&stage, &[("bad.json", promotion(&json!({"dropout": 0.5})))]);
    let ended = stage.run("dream", "run-1", &facts);
    assert_eq!(ended.result["success"], true);
    assert_eq!(ended.result["status"], "no_valid_promotion");
    assert_eq!(ended.result["promotions"][0]["accepted"], false);
    assert!(!stage.path("winners").exists());
}

#[test]
fn a_winner_is_never_worse_than_the_one_before() {
    let stage = Stage::quick();
    let first = stage.run(
        "dream",
        "run-1",
        &json!({"generations": 6, "population": 12}),
    );
    let second = stage.run("dream", "run-2", &json!({}));
    let fitness = |ended: &crate::stage::Ended| ended.result["fitness"].as_f64().unwrap();
    assert!(fitness(&second) >= fitness(&first));
    assert_ne!(
        first.result["run_tag"], second.result["run_tag"],
        "each was asked for by itself"
    );
}

#[test]
fn e40_a_cycle_that_fails_says_so_and_leaves_nothing_to_deploy() {
    let mut stage = Stage::quick();
    let facts = trigger(&stage, &[("good.json", valid())]);
    let check = |stage: &Stage| {
        let ended = stage.run("dream", "run-1", &facts);
        assert_eq!(ended.code, Some(1));
        assert_eq!(ended.result["success"], false);
        assert_eq!(ended.result["exit_code"], 1);
        assert_eq!(ended.result["promotion_set"], facts["promotion_set"]);
        assert_eq!(ended.result["winner_path"], json!(null));
        let (deployed, _) = stage.builtin("kloros.deploy", "run-2", &ended.result);
        assert!(!deployed);
    };
    for wrong in ["many", "0", "-1", "1e3", "1001"] {
        stage.set("KLOROS_DREAM_GENERATIONS", wrong);
        check(&stage);
    }
    stage.set("KLOROS_DREAM_GENERATIONS", "1");
    stage.write(WINNER, "{\"best\": ");
    check(&stage);
    assert_eq!(
        stage.read(WINNER),
        "{\"best\": ",
        "e48: it is not taken for a fresh start"
    );
    fs::remove_file(stage.path(WINNER)).unwrap();
    assert_eq!(
        stage.run("dream", "run-1", &facts).code,
        Some(0),
        "a retry goes on"
    );
}

#[test]
fn e44_a_promotion_outside_its_directory_is_refused() {
    let stage = Stage::quick();
    stage.write("secret.json", &valid());
    for name in ["../secret.json", "/etc/passwd", ".hidden.json"] {
        let ended = stage.run("dream", "run-1", &json!({"promotion_files": [name]}));
        assert_eq!(ended.code, Some(1), "{name}");
        assert!(
            ended.result["error"]
                .as_str()
                .unwrap()
                .starts_with("OutsideTheRoot")
        );
    }
    let named = json!({"topic": "../../evil"});
    let ended = stage.run("dream", "run-2", &named);
    assert_eq!(ended.result["winner_path"], WINNER);
}

#[test]
fn the_largest_set_fits_a_result() {
    let stage = Stage::quick();
    let long = "x".repeat(60);
    let promotions: Vec<(String, String)> = (0..40)
        .map(|n| {
            (
                format!("{n:0>91}.json"),
                promotion(&json!({long.clone(): 1})),
            )
        })
        .collect();
    let promotions: Vec<(&str, String)> = promotions
        .iter()
        .map(|(name, text)| (name.as_str(), text.clone()))
        .collect();
    let facts = trigger(&stage, &promotions);
    let ended = stage.run("dream", "run-1", &facts);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.result["promotions"].as_array().unwrap().len(), 32);
}
