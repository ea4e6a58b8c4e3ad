//! Runs from their plan to their end.

use antiphon_core::control::{Control, EndedRun};
use antiphon_core::guard::Mode;
use antiphon_core::input::Event;
use antiphon_core::policy::PolicySource;
use antiphon_core::report::{Fate, NotStarted, StopCause};
use antiphon_core::task::{ResultPolicy, Task};

use super::begun;
use crate::fixture::{
    draft, exited, facts, gave, killed, lock, retry, rule, signal, starts, task, task_name, work,
    worker,
};

#[test]
fn an_intent_starts_a_worker_whose_end_goes_on_through_a_rule() {
    let source = PolicySource {
        intents: vec![antiphon_core::policy::IntentSource {
            emit: signal("Q_INVESTIGATE"),
            facts: Some(r#"{"question": data.question, "id": id}"#.to_owned()),
            pattern: "discover.*".to_owned(),
        }],
        rules: vec![antiphon_core::policy::RuleSource {
            when: Some("facts.modules > 0".to_owned()),
            facts: Some(r#"{"modules": facts.modules, "by": signal.source}"#.to_owned()),
            ..starts("integrate", "Q_INVESTIGATED_DONE", "integrate")
        }],
        slots: 2,
        tasks: vec![task("investigate"), task("integrate")],
        workers: vec![worker("Q_INVESTIGATE", "investigate", "Q_INVESTIGATED")],
        ..PolicySource::default()
    };
    let mut world = begun(source);
    world.give(intent(
        "one.json",
        r#"{"type":"discover.module","data":{"question":"why?"}}"#,
    ));
    let token = world.token();
    world.wait(2_500);
    world.report(token, gave(r#"{"modules":2}"#));
    let token = world.token();
    world.report(token, exited(0));
    world.say("a type that nothing takes is a dead letter");
    world.give(intent("two.json", r#"{"type":"unknown","data":{}}"#));
    world.is_as_committed("intent-to-rule-chain");
}

#[test]
fn a_failure_is_tried_again_with_growing_waits_and_then_parked() {
    let mut world = begun(work(|work| work.retry = retry(2)));
    world.signal("Q_GO", r#"{"n":1}"#);
    for _attempt in 0..3 {
        let token = world.token();
        world.report(token, exited(1));
        world.say("too early");
        world.tick_after(400);
        world.tick_after(3_600);
    }
    world.is_as_committed("retry-then-parked");
}

#[test]
fn a_run_whose_time_is_over_is_stopped_and_ends_as_its_tree_does() {
    let mut world = begun(work(|_| {}));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.tick_after(59_999);
    world.tick_after(1);
    let token = world.token();
    world.report(token, killed());
    world.say("it had ended well before the first signal: it succeeded");
    world.signal("Q_GO", r#"{"n":2}"#);
    world.tick_after(60_000);
    let token = world.token();
    world.report(token, exited(0));
    world.is_as_committed("timeout");
}

#[test]
fn a_run_can_be_cancelled_wherever_it_stands() {
    let mut world = begun(work(|work| work.concurrency = 1));
    world.signal("Q_GO", r#"{"n":1}"#);
    let running = world.run();
    world.signal("Q_GO", r#"{"n":2}"#);
    let runs = world.machine.state().runs.keys().copied();
    let waiting = runs.into_iter().find(|run| *run != running).unwrap();
    world.say("planned: it ends at once");
    world.cancel(waiting);
    world.say("leased: its tree is told to stop; again changes nothing");
    world.cancel(running);
    world.cancel(running);
    let token = world.token();
    world.report(token, killed());
    world.say("ended: there is nothing to cancel");
    world.cancel(running);
    world.is_as_committed("cancel");
}

#[test]
fn what_cannot_be_started_waits_or_fails() {
    let mut world = begun(work(|_| {}));
    world.signal("Q_GO", r#"{"n":1}"#);
    let not_started = |world: &mut crate::world::World, why: NotStarted| {
        let token = world.token();
        world.give(Event::NotStarted { token, why });
        world.tick_after(1_000);
    };
    not_started(&mut world, NotStarted::Gate);
    not_started(&mut world, NotStarted::Later("EAGAIN".to_owned()));
    not_started(&mut world, NotStarted::Never("ENOENT".to_owned()));
    world.is_as_committed("not-started");
}

#[test]
fn a_report_for_no_live_lease_is_refused_and_recorded_once() {
    let mut world = begun(work(|_| {}));
    world.signal("Q_GO", r#"{"n":1}"#);
    let token = world.token();
    world.report(token, exited(0));
    world.report(token, exited(1));
    world.report(999, exited(0));
    world.give(Event::NotStarted {
        token,
        why: NotStarted::Gate,
    });
    world.is_as_committed("refused-reports");
}

#[test]
fn a_result_that_is_needed_and_not_given_is_a_failure() {
    let mut world = begun(work(|work| work.result = ResultPolicy::Required));
    world.signal("Q_GO", "{}");
    let token = world.token();
    world.report(token, exited(0));
    world.signal("Q_GO", "{}");
    let token = world.token();
    let report = antiphon_core::report::Report {
        executor_stop: Some(StopCause::Output),
        ..gave("{}")
    };
    world.say("nor does a tree succeed that its executor had to stop");
    world.report(token, report);
    world.is_as_committed("result-required");
}

#[test]
fn what_matters_goes_first_and_what_waits_long_overtakes_it() {
    let ranked = |name: &str, priority: u8| Task {
        priority,
        ..task(name)
    };
    let source = PolicySource {
        slots: 1,
        tasks: vec![ranked("first", 5), ranked("low", 0), ranked("high", 2)],
        workers: vec![
            worker("Q_FIRST", "first", "Q_FIRST"),
            worker("Q_LOW", "low", "Q_LOW"),
            worker("Q_HIGH", "high", "Q_HIGH"),
        ],
        ..PolicySource::default()
    };
    let mut world = begun(source);
    world.signal("Q_FIRST", "{}");
    world.say("the low one waits 61 s longer: more than two points of priority");
    world.signal("Q_LOW", "{}");
    world.wait(40_000);
    world.signal("Q_HIGH", r#"{"n":1}"#);
    world.wait(21_000);
    world.signal("Q_HIGH", r#"{"n":2}"#);
    for _end in 0..4 {
        let token = world.token();
        world.report(token, exited(0));
    }
    world.is_as_committed("priorities");
}

#[test]
fn concurrency_and_locks_hold_runs_back_and_others_pass() {
    let holding = |name: &str, concurrency: u32| Task {
        lock: Some(lock("disk")),
        concurrency,
        ..task(name)
    };
    let source = PolicySource {
        slots: 8,
        tasks: vec![
            holding("writes", 4),
            holding("deletes", 4),
            Task {
                concurrency: 2,
                ..task("reads")
            },
        ],
        workers: vec![
            worker("Q_WRITE", "writes", "Q_WRITE"),
            worker("Q_DELETE", "deletes", "Q_DELETE"),
            worker("Q_READ", "reads", "Q_READ"),
        ],
        ..PolicySource::default()
    };
    let mut world = begun(source);
    for name in [
        "Q_WRITE", "Q_WRITE", "Q_DELETE", "Q_READ", "Q_READ", "Q_READ",
    ] {
        world.signal(name, "{}");
    }
    assert_eq!(world.tokens().len(), 3, "one holds the lock, two read");
    for _end in 0..6 {
        let token = world.tokens()[0];
        world.report(token, exited(0));
    }
    world.is_as_committed("concurrency-and-locks");
}

#[test]
fn a_task_can_be_turned_off_and_on_over_the_configuration() {
    let mut world = begun(work(|_| {}));
    let set = |world: &mut crate::world::World, task: &str, enabled: Option<bool>| {
        world.control(Control::SetTask {
            task: task_name(task),
            enabled,
            by: "ada".to_owned(),
        });
    };
    set(&mut world, "work", Some(false));
    world.signal("Q_GO", "{}");
    assert!(world.tokens().is_empty());
    set(&mut world, "work", Some(true));
    set(&mut world, "work", None);
    set(&mut world, "nothing", Some(true));
    world.is_as_committed("task-off-and-on");
}

#[test]
fn a_run_keeps_the_text_of_its_task_when_the_configuration_changes() {
    let mut world = begun(work(|work| work.concurrency = 1));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.signal("Q_GO", r#"{"n":2}"#);
    let faster = || {
        work(|work| {
            work.concurrency = 1;
            work.timeout_ms = 1_000;
        })
    };
    world.configure(faster());
    assert_eq!(
        world.machine.state().versions.len(),
        2,
        "the old text is kept"
    );
    let token = world.token();
    world.say("the second was planned under the old text: a minute, not a second");
    world.report(token, exited(0));
    world.signal("Q_GO", r#"{"n":3}"#);
    for _end in 0..2 {
        let token = world.token();
        world.report(token, exited(0));
    }
    world.say("the same policy again is no record; another forgets the old text");
    world.configure(faster());
    world.configure(work(|work| work.priority = 9));
    assert_eq!(world.machine.state().versions.len(), 1);
    world.is_as_committed("reload");
}

#[test]
fn a_run_that_ended_is_planned_again_as_a_new_one() {
    let mut world = begun(work(|_| {}));
    let output = world.signal("Q_GO", r#"{"n":1}"#);
    let sent = crate::world::accepted(&output);
    let run = world.run();
    let again = |world: &mut crate::world::World, task: &str| {
        let ended = EndedRun {
            id: run,
            task: task_name(task),
            emits: worker("Q_GO", "work", "Q_WORK").emits,
            signal: sent,
            signal_name: draft("Q_GO", "{}").name,
            correlation: sent,
            facts: facts(r#"{"n":1}"#),
            depth: 0,
        };
        world.control(Control::RetryRun {
            ended: Box::new(ended),
            by: "ada".to_owned(),
        })
    };
    world.say("it has not ended yet");
    again(&mut world, "work");
    let token = world.token();
    world.report(token, exited(2));
    again(&mut world, "work");
    again(&mut world, "gone");
    world.is_as_committed("run-retry");
}

#[test]
fn a_run_that_has_waited_too_long_for_its_first_attempt_is_cancelled() {
    let mut world = begun(work(|work| {
        work.concurrency = 1;
        work.retry = retry(1);
        work.start_within_ms = Some(10_000);
    }));
    world.signal("Q_GO", r#"{"n":1}"#);
    world.signal("Q_GO", r#"{"n":2}"#);
    world.say("the first runs; the second waits for it");
    world.tick_after(9_999);
    world.tick_after(1);
    world.say("what has begun is no longer late, whatever it waits for");
    let token = world.token();
    world.report(token, exited(1));
    world.tick_after(20_000);
    let token = world.token();
    world.report(token, exited(0));
    world.say("nothing starts for ten seconds, and there are none left then");
    world.mode(Mode::Pause);
    world.signal("Q_GO", r#"{"n":3}"#);
    world.restart(&Fate::Dead);
    world.wait(10_000);
    world.mode(Mode::Normal);
    assert!(world.machine.state().runs.is_empty());
    assert_eq!(world.machine.next_due_ms(), None, "no timer is left");
    world.is_as_committed("run-too-late");
}

#[test]
fn a_failure_may_start_what_mends_it() {
    let mut source = work(|_| {});
    source.rules = vec![rule("mend", "Q_WORK_FAILED", "Q_MEND")];
    let mut world = begun(source);
    world.signal("Q_GO", "{}");
    let token = world.token();
    world.report(token, exited(3));
    world.is_as_committed("failure-completion");
}

fn intent(file: &str, json: &str) -> Event {
    let limits = antiphon_core::json::JsonLimits::INTENT;
    Event::Intent(Box::new(antiphon_core::input::Intent {
        file: file.to_owned(),
        document: antiphon_core::json::Document::parse(json.as_bytes(), &limits).unwrap(),
        key: [9; 16],
    }))
}
