//! The disk and the descriptors fail: at a sync, at the Nth call, when full, when none are left; and a
//! disk that hangs.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;

use rustix::process::{Resource, Rlimit};
use serde_json::{Value, json};

use crate::support::tools::{SmallDisk, attach, attach_noting, strace};
use crate::support::{Owner, Site, lines_of, until};

const CONFIGURATION: &str = r#"
[[worker]]
on = "Q_WORK"
task = "work"

[[worker]]
on = "Q_HOLD"
task = "hold"
succeeded = "Q_HELD"

[[task]]
name = "work"
command = ["sh", "-c", "echo $ANTIPHON_TOKEN >> {out}/starts"]
on_lost = "retry"
retry = { limit = 3, backoff = "1ms" }

[[task]]
name = "hold"
command = ["sh", "-c", "echo $$ >> {out}/held; while ! [ -e {out}/go ]; do sleep 0.02; done; head -c 100000 /dev/zero; echo {} > $ANTIPHON_RESULT"]

[disk]
reserve = "16MiB"
"#;

fn work(n: usize) -> Value {
    json!({"signal": "Q_WORK", "source": "test", "facts": {"n": n}, "key": format!("k{n}")})
}

/// Posts work until the owner refuses or is gone; gives the ids that were acknowledged.
fn load(owner: &Owner, most: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for n in 0..most {
        match owner.post("/api/v1/signals", &work(n)) {
            Ok(answer) if answer.status == 202 => {
                acknowledged.push(answer.json()["id"].as_str().unwrap().to_owned());
            }
            Ok(_) | Err(_) => break,
        }
    }
    acknowledged
}

/// A new owner has all that was acknowledged, finishes it, started nothing twice, and its log is whole.
fn is_whole(site: &Site, acknowledged: &[String]) {
    let owner = site.serve();
    for id in acknowledged {
        owner.settle(id);
    }
    let listed = site.ask(&["signal", "list", "--limit", "1000"]);
    let ids: Vec<&str> = listed.iter().map(|it| it["id"].as_str().unwrap()).collect();
    for id in acknowledged {
        assert!(
            ids.contains(&id.as_str()),
            "{id} was acknowledged and is lost"
        );
    }
    owner.stop();
    let mut tokens = lines_of(&site.outside.join("starts"));
    let starts = tokens.len();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), starts, "a token started twice");
    site.verify();
}

#[test]
fn f7_after_a_sync_that_failed_nothing_is_acknowledged_and_nothing_synced_again() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let before = load(&owner, 3);
    let calls = site.outside.join("calls");
    let fault = "fdatasync,fsync:error=EIO:when=1";
    let journal = site.root.join("antiphon.db-wal");
    let database = site.root.join("antiphon.db");
    let tracer = attach_noting(owner.pid(), fault, &[&journal, &database], &calls);
    let after = owner.post("/api/v1/signals", &work(3));
    assert!(after.is_err() || after.is_ok_and(|answer| answer.status >= 500));
    let words = owner.must_end(74);
    assert!(words.contains("error[store.io]"), "{words}");
    drop(tracer);
    let calls = lines_of(&calls);
    let syncs: Vec<&String> = calls.iter().filter(|line| line.contains("sync(")).collect();
    assert_eq!(syncs.len(), 1, "{syncs:?}");
    assert!(syncs[0].contains("(INJECTED)"), "{syncs:?}");
    is_whole(&site, &before);
}

/// The owner fails at the `when`th call; whatever becomes of it, nothing acknowledged is lost.
fn fails_while_it_runs(fault: &str) {
    let site = Site::new(CONFIGURATION);
    let mut owner = site.serve();
    let tracer = attach(owner.pid(), fault, &[]);
    let acknowledged = load(&owner, 12);
    if let Some(code) = ends_or_is_idle(&mut owner) {
        assert_eq!(code, 74, "{fault}: {}", owner.words());
    } else {
        owner.kill();
    }
    drop(tracer);
    is_whole(&site, &acknowledged);
}

/// Its exit code, or nothing once it has answered that all is done.
fn ends_or_is_idle(owner: &mut Owner) -> Option<i32> {
    until("it ends or is idle", || {
        if let Some(code) = owner.has_ended() {
            return Some(Some(code));
        }
        let status = owner.try_status()?;
        let idle = ["runs_planned", "runs_leased", "runs_stopping"];
        idle.iter().all(|name| status[*name] == 0).then_some(None)
    })
}

