//! What an agent signed counts once: whoever holds the log cannot submit it again, whatever happened
//! since.

use std::sync::Arc;

use antiphon_core::control::Control;
use antiphon_core::guard::Mode;
use antiphon_core::id::Digest;
use antiphon_core::policy::Policy;
use antiphon_core::record::{Body, SnapshotTaken};
use antiphon_core::state::STATE_VERSION;
use antiphon_engine::handle::{Presigned, SubmitError};
use antiphon_engine::ports::store::Snapshot;
use antiphon_engine::recover::recover;
use antiphon_testkit::fakes::{AgentKey, presigned};

use super::ring::{answer, asking, asks, check_whole, preview};
use super::signatures::{check_refused, set_task, with_lars};
use super::support::{Running, World, policy, signal};

const STALE: &str = "signature.stale";

/// What LARS signed, and has submitted.
struct Signed {
    controls: Vec<(Control, Presigned, &'static str)>,
    policy: (Arc<Policy>, Presigned),
}

fn mode(mode: Mode) -> Control {
    Control::SetMode {
        mode,
        by: "LARS".to_owned(),
        reason: String::new(),
    }
}

/// Submits `control` as LARS signs it now.
async fn submit(running: &Running, lars: &AgentKey, control: Control) -> (Control, Presigned) {
    let signed = presigned(&preview(running, &control).await, &[lars]);
    let done = running
        .handle
        .control_signed(control.clone(), signed.clone());
    done.await.unwrap();
    (control, signed)
}

/// LARS signs one record of each kind that can be said again, and an answer.
async fn all_of_it(running: &Running, lars: &AgentKey) -> Signed {
    let mut controls = Vec::new();
    for control in [
        mode(Mode::Pause),
        mode(Mode::Normal),
        set_task(false, "LARS"),
    ] {
        let (control, signed) = submit(running, lars, control).await;
        controls.push((control, signed, STALE));
    }
    running.emit(signal("Q_ASK")).await;
    let denial = answer(asks(running)[0], false, "LARS");
    let (control, signed) = submit(running, lars, denial).await;
    controls.push((control, signed, "engine.not_found"));
    let next = policy(|source| source.slots = 1);
    let shown = running.handle.preview_policy(next.clone()).await;
    let signed = presigned(&shown.unwrap().unwrap(), &[lars]);
    let done = running
        .handle
        .configure_signed(next.clone(), signed.clone());
    done.await.unwrap();
    Signed {
        controls,
        policy: (next, signed),
    }
}

/// The operator wants none of what LARS did to be so.
async fn undo(running: &Running) {
    running.stop(Mode::Kill).await.unwrap();
    let enabled = running.handle.control(set_task(true, "ada")).await;
    enabled.unwrap();
    running.handle.configure(asking()).await.unwrap();
}

/// Nothing of it is taken again.
async fn check_replayed(world: &World, running: &Running, signed: &Signed) {
    for (control, presigned, code) in &signed.controls {
        check_refused(world, running, control.clone(), presigned.clone(), code).await;
    }
    let (policy, presigned) = &signed.policy;
    let handle = &running.handle;
    let again = handle.configure_signed(policy.clone(), presigned.clone());
    let error = again.await.unwrap_err();
    assert_eq!(error.code(), STALE, "{error}");
    assert_ne!(handle.policy().borrow().digest(), policy.digest());
    assert_eq!(
        handle.status().guards.mode,
        Mode::Kill,
        "the gate is closed"
    );
}

/// The next start folds from a snapshot of everything, and reads no record before it.
fn take_snapshot(world: &World) {
    let state = recover(world.disk.reader().as_mut(), 0).unwrap().state;
    let snapshot = Snapshot {
        at_seq: state.next_seq - 1,
        bytes: state.to_bytes().unwrap(),
    };
    let taken = SnapshotTaken {
        at_seq: snapshot.at_seq,
        sha256: Digest::of(&snapshot.bytes),
        state_version: STATE_VERSION,
    };
    world.disk.forge(&Body::SnapshotTaken(Box::new(taken)));
    world
        .disk
        .change(|contents| contents.snapshots.push(snapshot));
    let recovered = recover(world.disk.reader().as_mut(), 0).unwrap();
    assert_eq!(recovered.records_since_snapshot, 1, "it is used");
}

#[tokio::test(start_paused = true)]
async fn a14_what_was_signed_counts_once_also_behind_a_start_from_a_snapshot() {
    let world = World::new();
    let (running, lars) = with_lars(&world).await;
    let signed = all_of_it(&running, &lars).await;
    undo(&running).await;
    check_replayed(&world, &running, &signed).await;
    running.go().await.unwrap();
    take_snapshot(&world);
    let running = world.start(asking()).await;
    check_replayed(&world, &running, &signed).await;
    check_whole(&world.disk);
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_others_changed_since_must_be_signed_anew() {
    let world = World::new();
    let (running, lars) = with_lars(&world).await;
    let shown = preview(&running, &mode(Mode::Pause)).await;
    assert_eq!(shown.replaces, Some(0), "no guard has changed");
    let late = presigned(&shown, &[&lars]);
    running.stop(Mode::Drain).await.unwrap();
    let last = running.handle.status().changes.guards_seq;
    let refused = running
        .handle
        .control_signed(mode(Mode::Pause), late.clone())
        .await;
    assert_eq!(
        refused.unwrap_err(),
        SubmitError::SignatureStale { signed: 0, last }
    );
    // Whoever says that it replaces another record than it does says what was not signed.
    let moved = Presigned {
        replaces: Some(last),
        ..late
    };
    let mismatch = "signature.mismatch";
    check_refused(&world, &running, mode(Mode::Pause), moved, mismatch).await;
    submit(&running, &lars, mode(Mode::Pause)).await;
    assert_eq!(running.handle.status().guards.mode, Mode::Pause);
    check_whole(&world.disk);
    running.go().await.unwrap();
}
