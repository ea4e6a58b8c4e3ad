//! Stopping: by command and by file, under load, with a full disk, with a root that was replaced.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::support::tools::{SmallDisk, attach};
use crate::support::{Owner, Site, lines_of, until};

/// Short work that leaves what the kernel says of its process, the time of its start among it; and
/// work that never ends by itself. Both are done again after a stop.
const CONFIGURATION: &str = r#"
slots = 4

[[worker]]
on = "Q_WORK"
task = "work"

[[worker]]
on = "Q_HOLD"
task = "hold"

[[task]]
name = "work"
command = ["sh", "-c", "read -r stat < /proc/$$/stat; echo \"$stat\" >> {out}/starts; echo $ANTIPHON_SIGNAL_ID >> {out}/ends"]
concurrency = 4
on_stop = "retry"

[[task]]
name = "hold"
command = ["sh", "-c", "trap '' TERM; echo $$ >> {out}/held; while ! [ -e {out}/go ]; do sleep 0.02; done"]
grace = "200ms"
concurrency = 4
on_stop = "retry"

[disk]
reserve = "8MiB"
"#;

/// Signals of one stream, at most.
const STREAM_MAX: usize = 400;

/// Now in the kernel's ticks since boot, the unit in which it says when a process started.
fn now_ticks(more_ms: i64) -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let ms = now.tv_sec * 1_000 + now.tv_nsec / 1_000_000 + more_ms;
    u64::try_from(ms).unwrap() * rustix::param::clock_ticks_per_second() / 1_000
}

/// When each process of the stream started, in ticks.
fn starts(site: &Site) -> Vec<u64> {
    let of = |line: &String| {
        let (_, rest) = line.rsplit_once(") ")?;
        rest.split(' ').nth(19)?.parse().ok()
    };
    lines_of(&site.outside.join("starts"))
        .iter()
        .filter_map(of)
        .collect()
}

fn is_idle(status: &Value) -> bool {
    status["runs_leased"] == 0 && status["runs_stopping"] == 0
}

/// Under a stream of signals: `stop` engages and says from which tick on nothing may start, `resume`
/// lets work go on; so often.
fn race(site: &Site, owner: &Owner, rounds: usize, stop: impl Fn() -> u64, resume: impl Fn()) {
    let over = AtomicBool::new(false);
    let emitted = std::thread::scope(|scope| {
        let stream = scope.spawn(|| {
            let mut emitted = 0;
            while emitted < STREAM_MAX && !over.load(Ordering::SeqCst) {
                owner.emit("Q_WORK", &json!({}));
                emitted += 1;
            }
            emitted
        });
        for round in 0..rounds {
            let before = starts(site).len();
            until("work starts", || {
                (starts(site).len() > before + 3).then_some(())
            });
            let last = stop();
            let status = owner.wait_status("what ran is gone", is_idle);
            assert_eq!(status["starts_work"], false);
            let records = status["records"].as_u64().unwrap();
            owner.emit("Q_OTHER", &json!({}));
            assert!(
                owner.status()["records"].as_u64().unwrap() > records,
                "signals are taken"
            );
            let started = starts(site);
            let late = started.iter().filter(|tick| **tick > last).count();
            assert_eq!(
                late, 0,
                "round {round}: started after tick {last}: {started:?}"
            );
            resume();
        }
        over.store(true, Ordering::SeqCst);
        stream.join().unwrap()
    });
    owner.wait_status("all is done", |status| {
        is_idle(status) && status["runs_planned"] == 0
    });
    let mut ends = lines_of(&site.outside.join("ends"));
    ends.sort();
    ends.dedup();
    assert_eq!(
        ends.len(),
        emitted,
        "what was stopped went on, nothing was dropped"
    );
}

#[test]
fn f54_after_stop_kill_has_returned_nothing_starts() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let stop = || {
        site.run(&["stop", "kill", "--reason", "race"]).must(0);
        now_ticks(0)
    };
    race(&site, &owner, 5, stop, || {
        site.run(&["stop", "resume"]).must(0);
    });
    owner.stop();
    site.verify();
}

#[test]
fn f54_from_100_ms_after_the_killswitch_appeared_nothing_starts() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let stop = || {
        site.touch("killswitch");
        let last = now_ticks(100);
        owner.wait_status("the file is seen", |status| {
            status["killswitch"] == "engaged"
        });
        last
    };
    let resume = || {
        std::fs::remove_file(site.root.join("killswitch")).unwrap();
        owner.wait_status("the file is gone", |status| status["killswitch"] == "clear");
        site.run(&["stop", "resume"]).must(0);
    };
    race(&site, &owner, 5, stop, resume);
    owner.stop();
    site.verify();
}

/// Holds one task that ignores SIGTERM, and gives its process.
fn hold(site: &Site, owner: &Owner) -> String {
    owner.emit("Q_HOLD", &json!({}));
    until("it is held", || lines_of(&site.outside.join("held")).pop())
}

fn is_gone(process: &str) -> bool {
    !Path::new("/proc").join(process).exists()
}

#[test]
fn f54_running_trees_are_gone_within_their_grace_and_go_on_after_a_resume() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let process = hold(&site, &owner);
    site.touch("killswitch");
    until("its tree is gone", || is_gone(&process).then_some(()));
    owner.wait_status("nothing runs", is_idle);
    site.run(&["stop", "resume"]);
    assert_eq!(
        owner.status()["starts_work"],
        false,
        "the file still says stop"
    );
    std::fs::remove_file(site.root.join("killswitch")).unwrap();
    owner.wait_status("the file is gone", |status| status["killswitch"] == "clear");
    site.run(&["stop", "resume"]).must(0);
    until("it runs again", || {
        (lines_of(&site.outside.join("held")).len() == 2).then_some(())
    });
    std::fs::write(site.outside.join("go"), "").unwrap();
    owner.wait_status("it ends", |status| {
        is_idle(status) && status["runs_planned"] == 0
    });
    owner.stop();
}

