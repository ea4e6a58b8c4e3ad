//! What rules say of signals: each verdict, and the memory behind it.

use antiphon_core::control::Control;
use antiphon_core::id::Id;
use antiphon_core::input::Reply;
use antiphon_core::limits::{BREAKER_OPEN_MS, CHAIN_DEPTH_MAX, LINEAGE_MAX, LIVE_RUNS_MAX};
use antiphon_core::policy::{PolicySource, Rate, RuleSource, WorkerSource};
use antiphon_core::record::{Body, Verdict};
use antiphon_core::run::Phase;

use super::begun;
use crate::fixture::{
    dedupe, exited, expectation, rule, rule_name, signal, starts, task, work, worker,
};
use crate::world::{World, outside};

fn rules(rules: Vec<RuleSource>) -> PolicySource {
    PolicySource {
        rules,
        ..work(|_| {})
    }
}

#[test]
fn a_rule_that_is_denied_says_why() {
    let source = rules(vec![
        RuleSource {
            cooldown_ms: 1_000,
            ..rule("cools", "Q_A", "Q_B")
        },
        RuleSource {
            rate: Some(Rate {
                limit: 2,
                per_ms: 10_000,
            }),
            ..rule("counts", "Q_A", "Q_C")
        },
        RuleSource {
            when: Some("facts.n > 1 && state.count.Q_A >= 0 && state.mode == 'normal'".to_owned()),
            ..rule("asks-first", "Q_A", "Q_D")
        },
        RuleSource {
            when: Some("facts.missing == 1".to_owned()),
            ..rule("fails", "Q_A", "Q_E")
        },
        RuleSource {
            enabled: false,
            ..rule("is-off", "Q_A", "Q_F")
        },
    ]);
    let mut world = begun(source);
    world.signal("Q_A", r#"{"n":1}"#);
    world.wait(500);
    world.signal("Q_A", r#"{"n":2}"#);
    world.wait(500);
    world.signal("Q_A", r#"{"n":3}"#);
    world.say("the first firing has left the window of the rate");
    world.wait(9_000);
    world.signal("Q_A", r#"{"n":4}"#);
    world.is_as_committed("rule-verdicts");
}

#[test]
fn a_key_fires_once_until_its_own_chain_or_someone_outside_clears_it() {
    let mut source = rules(vec![RuleSource {
        dedupe: Some(dedupe("facts.set", "Q_DREAM_DONE")),
        ..rule("dream", "Q_FOUND", "Q_DREAM")
    }]);
    source.tasks = vec![task("dream")];
    source.workers = vec![worker("Q_DREAM", "dream", "Q_DREAM")];
    let mut world = begun(source);
    world.signal("Q_FOUND", r#"{"set":"abc"}"#);
    world.signal("Q_FOUND", r#"{"set":"abc"}"#);
    world.signal("Q_FOUND", r#"{"set":"def"}"#);
    let tokens = world.tokens();
    world.say("the first chain ends: its key is cleared, the other is not");
    world.report(tokens[0], exited(0));
    world.signal("Q_FOUND", r#"{"set":"def"}"#);
    world.signal("Q_FOUND", r#"{"set":"abc"}"#);
    world.say("the same signal from outside clears all");
    world.signal("Q_DREAM_DONE", "{}");
    world.signal("Q_FOUND", r#"{"set":"def"}"#);
    world.is_as_committed("dedupe-until");
}

#[test]
fn a27_a_rule_that_feeds_itself_opens_its_breaker_and_others_go_on() {
    let source = rules(vec![
        rule("echo", "Q_A", "Q_A"),
        rule("bystander", "Q_A", "Q_B"),
    ]);
    let mut world = begun(source);
    world.signal("Q_A", "{}");
    world.say("refused from the first signal on");
    world.signal("Q_A", "{}");
    world.say("open no more");
    world.wait(BREAKER_OPEN_MS);
    world.signal("Q_A", "{}");
    world.say("closed by hand");
    let close = |world: &mut World, rule: &str| {
        world.control(Control::CloseBreaker {
            rule: rule_name(rule),
            by: "ada".to_owned(),
        });
    };
    close(&mut world, "echo");
    close(&mut world, "bystander");
    world.signal("Q_A", "{}");
    world.is_as_committed("breaker");
}

#[test]
fn a27_a_task_whose_end_starts_it_again_is_stopped_by_the_breaker_of_its_worker() {
    let mut source = work(|_| {});
    source.workers = vec![worker("Q_WORK_DONE", "work", "Q_WORK")];
    let mut world = begun(source);
    world.signal("Q_WORK_DONE", "{}");
    let mut ends = 0;
    while let Some(token) = world.tokens().first().copied() {
        world.report(token, exited(0));
        ends += 1;
    }
    assert_eq!(ends, 3);
    world.is_as_committed("breaker-of-a-worker");
}

#[test]
fn a27_a_task_that_answers_several_signals_of_one_chain_does_not_feed_itself() {
    let names: Vec<String> = (0..8).map(|n| format!("Q_{n}")).collect();
    let mut source = work(|_| {});
    source.workers = names.windows(2).map(passes_on).collect();
    let mut world = begun(source);
    world.signal("Q_0", "{}");
    let mut ends = 0;
    while let Some(token) = world.tokens().first().copied() {
        world.report(token, exited(0));
        ends += 1;
    }
    assert_eq!(ends, 7);
}

#[test]
fn a27_a_loop_through_tasks_that_is_longer_than_a_lineage_has_an_end() {
    let names: Vec<String> = (0..=LINEAGE_MAX).map(|n| format!("Q_{n}")).collect();
    let mut source = work(|_| {});
    source.workers = names.windows(2).map(passes_on).collect();
    let back = [names[LINEAGE_MAX].clone(), names[0].clone()];
    source.workers.push(passes_on(&back));
    let mut world = begun(source);
    world.signal("Q_0", "{}");
    let mut ends = 0;
    while let Some(token) = world.tokens().first().copied() {
        assert!(ends < CHAIN_DEPTH_MAX, "a loop goes on");
        world.report(token, exited(0));
        ends += 1;
    }
    assert_eq!(ends, CHAIN_DEPTH_MAX);
    let Some(Body::SignalAccepted(last)) = world.log.last().map(|record| &record.body) else {
        panic!("the last record is no signal");
    };
    let said: Vec<Verdict> = last.decisions.iter().map(|said| said.verdict).collect();
    assert_eq!(said, [Verdict::TooDeep]);
}

/// `work` answers the first signal, and its end is the second.
fn passes_on(pair: &[String]) -> WorkerSource {
    let mut worker = worker(&pair[0], "work", "Q");
    worker.emits.succeeded = Some(signal(&pair[1]));
    worker
}

#[test]
fn a27_a_breaker_outlives_a_reload_as_long_as_what_it_is_of() {
    let mut source = rules(vec![rule("echo", "Q_A", "Q_A")]);
    source.workers = vec![worker("Q_WORK_DONE", "work", "Q_WORK")];
    let mut world = begun(source.clone());
    world.signal("Q_A", "{}");
    world.signal("Q_WORK_DONE", "{}");
    while let Some(token) = world.tokens().first().copied() {
        world.report(token, exited(0));
    }
    let open = |world: &World| -> Vec<String> {
        let rules = &world.machine.state().rules;
        let open = rules.iter().filter(|(_, m)| m.open_until_ms.is_some());
        open.map(|(name, _)| name.to_string()).collect()
    };
    let both = ["echo", "worker:Q_WORK_DONE>work"];
    assert_eq!(open(&world), both);
    source.slots = 1;
    world.configure(source.clone());
    assert_eq!(open(&world), both);
    source.workers = vec![worker("Q_GO", "work", "Q_WORK")];
    source.rules.clear();
    world.configure(source);
    assert_eq!(open(&world), Vec::<String>::new());
}

#[test]
fn a27_at_the_most_live_runs_a_run_makes_room_for_one_and_no_more() {
    let mut source = work(|work| work.concurrency = 1);
    source.workers = vec![
        worker("Q_GO", "work", "Q_WORK"),
        worker("Q_WORK_DONE", "work", "Q_LAST"),
        worker("Q_WORK_DONE", "work", "Q_LAST"),
    ];
    let mut world = begun(source);
    world.signal("Q_GO", "{}");
    let (run, token) = (world.run(), world.token());
    let mut state = world.machine.state().clone();
    let mut waiting = state.runs[&run].clone();
    waiting.phase = Phase::Planned { due_ms: u64::MAX };
    for number in 1..LIVE_RUNS_MAX {
        let mut id = [9; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        waiting.plan.id = Id::from_bytes(id);
        state.runs.insert(waiting.plan.id, waiting.clone());
    }
    world.hold(state);
    let refused = world.give(outside("Q_GO", "{}"));
    assert_eq!(refused.reply, Reply::Full);
    let output = world.report(token, exited(0));
    let Body::SignalAccepted(done) = &output.records[1].body else {
        panic!("a run's end is a signal");
    };
    let said: Vec<Verdict> = done.decisions.iter().map(|said| said.verdict).collect();
    assert_eq!((done.runs.len(), said), (1, vec![Verdict::Full]));
    assert_eq!(world.machine.state().runs.len(), LIVE_RUNS_MAX);
}

#[test]
fn a27_a_chain_of_rules_within_one_step_has_an_end() {
    let names: Vec<String> = (0..20).map(|n| format!("Q_{n}")).collect();
    let chain = names.windows(2).enumerate();
    let chain = chain.map(|(n, pair)| rule(&format!("r{n}"), &pair[0], &pair[1]));
    let mut world = begun(rules(chain.collect()));
    world.signal("Q_0", "{}");
    world.is_as_committed("too-deep");
}

#[test]
fn what_is_expected_and_comes_is_met_and_what_does_not_come_is_a_signal() {
    let mut source = work(|_| {});
    source.monitors = vec![expectation(
        "answers",
        "Q_GO",
        "Q_WORK_DONE",
        30_000,
        "Q_SILENT",
    )];
    source.rules = vec![rule("alarm", "Q_SILENT", "Q_ALARM")];
    let mut world = begun(source);
    world.signal("Q_GO", r#"{"n":1}"#);
    let token = world.token();
    world.report(token, exited(0));
    world.say("met: nothing happens when its time comes");
    world.tick_after(30_000);
    world.say("another chain does not meet it");
    world.signal("Q_GO", r#"{"n":2}"#);
    world.signal("Q_WORK_DONE", "{}");
    world.tick_after(29_999);
    world.tick_after(1);
    assert!(world.machine.state().expectations.is_empty());
    world.is_as_committed("expectations");
}

#[test]
fn an_ask_is_permitted_denied_or_counts_as_denied_in_time() {
    let asking = |name: &str, source: RuleSource| RuleSource {
        approve: Some("operator".to_owned()),
        approve_within_ms: 60_000,
        name: rule_name(name),
        facts: Some(r#"{"n": facts.n}"#.to_owned()),
        ..source
    };
    let mut both = asking("both", rule("x", "Q_A", "Q_GO"));
    both.task = starts("x", "Q_A", "work").task;
    let mut world = begun(rules(vec![both]));
    let answer = |world: &mut World, ask: Id, permit: bool| {
        world.control(Control::Answer {
            ask,
            permit,
            by: "ada".to_owned(),
        });
    };
    world.signal("Q_A", r#"{"n":1}"#);
    let ask = open_ask(&world);
    answer(&mut world, ask, true);
    world.say("it was answered");
    answer(&mut world, ask, false);
    world.signal("Q_A", r#"{"n":2}"#);
    let ask = open_ask(&world);
    answer(&mut world, ask, false);
    world.signal("Q_A", r#"{"n":3}"#);
    let ask = open_ask(&world);
    world.tick_after(59_999);
    world.say("a moment too late");
    world.wait(1);
    answer(&mut world, ask, true);
    world.is_as_committed("asks");
}

fn open_ask(world: &World) -> Id {
    let asks: Vec<Id> = world.machine.state().asks.keys().copied().collect();
    assert_eq!(asks.len(), 1, "one open ask");
    asks[0]
}
