//! What the owner holds: how it is kept, and rotated by kill-proof steps.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{active, file_of, id, recoverable};
use crate::support::site::Said;
use crate::support::tools::kill_at;
use crate::support::{Owner, Site};

#[test]
fn init_gives_the_recovery_key_away_once_and_keeps_none() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    let site = Site::new("");
    let init = |more: &[&str]| {
        let mut arguments = vec!["init", root.to_str().unwrap()];
        arguments.extend(more);
        site.bare(&arguments)
    };
    let first = init(&["--origin", "here/log"]);
    first.must(0);
    let secret = first
        .out
        .lines()
        .find(|line| line.contains("PRIVATE+KEY+here/log/recovery+"))
        .unwrap_or_else(|| panic!("{first:?}"));
    let again = init(&[]);
    again.must(0);
    assert!(!again.out.contains("PRIVATE+KEY+"), "{again:?}");
    assert!(!holds(&root, secret.trim()), "the secret lies in the root");
    let inside = root.join("r.key");
    init(&["--recovery-key", inside.to_str().unwrap()]).must_refuse(2, "key.inside_root");
    let file = home.path().join("r.key");
    init(&["--recovery-key", file.to_str().unwrap()]).must(0);
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .contains("here/log/recovery")
    );
    init(&["--recovery-key", file.to_str().unwrap()]).must_refuse(2, "key.exists");
}

/// Whether any file beneath `folder` holds `text`.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(text)
    })
}

#[test]
fn a_log_begins_with_keys_that_the_owner_holds_and_says_so() {
    let (site, _recovery) = recoverable("");
    let keys = site.ask(&["key", "list"]);
    let agents: Vec<&str> = keys
        .iter()
        .map(|key| key["agent"].as_str().unwrap())
        .collect();
    assert_eq!(agents, ["log", "operator", "owner", "recovery"]);
    for key in &keys {
        let is_held = key["agent"] != "recovery";
        assert_eq!(key["custodial"], is_held, "{key}");
        assert_eq!(file_of(&site, key).exists(), is_held, "{key}");
        assert_eq!((&key["state"], &key["from"]), (&json!("active"), &json!(0)));
        assert_eq!(key["to"], json!(null));
    }
    let doctor = site.ask_one(&["doctor"]);
    let check = |name: &str| {
        let checks = doctor["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {doctor}")).clone()
    };
    assert_eq!(
        check("key files")["detail"],
        "3 keys, not encrypted, mode 0600"
    );
    assert_eq!(check("recovery key")["state"], "ok");
    assert!(
        check("key custody")["detail"]
            .as_str()
            .unwrap()
            .contains("custodial")
    );
    assert!(
        check("key ages")["detail"]
            .as_str()
            .unwrap()
            .contains("log in ")
    );
    site.verify();
}

#[test]
fn a_log_that_an_owner_began_by_itself_is_said_to_lack_a_recovery_key() {
    let site = Site::new("");
    std::fs::remove_file(site.root.join("keys/recovery.pub")).unwrap();
    site.serve().stop();
    let doctor = site.ask_one(&["doctor"]);
    let checks = doctor["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == "recovery key");
    assert_eq!(found.unwrap()["state"], "warning", "{doctor}");
    let late = site.outside.join("late.key");
    let late = site.run(&["init", "--recovery-key", late.to_str().unwrap()]);
    late.must_refuse(2, "command.usage");
    site.verify();
}

#[test]
fn f24_keys_are_rotated_while_signals_flow_and_every_record_verifies() {
    const ROTATIONS: usize = 5;
    let (site, _recovery) = recoverable("");
    let owner = site.serve();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stream = scope.spawn(|| {
            let mut sent = 0;
            while !over.load(Ordering::SeqCst) {
                owner.emit("Q_A", &json!({"n": sent}));
                sent += 1;
            }
        });
        for _ in 0..ROTATIONS {
            for agent in ["log", "operator", "owner"] {
                let before = id(&active(&site, agent));
                site.run(&["key", "rotate", agent]).must(0);
                assert_ne!(id(&active(&site, agent)), before);
                site.run(&["stop", "pause"]).must(0);
                site.run(&["stop", "resume"]).must(0);
            }
        }
        over.store(true, Ordering::SeqCst);
        stream.join().unwrap();
    });
    let keys = site.ask(&["key", "list", "--all"]);
    let deprecated = keys.iter().filter(|key| key["state"] == "deprecated");
    assert_eq!(deprecated.count(), 3 * ROTATIONS);
    owner.stop();
    site.verify();
}

