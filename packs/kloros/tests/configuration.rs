//! The pack's configuration: it names only what is there, its expressions compile within their
//! bounds, and they say what facts.md B3 and B4 say. Reading the file is the binary's, deciding by
//! it the machine's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the helpers of tests are tests"
)]

use std::collections::BTreeSet;

use antiphon_core::expression::{Expression, Scope};
use antiphon_core::input::Intent;
use antiphon_core::intent;
use antiphon_core::json::{Document, JsonLimits};
use antiphon_core::name::SignalName;
use antiphon_core::policy::{IntentSource, Policy, PolicySource};
use antiphon_engine::registry::Registry;
use serde_json::{Value, json};
use toml::Table;

/// What the expressions of rules and workers use here.
const SIGNAL_ROOTS: [&str; 1] = ["facts"];

fn configuration() -> Table {
    antiphon_kloros::CONFIGURATION.parse().unwrap()
}

/// The tables under `name`.
fn tables(name: &str) -> Vec<Table> {
    let configuration = configuration();
    let list = configuration[name].as_array().unwrap();
    list.iter()
        .map(|one| one.as_table().unwrap().clone())
        .collect()
}

fn text<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key).and_then(toml::Value::as_str)
}

fn document(value: &Value) -> Document {
    Document::parse(value.to_string().as_bytes(), &JsonLimits::INTENT).unwrap()
}

/// The signal and facts that an intent becomes; `None` when it is refused.
fn route(intent: &Value) -> Option<(String, Value)> {
    let source = |one: &Table| IntentSource {
        pattern: text(one, "match").unwrap().to_owned(),
        emit: SignalName::new(text(one, "emit").unwrap()).unwrap(),
        facts: text(one, "facts").map(str::to_owned),
    };
    let policy = Policy::compile(PolicySource {
        intents: tables("intent").iter().map(source).collect(),
        slots: 1,
        ..PolicySource::default()
    });
    let intent = Intent {
        file: "name.json".to_owned(),
        document: document(intent),
        key: [0; 16],
    };
    let draft = intent::route(&policy.unwrap(), &intent).ok()?;
    let facts = serde_json::from_str(draft.facts.text()).unwrap();
    Some((draft.name.to_string(), facts))
}

/// What the rule `name` makes of `facts`: `None` when its condition does not hold.
fn decide(name: &str, facts: &Value) -> Option<Value> {
    let rule = tables("rule")
        .into_iter()
        .find(|one| text(one, "name") == Some(name))
        .unwrap();
    let facts = document(facts);
    let scope = Scope::new().bind("facts", facts.root());
    let compile = |key| Expression::compile(text(&rule, key).unwrap(), &SIGNAL_ROOTS).unwrap();
    if !compile("when").bool(&scope).unwrap() {
        return None;
    }
    let emitted = compile("facts").facts(&scope).unwrap();
    Some(serde_json::from_str(emitted.text()).unwrap())
}

#[test]
fn every_name_in_it_is_there() {
    let mut registry = Registry::default();
    antiphon_kloros::register(&mut registry);
    let files: BTreeSet<&str> = registry.packs()[0]
        .files
        .iter()
        .map(|file| file.path)
        .collect();
    let tasks = tables("task");
    let names: BTreeSet<&str> = tasks
        .iter()
        .map(|task| text(task, "name").unwrap())
        .collect();
    assert_eq!(names.len(), tasks.len());
    for task in &tasks {
        assert_eq!(text(task, "agent"), Some("KLOROS"));
        if let Some(builtin) = text(task, "builtin") {
            assert!(registry.find_builtin(builtin).is_some(), "{builtin}");
        } else {
            let command = task["command"].as_array().unwrap();
            assert_eq!(
                (command[0].as_str(), command[1].as_str()),
                (Some("python3"), Some("-B"))
            );
            assert!(files.contains(command[2].as_str().unwrap()), "{command:?}");
        }
    }
    let workers = tables("worker");
    let used: BTreeSet<&str> = workers
        .iter()
        .map(|one| text(one, "task").unwrap())
        .collect();
    assert_eq!(used, names, "every task answers a signal");
    for monitor in tables("monitor") {
        let kind = text(&monitor, "kind").unwrap();
        let is_of_the_engine = ["health", "expect"].contains(&kind);
        assert!(
            is_of_the_engine || registry.find_look(kind).is_some(),
            "{kind}"
        );
    }
}

