//! A disk that fills: signals are refused before it is full, and taken again by themselves.

use std::time::Duration;

use antiphon_core::control::Control;
use antiphon_core::name::TaskName;
use antiphon_core::report::Exit;
use antiphon_engine::handle::SubmitError;
use antiphon_testkit::fakes::report;

use super::support::{Running, World, plain, signal, sized};

const RESERVE_BYTES: u64 = 1 << 30;
/// Longer than the engine trusts what it was told of the disk.
const LATER: Duration = Duration::from_secs(1);

fn world() -> World {
    let mut world = World::new();
    world.options.reserve_bytes = Some(RESERVE_BYTES);
    world
}

fn set_free(world: &World, free: u64) {
    world.disk.change(|contents| contents.free = free);
}

async fn refused(running: &Running) {
    let refused = running.handle.submit(signal("Q_NOTE")).await;
    assert_eq!(refused, Err(SubmitError::DiskFull));
    assert_eq!(refused.unwrap_err().code(), "engine.disk_full");
}

#[tokio::test(start_paused = true)]
async fn f9_signals_are_refused_below_the_reserve_and_taken_again_when_there_is_room() {
    let world = world();
    let running = world.start(plain()).await;
    running.emit(signal("Q_WORK")).await;
    let seen = running.executor.until(|seen| seen.running.len() == 1).await;
    // Somebody else fills the disk.
    set_free(&world, RESERVE_BYTES - 1);
    tokio::time::advance(LATER).await;
    refused(&running).await;
    let mut status = running.handle.watch_status();
    status
        .wait_for(|status| status.admission == Err("engine.disk_full"))
        .await
        .unwrap();

    let disable = Control::SetTask {
        task: TaskName::new("work").unwrap(),
        enabled: Some(false),
        by: "test".to_owned(),
    };
    running.handle.control(disable).await.unwrap();
    assert_eq!(world.count("task.changed"), 1, "controls have the reserve");
    running
        .executor
        .finish(seen.tokens()[0], report(Exit::Code(0)));
    running
        .durable(&world, |world| world.count("run.settled") == 1)
        .await;
    refused(&running).await;

    set_free(&world, RESERVE_BYTES * 2);
    tokio::time::advance(LATER).await;
    running.emit(signal("Q_NOTE")).await;
    status
        .wait_for(|status| status.admission.is_ok())
        .await
        .unwrap();
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f9_what_the_log_itself_writes_closes_admission_and_room_opens_it() {
    let world = world();
    set_free(&world, RESERVE_BYTES + 200_000);
    let running = world.start(plain()).await;
    for _signal in 0..4 {
        running.emit(sized("Q_NOTE", 20_000)).await;
    }
    refused(&running).await;
    set_free(&world, RESERVE_BYTES * 2);
    tokio::time::advance(LATER).await;
    running.emit(signal("Q_NOTE")).await;
    running.go().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_start_on_a_full_disk_says_so_and_ends_in_order() {
    let world = world();
    set_free(&world, 0);
    let running = world.start(plain()).await;
    assert_eq!(running.handle.status().admission, Err("engine.disk_full"));
    refused(&running).await;
    running.go().await.unwrap();
}
