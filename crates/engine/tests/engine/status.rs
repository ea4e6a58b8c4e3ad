//! How an owner stands, as others see it: durable, and not late.

use std::time::Duration;

use antiphon_core::guard::Mode;

use super::support::{World, large, on_its_own_thread, plain, settle};

#[tokio::test(start_paused = true)]
async fn the_status_is_shown_although_a_batch_is_always_in_flight() {
    let world = World::new();
    let running = world.start(plain()).await;
    settle().await;
    let idle = running.handle.status().next_seq;
    tokio::time::advance(Duration::from_millis(100)).await;
    world.disk.hold();
    let mut begun = world.disk.begun();
    begun.mark_unchanged();
    let first = running.submit(large("Q_NOTE"));
    begun.changed().await.unwrap();
    let second = running.submit(large("Q_NOTE"));
    settle().await;
    assert_eq!(running.handle.status().next_seq, idle, "it is not durable");
    world.disk.release();
    while world.disk.contents().head.next_seq == idle {
        std::thread::yield_now();
    }
    world.disk.hold();
    begun.changed().await.unwrap();
    assert_eq!(running.handle.status().next_seq, idle + 1);
    world.disk.release();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    running.go().await.unwrap();
}

#[test]
fn who_was_answered_sees_what_he_did_from_another_thread_too() {
    let world = World::new();
    on_its_own_thread(&world, async |running| {
        let mut noise = Vec::new();
        for round in 0..200 {
            if round % 2 == 1 {
                noise.push(running.submit(large("Q_NOTE")));
            }
            running.stop(Mode::Pause).await.unwrap();
            assert_eq!(running.handle.status().guards.mode, Mode::Pause, "{round}");
            running.resume().await;
            assert_eq!(running.handle.status().guards.mode, Mode::Normal, "{round}");
        }
        for noise in noise {
            noise.await.unwrap().unwrap();
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_idle_owner_goes_on() {
    let world = World::new();
    let running = world.start(plain()).await;
    settle().await;
    let (shown, elapsed_ms) = (running.handle.status(), running.handle.elapsed_ms());
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(running.handle.elapsed_ms(), elapsed_ms + 5_000);
    assert_eq!(running.handle.status(), shown, "nothing was shown anew");
    running.go().await.unwrap();
}
