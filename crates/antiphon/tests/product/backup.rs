//! Backups: made beside an owner that works, whole or refused.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::recovery::{kill_at_each_change, recovery_key};
use crate::support::{Site, until};

const CONFIGURATION: &str = r#"
[[worker]]
on = "Q_PRINT"
task = "print"

[[task]]
name = "print"
command = ["sh", "-c", "printf '%020000d'"]
"#;

/// Verifies the log in a folder.
fn verify(folder: &Path) -> Value {
    Site::elsewhere(folder.to_owned()).ask_one(&["ledger", "verify"])
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_backup_beside_an_owner_that_works_is_whole_and_holds_no_private_keys() {
    let site = Site::new(CONFIGURATION);
    std::fs::create_dir_all(site.root.join("keys")).unwrap();
    std::fs::write(site.root.join("keys/owner"), "PRIVATE+KEY").unwrap();
    let owner = site.serve();
    let runs = owner.emit_and_settle("Q_PRINT", &json!({}));
    assert_eq!(runs.len(), 1);
    let seq = owner.emit("Q_NOTE", &json!({})).seq;
    let to = site.outside.join("backup");
    let made = site.ask_one(&["backup", "--to", to.to_str().unwrap()]);
    owner.emit("Q_NOTE", &json!({}));
    assert!(made["size"].as_u64() > Some(seq), "{made}");
    assert_eq!(
        (&made["evidence"], &made["keys"]),
        (&json!(1), &json!(false))
    );
    let mut found = names(&to);
    found.retain(|name| name != "checkpoint");
    let expected = ["antiphon.db", "antiphon.toml", "backup.json", "evidence"];
    assert_eq!(found, expected);
    let verdict = verify(&to);
    assert_eq!(
        (&verdict["size"], &verdict["root"]),
        (&made["size"], &made["root"])
    );
    owner.stop();
    let with_keys = site.outside.join("with-keys");
    let said = site.run(&["backup", "--with-keys", "--to", with_keys.to_str().unwrap()]);
    said.must(0);
    assert!(said.out.contains("private keys are in it"), "{said:?}");
    assert!(with_keys.join("keys/owner").exists());
}

#[test]
fn a_backup_goes_nowhere_where_it_would_be_lost_or_mixed_up() {
    let site = Site::new(CONFIGURATION);
    let inside = site.root.join("backup");
    let to = |folder: &Path| site.run(&["backup", "--to", folder.to_str().unwrap()]);
    to(&site.outside.join("none")).must_refuse(3, "command.not_found");
    site.serve().stop();
    to(&inside).must_refuse(2, "command.usage");
    let full = site.outside.join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("something"), "else").unwrap();
    to(&full).must_refuse(2, "command.usage");
    assert_eq!(names(&full), ["something"]);
}

/// A site whose log has a recovery key and a bit of everything, its backup, and the key's file.
fn backed_up() -> (Site, PathBuf, PathBuf) {
    let site = Site::new(CONFIGURATION);
    let key = recovery_key(&site);
    let owner = site.serve();
    owner.emit_and_settle("Q_PRINT", &json!({}));
    owner.emit("Q_KEPT", &json!({}));
    let backup = site.outside.join("backup");
    let said = site.run(&["backup", "--with-keys", "--to", backup.to_str().unwrap()]);
    said.must(0);
    owner.emit("Q_LOST", &json!({}));
    owner.emit("Q_LOST", &json!({}));
    let lost = owner.emit("Q_LOST", &json!({}));
    until("the loss is sealed", || {
        (sealed(&site.root) > lost.seq).then_some(())
    });
    owner.stop();
    (site, backup, key)
}

/// Records that the newest checkpoint of a root covers.
fn sealed(root: &Path) -> u64 {
    let note = std::fs::read_to_string(root.join("checkpoint")).unwrap_or_default();
    let size = note.lines().nth(1);
    size.map_or(0, |size| size.parse().unwrap())
}

fn restore(backup: &Path, key: Option<&Path>) -> Vec<String> {
    let mut arguments = vec!["restore", "--from", backup.to_str().unwrap()];
    arguments.extend(["--reason", "the disk is gone"]);
    if let Some(key) = key {
        arguments.extend(["--recovery-key", key.to_str().unwrap()]);
    }
    arguments.into_iter().map(str::to_owned).collect()
}

fn run(site: &Site, arguments: &[String]) -> crate::support::site::Said {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    site.run(&arguments)
}

