//! A root that is refused: cut after its last good record, with nothing destroyed.

use std::path::{Path, PathBuf};

use antiphon_backend_sqlite::HeldRoot;
use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::key::{Algorithm, SigningKey};
use antiphon_ledger::tree::TreeHead;
use serde_json::json;

use crate::support::recovery::{kill_at_each_change, recovery_key};
use crate::support::site::Said;
use crate::support::{Owner, Site};

/// What the disk has made of `damaged`.
const DAMAGE: &[u8] = b"d\xffmaged";

/// A stopped root with a recovery key, whose last signal is damaged.
struct Damaged {
    site: Site,
    key: PathBuf,
    /// The last good record.
    good: u64,
    /// What the damaged database holds.
    database: Vec<u8>,
}

impl Damaged {
    fn new() -> Self {
        let site = Site::new("");
        let key = recovery_key(&site);
        let owner = site.serve();
        owner.emit("Q_GOOD", &json!({}));
        let bad = owner.emit("Q_BAD", &json!({"text": "damaged"}));
        owner.stop();
        std::fs::remove_file(site.root.join("checkpoint")).ok();
        let held = HeldRoot::take(&site.root, 0).unwrap();
        held.settle_log().unwrap();
        let path = site.root.join("antiphon.db");
        let mut database = std::fs::read(&path).unwrap();
        let place = database.windows(7).position(|found| found == b"damaged");
        database[place.unwrap()..][..DAMAGE.len()].copy_from_slice(DAMAGE);
        std::fs::write(&path, &database).unwrap();
        Self {
            site,
            key,
            good: bad.seq - 1,
            database,
        }
    }

    /// The same damage again, in a root of its own.
    fn copy(&self, name: &str) -> Self {
        let root = self.site.outside.join(name);
        let copied = std::process::Command::new("cp")
            .args([
                "-r",
                self.site.root.to_str().unwrap(),
                root.to_str().unwrap(),
            ])
            .status();
        assert!(copied.unwrap().success());
        Self {
            site: Site::elsewhere(root),
            key: self.key.clone(),
            good: self.good,
            database: self.database.clone(),
        }
    }

    fn arguments(&self, after: u64) -> Vec<String> {
        let (after, key) = (after.to_string(), self.key.to_str().unwrap());
        let words = [
            "ledger",
            "recover",
            "--cut-after",
            &after,
            "--reason",
            "a bad disk",
            "--recovery-key",
            key,
        ];
        words.map(str::to_owned).to_vec()
    }

    fn recover(&self, after: u64, more: &[&str]) -> Said {
        let arguments = self.arguments(after);
        let arguments = arguments.iter().map(String::as_str);
        self.site
            .run(&arguments.chain(more.iter().copied()).collect::<Vec<_>>())
    }

