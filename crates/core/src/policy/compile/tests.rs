//! What a policy is refused for, and what a compiled one answers.

use super::*;
use crate::limits::ATTEMPTS_MAX;
use crate::name::MonitorName;
use crate::policy::{MonitorSource, Rate};
use crate::run::Completions;
use crate::task::{Interrupted, Program, ResourceLimits, ResultPolicy, Retry, Task};

fn signal(name: &str) -> SignalName {
    SignalName::new(name).expect(name)
}

fn task_name(name: &str) -> TaskName {
    TaskName::new(name).expect(name)
}

fn task(name: &str) -> Task {
    Task {
        agent: crate::name::AgentName::new("LARS").expect("a name"),
        concurrency: 1,
        enabled: true,
        environment: BTreeMap::new(),
        grace_ms: 5_000,
        limits: ResourceLimits::default(),
        lock: None,
        name: task_name(name),
        on_lost: Interrupted::End,
        on_stop: Interrupted::End,
        priority: 5,
        program: Program::Process {
            argv: vec!["true".to_owned()],
        },
        result: ResultPolicy::Optional,
        retry: Retry::NEVER,
        start_within_ms: None,
        timeout_ms: 1_000,
        working_directory: None,
    }
}

fn rule(name: &str, on: &str) -> RuleSource {
    RuleSource {
        approve: None,
        approve_within_ms: 0,
        cooldown_ms: 0,
        dedupe: None,
        emit: Some(signal("B")),
        enabled: true,
        facts: None,
        name: RuleName::new(name).expect(name),
        on: signal(on),
        rate: None,
        task: None,
        when: None,
    }
}

fn monitor(name: &str, kind: MonitorKind) -> MonitorSource {
    MonitorSource {
        emit: signal("Q_TIMEOUT"),
        every_ms: 100,
        kind,
        name: MonitorName::new(name).expect(name),
        timeout_ms: 1_000,
    }
}

fn expect() -> MonitorKind {
    MonitorKind::Expect {
        after: signal("A"),
        expect: vec![signal("B")],
        within_ms: 1,
    }
}

fn worker(on: &str, task: &str) -> WorkerSource {
    let (on, task) = (signal(on), task_name(task));
    WorkerSource {
        emits: Completions::default(),
        on,
        task,
        when: None,
    }
}

fn intent(pattern: &str, facts: Option<&str>) -> IntentSource {
    let facts = facts.map(str::to_owned);
    IntentSource {
        emit: signal("A"),
        facts,
        pattern: pattern.to_owned(),
    }
}

/// A policy with one of each, and nothing wrong.
fn whole() -> PolicySource {
    let mut first = rule("first", "A");
    first.when = Some("facts.n > 0 && state.mode == 'normal'".to_owned());
    first.facts = Some("{'count': state.count.A}".to_owned());
    let until = Some(signal("B"));
    first.dedupe = Some(DedupeSource {
        key: "facts.set + string(state.count.A)".to_owned(),
        until,
    });
    first.task = Some(task_name("dream"));
    PolicySource {
        intents: vec![intent("discover.*", Some("{'question': data.question}"))],
        monitors: vec![monitor("answered", expect())],
        rules: vec![first, rule("second", "A"), rule("other", "B")],
        slots: 4,
        tasks: vec![task("dream"), task("deploy")],
        workers: vec![worker("B", "dream")],
    }
}

fn check_refused(path: &str, part: &str, change: impl FnOnce(&mut PolicySource)) {
    let mut source = whole();
    change(&mut source);
    let error = Policy::compile(source).expect_err(path);
    assert_eq!(error.path, path, "{error}");
    assert!(error.message.contains(part), "{error}");
}