#[test]
fn f54_a_stop_kills_before_its_record_is_durable() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let process = hold(&site, &owner);
    let slow = "fdatasync:delay_enter=3000000:when=1";
    let tracer = attach(owner.pid(), slow, &[&site.root.join("antiphon.db-wal")]);
    let mut stop = site
        .command(&["-q", "stop", "kill", "--output", "json"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("its tree is gone", || is_gone(&process).then_some(()));
    assert!(
        stop.try_wait().unwrap().is_none(),
        "the answer waits for the record"
    );
    assert!(stop.wait().unwrap().success());
    drop(tracer);
    owner.stop();
    site.verify();
}

#[test]
fn f54_a_stop_survives_its_owner() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    site.run(&["stop", "kill"]).must(0);
    owner.emit("Q_WORK", &json!({}));
    owner.kill();
    let owner = site.serve();
    let status = owner.status();
    assert_eq!(
        (&status["mode"], &status["starts_work"]),
        (&json!("kill"), &json!(false))
    );
    assert_eq!(
        (&status["runs_planned"], starts(&site).len()),
        (&json!(1), 0)
    );
    site.run(&["stop", "resume"]).must(0);
    owner.wait_status("all is done", |status| {
        is_idle(status) && status["runs_planned"] == 0
    });
    assert_eq!(starts(&site).len(), 1);
    owner.stop();
}

#[test]
fn maintenance_defers_and_drops_nothing() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let process = hold(&site, &owner);
    site.touch("maintenance_mode");
    owner.wait_status("it is seen", |status| status["maintenance"] == true);
    for _ in 0..20 {
        owner.emit("Q_WORK", &json!({}));
    }
    let status = owner.status();
    assert_eq!(
        (&status["runs_planned"], starts(&site).len()),
        (&json!(20), 0)
    );
    assert!(!is_gone(&process), "what runs may finish");
    std::fs::write(site.outside.join("go"), "").unwrap();
    owner.wait_status("it finishes", is_idle);
    std::fs::remove_file(site.root.join("maintenance_mode")).unwrap();
    owner.wait_status("all is done", |status| {
        is_idle(status) && status["runs_planned"] == 0
    });
    assert_eq!(starts(&site).len(), 20);
    owner.stop();
}

#[test]
fn drain_and_pause_let_what_runs_finish_and_start_nothing() {
    for word in ["drain", "pause"] {
        let site = Site::new(CONFIGURATION);
        let owner = site.serve();
        hold(&site, &owner);
        site.run(&["stop", word]).must(0);
        owner.emit("Q_WORK", &json!({}));
        std::fs::write(site.outside.join("go"), "").unwrap();
        let status = owner.wait_status("it finishes", is_idle);
        assert_eq!(
            (&status["mode"], &status["runs_planned"]),
            (&json!(word), &json!(1))
        );
        assert!(starts(&site).is_empty());
        site.run(&["stop", "resume"]).must(0);
        owner.wait_status("all is done", |status| {
            is_idle(status) && status["runs_planned"] == 0
        });
        owner.stop();
    }
}

#[test]
fn a41_a_root_that_was_replaced_stops_all_work() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let process = hold(&site, &owner);
    let away = site.outside.join("away");
    std::fs::rename(&site.root, &away).unwrap();
    std::fs::create_dir(&site.root).unwrap();
    until("its tree is gone", || is_gone(&process).then_some(()));
    let owner = owner.reached_at(&away.join("antiphon.sock"));
    let status = owner.wait_status("it is seen", |status| status["killswitch"] == "unreadable");
    assert_eq!(status["starts_work"], false);
    owner.emit("Q_WORK", &json!({}));
    assert!(starts(&site).is_empty());
    std::fs::remove_dir(&site.root).unwrap();
    std::fs::rename(&away, &site.root).unwrap();
    let owner = owner.reached_at(&site.socket());
    owner.wait_status("it is back", |status| status["killswitch"] == "clear");
    std::fs::write(site.outside.join("go"), "").unwrap();
    site.run(&["stop", "resume"]).must(0);
    owner.wait_status("all is done", |status| {
        is_idle(status) && status["runs_planned"] == 0
    });
    assert_eq!(starts(&site).len(), 1);
    owner.stop();
}

#[test]
fn f54_the_killswitch_stops_work_with_the_disk_full() {
    let disk = SmallDisk::of(32 << 20);
    let site = Site::on(disk.path(), CONFIGURATION);
    let owner = site.serve();
    let process = hold(&site, &owner);
    disk.fill();
    site.touch("killswitch");
    until("its tree is gone", || is_gone(&process).then_some(()));
    // Whether the record of it still had room decides whether this owner goes on.
    let owner = owner.sees_or_ends(|status| status["killswitch"] == "engaged");
    disk.empty();
    let owner = owner.unwrap_or_else(|| site.serve());
    let status = owner.wait_status("it is seen", |status| status["killswitch"] == "engaged");
    assert_eq!(
        (&status["starts_work"], is_idle(&status)),
        (&json!(false), true)
    );
    assert_eq!(
        lines_of(&site.outside.join("held")).len(),
        1,
        "nothing was started again"
    );
    std::fs::remove_file(site.root.join("killswitch")).unwrap();
    owner.wait_status("the file is gone", |status| status["killswitch"] == "clear");
    std::fs::write(site.outside.join("go"), "").unwrap();
    site.run(&["stop", "resume"]).must(0);
    owner.wait_status("all is done", |status| {
        is_idle(status) && status["runs_planned"] == 0
    });
    owner.stop();
    site.verify();
}
