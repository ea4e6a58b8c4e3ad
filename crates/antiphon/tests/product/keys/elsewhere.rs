//! Agents that hold their own keys: what they sign elsewhere is recorded as they signed it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{active, id, recoverable};
use crate::support::site::Said;
use crate::support::{Site, until};

const CONFIGURATION: &str = r#"
[[rule]]
name = "ask-first"
on = "Q_ASK"
emit = "Q_DONE"
approve = "LARS"
"#;

fn generate(site: &Site, agent: &str, name: &str) -> PathBuf {
    let file = site.outside.join(name);
    site.run(&["key", "generate", agent, "--to", text(&file)])
        .must(0);
    file
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn register(site: &Site, agent: &str, file: &Path) -> Said {
    site.run(&["key", "register", agent, "--key", text(file)])
}

/// The ask that waits.
fn ask(site: &Site) -> String {
    site.run(&["signal", "emit", "Q_ASK"]).must(0);
    until("it is asked", || {
        let status = site.ask_one(&["status"]);
        let asks = status["asks"].as_array().unwrap();
        asks.last()
            .map(|ask| ask["id"].as_str().unwrap().to_owned())
    })
}

/// What `sign` printed, in a file.
fn sign(site: &Site, name: &str, arguments: &[&str]) -> PathBuf {
    let mut all = vec!["sign"];
    all.extend(arguments);
    let said = site.bare(&all);
    said.must(0);
    let file = site.outside.join(name);
    std::fs::write(&file, said.out).unwrap();
    file
}

/// A change of the guards that the record `replaces` changed last.
fn sign_stop(site: &Site, name: &str, words: &[&str], replaces: u64, key: &Path) -> PathBuf {
    let replaces = replaces.to_string();
    let rest = ["--replaces", &replaces, "--key", text(key)];
    sign(site, name, &[&["stop"], words, &rest].concat())
}

fn signatures(site: &Site, kind: &str) -> Vec<Value> {
    let owner = site.serve();
    let records = owner.status()["records"].as_u64().unwrap();
    let found = (0..records)
        .map(|seq| owner.get(&format!("/api/v1/records/{seq}")))
        .filter(|record| record["envelope"]["kind"] == kind)
        .map(|record| record["envelope"]["sig"].clone())
        .collect();
    owner.stop();
    found
}

#[test]
fn an_agent_answers_an_ask_with_its_own_key_and_an_answer_fits_one_ask_of_one_log() {
    let (site, _recovery) = recoverable(CONFIGURATION);
    let key = generate(&site, "LARS", "lars.key");
    register(&site, "LARS", &key).must(0);
    assert_eq!(active(&site, "LARS")["custodial"], false);
    let (first, second) = (ask(&site), ask(&site));
    let answer = |ask: &str, name| {
        let rule = ["--rule", "ask-first", "--key", text(&key)];
        sign(&site, name, &[&["ask", ask, "permit"][..], &rule].concat())
    };
    let signed = answer(&first, "first.json");
    let approve =
        |ask: &str, signed: &Path| site.run(&["run", "approve", ask, "--signed", text(signed)]);
    approve(&second, &signed).must_refuse(2, "command.usage");
    site.run(&["run", "deny", &first, "--signed", text(&signed)])
        .must_refuse(2, "command.usage");
    approve(&first, &signed).must(0);
    approve(&first, &signed).must_refuse(3, "engine.not_found");
    // The same signature under another ask is another record.
    let moved = std::fs::read_to_string(&signed)
        .unwrap()
        .replace(&first, &second);
    std::fs::write(site.outside.join("moved.json"), moved).unwrap();
    approve(&second, &site.outside.join("moved.json")).must(4);
    let own = id(&active(&site, "LARS"));
    let sig = signatures(&site, "ask.answered");
    assert!(
        sig[0][0]
            .as_str()
            .unwrap()
            .starts_with(&format!("LARS+{own} ask:{first} "))
    );
    site.verify();
}

#[test]
fn a_stop_that_was_signed_elsewhere_stops_and_one_for_other_guards_is_refused() {
    let (site, _recovery) = recoverable("");
    let key = generate(&site, "VEGA", "vega.key");
    register(&site, "VEGA", &key).must(0);
    let owner = site.serve();
    let pause = sign_stop(&site, "pause.json", &["pause"], 0, &key);
    let other = sign_stop(&site, "other.json", &["kill", "--maintenance"], 0, &key);
    site.run(&["stop", "kill", "--signed", text(&other)])
        .must(4);
    assert_eq!(owner.status()["mode"], "normal");
    site.run(&["stop", "pause", "--signed", text(&pause)])
        .must(0);
    assert_eq!(owner.status()["mode"], "pause");
    owner.stop();
    let sig = signatures(&site, "guard.changed");
    assert!(sig[0][0].as_str().unwrap().starts_with("VEGA+"), "{sig:?}");
    site.verify();
}

#[test]
fn a14_a_signed_resume_opens_the_gate_once() {
    let (site, _recovery) = recoverable("");
    let key = generate(&site, "VEGA", "vega.key");
    register(&site, "VEGA", &key).must(0);
    let guards_seq = || site.ask_one(&["status"])["guards_seq"].as_u64().unwrap();
    let submit = |word, signed: &Path| site.run(&["stop", word, "--signed", text(signed)]);
    let pause = sign_stop(&site, "pause.json", &["pause"], guards_seq(), &key);
    submit("pause", &pause).must(0);
    let resume = sign_stop(&site, "resume.json", &["resume"], guards_seq(), &key);
    submit("resume", &resume).must(0);
    site.run(&["stop", "kill"]).must(0);
    submit("resume", &resume).must_refuse(4, "signature.stale");
    submit("pause", &pause).must_refuse(4, "signature.stale");
    let owner = site.serve();
    submit("resume", &resume).must_refuse(4, "signature.stale");
    assert_eq!(owner.status()["mode"], "kill");
    owner.stop();
    site.verify();
}

#[test]
fn f24_an_agent_rotates_its_key_with_both_files_and_the_old_one_is_refused() {
    let (site, _recovery) = recoverable("");
    let old = generate(&site, "LARS", "old.key");
    let new = generate(&site, "LARS", "new.key");
    register(&site, "LARS", &old).must(0);
    register(&site, "LARS", &new).must(4);
    let rotate = |old: &Path, new: &Path| {
        site.run(&[
            "key",
            "rotate",
            "LARS",
            "--key",
            text(old),
            "--new",
            text(new),
        ])
    };
    rotate(&new, &old).must(4);
    rotate(&old, &new).must(0);
    rotate(&old, &new).must(4);
    let stop = |key: &Path, name| {
        let signed = sign_stop(&site, name, &["pause"], 0, key);
        site.run(&["stop", "pause", "--signed", text(&signed)])
    };
    stop(&old, "old.json").must(4);
    stop(&new, "new.json").must(0);
    site.verify();
}

#[test]
fn a37_a_custodial_agent_is_signed_for_by_the_owner_and_shown_as_such() {
    let (site, recovery) = recoverable("");
    site.run(&["key", "register", "FINN"]).must(0);
    let first = active(&site, "FINN");
    assert_eq!(first["custodial"], true);
    site.run(&["key", "rotate", "FINN"]).must(0);
    let second = active(&site, "FINN");
    let own = generate(&site, "FINN", "finn.key");
    let revoke = [
        "key",
        "revoke",
        "FINN",
        "--of",
        &id(&second),
        "--recovery-key",
        text(&recovery),
        "--new",
        text(&own),
        "--reason",
        "it signs itself now",
    ];
    site.run(&revoke).must(0);
    let third = active(&site, "FINN");
    assert_eq!(third["custodial"], false);
    let shown = site.ask(&["key", "show", "FINN"]);
    let states: Vec<&str> = shown
        .iter()
        .map(|key| key["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["active", "revoked", "deprecated"]);
    site.run(&["key", "show", "NOBODY"]).must(3);
    site.verify();
}

#[test]
fn a_verifier_is_given_the_keys_that_are_valid_now_and_the_head() {
    let (site, _recovery) = recoverable("");
    site.run(&["key", "rotate", "log"]).must(0);
    let file = site.outside.join("trust.json");
    let written = site.ask_one(&["key", "export", "--to", text(&file)]);
    let trust: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(trust["log_key"], active(&site, "log")["key"]);
    assert_eq!(trust["recovery_key"], active(&site, "recovery")["key"]);
    assert_eq!(trust["key_size"], active(&site, "log")["from"]);
    assert_eq!(written["origin"], trust["origin"]);
    assert_eq!(trust["witnesses"], json!([]));
    site.run(&["key", "export", "--to", text(&file)])
        .must_refuse(2, "command.usage");
}
