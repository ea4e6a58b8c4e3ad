//! The commands over an owner that runs: shapes of what they print, dead letters, approvals, help.

use std::io::Read as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::site::{BINARY, Said};
use crate::support::{Site, lines_of, until};

const CONFIGURATION: &str = r#"
[[worker]]
on = "Q_WORK"
task = "work"

[[worker]]
on = "Q_BREAK"
task = "breaks"

[[rule]]
name = "careful"
on = "Q_ASK"
emit = "Q_WORK"
approve = "operator"

[[rule]]
name = "broken"
on = "Q_POISON"
when = "facts.missing > 1"
emit = "Q_WORK"

[[rule]]
name = "ping"
on = "Q_PING"
emit = "Q_PONG"

[[rule]]
name = "pong"
on = "Q_PONG"
emit = "Q_PING"

[[task]]
name = "work"
agent = "LARS"
command = ["sh", "-c", "echo $ANTIPHON_TOKEN >> {out}/starts; printf 'a\u001b[31mb'"]

# Fails until the file `mended` is there.
[[task]]
name = "breaks"
command = ["sh", "-c", "echo sorry >&2; test -e {out}/mended"]
retry = { limit = 1, backoff = "1ms" }
"#;

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[track_caller]
fn has_keys(value: &Value, expected: &str) {
    let mut expected: Vec<&str> = expected.split(' ').collect();
    expected.sort_unstable();
    assert_eq!(keys(value), expected);
}

#[test]
fn what_programs_read_has_the_fields_that_were_promised() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let emitted = site.ask_one(&["signal", "emit", "Q_WORK", "--facts", r#"{"n":1}"#]);
    has_keys(&emitted, "id seq duplicate");
    owner.settle(emitted["id"].as_str().unwrap());
    let signal = site.ask_one(&["signal", "list"]);
    has_keys(
        &signal,
        "id seq signal timestamp source facts cause correlation",
    );
    assert!(signal["timestamp"].as_str().unwrap().ends_with('Z'));
    let run = site.ask_one(&["run", "list"]);
    has_keys(
        &run,
        "id task agent signal_id state attempt started_at finished_at exit_code evidence_sha256",
    );
    assert_eq!(run["signal_id"], emitted["id"]);
    let verdict = site.ask_one(&["ledger", "verify"]);
    for key in ["ok", "size", "root", "checkpoint_size", "problems"] {
        assert!(verdict.get(key).is_some(), "{key}: {verdict}");
    }
    let id = run["id"].as_str().unwrap();
    for arguments in [
        &["status"][..],
        &["task", "list"],
        &["rule", "list"],
        &["run", "show", id],
        &["run", "logs", id],
        &["why", id],
        &["task", "show", "work"],
        &["config", "show"],
        &["doctor"],
    ] {
        assert!(!site.ask(arguments).is_empty(), "{arguments:?}");
    }
    // What a task prints changes no terminal, and is given to programs as it is.
    assert_eq!(site.run(&["run", "logs", id]).out, "a\u{1b}[31mb");
    let shown = on_terminal(&site, "run logs", Some(id), true);
    assert!(
        shown.contains("a\\u{1b}[31mb") && !shown.contains('\u{1b}'),
        "{shown}"
    );
    owner.stop();
}

#[test]
fn options_stand_before_or_after_the_command() {
    let site = Site::new(CONFIGURATION);
    let root = site.root.to_str().unwrap();
    for arguments in [
        ["--root", root, "--output", "json", "run", "list"],
        ["run", "list", "--output", "json", "--root", root],
        ["run", "--output", "json", "list", "--root", root],
    ] {
        site.bare(&arguments).must(0);
    }
}

/// Every command and group, found by asking for help from the top.
#[test]
fn every_command_has_a_page_of_help_that_says_what_it_does() {
    let site = Site::new("");
    let mut waiting: Vec<Vec<String>> = vec![vec![]];
    let mut count = 0;
    while let Some(path) = waiting.pop() {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let said = site.bare(&arguments);
        said.must(0);
        assert!(
            said.out.contains("Usage: antiphon"),
            "{path:?}: {}",
            said.out
        );
        assert!(
            said.out.lines().next().is_some_and(|line| line.len() > 5),
            "{path:?}"
        );
        count += 1;
        let listed = said.out.split("Commands:\n").nth(1).unwrap_or_default();
        for line in listed.lines().take_while(|line| !line.is_empty()) {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                waiting.push([path.clone(), vec![name.to_owned()]].concat());
            }
        }
    }
    assert!(count >= 40, "{count} pages");
}

