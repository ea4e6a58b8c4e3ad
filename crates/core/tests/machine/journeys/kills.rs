//! The five kill journeys: an owner is killed at each place where it could matter.

use antiphon_core::control::Control;
use antiphon_core::input::Event;
use antiphon_core::report::Fate;
use antiphon_core::task::Interrupted;

use super::begun;
use crate::fixture::{exited, gave, killed, retry, rule, work};
use crate::world::outside;

#[test]
fn killed_before_the_commit_of_the_lease() {
    let mut world = begun(work(|work| work.concurrency = 1));
    world.say("nothing of the batch was durable: the sender was never answered");
    world.lose(outside("Q_GO", r#"{"n":1}"#));
    world.restart(&Fate::Unproven);
    world.say("it sends again; a second one waits for the first to end");
    world.signal("Q_GO", r#"{"n":1}"#);
    world.signal("Q_GO", r#"{"n":2}"#);
    let token = world.token();
    world.say("the report frees the slot, but it and the next lease are lost");
    let report = Box::new(exited(0));
    world.lose(Event::Reported { token, report });
    world.restart(&Fate::Reported(Box::new(exited(0))));
    assert_eq!(
        world.machine.state().runs.len(),
        1,
        "the second run has the lease"
    );
    world.is_as_committed("kill-1-before-the-commit-of-the-lease");
}

#[test]
fn killed_after_the_commit_of_the_lease_and_before_the_spawn() {
    let mut world = begun(work(|_| {}));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.restart(&Fate::NeverStarted);
    world.say("the attempt did not count");
    let token = world.token();
    world.report(token, exited(0));
    world.is_as_committed("kill-2-before-the-spawn");
}

#[test]
fn killed_after_the_spawn_and_before_the_exit() {
    let mut world = begun(work(|_| {}));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.restart(&Fate::Dead);
    world.is_as_committed("kill-3-before-the-exit");
}

#[test]
fn killed_before_the_exit_of_a_task_that_may_be_tried_again() {
    let mut world = begun(work(|work| {
        work.on_lost = Interrupted::Retry;
        work.retry = retry(1);
    }));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.restart(&Fate::Dead);
    world.tick_after(1_000);
    world.say("lost again, and no tries are left");
    world.restart(&Fate::Dead);
    world.is_as_committed("kill-3-before-the-exit-retried");
}

#[test]
fn killed_before_the_exit_and_the_death_of_the_tree_is_not_proven() {
    let mut world = begun(work(|work| {
        work.on_lost = Interrupted::Retry;
        work.retry = retry(1);
    }));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.restart(&Fate::Unproven);
    world.is_as_committed("kill-3-before-the-exit-unproven");
}

#[test]
fn killed_after_the_exit_and_before_it_was_settled() {
    let mut source = work(|_| {});
    source.rules = vec![rule("next", "Q_WORK_DONE", "Q_NEXT")];
    let mut world = begun(source);
    world.signal("Q_GO", r#"{"n":1}"#);
    let token = world.token();
    let report = gave(r#"{"found":3}"#);
    world.lose(Event::Reported {
        token,
        report: Box::new(report.clone()),
    });
    world.say("the exit was written down: it settles, and what follows from it follows");
    world.restart(&Fate::Reported(Box::new(report)));
    world.is_as_committed("kill-4-before-the-settling");
}

#[test]
fn killed_during_the_drain() {
    let mut source = work(|work| work.on_stop = Interrupted::Retry);
    source.tasks.push(antiphon_core::task::Task {
        on_stop: Interrupted::End,
        ..crate::fixture::task("other")
    });
    source
        .workers
        .push(crate::fixture::worker("Q_OTHER", "other", "Q_OTHER"));
    let mut world = begun(source);
    world.signal("Q_GO", r#"{"n":1}"#);
    world.signal("Q_OTHER", r#"{"n":2}"#);
    let tokens = world.tokens();
    world.say("the owner goes; what runs is told to stop, what comes waits");
    world.machine.drain();
    world.give(Event::OwnerGoing);
    world.signal("Q_GO", r#"{"n":3}"#);
    world.report(tokens[0], killed());
    world.say("killed before the second tree was reported; its death was written down");
    world.restart(&Fate::Reported(Box::new(killed())));
    world.is_as_committed("kill-5-during-the-drain");
}

#[test]
fn killed_while_a_cancelled_run_was_stopping() {
    let mut world = begun(work(|work| {
        work.on_lost = Interrupted::Retry;
        work.retry = retry(3);
    }));
    world.signal("Q_GO", r#"{"n":1}"#);
    let run = world.run();
    world.cancel(run);
    world.say("what someone cancelled is not tried again");
    world.restart(&Fate::Dead);
    world.signal("Q_GO", r#"{"n":2}"#);
    let run = world.run();
    world.control(Control::Cancel {
        run,
        by: "ada".to_owned(),
    });
    world.say("nor when it had never started");
    world.restart(&Fate::NeverStarted);
    assert!(world.machine.state().runs.is_empty());
    world.is_as_committed("kill-while-cancelled");
}