/// The system calls that make a key durable, and then the record that names it, in their order; the
/// owner is killed before each.
const STEPS: &[(&str, &str)] = &[
    ("openat", "keys"),
    ("fsync", "keys"),
    ("renameat2", "keys"),
    ("pwrite64", "antiphon.db-wal"),
    ("fdatasync", "antiphon.db-wal"),
];

#[test]
fn f24_an_owner_killed_at_any_step_of_a_rotation_leaves_exactly_one_valid_key() {
    let (site, _recovery) = recoverable("");
    site.serve().stop();
    for (call, path) in STEPS {
        let owner = site.serve();
        let path = site.root.join(path);
        let tracer = kill_at(owner.pid(), call, &[&path]);
        let answer = owner.post("/api/v1/keys/log/rotate", &json!({}));
        assert!(answer.is_err(), "{call} was not met: {answer:?}");
        owner.kill();
        drop(tracer);
        let owner = site.serve();
        owner.emit("Q_A", &json!({}));
        let key = active(&site, "log");
        assert!(file_of(&site, &key).exists(), "{call}: {key}");
        site.run(&["key", "rotate", "log"]).must(0);
        let pending = site.ask(&["key", "list"]);
        let pending = pending.iter().filter(|key| key["state"] == "pending");
        assert_eq!(pending.count(), 0, "{call}: what a crash left is used");
        owner.stop();
        site.verify();
    }
}

/// Runs a command with a passphrase on its descriptor 0.
fn with_passphrase(site: &Site, arguments: &[&str], passphrase: &str) -> Said {
    let mut arguments = arguments.to_vec();
    arguments.extend(["--passphrase-fd", "0"]);
    let mut child = piped(site.command(&arguments));
    let mut input = child.stdin.take().unwrap();
    input.write_all(passphrase.as_bytes()).unwrap();
    drop(input);
    Said::of(&child.wait_with_output().unwrap())
}

fn piped(mut command: Command) -> std::process::Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a37_sealed_keys_open_by_their_passphrase_and_by_no_other() {
    let (site, _recovery) = recoverable("");
    with_passphrase(&site, &["signal", "emit", "Q_A"], "correct horse\n").must(0);
    for entry in std::fs::read_dir(site.root.join("keys")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("PRIVATE+KEY+"), "{}: {text}", path.display());
    }
    site.run(&["signal", "emit", "Q_A"])
        .must_refuse(78, "key.locked");
    with_passphrase(&site, &["signal", "emit", "Q_A"], "wrong").must_refuse(78, "key.passphrase");
    with_passphrase(&site, &["signal", "emit", "Q_A"], "").must_refuse(78, "key.passphrase");
    with_passphrase(&site, &["signal", "emit", "Q_A"], "correct horse").must(0);
    let mut credential = site.command(&["signal", "emit", "Q_A"]);
    std::fs::write(site.outside.join("antiphon.passphrase"), "correct horse").unwrap();
    credential.env("CREDENTIALS_DIRECTORY", &site.outside);
    Said::of(&credential.output().unwrap()).must(0);
    with_passphrase(&site, &["key", "unseal"], "correct horse").must(0);
    with_passphrase(&site, &["signal", "emit", "Q_A"], "battery staple").must(0);
    with_passphrase(&site, &["signal", "emit", "Q_A"], "correct horse")
        .must_refuse(78, "key.passphrase");
    site.verify();
}

#[test]
fn a30_a_key_that_others_may_read_keeps_an_owner_from_starting() {
    let (site, _recovery) = recoverable("");
    site.serve().stop();
    let file = file_of(&site, &active(&site, "log"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let words = site.start().must_end(78);
    assert!(words.contains("error[key.loose]"), "{words}");
    assert!(words.contains("chmod go-rwx"), "{words}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let owner: Owner = site.serve();
    owner.stop();
}