#[test]
fn a_whole_policy_answers_by_signal_in_configured_order() {
    let policy = Policy::compile(whole()).expect("nothing is wrong");
    let rules = |on: &str| {
        policy
            .rules_on(&signal(on))
            .iter()
            .map(|rule| rule.source.name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (rules("A"), rules("B"), rules("C")),
        (vec!["first", "second"], vec!["other"], vec![])
    );
    let first = policy.rules_on(&signal("A")).first().expect("the rule");
    assert_eq!(
        first.state_reads,
        [StateRead::Mode, StateRead::Count(signal("A"))]
    );
    assert!(first.when.is_some() && first.facts.is_some() && first.dedupe_key.is_some());
    assert_eq!(policy.workers_on(&signal("B")).len(), 1);
    assert_eq!(policy.intents().len(), 1);
    let armed = |name: &str| policy.expectations_after(&signal(name)).count();
    assert_eq!((armed("A"), armed("B")), (1, 0));
    let cleared = |name: &str| {
        policy
            .rules_cleared_by(&signal(name))
            .map(RuleName::as_str)
            .collect::<Vec<_>>()
    };
    assert_eq!((cleared("B"), cleared("A")), (vec!["first"], vec![]));
    assert_eq!(
        policy.task(&task_name("deploy")),
        policy.source().tasks.get(1)
    );
    assert_eq!(policy.task(&task_name("none")), None);
}

#[test]
fn the_text_of_a_policy_is_canonical_and_reads_back_the_same() {
    let mut source = whole();
    source.monitors.push(monitor(
        "look",
        MonitorKind::Look {
            kind: "health".to_owned(),
            options: crate::signal::Facts::parse(b"{\"z\":1.0,\"a\":[true,\"\\u00e9\\n\"]}")
                .expect("facts"),
        },
    ));
    if let Some(task) = source.tasks.first_mut() {
        task.environment = [("B", "é\"\\\u{1}\u{7f}"), ("A", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        task.limits.memory_bytes = Some(1 << 40);
        task.program = Program::Builtin {
            arguments: vec!["x".to_owned()],
            name: "b".to_owned(),
        };
    }
    let policy = Policy::compile(source.clone()).expect("nothing is wrong");
    let document = Document::parse(policy.text().as_bytes(), &JsonLimits::BODY).expect("JSON");
    assert_eq!(document.text(), policy.text());
    let read: PolicySource = serde_json::from_str(policy.text()).expect("a source");
    assert_eq!(read, source);
    assert_eq!(
        Policy::compile(read).expect("the same").digest(),
        policy.digest()
    );
    let empty = Policy::empty();
    assert_eq!(
        empty.digest(),
        Policy::compile(empty.source().clone())
            .expect("empty")
            .digest()
    );
}

#[test]
fn a_reference_to_nothing_is_refused_with_what_was_meant() {
    check_refused(
        "rule.first.task",
        "no task `dreem` (did you mean `dream`?)",
        |source| {
            source.rules[0].task = Some(task_name("dreem"));
        },
    );
    check_refused(
        "worker.1.task",
        "no task `deplyo` (did you mean `deploy`?)",
        |source| {
            source.workers[0].task = task_name("deplyo");
        },
    );
    check_refused("worker.1.task", "there is no task `dream`", |source| {
        source.tasks.clear();
        source.rules.clear();
    });
    check_refused("rule.second", "emit a signal or start a task", |source| {
        source.rules[1].emit = None;
    });
}

#[test]
fn a_name_stands_once() {
    check_refused(
        "task.3.name",
        "`dream` is the name of another task",
        |source| {
            source.tasks.push(task("dream"));
        },
    );
    check_refused("rule.4.name", "another rule", |source| {
        source.rules.push(rule("first", "Z"));
    });
    check_refused("monitor.2.name", "another monitor", |source| {
        source.monitors.push(monitor("answered", expect()));
    });
}

#[test]
fn an_expression_that_does_not_compile_is_named_with_its_place() {
    let text = |text: &str| Some(text.to_owned());
    check_refused("rule.first.when", "`fact` is no variable here", |source| {
        source.rules[0].when = text("fact.n");
    });
    check_refused("rule.first.facts", "(line 2, column 1)", |source| {
        source.rules[0].facts = text("{'a':\nx}");
    });
    check_refused("rule.first.dedupe.key", "`data` is no variable", |source| {
        let key = "data.x".to_owned();
        source.rules[0].dedupe = Some(DedupeSource { key, until: None });
    });
    check_refused("worker.1.when", "no function", |source| {
        source.workers[0].when = text("now()");
    });
    check_refused("intent.1.facts", "`facts` is no variable", |source| {
        source.intents[0].facts = text("facts");
    });
    check_refused("intent.1.match", "matches no type", |source| {
        source.intents[0].pattern.clear();
    });
}

#[test]
fn tasks_are_held_to_what_can_be_run() {
    let check = |key: &str, part: &str, change: fn(&mut Task)| {
        check_refused(&format!("task.dream.{key}"), part, |source| {
            change(&mut source.tasks[0]);
        });
    };
    check("timeout", "more than nothing", |task| task.timeout_ms = 0);
    check("start_within", "more than nothing", |task| {
        task.start_within_ms = Some(0);
    });
    check("timeout", "30 days", |task| {
        task.timeout_ms = 30 * 86_400_000 + 1;
    });
    check("grace", "30 days", |task| task.grace_ms = u64::MAX);
    check("concurrency", "at least 1", |task| task.concurrency = 0);
    check("priority", "0 to 10", |task| task.priority = 11);
    check("retry.limit", "at most 99", |task| {
        task.retry.limit = ATTEMPTS_MAX;
    });
    check("retry.factor", "at least 1", |task| {
        task.retry.factor_permille = 999;
    });
    check("retry", "30 days", |task| task.retry.wait_ms_max = u64::MAX);
    check("working_directory", "NUL", |task| {
        task.working_directory = Some("a\0b".to_owned());
    });
    let check_program = |key: &str, part: &str, program: Program| {
        check_refused(&format!("task.dream.{key}"), part, |source| {
            source.tasks[0].program = program;
        });
    };
    let process = |argv: &[&str]| Program::Process {
        argv: argv.iter().map(|&text| text.to_owned()).collect(),
    };
    check_program("command", "name a program", process(&[]));
    check_program("command", "name a program", process(&[""]));
    check_program("command", "NUL", process(&["a", "b\0"]));
    let builtin = |name: &str, argument: &str| Program::Builtin {
        arguments: vec![argument.to_owned()],
        name: name.to_owned(),
    };
    check_program("builtin", "name a program", builtin("", ""));
    check_program("builtin", "NUL", builtin("b", "\0"));
    for (name, value, part) in [
        ("", "", "not the name"),
        ("1A", "", "not the name"),
        ("A=B", "", "not the name"),
        ("A\0", "", "not the name"),
        ("ANTIPHON_RESULT", "", "by the engine"),
        ("A", "x\0", "NUL"),
    ] {
        check_refused("task.dream.environment", part, |source| {
            source.tasks[0]
                .environment
                .insert(name.to_owned(), value.to_owned());
        });
    }
}

#[test]
fn rules_and_monitors_are_held_to_their_bounds() {
    check_refused("rule.first.rate", "more than nothing", |source| {
        source.rules[0].rate = Some(Rate {
            limit: 0,
            per_ms: 1,
        });
    });
    check_refused("rule.first.approve_within", "more than nothing", |source| {
        source.rules[0].approve = Some("operator".to_owned());
    });
    check_refused("rule.worker:A>dream.name", "a worker's", |source| {
        source.rules[0].name = RuleName::new("worker:A>dream").unwrap();
    });
    check_refused("rule.first.approve", "no role", |source| {
        source.rules[0].approve = Some(String::new());
    });
    check_refused("monitor.answered.within", "more than nothing", |source| {
        source.monitors[0].kind = MonitorKind::Expect {
            after: signal("A"),
            expect: vec![signal("B")],
            within_ms: 0,
        };
    });
    check_refused("monitor.answered.expect", "name a signal", |source| {
        source.monitors[0].kind = MonitorKind::Expect {
            after: signal("A"),
            expect: Vec::new(),
            within_ms: 1,
        };
    });
    let look = || MonitorKind::Look {
        kind: "health".to_owned(),
        options: crate::signal::Facts::empty(),
    };
    check_refused("monitor.look.every", "at least 100 ms", |source| {
        source.monitors.push(MonitorSource {
            every_ms: 99,
            ..monitor("look", look())
        });
    });
    check_refused("monitor.look.timeout", "more than nothing", |source| {
        source.monitors.push(MonitorSource {
            timeout_ms: 0,
            ..monitor("look", look())
        });
    });
}

#[test]
fn a_policy_has_limits_as_a_whole() {
    check_refused("slots", "257 are more than 256", |source| {
        source.slots = 257;
    });
    check_refused("task", "1026 are more than 1024", |source| {
        source
            .tasks
            .extend((0..1_024).map(|number| task(&format!("t{number}"))));
    });
    check_refused("rule", "65 on the signal `Z` are more than 64", |source| {
        source
            .rules
            .extend((0..65).map(|number| rule(&format!("r{number}"), "Z")));
    });
    check_refused("worker", "on the signal `Z`", |source| {
        source.workers.extend((0..65).map(|_| worker("Z", "dream")));
    });
    check_refused("policy", "2^53", |source| {
        source.tasks[0].limits.memory_bytes = Some(u64::MAX);
    });
    check_refused("policy", "bytes are more than", |source| {
        source
            .rules
            .extend((0..1_500).map(|number| rule(&format!("r{number}"), &format!("Z{number}"))));
    });
}
