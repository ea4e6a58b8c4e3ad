//! How the program ends when it cannot do what it was asked.

use crate::place::Place;

const UNKNOWN: &str = "00000000-0000-7000-8000-000000000000";

#[test]
fn the_exit_code_says_what_kind_of_refusal_it_is() {
    let place = Place::new("");
    let check = |arguments: &[&str], code: i32, error: &str| {
        place.run(arguments).refused(code, error);
    };
    check(&["signal", "show", UNKNOWN], 3, "engine.not_found");
    check(&["why", UNKNOWN], 3, "engine.not_found");
    check(&["dlq", "show", UNKNOWN], 3, "engine.not_found");
    check(&["run", "cancel", UNKNOWN], 3, "engine.not_found");
    check(&["task", "show", "nothing"], 3, "command.not_found");
    check(
        &["signal", "emit", "Q_A", "--facts", "[]"],
        2,
        "command.usage",
    );
    check(&["init", "--pack", "nothing"], 2, "command.usage");
    check(
        &["--config", "/nothing", "config", "check"],
        78,
        "config.unreadable",
    );
    for arguments in [
        &["signal", "emit", "not a name"][..],
        &["no", "command"],
        &["run", "show", "x"],
    ] {
        assert_eq!(place.run(arguments).code, 2, "{arguments:?}");
    }
    let elsewhere = Place::empty();
    elsewhere.run(&["status"]).refused(3, "root.missing");
    elsewhere
        .run(&["ledger", "verify"])
        .refused(3, "root.missing");
}

#[test]
fn a_bad_configuration_is_told_with_its_place_and_what_was_meant() {
    let place =
        Place::new("[[rule]]\nname = \"r\"\non = \"Q_A\"\nwehn = \"true\"\nemit = \"Q_B\"\n");
    let ended = place.run(&["config", "check"]);
    ended.refused(78, "config.unknown_key");
    let file = place.file("antiphon.toml");
    let expect = format!(
        "error[config.unknown_key]: {}:4:1: unknown key `wehn` in [[rule]]\nhint: did you mean `when`?\n",
        file.display()
    );
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("", expect.as_str())
    );
    place.run(&["serve"]).refused(78, "config.unknown_key");

    std::fs::write(
        &file,
        "[[rule]]\nname = \"r\"\non = \"Q_A\"\nwhen = \"facts.\"\nemit = \"Q_B\"\n",
    )
    .unwrap();
    let ended = place.run(&["config", "check"]);
    ended.refused(78, "config.unusable");
    let at = format!("{}:4:8: rule.r.when: ", file.display());
    assert!(ended.stderr.contains(&at), "{ended:?}");
}

#[test]
fn no_argument_is_taken_for_a_file_or_expanded() {
    let place = Place::new("");
    place
        .run(&["signal", "emit", "Q_A", "--facts", "@/etc/hostname"])
        .refused(2, "command.usage");
    let facts = r#"{"a":"$HOME @/etc/hostname %h"}"#;
    place
        .run(&["signal", "emit", "Q_A", "--facts", facts])
        .done();
    let listed = place.json(&["signal", "list"]);
    assert_eq!(listed["facts"].to_string(), facts);
}

#[test]
fn a_damaged_log_is_named_and_ends_with_5() {
    let place = Place::new("");
    // Long enough to fill pages of its own, which later turns do not write again.
    let facts = format!(r#"{{"word":"{}"}}"#, "harmless".repeat(2_000));
    place
        .run(&["signal", "emit", "Q_A", "--facts", &facts])
        .done();
    // The next owner moves what the first one left in the write-ahead file into the database.
    place.run(&["signal", "list"]).done();
    let path = place.file("antiphon.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = b"harmlessharmlessharmless";
    let found = bytes
        .windows(middle.len())
        .rposition(|window| window == middle);
    bytes[found.unwrap()] = b'H';
    std::fs::write(&path, bytes).unwrap();
    let ended = place.run(&["ledger", "verify", "--output", "json"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    let verdict: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(verdict["ok"], serde_json::Value::Bool(false));
    assert_eq!(
        verdict["problems"][0]["code"],
        serde_json::Value::from("body.hash")
    );
}
