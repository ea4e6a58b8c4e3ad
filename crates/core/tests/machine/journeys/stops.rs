//! Guards and dead letters.

use antiphon_core::control::Control;
use antiphon_core::guard::{Mode, Switch};
use antiphon_core::id::{Digest, Id};
use antiphon_core::input::{Event, Malformed};
use antiphon_core::limits::{DEAD_LETTER_AGE_MS_MAX, REPLAYS_MAX};
use antiphon_core::task::Interrupted;

use super::begun;
use crate::fixture::{exited, killed, work};
use crate::world::World;

#[test]
fn the_kill_switch_ends_what_runs_and_holds_until_a_resume() {
    let mut world = begun(work(|work| work.on_stop = Interrupted::Retry));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.switch(Switch::Engaged, false);
    let token = world.token();
    world.report(token, killed());
    world.say("signals are still accepted; nothing starts; a resume is refused");
    world.signal("Q_GO", r#"{"n":2}"#);
    world.mode(Mode::Normal);
    world.say("the file is gone: stopped until someone resumes");
    world.switch(Switch::Clear, false);
    world.tick_after(60_000);
    assert!(world.tokens().is_empty());
    world.mode(Mode::Normal);
    assert_eq!(world.tokens().len(), 2);
    world.is_as_committed("kill-switch");
}

#[test]
fn a41_a_switch_that_cannot_be_read_counts_as_engaged() {
    let mut world = begun(work(|_| {}));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.switch(Switch::Unreadable, false);
    let token = world.token();
    world.report(token, killed());
    world.signal("Q_GO", r#"{"n":2}"#);
    assert!(world.tokens().is_empty());
    world.is_as_committed("kill-switch-unreadable");
}

#[test]
fn maintenance_defers_and_drops_nothing() {
    let mut world = begun(work(|_| {}));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.switch(Switch::Clear, true);
    world.signal("Q_GO", r#"{"n":2}"#);
    let token = world.token();
    world.say("what runs goes on and ends");
    world.report(token, exited(0));
    world.switch(Switch::Clear, false);
    world.is_as_committed("maintenance");
}

#[test]
fn a_drain_lets_what_runs_finish_and_starts_nothing() {
    let mut world = begun(work(|_| {}));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.mode(Mode::Drain);
    world.signal("Q_GO", r#"{"n":2}"#);
    let token = world.token();
    world.report(token, exited(0));
    assert!(world.tokens().is_empty());
    world.mode(Mode::Normal);
    world.is_as_committed("drain-and-resume");
}

#[test]
fn f39_a_letter_is_replayed_a_few_times_and_never_for_ever() {
    let mut world = begun(work(|_| {}));
    world.signal("Q_GO", r#"{"n":1}"#);
    let token = world.token();
    world.report(token, exited(1));
    let first = world.letter();
    world.say("replayed and mended");
    replay(&mut world, first);
    let token = world.token();
    world.report(token, exited(0));
    world.say("each replay that fails again leaves a letter with one replay fewer left");
    let mut letter = first;
    for _replay in 1..REPLAYS_MAX {
        replay(&mut world, letter);
        let token = world.token();
        world.report(token, exited(1));
        letter = *world.machine.state().letters.keys().next_back().unwrap();
        world.wait(1);
    }
    world.say("that was the last");
    replay(&mut world, letter);
    replay(&mut world, Id::from_bytes([0; 16]));
    world.is_as_committed("letter-replays");
}

#[test]
fn letters_are_purged_by_name_by_age_and_by_time_itself() {
    let mut world = begun(work(|_| {}));
    let purge = |world: &mut World, letters: Vec<Id>, older_than_ms: u64| {
        world.control(Control::PurgeLetters {
            letters,
            older_than_ms,
            by: "ada".to_owned(),
        })
    };
    malformed(&mut world, "one");
    let first = world.letter();
    world.say("bytes are no signal: they cannot be replayed");
    replay(&mut world, first);
    world.wait(5_000);
    malformed(&mut world, "two");
    world.wait(5_000);
    malformed(&mut world, "three");
    purge(&mut world, vec![first, first], 0);
    purge(&mut world, Vec::new(), 5_000);
    world.tick_after(DEAD_LETTER_AGE_MS_MAX - 1);
    world.tick_after(1);
    assert!(world.machine.state().letters.is_empty());
    world.is_as_committed("letter-purges");
}

fn replay(world: &mut World, letter: Id) {
    world.control(Control::ReplayLetter {
        letter,
        by: "ada".to_owned(),
    });
}

fn malformed(world: &mut World, name: &str) {
    let what = Malformed {
        subject: format!("intent:{name}.json"),
        code: "json.syntax".to_owned(),
        error: "`:` is expected at byte 3".to_owned(),
        excerpt: "{\"a\"".to_owned(),
        sha256: Digest::of(b"{\"a\""),
    };
    world.give(Event::Malformed {
        what: Box::new(what),
        key: Some([3; 16]),
    });
}