/// The restored root works, and its log says that it was restored.
fn works(restored: &Site, backup: &Path) {
    let manifest = std::fs::read_to_string(backup.join("backup.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let size = manifest["size"].as_u64().unwrap();
    let owner = restored.serve();
    let record = |seq: u64| owner.get(&format!("/api/v1/records/{seq}"));
    let first = record(size);
    assert_eq!(first["envelope"]["kind"], "log.restored");
    assert_eq!(first["body"]["reason"], "the disk is gone");
    assert_eq!(first["body"]["size"], size);
    let signature = first["envelope"]["sig"][0].as_str().unwrap();
    assert!(signature.starts_with("recovery+"), "{signature}");
    let epochs = (0..size).filter_map(|seq| record(seq)["body"]["epoch"].as_u64());
    assert!(
        first["body"]["epoch"].as_u64() > epochs.max(),
        "no owner of what was backed up had this epoch"
    );
    let next = record(size + 1);
    assert_eq!(next["envelope"]["kind"], "owner.started");
    assert!(next["body"]["epoch"].as_u64() > first["body"]["epoch"].as_u64());
    let runs = owner.emit_and_settle("Q_PRINT", &json!({}));
    let id = runs[0]["id"].as_str().unwrap().to_owned();
    let logs = restored.ask(&["run", "logs", &id]);
    assert!(!logs.is_empty());
    let signals = restored.ask(&["signal", "list"]);
    let has = |name: &str| signals.iter().any(|signal| signal["signal"] == name);
    assert!(has("Q_KEPT") && !has("Q_LOST"), "{signals:?}");
    owner.stop();
    restored.verify();
}

#[test]
fn f20_a_restored_root_runs_and_verifies_and_is_not_taken_for_the_one_that_is_lost() {
    let (site, backup, key) = backed_up();
    site.verify();
    let restored = Site::elsewhere(site.outside.join("restored"));
    let said = run(&restored, &restore(&backup, Some(&key)));
    said.must(0);
    assert!(
        said.out.contains("what was recorded after that is lost"),
        "{said:?}"
    );
    assert_eq!(names(&restored.root.join("evidence")).len(), 1);
    // Who saw more of the old log than the backup holds is told, now and when the new one is longer.
    let root = restored.root.to_str().unwrap();
    let seen_by_another = |code: &str| {
        let said = site.run(&["ledger", "verify", root]);
        said.must(5);
        assert!(said.out.contains(code), "{said:?}");
    };
    seen_by_another("head.ahead");
    works(&restored, &backup);
    seen_by_another("head.fork");
    let again = run(&restored, &restore(&backup, Some(&key)));
    again.must_refuse(2, "command.usage");
    assert!(again.err.contains("is not empty"), "{again:?}");
}

#[test]
fn a_backup_that_is_not_whole_or_not_signed_for_is_not_restored() {
    let (site, backup, key) = backed_up();
    let restored = Site::elsewhere(site.outside.join("restored"));
    let refused = |key: Option<&Path>, code: i32, error: &str| {
        let said = run(&restored, &restore(&backup, key));
        said.must_refuse(code, error);
    };
    refused(None, 2, "command.usage");
    let other = site.outside.join("other.key");
    crate::support::recovery::write_key(&other, 9);
    refused(Some(&other), 2, "command.usage");
    // What was begun is no root, and is gone on with.
    restored.run(&["serve"]).must_refuse(78, "store.unfinished");
    let database = backup.join("antiphon.db");
    let whole = std::fs::read(&database).unwrap();
    let mut changed = whole.clone();
    let place = changed
        .windows(6)
        .rposition(|bytes| bytes == b"Q_KEPT")
        .unwrap();
    changed[place] ^= 1;
    std::fs::write(&database, &changed).unwrap();
    refused(Some(&key), 5, "store.damaged");
    std::fs::write(&database, &whole).unwrap();
    let manifest = backup.join("backup.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"root\": \"", "\"root\": \"0")).unwrap();
    refused(Some(&key), 5, "backup.unusable");
    std::fs::remove_file(&manifest).unwrap();
    refused(Some(&key), 5, "backup.unusable");
    std::fs::write(&manifest, text).unwrap();
    run(&restored, &restore(&backup, Some(&key))).must(0);
    works(&restored, &backup);
}

#[test]
fn f1_a_restoration_that_is_killed_at_any_change_is_no_root_or_a_whole_one() {
    let (site, backup, key) = backed_up();
    let mut number = 0;
    kill_at_each_change(2, |killed_at| {
        number += 1;
        let restored = Site::elsewhere(site.outside.join(format!("restored-{number}")));
        let arguments = restore(&backup, Some(&key));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let has_ended = killed_at.run(&restored, &arguments);
        let is_begun = restored.root.join(".restoring").exists();
        if is_begun {
            restored.run(&["serve"]).must_refuse(78, "store.unfinished");
        }
        if is_begun || !restored.root.join("antiphon.db").exists() {
            assert!(!has_ended);
            restored.run(&arguments).must(0);
        }
        works(&restored, &backup);
        has_ended
    });
}

#[test]
fn a_backup_that_is_killed_is_none() {
    let (site, _backup, key) = backed_up();
    let mut number = 0;
    kill_at_each_change(1, |killed_at| {
        number += 1;
        let to = site.outside.join(format!("backup-{number}"));
        let has_ended = killed_at.run(&site, &["backup", "--to", to.to_str().unwrap()]);
        let restored = Site::elsewhere(site.outside.join(format!("from-{number}")));
        let said = run(&restored, &restore(&to, Some(&key)));
        if to.join("backup.json").exists() {
            said.must(0);
        } else {
            assert!(!has_ended);
            said.must_refuse(5, "backup.unusable");
        }
        has_ended
    });
}
