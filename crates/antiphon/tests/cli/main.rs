//! The program as a user meets it: what it prints, where, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

mod owner;
mod place;
mod refusals;

use place::Place;
use serde_json::Value;

#[test]
fn a_root_is_made_once_and_never_written_over() {
    let place = Place::empty();
    let first = place.run(&["init"]).done();
    assert!(first.contains("antiphon.toml"), "{first}");
    std::fs::write(place.file("antiphon.toml"), "slots = 3\n").unwrap();
    let second = place.run(&["init"]).done();
    assert!(second.contains("nothing was changed"), "{second}");
    assert_eq!(
        std::fs::read_to_string(place.file("antiphon.toml")).unwrap(),
        "slots = 3\n"
    );
}

#[test]
fn a_signal_is_emitted_listed_and_verified_without_a_daemon() {
    let place = Place::new("");
    let emitted = place.json(&[
        "signal",
        "emit",
        "Q_A",
        "--facts",
        r#"{"n":1}"#,
        "--key",
        "k",
    ]);
    assert_eq!(emitted["duplicate"], Value::Bool(false));
    let again = place.json(&[
        "signal",
        "emit",
        "Q_A",
        "--facts",
        r#"{"n":1}"#,
        "--key",
        "k",
    ]);
    assert_eq!(
        (&again["id"], &again["duplicate"]),
        (&emitted["id"], &Value::Bool(true))
    );
    let conflict = place.run(&[
        "signal",
        "emit",
        "Q_A",
        "--facts",
        r#"{"n":2}"#,
        "--key",
        "k",
    ]);
    conflict.refused(4, "engine.key_conflict");

    let listed = place.json(&["signal", "list"]);
    let mut names: Vec<&str> = listed
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "cause",
            "correlation",
            "facts",
            "id",
            "seq",
            "signal",
            "source",
            "timestamp"
        ]
    );
    assert_eq!(
        (&listed["id"], &listed["facts"]["n"]),
        (&emitted["id"], &Value::from(1))
    );

    let verdict = place.json(&["ledger", "verify"]);
    assert_eq!(
        (&verdict["ok"], &verdict["problems"]),
        (&Value::Bool(true), &Value::Array(vec![]))
    );
    assert!(verdict["size"].as_u64().unwrap() > emitted["seq"].as_u64().unwrap());
    assert_eq!(verdict["root"].as_str().unwrap().len(), 64);
}

#[test]
fn a_list_holds_the_newest_and_shows_the_oldest_of_them_first() {
    let place = Place::new("");
    for n in 0..4 {
        place
            .run(&[
                "signal",
                "emit",
                "Q_A",
                "--facts",
                &format!("{{\"n\":{n}}}"),
            ])
            .done();
    }
    let check = |limit: &str, expect: &[u64]| {
        let text = place
            .run(&["signal", "list", "--limit", limit, "--output", "json"])
            .done();
        let found: Vec<u64> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["facts"]["n"]
                    .as_u64()
                    .unwrap()
            })
            .collect();
        assert_eq!(found, expect, "{limit}");
    };
    check("2", &[2, 3]);
    check("50", &[0, 1, 2, 3]);
    check("20000", &[0, 1, 2, 3]);
    let table = place.run(&["signal", "list"]).done();
    assert!(table.lines().next().unwrap().starts_with("TIME"), "{table}");
    assert_eq!(
        place.run(&["signal", "list", "--name", "Q_B"]).done(),
        "no signals\n"
    );
    assert_eq!(
        place.run(&["-q", "signal", "list", "--name", "Q_B"]).done(),
        ""
    );
}

#[test]
fn work_is_done_while_a_command_waits_for_it() {
    let place = Place::new(
        r#"
        [[worker]]
        on = "Q_A"
        task = "echo"
        [[worker]]
        on = "Q_B"
        task = "fails"
        [[task]]
        name = "echo"
        command = ["cat"]
        [[task]]
        name = "fails"
        command = ["false"]
        "#,
    );
    place
        .run(&["signal", "emit", "Q_A", "--facts", r#"{"n":1}"#, "--wait"])
        .done();
    let run = place.json(&["run", "list", "--task", "echo"]);
    assert_eq!(
        (&run["state"], &run["exit_code"]),
        (&"succeeded".into(), &0.into())
    );
    let id = run["id"].as_str().unwrap();
    assert_eq!(place.run(&["run", "logs", id]).done(), r#"{"n":1}"#);
    let why = place.run(&["why", id]).done();
    assert!(why.contains("attempt 1 succeeded, exit 0"), "{why}");
    assert!(why.contains("Q_A"), "{why}");

    assert_eq!(place.run(&["signal", "emit", "Q_B", "--wait"]).code, 1);
    assert_eq!(
        place.json(&["dlq", "list"])["code"],
        Value::from("run.failed")
    );
}

#[test]
fn rules_are_tried_without_effect() {
    let place = Place::new(
        "[[rule]]\nname = \"r\"\non = \"Q_A\"\nwhen = \"facts.n > 1\"\nemit = \"Q_B\"\n",
    );
    let check = |facts: &str, expect: &str| {
        let told = place.json(&["rule", "test", "Q_A", "--facts", facts]);
        assert_eq!(
            told["decisions"][0]["verdict"],
            Value::from(expect),
            "{facts}"
        );
    };
    check(r#"{"n":1}"#, "condition_false");
    check("{}", "errored");
    assert!(!place.file("antiphon.db").exists(), "nothing was recorded");
    place
        .run(&["signal", "emit", "Q_A", "--facts", r#"{"n":1}"#])
        .done();
    let id = place.json(&["signal", "list"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let told = place.json(&["rule", "test", "--signal", &id]);
    assert_eq!(
        told["decisions"][0]["verdict"],
        Value::from("condition_false")
    );
}

#[test]
fn what_a_shell_and_an_editor_need_is_printed() {
    let place = Place::empty();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            place
                .run(&["completions", shell])
                .done()
                .contains("antiphon"),
            "{shell}"
        );
    }
    let schema: Value = serde_json::from_str(&place.run(&["config", "schema"]).done()).unwrap();
    assert_eq!(schema["properties"]["task"]["type"], Value::from("array"));
}

#[test]
fn a_reader_that_goes_away_ends_the_program_in_silence() {
    let place = Place::empty();
    let mut command = place.command(&["completions", "bash"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
