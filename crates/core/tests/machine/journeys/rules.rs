//! What rules say of signals: each verdict, and the memory behind it.

use antiphon_core::control::Control;
use antiphon_core::id::Id;
use antiphon_core::limits::BREAKER_OPEN_MS;
use antiphon_core::policy::{PolicySource, Rate, RuleSource};

use super::begun;
use crate::fixture::{dedupe, exited, expectation, rule, rule_name, starts, task, work, worker};
use crate::world::World;

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