/// What a command prints on a terminal.
fn on_terminal(site: &Site, command: &str, id: Option<&str>, no_color: bool) -> String {
    let (root, id) = (site.root.display(), id.unwrap_or_default());
    let line = format!("{BINARY} --root {root} {command} {id}");
    let mut script = std::process::Command::new("script");
    script
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::null())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR");
    if no_color {
        script.env("NO_COLOR", "1");
    }
    let output = script.output().expect("script is missing");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let site = Site::new(CONFIGURATION);
    site.run(&["signal", "emit", "Q_OTHER"]).must(0);
    let plain = site.run(&["signal", "list"]).out;
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let coloured = on_terminal(&site, "signal list", None, false);
    assert!(coloured.contains("\u{1b}["), "{coloured}");
    let plain = on_terminal(&site, "signal list", None, true);
    assert!(
        plain.contains("Q_OTHER") && !plain.contains('\u{1b}'),
        "{plain}"
    );
}

#[test]
fn a_reader_that_leaves_a_stream_ends_it_in_silence() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let mut tail = site
        .command(&["signal", "tail", "-f", "-n", "0", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(tail.stdout.take());
    let status = until("it ends", || {
        owner.emit("Q_OTHER", &json!({}));
        tail.try_wait().unwrap()
    });
    let mut words = String::new();
    tail.stderr
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    assert_eq!((status.code(), words.as_str()), (Some(0), ""));
    owner.stop();
}

#[test]
fn f39_what_cannot_be_processed_is_kept_can_be_replayed_and_not_for_ever() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    assert_eq!(
        owner.emit_and_settle("Q_BREAK", &json!({"n": 1}))[0]["state"],
        "failed"
    );
    owner.emit_and_settle("Q_POISON", &json!({}));
    assert_eq!(
        owner.emit_and_settle("Q_WORK", &json!({}))[0]["state"],
        "succeeded"
    );
    let letters = site.ask(&["dlq", "list"]);
    let codes: Vec<&str> = letters
        .iter()
        .map(|it| it["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["rule.errored", "run.failed"]);
    let letter = letters[1]["id"].as_str().unwrap();
    let shown = site.ask_one(&["dlq", "show", letter]);
    assert_eq!(shown["payload"]["facts"], json!({"n": 1}));

    std::fs::write(site.outside.join("mended"), "").unwrap();
    let replayed = site.ask_one(&["dlq", "replay", letter]);
    let runs = owner.settle(replayed["id"].as_str().unwrap());
    assert!(
        runs.iter().any(|run| run["state"] == "succeeded"),
        "{runs:?}"
    );
    let why = site.run(&["why", letter]).out;
    assert!(why.contains("replay"), "{why}");

    let poison = letters[0]["id"].as_str().unwrap().to_owned();
    let refused = until("replays come to an end", || {
        let said = site.run(&["dlq", "replay", &poison]);
        (said.code != Some(0)).then_some(said)
    });
    refused.must(4);
    let letters = site.ask(&["dlq", "list"]).len();
    assert!(
        letters < 50,
        "{letters} letters: a replay that fails is no new letter without end"
    );

    let purged = site.ask_one(&["dlq", "purge", "--older-than", "0s"]);
    assert!(purged["purged"].as_u64().unwrap() >= 1);
    assert!(site.ask(&["dlq", "list"]).is_empty());
    assert_eq!(owner.status()["letters"], 0);
    owner.stop();
    site.verify();
}

#[test]
fn a27_rules_that_feed_each_other_are_bounded_and_others_go_on() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    owner.emit_and_settle("Q_PING", &json!({}));
    let fed = site.ask(&["signal", "list", "--limit", "1000"]).len();
    assert!((2..=64).contains(&fed), "{fed} signals of one ping");
    assert_eq!(
        owner.emit_and_settle("Q_WORK", &json!({}))[0]["state"],
        "succeeded"
    );
    let again = site.ask(&["signal", "list", "--limit", "1000"]).len();
    assert_eq!(again, fed + 1, "it has come to rest");
    owner.stop();
    site.verify();
}

#[test]
fn a_rule_that_asks_waits_for_the_word_of_a_person() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let ask = || {
        owner.emit("Q_ASK", &json!({}));
        let status = owner.wait_status("it asks", |status| status["asks"][0].is_object());
        status["asks"][0].clone()
    };
    let first = ask();
    has_keys(&first, "id rule asks signal_id remaining_ms");
    assert!(lines_of(&site.outside.join("starts")).is_empty());
    site.run(&["run", "approve", first["id"].as_str().unwrap()])
        .must(0);
    owner.settle(first["signal_id"].as_str().unwrap());
    assert_eq!(lines_of(&site.outside.join("starts")).len(), 1);
    let chain = site.ask_one(&["why", first["signal_id"].as_str().unwrap()]);
    let asked = &chain["root"]["decisions"][0]["ask"];
    assert_eq!(asked["state"], "permitted");
    assert!(
        asked["by"]
            .as_str()
            .is_some_and(|by| by.starts_with("uid:")),
        "{asked}"
    );

    let second = ask();
    site.run(&["run", "deny", second["id"].as_str().unwrap()])
        .must(0);
    owner.wait_status("nothing is asked", |status| status["asks"] == json!([]));
    let late: Said = site.run(&["run", "approve", second["id"].as_str().unwrap()]);
    assert!([3, 4].contains(&late.code.unwrap()), "{late:?}");
    assert_eq!(lines_of(&site.outside.join("starts")).len(), 1);
    owner.stop();
}

