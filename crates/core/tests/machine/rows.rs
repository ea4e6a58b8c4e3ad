//! Rows of the fault table that the machine itself holds, and the limits behind them.

use std::collections::BTreeSet;

use antiphon_core::control::Control;
use antiphon_core::guard::Switch;
use antiphon_core::id::Id;
use antiphon_core::input::{Event, Input, Reply};
use antiphon_core::limits::{
    BODY_BYTES_MAX, CASCADE_RECORDS_MAX, DEAD_LETTER_AGE_MS_MAX, FACTS_BYTES_MAX,
};
use antiphon_core::machine::Machine;
use antiphon_core::policy::{Policy, PolicySource, RuleSource};
use antiphon_core::record::{Body, Record, SignalAccepted, Verdict};
use antiphon_core::report::Fate;

use crate::fixture::{exited, expectation, gave, retry, rule, signal, starts, task, work, worker};
use crate::world::{World, accepted};

const DAY_MS: i64 = 24 * 3_600 * 1_000;

fn jumps(records: &[Record]) -> Vec<i64> {
    let of = |record: &Record| match &record.body {
        Body::ClockJumped(jumped) => Some(jumped.by_ms),
        _ => None,
    };
    records.iter().filter_map(of).collect()
}

fn signals(records: &[Record]) -> Vec<&SignalAccepted> {
    let of = |record: &'_ Record| matches!(record.body, Body::SignalAccepted(_));
    let bodies = records.iter().filter(|record| of(record));
    let body = bodies.filter_map(|record| match &record.body {
        Body::SignalAccepted(body) => Some(&**body),
        _ => None,
    });
    body.collect()
}

#[test]
fn a27_fan_out_within_one_step_is_bounded_and_nothing_is_lost_silently() {
    // Each of four signals makes sixteen more, and each of those sixteen more again.
    let mut rules = Vec::new();
    for (on, emit) in [("Q_0", "Q_1"), ("Q_1", "Q_2"), ("Q_2", "Q_3")] {
        rules.extend((0..16).map(|n| rule(&format!("{on}-{n}"), on, emit)));
    }
    let mut world = World::new(PolicySource {
        rules,
        ..work(|_| {})
    });
    let output = world.signal("Q_0", "{}");
    assert!(output.records.len() <= CASCADE_RECORDS_MAX);
    let all = signals(&output.records);
    let said = all.iter().flat_map(|signal| &signal.decisions);
    let fired = said.clone().filter(|said| said.verdict == Verdict::Fired);
    assert_eq!(fired.count() + 1, all.len(), "what fired was emitted");
    assert!(
        said.into_iter()
            .any(|said| said.verdict == Verdict::TooDeep)
    );
    let next = world.signal("Q_3", "{}");
    assert!(matches!(next.reply, Reply::Accepted { .. }), "others go on");
}

#[test]
fn timers_that_are_due_take_no_room_of_what_comes_with_them() {
    let mut source = work(|_| {});
    source.monitors = vec![expectation(
        "answers", "Q_ASKED", "Q_ANSWER", 1_000, "Q_SILENT",
    )];
    source.rules = vec![
        rule("alarm", "Q_SILENT", "Q_ALARM"),
        rule("goes", "Q_A", "Q_B"),
    ];
    let mut world = World::new(source);
    let many = CASCADE_RECORDS_MAX + 10;
    for _signal in 0..many {
        world.signal("Q_ASKED", "{}");
    }
    world.wait(1_000);
    let from = world.log.len();
    let output = world.signal("Q_A", "{}");
    assert!(
        !world.machine.state().expectations.is_empty(),
        "the rest waits"
    );
    let b = signal("Q_B");
    assert!(signals(&output.records).iter().any(|body| body.signal == b));
    while !world.machine.state().expectations.is_empty() {
        let output = world.give(Event::Tick);
        assert!(!output.records.is_empty(), "what is due goes on");
    }
    let heard = signals(&world.log[from..]);
    let named = |name: &str| {
        heard
            .iter()
            .filter(|body| body.signal == signal(name))
            .count()
    };
    assert_eq!((named("Q_SILENT"), named("Q_ALARM")), (many, many));
}

