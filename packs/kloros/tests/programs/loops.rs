//! Both loops, each step by its real program, built-in or monitor, in the order of the
//! configuration. The machine between them is the engine's, and has its own tests.

use antiphon_engine::registry::Repeat;
use antiphon_kloros::demo;
use serde_json::{Value, json};

use crate::stage::{NOW_MS, Stage, has_extension, question};

#[test]
fn curiosity_becomes_a_module_that_is_discovered() {
    let stage = Stage::new();
    for path in ["src/audio", "src/memory"] {
        let investigated = stage.run("investigate", path, &question(path));
        let (succeeded, concluded) = stage.builtin("kloros.integrate", path, &investigated.result);
        assert!(succeeded);
        assert_eq!(concluded["status"], "integrated", "{concluded}");
        let known = stage.run("semantic_dedup", path, &investigated.result);
        assert_eq!(known.result["status"], "recorded");
        assert_eq!(
            known.result["reinvestigate"], false,
            "our own addition is no change"
        );
    }
    assert!(stage.path("src/memory/__init__.py").exists());
    let seen = stage.look("modules");
    assert_eq!(seen.len(), demo::MODULES_DISCOVERED);
    assert!(seen.iter().all(|(one, _)| one.repeat == Repeat::Once));
    let (_, memory) = seen
        .iter()
        .find(|(_, facts)| facts["module_name"] == "memory")
        .unwrap();
    assert_eq!(memory["module_path"], "src.memory");
    assert_eq!(memory["investigation_id"], "discover.module.memory");
    assert_eq!(memory["py_files_count"], 3);
    assert_eq!(memory["has_init"], true);
    let again = stage.run("investigate", "later", &question("src/memory"));
    let (_, concluded) = stage.builtin("kloros.integrate", "later", &again.result);
    assert_eq!(concluded["status"], "already_integrated");
    assert_eq!(
        stage.look("modules").len(),
        2,
        "nothing is discovered twice"
    );
}

#[test]
fn promotions_become_a_deployed_winner_and_then_silence() {
    let stage = Stage::quick();
    for drop in demo::drops(NOW_MS) {
        stage.write(&drop.path, &String::from_utf8(drop.bytes).unwrap());
    }
    let seen = stage.look("promotions");
    let mut trigger: Value = seen[0].1.clone();
    assert_eq!(trigger["promotion_count"], 3);
    trigger["reason"] = json!("unacknowledged_promotions_detected");
    let dreamt = stage.run("dream", "run-1", &trigger);
    assert_eq!(dreamt.result["status"], "winner_found");
    let (succeeded, deployed) = stage.builtin("kloros.deploy", "run-2", &dreamt.result);
    assert!(succeeded, "{deployed}");
    assert_eq!(deployed["winners_deployed"], 1);
    let best = stage.json("winners/logistic_regression.json")["best"]["params"].clone();
    let environment = stage.read("kloros.env");
    for (key, name) in [
        ("KLR_LEARNING_RATE", "learning_rate"),
        ("KLR_BATCH_SIZE", "batch_size"),
    ] {
        assert!(
            environment.contains(&format!("{key}={}\n", best[name])),
            "{environment}"
        );
    }
    assert!(environment.contains("KLR_VOICE=calm\n"));
    assert!(
        !stage.look("promotions").is_empty(),
        "deployed is not yet acknowledged"
    );
    let (succeeded, acknowledged) = stage.builtin("kloros.acknowledge", "run-3", &deployed);
    assert!(succeeded);
    assert_eq!(acknowledged["accepted"], 2);
    assert_eq!(acknowledged["rejected"], 1);
    assert_eq!(
        stage.json("promotions_ack/reckless_ack.json")["accepted"],
        false
    );
    assert_eq!(stage.look("promotions"), [], "the monitor is silent");
    assert_eq!(
        stage
            .files()
            .iter()
            .filter(|(name, _)| has_extension(name, "tmp"))
            .count(),
        0
    );
}

#[test]
fn a_cycle_without_a_winner_still_answers_its_promotions() {
    let stage = Stage::quick();
    stage.write("promotions/bad.json", "{\"schema\": \"v9\"}");
    let dreamt = stage.run("dream", "run-1", &stage.look("promotions")[0].1);
    let (succeeded, acknowledged) = stage.builtin("kloros.acknowledge", "run-2", &dreamt.result);
    assert!(succeeded);
    assert_eq!(acknowledged["rejected"], 1);
    assert_eq!(stage.look("promotions"), []);
}
