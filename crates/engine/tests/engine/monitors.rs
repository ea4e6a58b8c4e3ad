//! Monitors: only what is new is a signal, and a look that hangs hurts nobody else.
#![allow(clippy::unnecessary_wraps, reason = "a look has the type of its port")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use antiphon_core::policy::{MonitorKind, MonitorSource, Policy};
use antiphon_core::record::Body;
use antiphon_core::signal::Facts;
use antiphon_engine::registry::{LookCall, LookError, Observation, Registry, Repeat};

use super::support::{World, monitor, plain, policy, signal};

type Seen = Result<Vec<Observation>, LookError>;

fn looks(kinds: &[(&'static str, antiphon_engine::registry::Look)]) -> Arc<Registry> {
    let mut registry = Registry::default();
    for (kind, look) in kinds {
        registry.look(kind, *look);
    }
    Arc::new(registry)
}

fn look(name: &str, kind: &str) -> MonitorSource {
    let kind = MonitorKind::Look {
        kind: kind.to_owned(),
        options: Facts::empty(),
    };
    monitor(name, kind)
}

fn watching(monitors: &[(&str, &str)]) -> Arc<Policy> {
    policy(|source| {
        source.monitors = monitors
            .iter()
            .map(|(name, kind)| look(name, kind))
            .collect();
    })
}

fn observation(identity: &str, repeat: Repeat) -> Observation {
    let facts = serde_json::json!({ "identity": identity });
    Observation {
        identity: identity.to_owned(),
        repeat,
        facts: Facts::parse(facts.to_string().as_bytes()).unwrap(),
    }
}

/// The identities that became signals, in order.
fn said(world: &World) -> Vec<String> {
    let text = |facts: &Facts| {
        let identity = facts.document().root().get("identity");
        identity.and_then(|view| Some(view.as_str()?.into_owned()))
    };
    let bodies = world.bodies().into_iter();
    bodies
        .filter_map(|body| match body {
            Body::SignalAccepted(body) if body.signal.as_str() == "Q_SEEN" => text(&body.facts),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_still_there_is_no_news_and_what_comes_back_is() {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    fn changing(_call: &LookCall<'_>) -> Seen {
        let there: &[&str] = match LOOKS.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => &["a"],
            2 => &["a", "b", "b"],
            3 => &[],
            4 => {
                return Err(LookError {
                    message: "nothing could be seen".to_owned(),
                });
            }
            _ => &["b"],
        };
        let seen = there.iter().map(|name| observation(name, Repeat::OnChange));
        Ok(seen.collect())
    }
    let mut world = World::new();
    world.registry = looks(&[("changing", changing)]);
    let running = world.start(watching(&[("m", "changing")])).await;
    let mut status = running.handle.watch_status();
    let failing = status
        .wait_for(|status| !status.monitors_failing.is_empty())
        .await;
    assert_eq!(
        failing.unwrap().monitors_failing[0].1,
        "nothing could be seen"
    );
    status
        .wait_for(|status| status.monitors_failing.is_empty())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(said(&world), ["a", "b", "b"]);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_counts_once_is_said_once_restarts_included() {
    fn standing(_call: &LookCall<'_>) -> Seen {
        Ok(vec![
            observation("always", Repeat::Once),
            observation("edge", Repeat::OnChange),
        ])
    }
    let mut world = World::new();
    world.registry = looks(&[("standing", standing)]);
    for _start in 0..2 {
        let running = world.start(watching(&[("m", "standing")])).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        running.kill().await;
    }
    assert_eq!(said(&world), ["always", "edge", "edge"]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_starts_the_monitors_of_the_new_policy_and_ends_the_others() {
    static OLD: AtomicU32 = AtomicU32::new(0);
    static NEW: AtomicU32 = AtomicU32::new(0);
    fn old(_call: &LookCall<'_>) -> Seen {
        OLD.fetch_add(1, Ordering::SeqCst);
        Ok(Vec::new())
    }
    fn new(_call: &LookCall<'_>) -> Seen {
        NEW.fetch_add(1, Ordering::SeqCst);
        Ok(Vec::new())
    }
    let mut world = World::new();
    world.registry = looks(&[("old", old), ("new", new)]);
    let running = world.start(watching(&[("m", "old")])).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(OLD.load(Ordering::SeqCst) >= 3);
    running
        .handle
        .configure(watching(&[("m", "new")]))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let old_looks = OLD.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(OLD.load(Ordering::SeqCst), old_looks);
    assert!(NEW.load(Ordering::SeqCst) >= 3);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_look_that_hangs_is_reported_is_not_started_again_and_holds_up_nothing() {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    static FREE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
    /// Ends the look with the test, however that ends.
    struct Free;
    impl Drop for Free {
        fn drop(&mut self) {
            *FREE.0.lock().unwrap() = true;
            FREE.1.notify_all();
        }
    }
    fn hanging(_call: &LookCall<'_>) -> Seen {
        STARTED.fetch_add(1, Ordering::SeqCst);
        let free = FREE.0.lock().unwrap();
        drop(FREE.1.wait_while(free, |free| !*free).unwrap());
        Ok(Vec::new())
    }
    let _free = Free;
    let mut world = World::new();
    world.registry = looks(&[("hanging", hanging)]);
    let running = world.start(watching(&[("m", "hanging")])).await;
    let mut status = running.handle.watch_status();
    while STARTED.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // The time of a paused clock stands while a thread is at work: it is moved by hand.
    while running.handle.status().monitors_failing.is_empty() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let failing = status.borrow_and_update().monitors_failing.clone();
    assert!(failing[0].1.contains("500 ms"), "{failing:?}");
    for _tenth in 0..50 {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert_eq!(
        STARTED.load(Ordering::SeqCst),
        1,
        "one thread hangs, and no second"
    );
    running.emit(signal("Q_NOTE")).await;
    running.handle.configure(plain()).await.unwrap();
    running
        .handle
        .configure(watching(&[("m", "hanging")]))
        .await
        .unwrap();
    running.shutdown.cancel();
    while !running.ended.is_finished() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    running.ended().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_monitor_of_a_kind_that_nobody_brought_is_reported() {
    let world = World::new();
    let running = world.start(watching(&[("m", "unheard")])).await;
    let mut status = running.handle.watch_status();
    let failing = status
        .wait_for(|status| !status.monitors_failing.is_empty())
        .await;
    assert!(failing.unwrap().monitors_failing[0].1.contains("unheard"));
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn health_is_silent_until_something_is_wrong() {
    let mut world = World::new();
    world.options.reserve_bytes = Some(1 << 30);
    let running = world.start(watching(&[("health", "health")])).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.kinds(), [] as [&str; 0]);
    running.handle.reload_failed(Some("line 1".to_owned()));
    tokio::time::sleep(Duration::from_mins(1)).await;
    let alerts: Vec<_> = world
        .bodies()
        .into_iter()
        .filter_map(|body| match body {
            Body::SignalAccepted(body) => Some(body.facts.text().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(alerts[0].contains("configuration_refused"));
    running.go().await.unwrap();
}