#[test]
fn f26_a_wall_clock_that_goes_back_3_days_starts_and_ends_nothing_early_or_late() {
    a_jump_changes_nothing_but_the_record_of_it(-3 * DAY_MS);
}

#[test]
fn f26_a_wall_clock_that_goes_forward_1_year_starts_and_ends_nothing_early_or_late() {
    a_jump_changes_nothing_but_the_record_of_it(365 * DAY_MS);
}

/// Timeout, retry, cooldown, breaker, expectation, ask and letter all run on elapsed time.
fn a_jump_changes_nothing_but_the_record_of_it(by_ms: i64) {
    let play = |jumps: bool| {
        let mut source = work(|work| work.retry = retry(1));
        source.monitors = vec![expectation(
            "answers", "Q_GO", "Q_NEVER", 30_000, "Q_SILENT",
        )];
        source.rules = vec![
            RuleSource {
                cooldown_ms: 10_000,
                ..rule("cools", "Q_A", "Q_B")
            },
            RuleSource {
                approve: Some("operator".to_owned()),
                approve_within_ms: 20_000,
                ..rule("asks", "Q_A", "Q_C")
            },
            rule("echoes", "Q_ECHO", "Q_ECHO"),
            RuleSource {
                when: Some("facts.missing".to_owned()),
                ..rule("fails", "Q_A", "Q_D")
            },
        ];
        let mut world = World::new(source);
        for name in ["Q_GO", "Q_A", "Q_ECHO"] {
            world.signal(name, "{}");
        }
        let token = world.token();
        world.wait(1_000);
        world.report(token, exited(1));
        if jumps {
            world.now.wall_ms += by_ms;
        }
        let mut due = Vec::new();
        for _second in 0..100 {
            world.tick_after(1_000);
            world.signal("Q_A", "{}");
            world.signal("Q_ECHO", "{}");
            due.push(world.machine.next_due_ms());
        }
        world.tick_after(DEAD_LETTER_AGE_MS_MAX);
        (world, due)
    };
    let ((still, due), (jumped, due_jumped)) = (play(false), play(true));
    assert_eq!(jumps(&still.log), Vec::<i64>::new());
    assert_eq!(jumps(&jumped.log), vec![by_ms], "recorded once");
    let times = |world: &World| -> Vec<(u64, &'static str)> {
        let records = world
            .log
            .iter()
            .filter(|r| !matches!(r.body, Body::ClockJumped(_)));
        records
            .map(|record| (record.elapsed_ms, record.body.kind()))
            .collect()
    };
    assert_eq!(
        times(&still),
        times(&jumped),
        "the same things at the same times"
    );
    // A retry's jitter hangs on the run's id and so on the clock at its birth, before the jump.
    assert_eq!(due, due_jumped);
}

#[test]
fn a43_order_and_ids_hold_when_the_clock_goes_back() {
    let mut world = World::new(work(|_| {}));
    let before = accepted(&world.signal("Q_A", "{}"));
    world.now.wall_ms -= 3 * DAY_MS;
    let after = accepted(&world.signal("Q_A", "{}"));
    assert!(
        after < before,
        "an id begins with the wall clock: it is no order"
    );
    let seqs: Vec<u64> = world.log.iter().map(|record| record.seq).collect();
    assert_eq!(
        seqs,
        (0..world.log.len().try_into().unwrap()).collect::<Vec<u64>>()
    );
    assert!(world.log.is_sorted_by_key(|record| record.elapsed_ms));
}