#[test]
fn whatever_is_heard_is_said_by_somebody() {
    let mut said: BTreeSet<String> = BTreeSet::new();
    let mut heard: BTreeSet<String> = BTreeSet::new();
    for (section, says, hears) in [
        ("intent", &["emit"][..], &[][..]),
        ("monitor", &["emit"], &["after"]),
        ("rule", &["emit"], &["on"]),
        ("worker", &["succeeded", "failed", "timed_out"], &["on"]),
    ] {
        for table in tables(section) {
            said.extend(
                says.iter()
                    .filter_map(|key| text(&table, key))
                    .map(str::to_owned),
            );
            heard.extend(
                hears
                    .iter()
                    .filter_map(|key| text(&table, key))
                    .map(str::to_owned),
            );
            if let Some(expect) = table.get("expect").and_then(toml::Value::as_array) {
                heard.extend(
                    expect
                        .iter()
                        .filter_map(toml::Value::as_str)
                        .map(str::to_owned),
                );
            }
            if let Some(until) = table.get("dedupe").and_then(|dedupe| dedupe.get("until")) {
                heard.insert(until.as_str().unwrap().to_owned());
            }
        }
    }
    assert!(heard.is_subset(&said), "{:?}", heard.difference(&said));
    for failure in [
        "Q_INTEGRATION_FAILED",
        "Q_DEPLOYMENT_FAILED",
        "Q_INVESTIGATION_TIMEOUT",
        "Q_DREAM_TIMEOUT",
        "Q_HEALTH_ALERT",
    ] {
        assert!(said.contains(failure), "{failure}");
    }
}

#[test]
fn every_expression_compiles_within_its_bounds() {
    let check = |source: Option<&str>, roots: &[&str]| {
        if let Some(source) = source {
            let compiled = Expression::compile(source, roots);
            assert!(compiled.is_ok(), "{source}: {compiled:?}");
        }
    };
    for section in ["rule", "worker"] {
        for table in tables(section) {
            check(text(&table, "when"), &SIGNAL_ROOTS);
            check(text(&table, "facts"), &SIGNAL_ROOTS);
            let key = table.get("dedupe").and_then(|dedupe| dedupe.get("key"));
            check(key.and_then(toml::Value::as_str), &SIGNAL_ROOTS);
        }
    }
}

#[test]
fn both_dialects_become_the_same_question() {
    let router = json!({
        "type": "discover.module",
        "id": "discover.module.audio",
        "data": {"question": "What?", "priority": "high", "evidence": ["path:src/audio"]},
    });
    let producer = json!({
        "intent_type": "curiosity_investigate",
        "priority": 8,
        "reason": "r",
        "data": {
            "question": "What?",
            "question_id": "discover.module.audio",
            "evidence": ["path:src/audio"],
        },
        "generated_at": 1_763_116_200.25,
        "emitted_by": "observer",
    });
    let expect = json!({
        "question": "What?",
        "question_id": "discover.module.audio",
        "priority": "high",
        "evidence": ["path:src/audio"],
        "hypothesis": "",
        "capability_key": "",
        "action_class": "investigate",
        "module_path": "",
    });
    for intent in [router, producer] {
        let (signal, facts) = route(&intent).unwrap();
        assert_eq!(
            (signal.as_str(), &facts),
            ("Q_CURIOSITY_INVESTIGATE", &expect)
        );
    }
    let bare = json!({"type": "reinvestigate", "data": {}});
    assert_eq!(route(&bare).unwrap().1["question_id"], "name");
}

#[test]
fn e34_a_priority_is_a_text_whatever_the_intent_says() {
    let check = |priority: &Value, expect: &str| {
        for kind in ["discover.module", "reinvestigate", "curiosity_propose_fix"] {
            let within = json!({"type": kind, "id": "i", "data": {"priority": priority}});
            let above = json!({"intent_type": kind, "priority": priority, "data": {}});
            for intent in [within, above] {
                assert_eq!(route(&intent).unwrap().1["priority"], expect, "{intent}");
            }
        }
    };
    for (number, expect) in [
        (10, "critical"),
        (9, "critical"),
        (8, "high"),
        (7, "high"),
        (6, "normal"),
        (5, "normal"),
        (4, "low"),
        (0, "low"),
    ] {
        check(&json!(number), expect);
    }
    for word in ["critical", "high", "normal", "low"] {
        check(&json!(word), word);
    }
    check(&json!(9.0), "critical");
    let none = json!({"type": "discover.module", "id": "i", "data": {}});
    assert_eq!(route(&none).unwrap().1["priority"], "normal");
}

#[test]
fn the_other_types_of_intents_keep_their_data_and_unknown_ones_match_nothing() {
    for (kind, signal) in [
        ("integration_fix", "Q_INTEGRATION_FIX"),
        ("spica_spawn_request", "Q_SPICA_SPAWN"),
        ("queue.latency_spike", "Q_LATENCY_SPIKE"),
        ("queue.stall", "Q_STALL"),
        ("queue.congestion_forecast", "Q_CONGESTION_FORECAST"),
        ("queue.orphaned", "Q_ORPHANED_QUEUE"),
    ] {
        let intent = json!({"type": kind, "data": {"x": [1, "2"]}});
        assert_eq!(
            route(&intent),
            Some((signal.to_owned(), json!({"x": [1, "2"]})))
        );
    }
    assert_eq!(route(&json!({"type": "make_coffee", "data": {}})), None);
    assert_eq!(
        route(&json!({"type": "discover.module.audio", "data": {}})),
        None
    );
}

