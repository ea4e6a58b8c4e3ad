//! The owner dies at each step of an attempt: before the lease is written, before its sync, before
//! the spawn, while the task runs, before the settlement is written, and while it drains.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::CONFIGURATION;
use crate::support::tools::kill_at;
use crate::support::{Owner, Site, lines_of, until};

/// A site whose owner runs, and dies at the first call of `call` on the log's journal, or on
/// anything, once `signal` has been emitted.
struct Death<'a> {
    call: &'a str,
    on_journal: bool,
    signal: &'a str,
}

impl Death<'_> {
    /// The site after it.
    fn happen(&self) -> Site {
        let site = Site::new(CONFIGURATION);
        let mut owner = site.serve();
        let journal = site.root.join("antiphon.db-wal");
        let paths: &[&Path] = if self.on_journal { &[&journal] } else { &[] };
        let _tracer = kill_at(owner.pid(), self.call, paths);
        let body = json!({"signal": self.signal, "source": "test", "facts": {}, "key": "k"});
        // Whether it was answered is not certain when it dies after its commit.
        owner.post("/api/v1/signals", &body).ok();
        owner.wait();
        site
    }
}

/// Says the signal again with its key, lets the work go, and gives all runs when it is over.
fn go_on(site: &Site, signal: &str) -> Vec<Value> {
    std::fs::write(site.outside.join("go"), "").unwrap();
    let owner = site.serve();
    let body = json!({"signal": signal, "source": "test", "facts": {}, "key": "k"});
    let answer = owner.post("/api/v1/signals", &body).unwrap();
    assert_eq!(answer.status, 202);
    owner.settle(answer.json()["id"].as_str().unwrap());
    let runs = site.ask(&["run", "list"]);
    owner.stop();
    site.verify();
    runs
}

/// Lines that the task wrote at its beginning and at its end.
fn marks(site: &Site) -> (Vec<String>, Vec<String>) {
    let of = |name: &str| lines_of(&site.outside.join(name));
    (of("starts"), of("ends"))
}

fn states(runs: &[Value]) -> Vec<&str> {
    runs.iter()
        .map(|run| run["state"].as_str().unwrap())
        .collect()
}

#[test]
fn f1_dead_before_the_lease_is_written_nothing_was_acknowledged_and_nothing_started() {
    let death = Death {
        call: "pwrite64",
        on_journal: true,
        signal: "Q_HOLD",
    };
    let site = death.happen();
    assert!(site.ask(&["signal", "list"]).is_empty());
    assert_eq!(states(&go_on(&site, "Q_HOLD")), ["succeeded"]);
    let (starts, ends) = marks(&site);
    assert_eq!((starts.len(), ends.len()), (1, 1));
}

#[test]
fn f1_dead_before_the_sync_of_the_lease_nothing_started_and_one_run_comes_of_it() {
    let death = Death {
        call: "fdatasync",
        on_journal: true,
        signal: "Q_HOLD_AGAIN",
    };
    let site = death.happen();
    assert!(marks(&site).0.is_empty(), "no start before the sync");
    assert_eq!(states(&go_on(&site, "Q_HOLD_AGAIN")), ["succeeded"]);
    let (starts, ends) = marks(&site);
    assert_eq!((starts.len(), ends), (1, starts));
}

#[test]
fn f1_dead_between_the_lease_and_the_spawn_the_run_is_retried_or_unknown_as_its_task_says() {
    let check = |signal: &str, state: &str, starts_expected: usize| {
        let death = Death {
            call: "sendmsg",
            on_journal: false,
            signal,
        };
        let site = death.happen();
        assert!(marks(&site).0.is_empty(), "{signal}: the order never left");
        let runs = go_on(&site, signal);
        assert_eq!(states(&runs), [state], "{signal}");
        assert_eq!(marks(&site).0.len(), starts_expected, "{signal}");
    };
    check("Q_HOLD_AGAIN", "succeeded", 1);
    check("Q_HOLD", "unknown", 0);
}

/// Starts an owner and holds one attempt of `signal` in it.
fn hold(site: &Site, signal: &str) -> (Owner, String) {
    let owner = site.serve();
    let body = json!({"signal": signal, "source": "test", "facts": {}, "key": "k"});
    let answer = owner.post("/api/v1/signals", &body).unwrap().json();
    let id = answer["id"].as_str().unwrap().to_owned();
    until("the task starts", || {
        (marks(site).0.len() == 1).then_some(())
    });
    (owner, id)
}

