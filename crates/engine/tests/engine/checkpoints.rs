//! Checkpoints beside the log: when they are made, what they cover, who signs them, and what a start
//! makes of one that does not fit.

use std::time::Duration;

use antiphon_core::control::Control;
use antiphon_core::key::LOG;
use antiphon_core::name::AgentName;
use antiphon_core::record::KeyRotated;
use antiphon_engine::error::EngineError;
use antiphon_engine::notary::INTERVAL;
use antiphon_ledger::TreeHead;
use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::key::{Algorithm, SigningKey, VerifierKey};
use antiphon_testkit::fakes::Saved;
use tokio::time::Instant;

use super::support::{Running, World, large, plain, settle, signal};

/// The durable records.
fn size(world: &World) -> u64 {
    world.disk.contents().head.next_seq
}

/// The key of the log, as its keys say now.
fn log_key(running: &Running) -> VerifierKey {
    let keys = running.handle.keys().borrow().clone();
    keys.active(LOG).unwrap().key.as_str().parse().unwrap()
}

async fn sealed(world: &World) -> Saved {
    let size = size(world);
    world
        .checkpoints
        .until(|saved| saved.checkpoint.size() >= size)
        .await
}

#[tokio::test(start_paused = true)]
async fn a_record_is_covered_within_a_second_by_a_checkpoint_of_what_is_durable() {
    let world = World::new();
    let running = world.start(plain()).await;
    sealed(&world).await;
    for pause_ms in [0, 1, 150, 700, 999, 1_500, 60_000] {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        running.emit(signal("Q_NOTE")).await;
        let durable = Instant::now();
        let saved = sealed(&world).await;
        assert!(saved.at - durable <= INTERVAL, "after {pause_ms} ms");
        let head = world.disk.contents().head;
        assert_eq!(saved.checkpoint.head(), head.tree());
        assert_eq!(saved.checkpoint.origin(), "test");
        assert!(saved.note.verified_by(&log_key(&running)));
        assert_eq!(saved.note.signatures().len(), 1);
    }
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_checkpoint_covers_what_is_not_durable_yet() {
    let world = World::new();
    let running = world.start(plain()).await;
    sealed(&world).await;
    let durable = size(&world);
    let mut begun = world.disk.begun();
    begun.mark_unchanged();
    world.disk.hold();
    // A large one, so that the writer holds it and not this thread.
    let under_way = running.submit(large("Q_NOTE"));
    begun.changed().await.unwrap();
    tokio::time::sleep(10 * INTERVAL).await;
    let last = world.checkpoints.saved().pop().unwrap();
    assert_eq!(last.checkpoint.size(), durable);
    world.disk.release();
    under_way.await.unwrap().unwrap();
    assert!(sealed(&world).await.checkpoint.size() > durable);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn there_is_a_second_between_checkpoints_whatever_the_load() {
    let world = World::new();
    let running = world.start(plain()).await;
    for _signal in 0..2_000 {
        running.emit(signal("Q_NOTE")).await;
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    let saved = world.checkpoints.saved();
    assert!(saved.len() > 10, "{} in 14 s", saved.len());
    for pair in saved.windows(2) {
        assert!(pair[1].at - pair[0].at >= INTERVAL);
        assert!(pair[1].checkpoint.size() > pair[0].checkpoint.size());
    }
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_owner_makes_no_checkpoint() {
    let world = World::new();
    let running = world.start(plain()).await;
    sealed(&world).await;
    let (records, saved) = (size(&world), world.checkpoints.saved().len());
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(size(&world), records, "nothing happened");
    assert_eq!(world.checkpoints.saved().len(), saved);
    assert_eq!(running.handle.sealing().borrow().age_ms(), 0);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_checkpoint_of_an_owner_covers_everything_and_the_next_one_begins_there() {
    let world = World::new();
    let running = world.start(plain()).await;
    running.emit(signal("Q_NOTE")).await;
    running.go().await.unwrap();
    let last = world.checkpoints.saved().pop().unwrap();
    assert_eq!(last.checkpoint.size(), size(&world));
    let opened = world.open(plain()).await.unwrap();
    let running = opened.run();
    let newest = running.handle.sealing().borrow().newest.clone().unwrap();
    assert!(newest.size() >= last.checkpoint.size());
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f24_a_rotation_is_sealed_by_both_keys_and_the_old_one_signs_along_for_a_day() {
    let world = World::new();
    let running = world.start(plain()).await;
    let old = log_key(&running);
    let key = world.keys.make("test", LOG);
    let rotated = KeyRotated {
        agent: AgentName::new(LOG).unwrap(),
        by: "test".to_owned(),
        custodial: true,
        key,
        of: running.handle.keys().borrow().active(LOG).unwrap().key.id(),
    };
    let rotated = Control::RotateKey(Box::new(rotated));
    running.handle.control(rotated).await.unwrap();
    let new = log_key(&running);
    assert_ne!(old, new);
    let check = async |signatures: usize| {
        let saved = sealed(&world).await;
        assert!(saved.note.verified_by(&new));
        assert_eq!(
            saved.note.signatures()[0].id(),
            new.id(),
            "the valid one is first"
        );
        assert_eq!(saved.note.verified_by(&old), signatures == 2);
        assert_eq!(saved.note.signatures().len(), signatures);
    };
    check(2).await;
    tokio::time::sleep(Duration::from_hours(23)).await;
    running.emit(signal("Q_NOTE")).await;
    check(2).await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    running.emit(signal("Q_NOTE")).await;
    check(1).await;
    // Each checkpoint is signed by the key that is valid at its size.
    let keys = running.handle.keys().borrow().clone();
    let from_seq = keys.active(LOG).unwrap().from_seq;
    for saved in world.checkpoints.saved() {
        let valid = if saved.checkpoint.size() < from_seq {
            &old
        } else {
            &new
        };
        assert!(saved.note.verified_by(valid), "{}", saved.checkpoint.size());
    }
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_delays_checkpoints_raises_an_alarm_and_stops_nothing() {
    let world = World::new();
    let running = world.start(plain()).await;
    sealed(&world).await;
    world.checkpoints.fail(true);
    running.emit(signal("Q_NOTE")).await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(running.handle.status().alarms, []);
    tokio::time::sleep(Duration::from_secs(2)).await;
    running.emit(signal("Q_NOTE")).await;
    settle().await;
    let status = running.handle.status();
    assert_eq!(status.alarms.len(), 1, "{:?}", status.alarms);
    assert_eq!(status.alarms[0].code, "checkpoint.behind");
    assert!(status.admission.is_ok());
    assert!(running.handle.sealing().borrow().age_ms() > 60_000);
    world.checkpoints.fail(false);
    sealed(&world).await;
    let mut status = running.handle.watch_status();
    let is_over = status.wait_for(|status| status.alarms.is_empty());
    is_over.await.unwrap();
    running.go().await.unwrap();
}

/// What the next owner says when `change` was made to the checkpoint, or to the log.
async fn refused(change: impl FnOnce(&World)) -> &'static str {
    let world = World::new();
    let running = world.start(plain()).await;
    for _signal in 0..3 {
        running.emit(signal("Q_NOTE")).await;
    }
    running.go().await.unwrap();
    change(&world);
    let (before, file) = (world.disk.contents(), world.checkpoints.file());
    let refused = world.open(plain()).await.map(|_opened| ()).unwrap_err();
    assert!(
        matches!(refused, EngineError::Checkpoint { .. }),
        "{refused}"
    );
    assert_eq!(
        world.disk.contents().head,
        before.head,
        "nothing was appended"
    );
    assert_eq!(world.checkpoints.file(), file);
    refused.code()
}

#[tokio::test]
async fn a34_f17_f20_a_log_that_ends_before_its_checkpoint_is_refused() {
    let code = refused(|world| {
        world.disk.change(|contents| {
            contents.turns.pop().unwrap();
            let last = contents.turns.last().unwrap();
            let leaf = antiphon_ledger::hash::leaf_hash;
            contents.head.next_seq = last.next_seq();
            contents.head.root = last.root;
            contents.head.last_leaf = leaf(last.records().unwrap().last().unwrap().envelope);
        });
    });
    assert_eq!(code.await, "checkpoint.size");
}

#[tokio::test]
async fn f18_a_log_with_another_root_than_its_checkpoint_is_refused() {
    let other = World::new();
    let running = other.start(plain()).await;
    for _signal in 0..9 {
        running.emit(signal("Q_OTHER")).await;
    }
    running.go().await.unwrap();
    // All of it is chained and hashed as it should be; only the key is missing.
    let code = refused(|world| {
        let rewritten = other.disk.contents();
        world.disk.change(|contents| *contents = rewritten);
    });
    let code = code.await;
    assert!(
        ["checkpoint.root", "checkpoint.signature"].contains(&code),
        "{code}"
    );
}

#[tokio::test]
async fn f16_a_checkpoint_that_is_none_or_anothers_is_refused_and_none_at_all_is_made_anew() {
    let signed = |origin: &str, head: TreeHead| {
        let key = SigningKey::new(origin, Algorithm::Ed25519, &[3; 32]).unwrap();
        let note = Checkpoint::new(origin, head).unwrap().sign(&key).unwrap();
        Some(note.to_string().into_bytes())
    };
    let code = refused(|world| world.checkpoints.set(Some(b"nonsense".to_vec())));
    assert_eq!(code.await, "checkpoint.malformed");
    let code = refused(|world| {
        let head = world.disk.contents().head.tree();
        world.checkpoints.set(signed("other", head));
    });
    assert_eq!(code.await, "checkpoint.origin");
    let code = refused(|world| {
        let head = world.disk.contents().head.tree();
        world.checkpoints.set(signed("test", head));
    });
    assert_eq!(code.await, "checkpoint.signature");
    let world = World::new();
    let running = world.start(plain()).await;
    running.go().await.unwrap();
    world.checkpoints.set(None);
    let running = world.start(plain()).await;
    sealed(&world).await;
    running.go().await.unwrap();
}