#[test]
fn e35_the_name_of_a_scanner_is_told_and_nothing_is_run_by_it() {
    let intent = json!({"type": "run_scanner", "scanner": "os.system", "data": {}});
    let (signal, facts) = route(&intent).unwrap();
    assert_eq!(
        (signal.as_str(), &facts),
        ("Q_RUN_SCANNER", &json!({"scanner": "os.system"}))
    );
    let workers = tables("worker");
    assert!(
        workers
            .iter()
            .all(|worker| text(worker, "on") != Some("Q_RUN_SCANNER"))
    );
}

#[test]
fn a_set_of_promotions_triggers_with_all_that_d_ream_needs() {
    let facts = json!({
        "promotion_count": 2,
        "oldest_promotion_age_hours": 0.5,
        "newest_promotion_age_hours": 0,
        "promotion_files": ["a.json", "b.json"],
        "promotion_set": "ab",
        "source": "orchestrator_monitor",
    });
    let trigger = decide("dream-on-promotions", &facts).unwrap();
    assert_eq!(
        trigger,
        json!({
            "reason": "unacknowledged_promotions_detected",
            "topic": null,
            "promotion_count": 2,
            "promotion_files": ["a.json", "b.json"],
            "promotion_set": "ab",
            "oldest_promotion_age_hours": 0.5,
            "source": "kloros_policy_engine",
        })
    );
    assert_eq!(
        decide("dream-on-promotions", &json!({"promotion_count": 0})),
        None
    );
}

#[test]
fn e40_only_a_cycle_that_succeeded_is_deployed_and_every_such_cycle_is_answered() {
    let workers = tables("worker");
    let started_by = |facts: &Value| {
        let facts = document(facts);
        let scope = Scope::new().bind("facts", facts.root());
        let on = |worker: &&Table| text(worker, "on") == Some("Q_DREAM_COMPLETE");
        let holds = |worker: &&Table| {
            let when = Expression::compile(text(worker, "when").unwrap(), &SIGNAL_ROOTS);
            when.unwrap().bool(&scope).unwrap()
        };
        let found = workers.iter().filter(on).filter(holds);
        found
            .map(|worker| text(worker, "task").unwrap())
            .collect::<Vec<_>>()
    };
    let check = |success: bool, status: &str, expect: &[&str]| {
        assert_eq!(
            started_by(&json!({"success": success, "status": status})),
            expect
        );
    };
    check(true, "winner_found", &["deploy"]);
    check(true, "no_valid_promotion", &["acknowledge"]);
    check(true, "already_acknowledged", &["acknowledge"]);
    check(false, "winner_found", &[]);
    check(false, "failed", &[]);
}

#[test]
fn a_conclusion_is_told_as_what_it_is() {
    let conclusion = |status: &str| {
        json!({
            "status": status,
            "reason": "r",
            "capability_key": "c",
            "module_name": "m",
            "module_path": "src.m",
            "integrated_at": "t",
            "investigation_timestamp": "i",
            "concluded_at": "n",
        })
    };
    let check = |status: &str, is_integrated: bool, is_refused: bool| {
        let facts = conclusion(status);
        assert_eq!(
            decide("module-integrated", &facts).is_some(),
            is_integrated,
            "{status}"
        );
        assert_eq!(
            decide("integration-refused", &facts).is_some(),
            is_refused,
            "{status}"
        );
    };
    check("integrated", true, false);
    check("already_integrated", false, false);
    check("not_applicable", false, false);
    check("refused", false, true);
    assert_eq!(
        decide("integration-refused", &conclusion("refused")).unwrap(),
        json!({
            "capability_key": "c",
            "reason": "r",
            "failed_at": "n",
            "investigation_timestamp": "i",
        })
    );
}

#[test]
fn doubtful_evidence_becomes_a_question_that_knows_what_was_found_before() {
    let doubtful = json!({
        "reinvestigate": true,
        "reinvestigate_reason": "source_changed",
        "question": "What?",
        "module_name": "audio",
        "module_path": "src.audio",
        "capability_key": "module.audio",
        "hypothesis": "UNDISCOVERED_MODULE_AUDIO",
        "evidence_hash": "0123456789abcdef",
    });
    let question = decide("reinvestigate-doubtful-evidence", &doubtful).unwrap();
    assert_eq!(question["question_id"], "reinvestigate.audio");
    assert_eq!(question["previous_evidence_hash"], "0123456789abcdef");
    assert_eq!(question["evidence"], json!(["reason:source_changed"]));
    let sound = json!({"reinvestigate": false});
    assert_eq!(decide("reinvestigate-doubtful-evidence", &sound), None);
}
