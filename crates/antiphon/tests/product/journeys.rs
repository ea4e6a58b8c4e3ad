//! Whole journeys: from what is dropped or said to what came of it, and through deaths.

mod deaths;
mod reload;

use serde_json::{Value, json};

use crate::support::{Site, lines_of, until};

/// A greeting is answered by a task; work that goes on until it is let go or lost.
pub(crate) const CONFIGURATION: &str = r#"
[[intent]]
match = "greeting"
emit = "Q_HELLO"
facts = '{"name": data.name}'

[[rule]]
name = "answer"
on = "Q_HELLO"
when = "facts.name != ''"
emit = "Q_ANSWER"

[[rule]]
name = "shout"
on = "Q_HELLO"
when = "facts.name == 'deaf'"
emit = "Q_SHOUT"

[[worker]]
on = "Q_ANSWER"
task = "greet"
succeeded = "Q_ANSWERED"
failed = "Q_FAILED"

[[worker]]
on = "Q_FAIL"
task = "fail"

[[worker]]
on = "Q_HOLD"
task = "hold"
succeeded = "Q_HELD"

[[worker]]
on = "Q_HOLD_AGAIN"
task = "hold-again"
succeeded = "Q_HELD"

[[task]]
name = "greet"
agent = "LARS"
command = ["sh", "-c", "echo $ANTIPHON_TOKEN >> {out}/starts; echo hello; cat > $ANTIPHON_RESULT"]

[[task]]
name = "fail"
command = ["false"]

# Works until the file `go` is there; says when it begins and when it has done its work.
[[task]]
name = "hold"
command = ["sh", "-c", "echo $ANTIPHON_TOKEN >> {out}/starts; while ! [ -e {out}/go ]; do sleep 0.02; done; echo $ANTIPHON_TOKEN >> {out}/ends; echo {} > $ANTIPHON_RESULT"]
on_lost = "end"

[[task]]
name = "hold-again"
command = ["sh", "-c", "echo $ANTIPHON_TOKEN >> {out}/starts; while ! [ -e {out}/go ]; do sleep 0.02; done; echo $ANTIPHON_TOKEN >> {out}/ends; echo {} > $ANTIPHON_RESULT"]
on_lost = "retry"
retry = { limit = 2, backoff = "1ms" }
"#;

fn greeting(name: &str) -> Vec<u8> {
    json!({"type": "greeting", "id": "1", "data": {"name": name}})
        .to_string()
        .into_bytes()
}