#[test]
fn f8_when_the_nth_call_fails_nothing_acknowledged_is_lost() {
    for fault in [
        "pwrite64:error=EIO:when=1",
        "pwrite64:error=ENOSPC:when=4",
        "pwrite64:error=EINTR:when=2",
        "pwrite64:retval=1:when=5",
        "fdatasync:error=EIO:when=4",
        "openat:error=EIO:when=2",
        "renameat2:error=EIO:when=1",
        "sendmsg:error=EAGAIN:when=1",
    ] {
        fails_while_it_runs(fault);
    }
}

#[test]
fn f8_when_the_nth_call_of_a_start_fails_the_next_start_is_well() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let acknowledged = load(&owner, 3);
    owner.kill();
    for fault in [
        "pwrite64:error=EIO:when=1",
        "pwrite64:error=ENOSPC:when=3",
        "fdatasync:error=EIO:when=1",
        "fsync:error=EIO:when=1",
        "mkdirat,mkdir:error=ENOSPC:when=1",
        "ftruncate:error=EIO:when=1",
        "pread64:error=EIO:when=3",
    ] {
        let mut command = strace();
        command.args([
            "-f",
            "-o",
            "/dev/null",
            "-e",
            &format!("inject={fault}"),
            "--",
        ]);
        let mut owner = Owner::start(site.wrap(command, &["serve"]), &site);
        let outcome = until("it ends or is ready", || {
            owner
                .has_ended()
                .map(Some)
                .or_else(|| owner.is_ready().then_some(None))
        });
        if let Some(code) = outcome {
            assert!(
                [74, 5].contains(&code),
                "{fault}: {code}\n{}",
                owner.words()
            );
        }
        assert!(
            !owner.words().contains("panicked"),
            "{fault}: {}",
            owner.words()
        );
        owner.kill_group();
    }
    is_whole(&site, &acknowledged);
}

#[test]
fn f9_signals_are_refused_before_the_disk_is_full_and_taken_again_when_it_is_not() {
    let disk = SmallDisk::of(64 << 20);
    let site = Site::on(disk.path(), CONFIGURATION);
    let owner = site.serve();
    let held = owner.emit("Q_HOLD", &json!({}));
    until("it is held", || lines_of(&site.outside.join("held")).pop());
    disk.fill_to(15 << 20);
    let refused = until("signals are refused", || {
        let answer = owner.post(
            "/api/v1/signals",
            &json!({"signal": "Q_A", "source": "s", "facts": {}}),
        );
        Some(answer.unwrap()).filter(|answer| answer.status != 202)
    });
    let problem = refused.json();
    assert_eq!(
        (refused.status, &problem["code"]),
        (507, &json!("engine.disk_full")),
        "{}",
        owner.words()
    );
    assert_eq!(problem["retryable"], true);
    assert!(disk.free() > 8 << 20, "long before the disk is full");
    let said = site.run(&["signal", "emit", "Q_A"]);
    said.must_refuse(75, "engine.disk_full");
    owner.wait_status("it says so", |status| {
        status["refused_because"] == "engine.disk_full"
    });
    site.drop_intent("1.json", b"{}");

    // Outcomes, evidence and guards have room of their own.
    std::fs::write(site.outside.join("go"), "").unwrap();
    assert_eq!(owner.settle(&held.id)[0]["state"], "succeeded");
    site.run(&["stop", "pause"]).must(0);
    site.run(&["stop", "resume"]).must(0);
    assert_eq!(site.inbox(), ["1.json"], "a file waits");

    disk.empty();
    until("signals are taken again", || {
        let answer = owner.post(
            "/api/v1/signals",
            &json!({"signal": "Q_A", "source": "s", "facts": {}}),
        );
        (answer.unwrap().status == 202).then_some(())
    });
    until("the file is answered", || {
        site.inbox().is_empty().then_some(())
    });
    owner.wait_status("it says so", |status| status["refused_because"].is_null());
    owner.stop();
    site.verify();
}

/// Descriptors that a process has open.
fn descriptors(owner: &Owner) -> u64 {
    let folder = format!("/proc/{}/fd", owner.pid().as_raw_nonzero());
    std::fs::read_dir(folder).unwrap().count() as u64
}

