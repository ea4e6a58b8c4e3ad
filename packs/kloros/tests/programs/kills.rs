//! kill -9 at any moment: every file is whole, and the next attempt ends as if nothing had been.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::stage::{Stage, has_extension, promotion, question};

/// Runs a program whose process is killed by itself at its `n`th call that touches a file: the
/// program is unchanged, the calls are counted from outside.
const KILLED_AT: &str = r"
import os, runpy, signal, sys
left = int(sys.argv[2])
def counted(call):
    def wrapper(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)
    return wrapper
for name in ('open', 'write', 'fsync', 'rename'):
    setattr(os, name, counted(getattr(os, name)))
sys.path.insert(0, 'kloros/programs')
sys.argv = [sys.argv[1]]
runpy.run_path(sys.argv[0], run_name='__main__')
";

/// Everything that is read later is whole: JSON parses, and every line of a journal does.
fn assert_whole(stage: &Stage, at: &str) {
    for (name, bytes) in stage.files() {
        let text = String::from_utf8(bytes).unwrap();
        let is_whole = |text: &str| serde_json::from_str::<Value>(text).is_ok();
        if has_extension(&name, "json") {
            assert!(is_whole(&text), "{name} {at}: {text}");
        } else if has_extension(&name, "jsonl") {
            assert!(text.lines().all(is_whole), "{name} {at}: {text}");
            assert!(text.is_empty() || text.ends_with('\n'), "{name} {at}");
        }
    }
}

/// Kills the run at each of its steps in turn; after each, a second attempt succeeds, `is_done`
/// holds, and no temporary file is left.
fn check(
    program: &str,
    prepare: impl Fn() -> (Stage, Value),
    is_done: impl Fn(&Stage, &Value) -> bool,
) {
    let path = format!("kloros/programs/{program}.py");
    for step in 1..200 {
        let (stage, facts) = prepare();
        let arguments = ["-B", "-c", KILLED_AT, &path, &step.to_string()];
        let killed = stage.end(stage.start(&arguments, "run-k", &facts));
        let at = format!("after step {step}");
        assert_whole(&stage, &at);
        if killed.code == Some(0) {
            assert!(step > 5, "{program} has more steps than {step}");
            return;
        }
        assert_eq!(killed.code, None, "{at}: it was killed");
        let ended = stage.run(program, "run-k", &facts);
        assert_eq!(ended.code, Some(0), "{at}");
        assert!(is_done(&stage, &ended.result), "{at}");
        let left = stage
            .files()
            .into_iter()
            .find(|(name, _)| has_extension(name, "tmp"));
        assert_eq!(left, None, "{at}");
    }
    panic!("{program} did not end within 200 steps");
}

#[test]
fn an_investigation_that_is_killed_at_any_step_is_recorded_once() {
    check(
        "investigate",
        || (Stage::new(), question("src/memory")),
        |stage, result| {
            let records = stage.lines("curiosity_investigations.jsonl");
            records.len() == 1 && records[0]["timestamp"] == result["investigation_timestamp"]
        },
    );
}

#[test]
fn a_deduplication_that_is_killed_at_any_step_is_done_once() {
    check(
        "semantic_dedup",
        || {
            let stage = Stage::new();
            let investigated = stage.run("investigate", "run-i", &question("src/memory"));
            (stage, investigated.result)
        },
        |stage, result| {
            let lines = stage.lines("semantic_processed_investigations.jsonl");
            let store = stage.json("semantic_evidence.json");
            lines.len() == 1 && lines[0]["result"] == *result && store["memory"].is_object()
        },
    );
}

#[test]
fn a_dream_that_is_killed_at_any_step_ends_with_a_whole_winner() {
    check(
        "dream",
        || {
            let stage = Stage::quick();
            let content = promotion(&json!({"learning_rate": 0.05}));
            stage.write("promotions/p.json", &content);
            let facts = stage.look("promotions")[0].1.clone();
            (stage, facts)
        },
        |stage, result| {
            let winner = stage.json("winners/logistic_regression.json");
            let (deployed, _) = stage.builtin("kloros.deploy", "run-d", result);
            deployed && winner["run_tag"] == result["run_tag"]
        },
    );
}

#[test]
fn ten_kills_while_it_dreams_leave_every_file_whole() {
    let mut stage = Stage::quick();
    stage.set("KLOROS_DREAM_GENERATIONS", "20");
    let facts = json!({});
    let mut seed: u32 = 20_251_114;
    for kill in 0..10 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let lines = usize::try_from((seed >> 16) % 20).unwrap();
        let mut child = stage.start(&["-B", "kloros/programs/dream.py"], "run-k", &facts);
        let told = BufReader::new(child.stdout.take().unwrap());
        let count = told.lines().take(lines).count();
        child.kill().unwrap();
        stage.end(child);
        assert_eq!(count, lines, "kill {kill} met it while it ran");
        assert_whole(&stage, &format!("kill {kill}, after line {lines}"));
    }
    assert_eq!(stage.run("dream", "run-k", &facts).code, Some(0));
}