    /// The root works, its log says that it was cut, and what was given up is there.
    fn is_recovered(&self) {
        let owner = self.site.serve();
        let cut = record(&owner, self.good + 1);
        assert_eq!(cut["envelope"]["kind"], "log.cut");
        assert_eq!(cut["body"]["size"], self.good + 1);
        assert_eq!(cut["body"]["reason"], "a bad disk");
        assert!(cut["body"]["refused"]["size"].as_u64() > Some(self.good + 1));
        let next = record(&owner, self.good + 2);
        assert_eq!(next["envelope"]["kind"], "owner.started");
        owner.emit("Q_AFTER", &json!({}));
        let signals = self.site.ask(&["signal", "list"]);
        let names: Vec<_> = signals
            .iter()
            .map(|it| it["signal"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["Q_GOOD", "Q_AFTER"]);
        owner.stop();
        self.site.verify();
        let holds_damage = |folder: &Path| {
            // A folder may be empty whose cut was killed.
            let bytes = std::fs::read(folder.join("antiphon.db")).unwrap_or_default();
            bytes.windows(DAMAGE.len()).any(|found| found == DAMAGE)
        };
        assert!(!holds_damage(&self.site.root), "the new log is damaged");
        let refused = std::fs::read_dir(self.site.root.join("refused")).unwrap();
        let mut folders = refused.map(|it| it.unwrap().path());
        assert!(
            folders.any(|folder| holds_damage(&folder)),
            "the old log is there"
        );
        assert!(!self.site.root.join(".cutting").exists());
    }
}

fn record(owner: &Owner, seq: u64) -> serde_json::Value {
    owner.get(&format!("/api/v1/records/{seq}"))
}

#[test]
fn a34_f16_a_refused_root_is_cut_and_goes_on_and_the_old_log_is_kept() {
    let damaged = Damaged::new();
    damaged.site.run(&["serve"]).must_refuse(5, "store.damaged");
    let said = damaged.recover(damaged.good, &[]);
    said.must(0);
    assert!(said.out.contains("the old log lies in"), "{said:?}");
    damaged.is_recovered();
}

#[test]
fn a_cut_behind_damage_or_the_end_or_without_the_key_changes_nothing() {
    let damaged = Damaged::new();
    let refused = |said: Said, code: i32, error: &str| {
        said.must_refuse(code, error);
        let database = std::fs::read(damaged.site.root.join("antiphon.db")).unwrap();
        assert_eq!(database, damaged.database);
        assert!(!damaged.site.root.join("refused").exists());
        said
    };
    let said = refused(
        damaged.recover(damaged.good + 1, &[]),
        5,
        "ledger.cut_too_far",
    );
    let hint = format!("--cut-after {}", damaged.good);
    assert!(said.err.contains(&hint), "{said:?}");
    refused(damaged.recover(9_999, &[]), 5, "ledger.cut_too_far");
    let good = damaged.good.to_string();
    let keyless = ["ledger", "recover", "--cut-after", &good, "--reason", "r"];
    refused(damaged.site.run(&keyless), 2, "command.usage");
    damaged.recover(damaged.good, &[]).must(0);
    damaged.is_recovered();
    let owner = damaged.site.serve();
    damaged.recover(0, &[]).must_refuse(75, "store.held");
    owner.stop();
}

#[test]
fn a34_what_a_checkpoint_covers_is_cut_only_on_demand() {
    let damaged = Damaged::new();
    let name = damaged.site.root.join("checkpoint");
    let head = TreeHead {
        size: damaged.good + 2,
        root: [7; 32],
    };
    let key = SigningKey::new("example.com/log", Algorithm::Ed25519, &[1; 32]).unwrap();
    let note = Checkpoint::new("example.com/log", head)
        .unwrap()
        .sign(&key)
        .unwrap();
    for checkpoint in [note.to_string(), "no checkpoint".to_owned()] {
        std::fs::write(&name, &checkpoint).unwrap();
        let said = damaged.recover(damaged.good, &[]);
        said.must_refuse(4, "ledger.below_checkpoint");
        assert!(said.err.contains("a fork"), "{said:?}");
    }
    std::fs::write(&name, note.to_string()).unwrap();
    let said = damaged.recover(damaged.good, &["--below-checkpoint"]);
    said.must(0);
    assert!(said.out.contains("sees a fork"), "{said:?}");
    damaged.is_recovered();
    let refused = std::fs::read_dir(damaged.site.root.join("refused")).unwrap();
    let kept = refused
        .map(|it| it.unwrap().path().join("checkpoint"))
        .next();
    assert_eq!(
        std::fs::read_to_string(kept.unwrap()).unwrap(),
        note.to_string()
    );
}

#[test]
fn f17_a_root_whose_last_turn_is_torn_is_cut_before_it() {
    let mut damaged = Damaged::new();
    // The length of the last envelope says more than there is.
    let path = damaged.site.root.join("antiphon.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let seq = format!("\"seq\":{},", damaged.good + 1).into_bytes();
    let place = bytes.windows(seq.len()).position(|found| found == seq);
    let begin = b"{\"body_bytes\"";
    let before = bytes[..place.unwrap()].windows(begin.len());
    let place = before.into_iter().rposition(|found| found == begin);
    bytes[place.unwrap() - 1] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    damaged.database = bytes;
    damaged.site.run(&["serve"]).must_refuse(5, "store.damaged");
    damaged.recover(damaged.good, &[]).must(0);
    damaged.is_recovered();
}

#[test]
fn f1_a_cut_that_is_killed_at_any_change_leaves_the_old_log_or_the_new_one() {
    let damaged = Damaged::new();
    let mut number = 0;
    kill_at_each_change(2, |killed_at| {
        number += 1;
        let damaged = damaged.copy(&format!("root-{number}"));
        let arguments = damaged.arguments(damaged.good);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let has_ended = killed_at.run(&damaged.site, &arguments);
        let database = std::fs::read(damaged.site.root.join("antiphon.db")).unwrap();
        if database == damaged.database {
            assert!(!has_ended);
            damaged.site.run(&["serve"]).must_refuse(5, "store.damaged");
            damaged.recover(damaged.good, &[]).must(0);
        } else if damaged.site.root.join(".cutting").exists() {
            // Cut, and killed before it was tidied up: doing it again does no harm.
            damaged.recover(damaged.good, &[]).must(0);
        }
        damaged.is_recovered();
        has_ended
    });
}