/// CPU time that a process has used, in ticks.
fn cpu_ticks(owner: &Owner) -> u64 {
    let stat =
        std::fs::read_to_string(format!("/proc/{}/stat", owner.pid().as_raw_nonzero())).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = rest.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn f12_without_descriptors_the_log_and_the_stop_switch_work_and_nothing_spins() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    owner.emit("Q_HOLD", &json!({}));
    let process = until("it is held", || lines_of(&site.outside.join("held")).pop());
    load(&owner, 2);
    let most = descriptors(&owner) + 6;
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    rustix::process::prlimit(Some(owner.pid()), Resource::Nofile, limit).unwrap();
    let mut idle: Vec<UnixStream> = (0..40)
        .map(|_| UnixStream::connect(site.socket()).unwrap())
        .collect();
    until("no descriptor is left", || {
        (descriptors(&owner) >= most).then_some(())
    });

    // One of those that wait to be accepted is not answered, and waiting costs nothing.
    let mut last = idle.pop().unwrap();
    let before = cpu_ticks(&owner);
    is_silent_for_half_a_second(&mut last);
    let used = cpu_ticks(&owner) - before;
    assert!(used < 10, "{used} ticks in half a second of nothing");

    site.touch("killswitch");
    until("its tree is gone", || {
        (!Path::new("/proc").join(&process).exists()).then_some(())
    });
    drop(idle);
    drop(last);
    let status = owner.wait_status("it answers again", |status| {
        status["killswitch"] == "engaged"
    });
    assert_eq!(status["runs_leased"], 0);
    std::fs::remove_file(site.root.join("killswitch")).unwrap();
    owner.wait_status("the file is gone", |status| status["killswitch"] == "clear");
    std::fs::write(site.outside.join("go"), "").unwrap();
    site.run(&["stop", "resume"]).must(0);
    let acknowledged = load(&owner, 5);
    assert_eq!(acknowledged.len(), 5);
    owner.kill();
    is_whole(&site, &acknowledged);
}

fn is_silent_for_half_a_second(stream: &mut UnixStream) {
    use std::io::{Read as _, Write as _};
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_millis(500)))
        .unwrap();
    assert!(
        stream.read(&mut [0; 1]).is_err(),
        "nobody can have accepted it"
    );
}

/// Longer than any test waits, in microseconds.
const HANGS_US: u64 = 600_000_000;

/// Whether the owner's loop has been held up in a call for a while: one that is only traced is not.
fn hangs(owner: &Owner) -> bool {
    let stat = format!("/proc/{}/stat", owner.pid().as_raw_nonzero());
    (0..50).all(|_time| {
        std::thread::yield_now();
        std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") t "))
    })
}

fn f54_stops_while_the_disk_hangs(stop: impl Fn(&Site) -> Option<Child>) {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    owner.emit("Q_HOLD", &json!({}));
    let held = until("it is held", || lines_of(&site.outside.join("held")).pop());
    let fault = format!("fdatasync,fsync:delay_enter={HANGS_US}");
    let disk = attach(owner.pid(), &fault, &[]);
    std::thread::scope(|scope| {
        let emitted = scope.spawn(|| owner.emit("Q_OTHER", &json!({})));
        until("the loop hangs", || hangs(&owner).then_some(()));
        let stopping = stop(&site);
        let process = Path::new("/proc").join(&held);
        until("its tree is gone", || (!process.exists()).then_some(()));
        assert_eq!(owner.status()["mode"], "normal", "that is not durable yet");
        assert!(hangs(&owner) && !emitted.is_finished());
        disk.detach();
        emitted.join().unwrap();
        if let Some(mut stopping) = stopping {
            assert!(stopping.wait().unwrap().success());
        }
    });
    let status = owner.wait_status("it is recorded", |status| status["mode"] == "kill");
    assert_eq!(status["starts_work"], false);
    owner.stop();
    site.verify();
}

#[test]
fn f54_a_stop_by_command_does_not_wait_for_a_disk_that_hangs() {
    f54_stops_while_the_disk_hangs(|site| Some(site.command(&["stop", "kill"]).spawn().unwrap()));
}

#[test]
fn f54_a_stop_by_file_does_not_wait_for_a_disk_that_hangs() {
    f54_stops_while_the_disk_hangs(|site| {
        site.touch("killswitch");
        None
    });
}
