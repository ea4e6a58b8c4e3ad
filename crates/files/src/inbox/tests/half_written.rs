//! Files whose writers have not finished, or never will.

use super::*;

#[tokio::test]
async fn f49_a_file_found_half_written_is_left_until_it_is_closed() {
    let mut world = World::new();
    let mut writer = fs::File::create(world.path("a.json")).unwrap();
    writer.write_all(b"{\"n\":").unwrap();
    world.write("empty.json", "");
    world.start().await;
    assert_eq!(world.engine.seen().handed_over, 0);
    writer.write_all(b"1}").unwrap();
    drop(writer);
    world.engine.until_intents(1).await;
    world.stop().await;
    assert_eq!(world.engine.texts(), [r#"{"n":1}"#]);
    assert_eq!(World::names(&world.intents()), ["empty.json", "rejected"]);
}

#[tokio::test]
async fn f49_a_file_being_written_while_we_watch_is_taken_when_it_is_closed() {
    let mut world = World::new();
    world.start().await;
    let mut writer = fs::File::create(world.path("a.json")).unwrap();
    // Whole by itself, but its writer has more to say.
    writer.write_all(b"{}").unwrap();
    world.drop_in("b.json", r#"{"n":2}"#);
    world.engine.until_intents(1).await;
    writer.write_all(b"\n").unwrap();
    drop(writer);
    world.engine.until_intents(2).await;
    world.stop().await;
    assert_eq!(world.engine.texts(), [r#"{"n":2}"#, "{}"]);
    world.assert_empty();
}

#[tokio::test]
async fn f49_a_file_whose_writer_died_is_parked_after_its_time() {
    let mut world = World::new();
    world.write("a.json", "{\"n\":");
    world.clock.ahead_ms.store(HOUR_MS, Ordering::Relaxed);
    world.start().await;
    world.engine.until(|seen| seen.malformed.len() == 1).await;
    world.stop().await;
    world.assert_empty();
    assert_eq!(world.reason("a.json")["code"], "json.syntax");
    let malformed = &world.engine.seen().malformed[0];
    assert_eq!(
        (&*malformed.subject, &*malformed.excerpt),
        ("intent:a.json", "{\"n\":")
    );
}

#[tokio::test]
async fn f49_a_timer_comes_back_to_a_file_that_nobody_closes() {
    let mut world = World::new();
    world.options.settle = Duration::from_millis(20);
    world.start().await;
    let mut writer = fs::File::create(world.path("a.json")).unwrap();
    writer.write_all(b"{\"n\":").unwrap();
    world.engine.until(|seen| seen.malformed.len() == 1).await;
    world.stop().await;
    world.assert_empty();
}

#[tokio::test]
async fn f49_a_file_from_the_future_does_not_wait_for_it() {
    let mut world = World::new();
    world.write("a.json", "{\"n\":");
    world.clock.ahead_ms.store(-HOUR_MS, Ordering::Relaxed);
    world.start().await;
    world.engine.until(|seen| seen.malformed.len() == 1).await;
    world.stop().await;
    world.assert_empty();
}

#[tokio::test]
async fn f49_a_file_that_was_closed_half_written_is_parked_at_once() {
    let mut world = World::new();
    world.start().await;
    world.write("a.json", "{\"n\":");
    world.engine.until(|seen| seen.malformed.len() == 1).await;
    world.stop().await;
    world.assert_empty();
}
