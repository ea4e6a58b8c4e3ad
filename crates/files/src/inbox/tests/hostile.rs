//! What somebody drops who means harm.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, mknodat};

use super::*;

/// Something that must be moved aside unread with this code, wherever it is met.
async fn check_refused(code: &str, make: impl Fn(&World, &Path)) {
    for is_there_at_start in [true, false] {
        let mut world = World::new();
        let path = world.path("x.json");
        if is_there_at_start {
            make(&world, &path);
            world.start().await;
        } else {
            world.start().await;
            make(&world, &path);
        }
        world.engine.until(|seen| seen.handed_over >= 1).await;
        world.stop().await;
        assert_eq!(world.engine.codes(), [code]);
        let malformed = world.engine.seen().malformed[0].clone();
        assert_eq!(
            (&*malformed.subject, &*malformed.excerpt),
            ("intent:x.json", "")
        );
        world.assert_empty();
        assert_eq!(
            World::names(&world.rejected()),
            ["x.json", "x.json.reason.json"]
        );
        assert_eq!(world.reason("x.json")["code"], code);
    }
}

#[tokio::test]
async fn a7_a_symlink_in_the_inbox_is_never_read_but_moved_itself() {
    check_refused("intent.link", |_, path| {
        symlink("/etc/passwd", path).unwrap();
    })
    .await;
    check_refused("intent.link", |_, path| {
        symlink("leads/nowhere", path).unwrap();
    })
    .await;

    let mut world = World::new();
    let secret = world.outside("secret.json");
    fs::write(&secret, r#"{"secret":1}"#).unwrap();
    symlink(&secret, world.path("x.json")).unwrap();
    world.start().await;
    world.engine.until(|seen| seen.malformed.len() == 1).await;
    world.stop().await;
    assert!(secret.exists());
    assert_eq!(
        fs::read_link(world.rejected().join("x.json")).unwrap(),
        secret
    );
}

#[tokio::test]
async fn a7_a_symlink_in_the_place_of_the_inbox_is_not_followed() {
    let mut world = World::new();
    world.start().await;
    let theirs = world.outside("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("x.json"), "{}").unwrap();
    fs::rename(world.intents(), world.outside("away")).unwrap();
    symlink(&theirs, world.intents()).unwrap();
    fs::write(theirs.join("y.json"), "{}").unwrap();
    fs::remove_file(world.intents()).unwrap();
    fs::create_dir(world.intents()).unwrap();
    world.drop_in("ours.json", "{}");
    world.engine.until_intents(1).await;
    world.stop().await;
    assert_eq!(world.engine.seen().intents[0].file, "ours.json");
    assert_eq!(World::names(&theirs), ["x.json", "y.json"]);
}

#[tokio::test]
async fn a8_a_hard_link_is_never_read_and_its_other_name_is_left_alone() {
    check_refused("intent.link", |world, path| {
        let theirs = world.outside("theirs");
        fs::write(&theirs, "{}").unwrap();
        fs::hard_link(&theirs, path).unwrap();
    })
    .await;

    let mut world = World::new();
    let theirs = world.outside("theirs");
    fs::write(&theirs, r#"{"theirs":1}"#).unwrap();
    fs::hard_link(&theirs, world.path("x.json")).unwrap();
    world.start().await;
    world.engine.until(|seen| seen.malformed.len() == 1).await;
    world.stop().await;
    assert_eq!(fs::read(&theirs).unwrap(), br#"{"theirs":1}"#);
    assert_eq!(fs::metadata(&theirs).unwrap().nlink(), 2);
}

#[tokio::test]
async fn a8_a_pipe_a_socket_a_device_or_a_directory_is_never_opened() {
    let node = |path: &Path, kind| mknodat(CWD, path, kind, 0o600.into(), 0x0103);
    check_refused("intent.not_a_file", |_, path| {
        node(path, FileType::Fifo).unwrap();
    })
    .await;
    check_refused("intent.not_a_file", |_, path| {
        drop(UnixListener::bind(path).unwrap());
    })
    .await;
    check_refused("intent.not_a_file", |_, path| {
        fs::create_dir(path).unwrap();
        fs::write(path.join("y.json"), "{}").unwrap();
    })
    .await;
    if rustix::process::geteuid().is_root() {
        let device = |path: &Path| node(path, FileType::CharacterDevice).unwrap();
        check_refused("intent.not_a_file", |_, path| device(path)).await;
    }
}

#[tokio::test]
async fn a8_a_file_of_another_user_is_never_read_unless_that_user_may_drop_files() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let theirs = |path: &Path| {
        fs::write(path, "{}").unwrap();
        chown(path, Some(12_345), None).unwrap();
    };
    check_refused("intent.foreign", |world, path| {
        theirs(&world.outside("staged"));
        fs::rename(world.outside("staged"), path).unwrap();
    })
    .await;

    let mut world = World::new();
    world.options.owners.insert(12_345);
    theirs(&world.path("x.json"));
    world.start().await;
    world.engine.until_intents(1).await;
    world.stop().await;
    world.assert_empty();
}

#[tokio::test]
async fn a9_a_name_is_bytes_and_nothing_more() {
    let mut world = World::new();
    world.start().await;
    let long = [&[b'n'; 250][..], b".json"].concat();
    let names: [&[u8]; 6] = [
        b"a\nb.json",
        b"\xff\xfe.json",
        b"-rf *.json",
        b"a;b$(c).json",
        b"$HOME\\.json",
        &long,
    ];
    for name in names {
        world.drop_in(OsStr::from_bytes(name), "{}");
    }
    world.engine.until_intents(names.len()).await;
    world.drop_in(OsStr::from_bytes(&long), "malformed");
    world.engine.until(|seen| seen.malformed.len() == 1).await;
    world.stop().await;
    world.assert_empty();
    let files: Vec<_> = world
        .engine
        .seen()
        .intents
        .iter()
        .map(|intent| intent.file.clone())
        .collect();
    let expect: Vec<_> = names
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    assert_eq!(files, expect);
    let parked = World::names(&world.rejected());
    assert_eq!(parked.len(), 2);
    assert_eq!(parked[1], format!("{}.reason.json", parked[0]));
}

#[tokio::test]
async fn a9_other_names_are_ignored_and_left() {
    let mut world = World::new();
    let others = [".hidden.json", "a.JSON", "a.json.tmp", "a.jsonl", "json"];
    for name in &others[..2] {
        world.drop_in(name, "{}");
    }
    world.start().await;
    for name in &others[2..] {
        world.drop_in(name, "{}");
    }
    world.drop_in("last.json", "{}");
    world.engine.until_intents(1).await;
    world.stop().await;
    assert_eq!(world.engine.seen().handed_over, 1);
    for name in others {
        assert!(world.path(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn a10_a_file_swapped_after_it_was_read_is_a_new_drop() {
    let mut world = World::new();
    world.start().await;
    for number in [0, 2] {
        world.engine.is(Mood::Holds);
        world.drop_in("a.json", r#"{"n":1}"#);
        world.engine.until_intents(number + 1).await;
        if number == 0 {
            world.drop_in("a.json", r#"{"n":2}"#);
        } else {
            world.write("a.json", r#"{"n":2}"#);
        }
        world.engine.is(Mood::Answers);
        world.engine.until_intents(number + 2).await;
    }
    world.stop().await;
    assert_eq!(
        world.engine.texts(),
        [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":1}"#, r#"{"n":2}"#]
    );
    world.assert_empty();
}

#[tokio::test]
async fn a10_a_file_closed_again_after_it_was_read_is_read_again_even_if_nothing_seems_changed() {
    let mut world = World::new();
    world.start().await;
    world.engine.is(Mood::Holds);
    world.drop_in("a.json", "{}");
    world.engine.until_intents(1).await;
    drop(
        fs::File::options()
            .append(true)
            .open(world.path("a.json"))
            .unwrap(),
    );
    world.drop_in("b.json", "{}");
    world.engine.until_intents(2).await;
    world.engine.is(Mood::Answers);
    world.engine.until(|seen| seen.handed_over == 3).await;
    world.stop().await;
    assert_eq!(world.engine.seen().intents.len(), 2);
    world.assert_empty();
}

#[tokio::test]
async fn a10_what_takes_the_place_of_a_malformed_file_is_not_parked_in_its_stead() {
    let mut world = World::new();
    world.start().await;
    world.engine.is(Mood::Holds);
    world.drop_in("a.json", "{");
    world.engine.until(|seen| seen.malformed.len() == 1).await;
    world.drop_in("a.json", r#"{"n":2}"#);
    world.engine.is(Mood::Answers);
    world.engine.until_intents(1).await;
    world.stop().await;
    world.assert_empty();
    assert_eq!(World::names(&world.rejected()), Vec::<String>::new());
}

#[tokio::test]
async fn a11_twenty_thousand_files_are_taken_a_few_at_a_time() {
    let mut world = World::large();
    let number = 20_000;
    for index in 0..number {
        world.write(format!("{index}.json"), format!("{{\"n\":{index}}}"));
    }
    world.engine.is(Mood::Holds);
    let walked = world.start_only();
    world.engine.until_intents(512).await;
    // Room for no more: the inbox waits, and others have the thread.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.engine.seen().handed_over, 512);
    assert!(!*walked.borrow());
    world.engine.is(Mood::Answers);
    world.engine.until_intents(number).await;
    world.stop().await;
    assert_eq!(world.engine.seen().handed_over, number);
    world.assert_empty();
}

#[tokio::test]
async fn a11_json_beyond_its_limits_is_parked_with_the_reason() {
    let mut world = World::new();
    world.start().await;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let cases = [
        (deep.as_str(), "json.too_deep"),
        (r#"{"a":1,"a":2}"#, "json.duplicate_key"),
        (r#"{"a":1e400}"#, "json.number_range"),
        (r#"{"a":18446744073709551616}"#, "json.number_range"),
        ("null", "json.not_an_object"),
        ("{\"a\":\"\u{0}\"}", "json.syntax"),
    ];
    for (number, (content, _)) in cases.iter().enumerate() {
        world.drop_in(format!("{number}.json"), content);
    }
    world
        .engine
        .until(|seen| seen.malformed.len() == cases.len())
        .await;
    world.stop().await;
    world.assert_empty();
    assert_eq!(world.engine.codes(), cases.map(|(_, code)| code));
    for (number, (content, code)) in cases.iter().enumerate() {
        let name = format!("{number}.json");
        assert_eq!(world.reason(&name)["code"], *code);
        assert_eq!(
            fs::read_to_string(world.rejected().join(name)).unwrap(),
            *content
        );
    }
    assert!(
        world
            .engine
            .seen()
            .malformed
            .iter()
            .all(|one| one.excerpt.len() <= 4_096)
    );
}

#[tokio::test]
async fn a11_a_huge_file_is_never_read() {
    let size = 4 << 30;
    check_refused("intent.too_large", |world, path| {
        fs::File::create(world.outside("huge"))
            .unwrap()
            .set_len(size)
            .unwrap();
        fs::rename(world.outside("huge"), path).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a11_malformed_files_wait_for_their_turn_and_stop_nobody_else() {
    let mut world = World::new();
    world.options.malformed_per_second = NonZeroU32::MIN;
    for index in 0..100 {
        world.write(format!("bad-{index}.json"), format!("[{index}"));
    }
    world.write("good.json", "{}");
    world.clock.ahead_ms.store(HOUR_MS, Ordering::Relaxed);
    world.start().await;
    world.engine.until_intents(1).await;
    world.stop().await;
    let parked = world.engine.seen().malformed.len();
    assert!(parked < 100, "{parked}");
    assert_eq!(World::names(&world.rejected()).len(), 2 * parked);
}

#[tokio::test]
async fn a11_more_malformed_files_than_may_wait_are_found_again() {
    let mut world = World::large();
    world.options.malformed_per_second = NonZeroU32::new(400).unwrap();
    let number = 1_000;
    for index in 0..number {
        world.write(format!("bad-{index}.json"), format!("[{index}"));
    }
    world.clock.ahead_ms.store(HOUR_MS, Ordering::Relaxed);
    world.start().await;
    world
        .engine
        .until(|seen| seen.malformed.len() == number)
        .await;
    world.stop().await;
    world.assert_empty();
    assert_eq!(World::names(&world.rejected()).len(), 2 * number);
}