#[test]
fn a43_a_jump_while_no_owner_ran_is_recorded_by_the_next() {
    let mut world = World::new(work(|_| {}));
    world.wait(1_000);
    world.now.wall_ms -= 3 * DAY_MS;
    world.restart(&Fate::Dead);
    assert_eq!(jumps(&world.log), vec![-3 * DAY_MS]);
    // Across a boot elapsed time follows the wall clock: forward is no jump.
    world.now.boot_id += 1;
    world.now.boot_ms = 0;
    world.now.wall_ms += DAY_MS;
    let elapsed_ms = world.machine.state().time.elapsed_ms;
    world.restart(&Fate::Dead);
    let away_ms = world.machine.state().time.elapsed_ms - elapsed_ms;
    assert_eq!(i64::try_from(away_ms), Ok(DAY_MS));
    assert_eq!(jumps(&world.log).len(), 1);
}

#[test]
fn f39_a_signal_that_breaks_a_rule_each_time_is_parked_and_others_go_on() {
    let poisoned = RuleSource {
        when: Some("1 / facts.n > 0".to_owned()),
        ..rule("poisoned", "Q_GO", "Q_B")
    };
    let mut world = World::new(PolicySource {
        rules: vec![poisoned, rule("bystander", "Q_GO", "Q_C")],
        ..work(|_| {})
    });
    let output = world.signal("Q_GO", r#"{"n":0}"#);
    let all = signals(&output.records);
    let verdicts: Vec<Verdict> = all[0].decisions.iter().map(|said| said.verdict).collect();
    assert_eq!(verdicts, [Verdict::Errored, Verdict::Fired]);
    assert_eq!(world.tokens().len(), 1, "its worker runs all the same");
    assert_eq!(world.machine.state().letters.len(), 1);
}

#[test]
fn f39_a_run_that_fails_each_time_is_parked_after_its_tries() {
    let mut world = World::new(work(|work| work.retry = retry(4)));
    world.signal("Q_GO", r#"{"n":1}"#);
    let mut attempts = 0;
    while let Some(token) = world.tokens().first().copied() {
        attempts += 1;
        world.report(token, exited(1));
        world.tick_after(60_000);
    }
    assert_eq!(attempts, 5);
    assert!(world.machine.state().runs.is_empty());
    let letter = &world.machine.state().letters[&world.letter()];
    assert_eq!(letter.code, "run.failed");
}

#[test]
fn f58_ids_of_one_millisecond_are_unique_by_their_place_in_the_log() {
    let mut source = work(|_| {});
    source.workers.push(worker("Q_GO", "work", "Q_AGAIN"));
    source.monitors = vec![expectation("answers", "Q_GO", "Q_NEVER", 1_000, "Q_SILENT")];
    let mut world = World::new(source);
    let mut ids = BTreeSet::new();
    for _signal in 0..1_000 {
        let output = world.signal("Q_GO", "{}");
        for body in signals(&output.records) {
            let runs = body.runs.iter().map(|plan| plan.id);
            let arms = body.arms.iter().map(|armed| armed.id);
            for id in runs.chain(arms).chain([body.id]) {
                assert!(ids.insert(id), "{id} twice");
            }
        }
    }
    assert_eq!(ids.len(), 4_000);
}

/// Facts of almost as many bytes as there may be.
fn large_facts() -> String {
    format!(r#"{{"n":1,"text":"{}"}}"#, "x".repeat(FACTS_BYTES_MAX - 64))
}

#[test]
fn no_record_is_larger_than_a_body_may_be_however_many_rules_copy_large_facts() {
    let copies = (0..30).map(|n| RuleSource {
        facts: Some("facts".to_owned()),
        ..starts(&format!("copies-{n}"), "Q_A", "work")
    });
    let asks = (0..30).map(|n| RuleSource {
        approve: Some("operator".to_owned()),
        approve_within_ms: 1_000,
        ..rule(&format!("asks-{n}"), "Q_A", "Q_B")
    });
    let mut world = World::new(PolicySource {
        rules: copies.chain(asks).collect(),
        ..work(|_| {})
    });
    let output = world.signal("Q_A", &large_facts());
    for record in &output.records {
        let mut bytes = Vec::new();
        record.body.encode(&mut bytes).unwrap();
        assert!(bytes.len() <= BODY_BYTES_MAX, "{} bytes", bytes.len());
    }
    let said = &signals(&output.records)[0].decisions;
    let fired = said
        .iter()
        .filter(|said| said.verdict == Verdict::Fired)
        .count();
    let full = said
        .iter()
        .filter(|said| said.verdict == Verdict::Full)
        .count();
    assert_eq!((fired, full), (2, 58), "the rest is refused, and says so");
}

#[test]
fn what_an_expression_says_of_its_failure_is_cut() {
    let long = RuleSource {
        when: Some("facts[facts.text]".to_owned()),
        ..rule("long", "Q_A", "Q_B")
    };
    let mut world = World::new(PolicySource {
        rules: vec![long],
        ..work(|_| {})
    });
    let output = world.signal("Q_A", &large_facts());
    let said = &signals(&output.records)[0].decisions[0];
    assert_eq!(said.verdict, Verdict::Errored);
    let detail = said.detail.as_deref().unwrap();
    assert!((400..450).contains(&detail.len()), "{} bytes", detail.len());
}

#[test]
fn until_its_policy_is_in_force_a_new_owner_starts_nothing_and_nothing_is_due() {
    let mut source = work(|_| {});
    source.monitors = vec![expectation("answers", "Q_GO", "Q_NEVER", 1_000, "Q_SILENT")];
    source.rules = vec![rule("alarm", "Q_SILENT", "Q_ALARM")];
    source.tasks.push(task("other"));
    let mut world = World::new(source);
    world.switch(Switch::Clear, true);
    world.signal("Q_GO", "{}");
    let mut machine = Machine::new(world.folded(), 4);
    world.wait(5_000);
    let mut step = |event: Event| {
        machine.step(Input {
            at: world.now,
            event,
        })
    };
    let switch = Control::SwitchSeen {
        switch: Switch::Clear,
        maintenance: false,
    };
    let opened = step(Event::Control(switch));
    assert_eq!(
        opened.records.len(),
        1,
        "only the guard: {:?}",
        opened.records
    );
    let configured = step(Event::Configured(world.machine.policy().clone()));
    assert_eq!(configured.effects.len(), 1, "now it runs");
    let ticked = step(Event::Tick);
    let heard = signals(&ticked.records);
    let names: Vec<&str> = heard.iter().map(|body| body.signal.as_str()).collect();
    assert_eq!(
        names,
        ["Q_SILENT", "Q_ALARM"],
        "and the rules hear what was due"
    );
}

#[test]
fn a_log_whose_policy_is_the_empty_one_leases_nothing_before_its_owner_is_configured() {
    let mut world = World::new(work(|_| {}));
    world.switch(Switch::Clear, true);
    world.signal("Q_GO", "{}");
    world.configure(Policy::empty().source().clone());
    let mut machine = Machine::new(world.folded(), 4);
    let switch = Control::SwitchSeen {
        switch: Switch::Clear,
        maintenance: false,
    };
    let opened = machine.step(Input {
        at: world.now,
        event: Event::Control(switch),
    });
    assert_eq!(opened.effects, [], "its own policy may have no slot for it");
}

#[test]
fn a_chain_goes_on_under_one_correlation_from_the_first_signal_to_the_last() {
    let mut source = work(|_| {});
    source.rules = vec![rule("next", "Q_WORK_DONE", "Q_NEXT")];
    let mut world = World::new(source);
    let first = accepted(&world.signal("Q_GO", "{}"));
    let token = world.token();
    world.report(token, gave("{}"));
    let chains: BTreeSet<Id> = signals(&world.log)
        .iter()
        .map(|body| body.correlation)
        .collect();
    assert_eq!(chains, BTreeSet::from([first]));
}
