//! How files come and go when nobody means harm.

use super::*;

#[tokio::test]
async fn a_file_that_is_renamed_in_or_closed_is_handed_over_and_leaves() {
    let mut world = World::new();
    world.start().await;
    world.drop_in("a.json", r#"{"n": 1}"#);
    world.engine.until_intents(1).await;
    world.write("b.json", r#"{"n": 2}"#);
    world.engine.until_intents(2).await;
    world.stop().await;
    assert_eq!(world.engine.texts(), [r#"{"n":1}"#, r#"{"n":2}"#]);
    assert_eq!(world.engine.seen().intents[0].file, "a.json");
    world.assert_empty();
}

#[tokio::test]
async fn a_file_that_is_linked_in_is_found_though_no_close_tells_of_it() {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags};
    use std::os::fd::AsRawFd as _;
    let mut world = World::new();
    world.options.settle = Duration::from_millis(20);
    world.start().await;
    let flags = OFlags::TMPFILE | OFlags::WRONLY;
    let Ok(file) = rustix::fs::open(world.intents(), flags, Mode::RUSR) else {
        return;
    };
    let mut file = fs::File::from(file);
    file.write_all(b"{}").unwrap();
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(
        CWD,
        from,
        CWD,
        world.path("a.json"),
        AtFlags::SYMLINK_FOLLOW,
    )
    .unwrap();
    world.engine.until_intents(1).await;
    world.stop().await;
    world.assert_empty();
}

#[tokio::test]
async fn what_was_there_before_the_start_is_taken_and_then_what_comes() {
    let mut world = World::new();
    for number in 0..700 {
        world.write(format!("{number}.json"), format!("{{\"n\":{number}}}"));
    }
    world.start().await;
    world.drop_in("last.json", r#"{"n":700}"#);
    world.engine.until_intents(701).await;
    world.stop().await;
    let mut texts = world.engine.texts();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 701);
    world.assert_empty();
}

#[tokio::test]
async fn files_are_handed_over_in_the_order_in_which_they_came() {
    let mut world = World::new();
    world.start().await;
    let expect: Vec<_> = (0..300)
        .rev()
        .map(|number| format!("{{\"n\":{number}}}"))
        .collect();
    for (number, content) in (0..300).rev().zip(&expect) {
        world.drop_in(format!("{number:03}.json"), content);
    }
    world.engine.until_intents(300).await;
    world.stop().await;
    assert_eq!(world.engine.texts(), expect);
}

#[tokio::test]
async fn the_same_bytes_under_two_names_or_dropped_again_are_another_intent() {
    let mut world = World::new();
    world.start().await;
    world.drop_in("a.json", "{}");
    world.drop_in("b.json", "{}");
    world.engine.until_intents(2).await;
    world.stop().await;
    world.assert_empty();
    world.start().await;
    world.drop_in("a.json", "{}");
    world.engine.until_intents(3).await;
    world.stop().await;
    assert_eq!(world.engine.seen().answers.len(), 3);
    world.assert_empty();
}

#[tokio::test]
async fn a_file_whose_time_of_change_is_another_is_another_intent() {
    let mut world = World::new();
    world.engine.is(Mood::IsGoing);
    world.write("a.json", "{}");
    world.start_only();
    world.engine.until(|seen| seen.handed_over == 1).await;
    world.stop().await;
    world.engine.is(Mood::Answers);
    world.start().await;
    world.engine.until_intents(1).await;
    world.crash().await;
    // Same name, same inode, same bytes: written once more.
    world.write("a.json", "{}");
    world.start().await;
    world.engine.until_intents(2).await;
    world.stop().await;
    world.assert_empty();
}

#[tokio::test]
async fn no_file_leaves_before_its_answer() {
    let mut world = World::new();
    world.engine.is(Mood::Holds);
    world.start().await;
    world.drop_in("good.json", "{}");
    world.drop_in("bad.json", "{");
    world.engine.until(|seen| seen.handed_over == 2).await;
    // A second file makes the inbox go round once more.
    world.drop_in("next.json", "{}");
    world.engine.until(|seen| seen.handed_over == 3).await;
    assert_eq!(
        World::names(&world.intents()),
        ["bad.json", "good.json", "next.json", "rejected"]
    );
    world.engine.is(Mood::Answers);
    world.stop().await;
    world.assert_empty();
    assert_eq!(
        World::names(&world.rejected()),
        ["bad.json", "bad.json.reason.json"]
    );
}

#[tokio::test]
async fn what_was_answered_before_a_crash_is_met_again_with_its_key_and_leaves() {
    let mut world = World::new();
    world.drop_in("a.json", r#"{"n":1}"#);
    world.drop_in("bad.json", "[]");
    world.clock.ahead_ms.store(HOUR_MS, Ordering::Relaxed);
    world.engine.is(Mood::Holds);
    world.start().await;
    world.engine.until(|seen| seen.handed_over == 2).await;
    world.crash().await;
    world.engine.is(Mood::Answers);
    world.start().await;
    world.engine.until(|seen| seen.handed_over == 4).await;
    world.stop().await;
    assert_eq!(world.engine.texts(), [r#"{"n":1}"#]);
    assert_eq!(world.engine.codes(), ["json.not_an_object"]);
    world.assert_empty();
}

#[tokio::test]
async fn f9_a_full_machine_is_left_alone_and_asked_again() {
    let mut world = World::new();
    world.engine.is(Mood::IsFull);
    world.drop_in("a.json", "{}");
    world.start_only();
    world.engine.until(|seen| seen.refused == 1).await;
    world.drop_in("b.json", "{}");
    world.engine.is(Mood::Answers);
    world.engine.until_intents(2).await;
    world.stop().await;
    world.assert_empty();
}

#[tokio::test]
async fn an_engine_that_is_going_ends_the_inbox_and_keeps_the_file() {
    let mut world = World::new();
    world.engine.is(Mood::IsGoing);
    world.drop_in("a.json", "{}");
    world.start_only();
    let (task, _shutdown) = world.running.take().unwrap();
    task.await.unwrap();
    assert_eq!(World::names(&world.intents()), ["a.json", "rejected"]);
}

#[tokio::test]
async fn a_shutdown_waits_for_the_answers_that_are_owed() {
    let mut world = World::new();
    world.engine.is(Mood::Holds);
    world.drop_in("a.json", "{}");
    world.start().await;
    world.engine.until_intents(1).await;
    let (task, shutdown) = world.running.take().unwrap();
    shutdown.cancel();
    tokio::task::yield_now().await;
    assert!(!task.is_finished());
    world.engine.is(Mood::Answers);
    task.await.unwrap();
    world.assert_empty();
}

#[tokio::test]
async fn what_is_parked_keeps_its_bytes_beside_its_reason_and_overwrites_nothing() {
    let mut world = World::new();
    world.start().await;
    for content in ["[1]", "[2]", "{"] {
        let parked = world.engine.codes().len();
        world.drop_in("a.json", content);
        world
            .engine
            .until(|seen| seen.malformed.len() == parked + 1)
            .await;
    }
    world.drop_in("a.json.reason.json", "no");
    world.engine.until(|seen| seen.malformed.len() == 4).await;
    world.stop().await;
    world.assert_empty();
    let names = World::names(&world.rejected());
    assert_eq!(names.len(), 8, "{names:?}");
    let mut contents: Vec<_> = names
        .iter()
        .map(|name| fs::read_to_string(world.rejected().join(name)).unwrap())
        .filter(|content| !content.contains("parked_at"))
        .collect();
    contents.sort();
    assert_eq!(contents, ["[1]", "[2]", "no", "{"]);
    let reason = world.reason("a.json");
    assert_eq!(reason["code"], "json.not_an_object");
    assert_eq!(reason["file"], "a.json");
    assert_eq!(reason["letter"], Id::from_bytes([7; 16]).to_string());
    assert!(reason["parked_at"].as_str().unwrap().ends_with('Z'));
}