#[test]
fn f43_dead_while_a_task_runs_it_ends_with_its_owner_as_unknown_with_a_dead_letter() {
    let site = Site::new(CONFIGURATION);
    let (owner, _) = hold(&site, "Q_HOLD");
    owner.kill();
    let owner = site.serve();
    std::fs::write(site.outside.join("go"), "").unwrap();
    let runs = site.ask(&["run", "list"]);
    assert_eq!(states(&runs), ["unknown"], "{runs:?}");
    let letter = site.ask_one(&["dlq", "list"]);
    assert_eq!(
        (&letter["subject"], &letter["code"]),
        (&json!("task:hold"), &json!("run.unknown"))
    );
    owner.stop();
    let (starts, ends) = marks(&site);
    assert_eq!(
        (starts.len(), ends.len()),
        (1, 0),
        "the task died with its owner"
    );
    let exported = std::fs::read_to_string(site.root.join("failed_signals.jsonl")).unwrap();
    assert!(exported.contains("Q_HOLD"), "{exported}");
    site.verify();
}

#[test]
fn f43_dead_while_a_task_runs_it_is_tried_again_and_exactly_one_lives() {
    let site = Site::new(CONFIGURATION);
    let (owner, id) = hold(&site, "Q_HOLD_AGAIN");
    owner.kill();
    let owner = site.serve();
    until("the next attempt", || {
        (marks(&site).0.len() == 2).then_some(())
    });
    assert_eq!(owner.status()["runs_leased"], 1);
    std::fs::write(site.outside.join("go"), "").unwrap();
    let runs = owner.settle(&id);
    assert_eq!(
        (states(&runs), &runs[0]["attempt"]),
        (vec!["succeeded"], &json!(2))
    );
    owner.stop();
    let (starts, ends) = marks(&site);
    assert_eq!(ends, starts[1..], "only the second came to its end");
    assert_ne!(starts[0], starts[1], "no token is used twice");
    assert!(site.ask(&["dlq", "list"]).is_empty());
}

#[test]
fn f1_dead_between_the_exit_and_its_settlement_the_exit_is_honoured() {
    let site = Site::new(CONFIGURATION);
    let (mut owner, id) = hold(&site, "Q_HOLD_AGAIN");
    let tracer = kill_at(
        owner.pid(),
        "pwrite64",
        &[&site.root.join("antiphon.db-wal")],
    );
    std::fs::write(site.outside.join("go"), "").unwrap();
    owner.wait();
    drop(tracer);
    let owner = site.serve();
    let runs = owner.settle(&id);
    assert_eq!(
        (states(&runs), &runs[0]["attempt"]),
        (vec!["succeeded"], &json!(1))
    );
    owner.stop();
    let (starts, ends) = marks(&site);
    assert_eq!((starts.len(), ends), (1, starts));
    site.verify();
}

#[test]
fn f55_dead_while_it_drains_nothing_is_lost() {
    let site = Site::new(CONFIGURATION);
    let (owner, id) = hold(&site, "Q_HOLD_AGAIN");
    owner.signal(Signal::TERM);
    until("it drains", || {
        owner
            .post("/api/v1/signals", &json!({}))
            .is_err()
            .then_some(())
    });
    owner.kill();
    // The next owner begins when nothing of the last one lives: only then the work may end.
    let owner = site.serve();
    std::fs::write(site.outside.join("go"), "").unwrap();
    let runs = owner.settle(&id);
    assert_eq!(
        (states(&runs), &runs[0]["attempt"]),
        (vec!["succeeded"], &json!(2))
    );
    owner.stop();
    assert_eq!(marks(&site).0.len(), 2);
    site.verify();
}

#[test]
fn f55_sigterm_lets_work_finish_and_ends_well() {
    let site = Site::new(CONFIGURATION);
    let (owner, _) = hold(&site, "Q_HOLD");
    owner.signal(Signal::TERM);
    until("it drains", || {
        owner
            .post("/api/v1/signals", &json!({}))
            .is_err()
            .then_some(())
    });
    std::fs::write(site.outside.join("go"), "").unwrap();
    owner.must_end(0);
    assert_eq!(states(&site.ask(&["run", "list"])), ["succeeded"]);
    assert_eq!(marks(&site).1.len(), 1);
}

#[test]
fn f55_a_second_sigterm_waits_for_no_work_and_loses_nothing() {
    let site = Site::new(CONFIGURATION);
    let (owner, id) = hold(&site, "Q_HOLD_AGAIN");
    owner.signal(Signal::TERM);
    until("it drains", || {
        owner
            .post("/api/v1/signals", &json!({}))
            .is_err()
            .then_some(())
    });
    owner.signal(Signal::TERM);
    owner.must_end(143);
    // The next owner begins when nothing of the last one lives: only then the work may end.
    let owner = site.serve();
    std::fs::write(site.outside.join("go"), "").unwrap();
    assert_eq!(states(&owner.settle(&id)), ["succeeded"]);
    owner.stop();
    let (starts, ends) = marks(&site);
    assert_eq!(ends, starts[1..]);
}
