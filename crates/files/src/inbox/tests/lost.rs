//! Notices that are lost, and directories that come and go.

use super::*;

/// More files than the kernel keeps notices of: each gives two, created and closed.
fn more_than_the_kernel_remembers() -> usize {
    let path = "/proc/sys/fs/inotify/max_queued_events";
    let notices: usize = fs::read_to_string(path).unwrap().trim().parse().unwrap();
    assert!(
        notices <= 100_000,
        "{path} is {notices}: set it to its default, 16384"
    );
    notices / 2 + 1_000
}

#[tokio::test]
async fn f50_after_an_overflow_of_notices_every_file_is_handed_over_once() {
    let mut world = World::large();
    world.start().await;
    let number = more_than_the_kernel_remembers();
    for index in 0..number {
        world.write(format!("{index}.json"), format!("{{\"n\":{index}}}"));
    }
    world.engine.until_intents(number).await;
    world.stop().await;
    let mut texts = world.engine.texts();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), number);
    assert_eq!(world.engine.seen().intents.len(), number);
    world.assert_empty();
}

#[tokio::test]
async fn f50_a_directory_that_is_deleted_and_made_again_is_watched_again() {
    let mut world = World::new();
    world.start().await;
    for round in 1..=3 {
        fs::remove_dir_all(world.intents()).unwrap();
        fs::create_dir(world.intents()).unwrap();
        world.drop_in("a.json", "{}");
        world.engine.until_intents(round).await;
        world.drop_in("b.json", "{}");
        world
            .engine
            .until(|seen| seen.intents.len() == 2 * round)
            .await;
        assert_eq!(world.engine.seen().intents[2 * round - 1].file, "b.json");
    }
    world.stop().await;
    assert_eq!(World::names(&world.intents()), Vec::<String>::new());
}

#[tokio::test]
async fn f50_a_directory_that_takes_the_place_of_another_is_walked_and_the_other_left_alone() {
    let mut world = World::new();
    world.start().await;
    let other = world.outside("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("there.json"), "{}").unwrap();
    fs::rename(world.intents(), world.outside("away")).unwrap();
    fs::write(world.outside("away").join("lost.json"), r#"{"n":0}"#).unwrap();
    fs::rename(&other, world.intents()).unwrap();
    world.engine.until_intents(1).await;
    world.drop_in("new.json", r#"{"n":2}"#);
    world.engine.until_intents(2).await;
    world.stop().await;
    assert_eq!(world.engine.texts(), ["{}", r#"{"n":2}"#]);
    assert!(world.outside("away").join("lost.json").exists());
}

#[tokio::test]
async fn f50_a_file_in_flight_when_its_directory_is_replaced_is_told_from_its_namesake() {
    let mut world = World::new();
    world.engine.is(Mood::Holds);
    world.start().await;
    world.drop_in("a.json", r#"{"n":1}"#);
    world.engine.until_intents(1).await;
    let other = world.outside("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("a.json"), r#"{"n":2}"#).unwrap();
    fs::write(other.join("b.json"), r#"{"n":3}"#).unwrap();
    fs::rename(world.intents(), world.outside("away")).unwrap();
    fs::rename(&other, world.intents()).unwrap();
    world.engine.until_intents(2).await;
    world.engine.is(Mood::Answers);
    world.engine.until_intents(3).await;
    world.stop().await;
    assert_eq!(
        world.engine.texts(),
        [r#"{"n":1}"#, r#"{"n":3}"#, r#"{"n":2}"#]
    );
    assert_eq!(World::names(&world.intents()), Vec::<String>::new());
}

#[tokio::test]
async fn an_inbox_that_is_not_there_at_the_start_is_waited_for() {
    let mut world = World::new();
    fs::remove_dir_all(world.intents()).unwrap();
    world.start().await;
    fs::create_dir(world.intents()).unwrap();
    world.drop_in("a.json", "{}");
    world.engine.until_intents(1).await;
    world.stop().await;
}
