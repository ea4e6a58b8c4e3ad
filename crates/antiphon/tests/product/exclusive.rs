//! One owner of a root: races, stale locks, replaced locks, lying locks.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::support::{Owner, Site, until};

const CONFIGURATION: &str = r#"
[[worker]]
on = "Q_HOLD"
task = "hold"

[[task]]
name = "hold"
command = ["sh", "-c", "echo $$ >> {out}/held; while ! [ -e {out}/go ]; do sleep 0.02; done"]
"#;

#[test]
fn f29_f30_of_two_that_race_exactly_one_passes_and_a_dead_one_holds_nothing() {
    const RACES: usize = 50;
    let site = Site::new(CONFIGURATION);
    for race in 0..RACES {
        let mut racers = [site.start(), site.start()];
        let loser = until("one gives up", || {
            racers
                .iter_mut()
                .position(|racer| racer.has_ended().is_some())
        });
        let [first, second] = racers;
        let (loser, mut winner) = if loser == 0 {
            (first, second)
        } else {
            (second, first)
        };
        let words = loser.must_end(75);
        assert!(words.contains("error[store.held]"), "race {race}: {words}");
        winner.wait_until_ready();
        let hint = format!("antiphon process {} on ", winner.pid().as_raw_nonzero());
        let refused = site.run(&["serve"]);
        refused.must_refuse(75, "store.held");
        assert!(refused.err.contains(&hint), "{}", refused.err);
        winner.emit("Q_RACE", &json!({"race": race}));
        winner.kill();
    }
    let signals = site.ask(&["signal", "list"]);
    let races: Vec<u64> = signals
        .iter()
        .map(|it| it["facts"]["race"].as_u64().unwrap())
        .collect();
    assert_eq!(races, (0..RACES as u64).collect::<Vec<_>>());
    site.verify();
}

/// A process that has nothing to do with us.
struct Stranger(Child);

impl Stranger {
    fn start() -> Self {
        let child = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a39_a_lock_that_names_a_stranger_is_no_lock_and_the_stranger_lives() {
    let site = Site::new(CONFIGURATION);
    let mut stranger = Stranger::start();
    let lie = json!({"name": "antiphon", "pid": stranger.0.id(), "hostname": "h", "started_at": 1.0, "path": "/x"});
    std::fs::write(site.root.join("antiphon.lock"), lie.to_string()).unwrap();
    let owner = site.serve();
    owner.emit("Q_A", &json!({}));
    let hint = std::fs::read_to_string(site.root.join("antiphon.lock")).unwrap();
    assert!(
        hint.contains(&owner.pid().as_raw_nonzero().to_string()),
        "{hint}"
    );
    owner.stop();
    assert!(stranger.lives());
}

fn hold(site: &Site, owner: &Owner) -> String {
    owner.emit("Q_HOLD", &json!({}));
    let held = site.outside.join("held");
    until("it is held", || crate::support::lines_of(&held).pop())
}

#[test]
fn a40_whoever_comes_after_a_removed_lock_leaves_the_older_owner_unable_to_write() {
    let site = Site::new(CONFIGURATION);
    let older = site.serve();
    let process = hold(&site, &older);
    older.emit("Q_A", &json!({"n": 1}));
    std::fs::remove_file(site.root.join("antiphon.lock")).unwrap();
    let mut newer = site.start();
    // The older one keeps what was its own until it writes: then it sees that it is not the newest.
    until("the newer one has begun its epoch", || {
        let body = json!({"signal": "Q_A", "source": "s", "facts": {"n": 2}});
        let answer = older.post("/api/v1/signals", &body);
        answer.is_err().then_some(())
    });
    let words = older.must_end(75);
    assert!(words.contains("error[store.stale]"), "{words}");
    newer.wait_until_ready();
    until("its work ends with it", || {
        (!Path::new("/proc").join(&process).exists()).then_some(())
    });
    newer.emit("Q_A", &json!({"n": 3}));
    let signals = site.ask(&["signal", "list", "--name", "Q_A"]);
    assert_eq!(signals[0]["facts"], json!({"n": 1}));
    assert_eq!(signals.last().unwrap()["facts"], json!({"n": 3}));
    newer.stop();
    site.verify();
}