#[test]
fn a_dropped_intent_becomes_a_process_and_the_chain_says_why() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    site.drop_intent("1.json", &greeting("world"));
    let done = until("the answer", || {
        site.ask(&["signal", "list", "--name", "Q_ANSWERED"]).pop()
    });
    assert_eq!(
        done["facts"],
        json!({"name": "world"}),
        "the result is what the task wrote"
    );
    assert!(site.inbox().is_empty(), "a file that was taken is gone");
    let runs = site.ask(&["run", "list"]);
    assert_eq!(runs.len(), 1, "{runs:?}");
    let run = &runs[0];
    let shown = [
        &run["task"],
        &run["agent"],
        &run["state"],
        &run["exit_code"],
    ];
    assert_eq!(
        shown,
        [
            &json!("greet"),
            &json!("LARS"),
            &json!("succeeded"),
            &json!(0)
        ]
    );
    let run_id = run["id"].as_str().unwrap();
    assert_eq!(site.run(&["run", "logs", run_id]).out, "hello\n");

    // From its beginning, its middle and its end the same chain is told.
    let hello = site.ask_one(&["signal", "list", "--name", "Q_HELLO"]);
    let ids = [&hello["id"], &run["id"], &done["id"]].map(|id| id.as_str().unwrap().to_owned());
    let chains: Vec<Value> = ids.iter().map(|id| site.ask_one(&["why", id])).collect();
    for chain in &chains {
        assert_eq!(chain["root"], chains[0]["root"]);
    }
    let root = &chains[0]["root"];
    let verdicts: Vec<(&str, &str)> = root["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["rule"].as_str().unwrap(),
                it["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(verdicts[0], ("answer", "fired"));
    assert_eq!(verdicts[1].0, "shout");
    assert_ne!(verdicts[1].1, "fired");
    let followed = &root["decisions"][0]["follows"][0];
    assert_eq!(followed["runs"][0]["follows"][0]["signal"], "Q_ANSWERED");
    let told = site.run(&["why", run_id]).out;
    for part in [
        "Q_HELLO",
        "rule answer fired",
        "rule shout",
        "greet by LARS: succeeded",
        "Q_ANSWERED",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let detail = site.ask_one(&["signal", "show", &ids[0]]);
    assert_eq!(detail["decisions"].as_array().unwrap().len(), 2);
    owner.stop();
    site.verify();
}

#[test]
fn what_is_emitted_without_an_owner_waits_for_one() {
    let site = Site::new(CONFIGURATION);
    let emitted = site.ask_one(&[
        "signal",
        "emit",
        "Q_HELLO",
        "--facts",
        r#"{"name": "later"}"#,
    ]);
    assert_eq!(emitted["duplicate"], false);
    let runs = site.ask(&["run", "list"]);
    assert_eq!((runs.len(), &runs[0]["state"]), (1, &json!("planned")));
    let status = site.ask_one(&["status"]);
    assert_eq!(
        (&status["slots"], &status["runs_planned"]),
        (&json!(0), &json!(1))
    );
    assert!(
        lines_of(&site.outside.join("starts")).is_empty(),
        "nothing may start"
    );
    let owner = site.serve();
    let runs = owner.settle(emitted["id"].as_str().unwrap());
    assert_eq!(runs[0]["state"], "succeeded");
    owner.stop();
    assert_eq!(lines_of(&site.outside.join("starts")).len(), 1);
}

#[test]
fn whoever_waits_hears_the_end_with_an_owner_and_without() {
    let site = Site::new(CONFIGURATION);
    let check = |signal: &str, facts: &str, code: i32, state: &str| {
        let said = site.run(&[
            "signal", "emit", signal, "--facts", facts, "--wait", "--output", "json",
        ]);
        said.must(code);
        let said = said.json();
        assert_eq!(said[1]["runs"][0]["state"], state, "{said:?}");
    };
    check("Q_HELLO", r#"{"name": "alone"}"#, 0, "succeeded");
    check("Q_FAIL", "{}", 1, "failed");
    let owner = site.serve();
    check("Q_HELLO", r#"{"name": "served"}"#, 0, "succeeded");
    check("Q_FAIL", "{}", 1, "failed");
    let late = ["signal", "emit", "Q_HOLD", "--wait", "--timeout", "50ms"];
    site.run(&late).must(124);
    std::fs::write(site.outside.join("go"), "").unwrap();
    owner.wait_status("the late one ends", |status| status["runs_leased"] == 0);
    owner.stop();
    assert_eq!(
        lines_of(&site.outside.join("ends")).len(),
        1,
        "giving up waiting stops nothing"
    );
}

#[test]
fn a_key_that_came_before_is_answered_with_the_first_signal() {
    let site = Site::new(CONFIGURATION);
    let emit = |facts: &str| {
        site.run(&[
            "signal", "emit", "Q_OTHER", "--key", "k", "--facts", facts, "--output", "json",
        ])
    };
    let check = |duplicate: bool, first: Option<&Value>| {
        let said = emit(r#"{"n": 1}"#);
        said.must(0);
        let said = said.json().remove(0);
        assert_eq!(said["duplicate"], duplicate);
        if let Some(first) = first {
            assert_eq!((&said["id"], &said["seq"]), (&first["id"], &first["seq"]));
        }
        said
    };
    let first = check(false, None);
    check(true, Some(&first));
    emit(r#"{"n": 2}"#).must_refuse(4, "engine.key_conflict");
    let owner = site.serve();
    check(true, Some(&first));
    emit(r#"{"n": 2}"#).must_refuse(4, "engine.key_conflict");
    let body = json!({"signal": "Q_OTHER", "source": "cli", "facts": {"n": 3}, "key": "k"});
    let answer = owner.post("/api/v1/signals", &body).unwrap();
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (422, &json!("engine.key_conflict"))
    );
    owner.kill();
    check(true, Some(&first));
    assert_eq!(site.ask(&["signal", "list", "--name", "Q_OTHER"]).len(), 1);
}

#[test]
fn what_was_acknowledged_outlives_its_owner() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let emitted: Vec<String> = (0..50)
        .map(|n| owner.emit("Q_OTHER", &json!({"n": n})).id)
        .collect();
    owner.kill();
    let listed = site.ask(&["signal", "list", "--name", "Q_OTHER"]);
    let listed: Vec<&str> = listed.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(listed, emitted);
    site.verify();
}

#[test]
fn f58_ids_of_the_same_millisecond_are_unique() {
    const PRODUCERS: usize = 8;
    const EACH: usize = 50;
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    std::thread::scope(|scope| {
        for _ in 0..PRODUCERS {
            scope.spawn(|| (0..EACH).for_each(|n| drop(owner.emit("Q_OTHER", &json!({"n": n})))));
        }
    });
    let signals = site.ask(&["signal", "list", "--limit", "1000"]);
    let mut ids: Vec<&str> = signals
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), PRODUCERS * EACH);
    // A UUIDv7 begins with its millisecond.
    let mut milliseconds: Vec<&str> = ids.iter().map(|id| &id[..13]).collect();
    milliseconds.dedup();
    assert!(
        milliseconds.len() < ids.len(),
        "no two of them fell together"
    );
    owner.stop();
}