#[test]
fn a_disabled_task_waits_and_an_open_ask_and_a_disabled_task_outlive_their_owner() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    site.run(&["task", "disable", "work"]).must(0);
    let emitted = owner.emit("Q_WORK", &json!({}));
    owner.emit("Q_ASK", &json!({}));
    owner.wait_status("it asks", |status| status["asks"][0].is_object());
    owner.kill();
    let owner = site.serve();
    let status = owner.status();
    assert_eq!(status["asks"].as_array().unwrap().len(), 1);
    assert_eq!(site.ask_one(&["task", "show", "work"])["enabled"], false);
    assert!(lines_of(&site.outside.join("starts")).is_empty());
    site.run(&["task", "enable", "work"]).must(0);
    assert_eq!(owner.settle(&emitted.id)[0]["state"], "succeeded");
    owner.stop();
}

#[test]
fn a_run_is_cancelled_and_done_again_by_command() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    site.run(&["stop", "pause"]).must(0);
    let emitted = owner.emit("Q_WORK", &json!({}));
    let run = site.ask_one(&["run", "list"]);
    let id = run["id"].as_str().unwrap();
    site.run(&["run", "cancel", id]).must(0);
    site.run(&["stop", "resume"]).must(0);
    assert_eq!(owner.settle(&emitted.id)[0]["state"], "cancelled");
    site.run(&["run", "retry", id]).must(0);
    let runs = owner.settle(&emitted.id);
    let states: Vec<&str> = runs
        .iter()
        .map(|run| run["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["succeeded", "cancelled"], "newest first");
    owner.stop();
}
