//! Bodies of every kind: once with as little as can be, once with everything.

use antiphon_core::guard::{Guards, Mode, Switch};
use antiphon_core::id::{Digest, Id};
use antiphon_core::name::{MonitorName, SourceName};
use antiphon_core::record::{
    Armed, Ask, AskAnswered, Body, BreakerChanged, Cleared, ClockJumped, ConfigApplied, Evidence,
    GuardChanged, KeyRegistered, KeyRevoked, KeyRotated, LetterParked, LettersPurged, LogCreated,
    LogCut, LogRestored, Next, OwnerStarted, Payload, RawDocument, RefusedHead, ReportRefused,
    Returned, RuleVerdict, RunCancelled, RunLeased, RunPlanned, RunReplanned, RunReturned,
    RunSettled, RunStopping, SignalAccepted, SnapshotTaken, TaskChanged, Verdict,
};
use antiphon_core::report::{Exit, NotStarted, Output, Report, ResultFile, StopCause};
use antiphon_core::run::{Completions, Outcome, Plan};
use antiphon_core::signal::{Facts, Key, Origin};
use antiphon_core::task::TaskVersion;
use antiphon_core::time::Boot;
use serde_json::value::RawValue;

use crate::fixture::{
    ORIGIN, agent, exited, facts, first_keys, key, rule_name, signal, task_name, worker,
};

fn id(number: u8) -> Id {
    Id::from_bytes([number; 16])
}

fn digest(number: u8) -> Digest {
    Digest([number; 32])
}

fn by() -> String {
    "ada".to_owned()
}

fn signal_key() -> Key {
    Key {
        hash: [0xab; 16],
        payload: [0x01; 8],
    }
}

/// Facts whose canonical form is not how anyone would write them.
fn odd_facts() -> Facts {
    facts("{\"b\": [1.0, 1e-7, -0, true, null], \"a\": {\"\\u20ac\": \"\\u0007\\n\\\"/\"}}")
}

pub(crate) fn bodies() -> Vec<Body> {
    [
        log(),
        going_on(),
        keys(),
        signals(),
        asks(),
        runs(),
        ends(),
        guards(),
        letters(),
    ]
    .concat()
}

fn log() -> Vec<Body> {
    let policy = r#"{"intents":[],"monitors":[],"rules":[],"slots":1,"tasks":[],"workers":[]}"#;
    vec![
        Body::LogCreated(Box::new(LogCreated {
            format: 1,
            id: id(1),
            keys: first_keys(),
            origin: ORIGIN.to_owned(),
            version: "1.0.0".to_owned(),
        })),
        Body::OwnerStarted(Box::new(OwnerStarted {
            boot: Boot(0x0123_4567_89ab_cdef),
            boot_ms: 1_000,
            epoch: 3,
            leases: true,
            pid: 42,
            version: "1.0.0".to_owned(),
        })),
        Body::ConfigApplied(Box::new(ConfigApplied {
            digest: digest(2),
            evaluator: "cel-0.15".to_owned(),
            policy: Box::new(RawDocument(
                RawValue::from_string(policy.to_owned()).unwrap(),
            )),
            replaces: 0,
        })),
        Body::ClockJumped(Box::new(ClockJumped {
            by_ms: -259_200_000,
        })),
        Body::SnapshotTaken(Box::new(SnapshotTaken {
            at_seq: 49_999,
            sha256: digest(3),
            state_version: 1,
        })),
    ]
}

fn going_on() -> Vec<Body> {
    vec![
        Body::LogCut(Box::new(LogCut {
            by: by(),
            epoch: 4,
            reason: "a disk that lied".to_owned(),
            refused: RefusedHead {
                root: digest(5),
                size: 120,
            },
            size: 100,
        })),
        Body::LogRestored(Box::new(LogRestored {
            by: by(),
            epoch: 5,
            reason: "a backup".to_owned(),
            size: 90,
        })),
    ]
}

fn keys() -> Vec<Body> {
    vec![
        Body::KeyRegistered(Box::new(KeyRegistered {
            agent: agent("LARS"),
            by: by(),
            custodial: false,
            key: key("LARS", 9),
        })),
        Body::KeyRotated(Box::new(KeyRotated {
            agent: agent("LARS"),
            by: by(),
            custodial: true,
            key: key("LARS", 10),
            of: key("LARS", 9).id(),
        })),
        Body::KeyRevoked(Box::new(KeyRevoked {
            agent: agent("LARS"),
            by: by(),
            custodial: false,
            from_seq: Some(17),
            key: key("LARS", 11),
            of: key("LARS", 10).id(),
            reason: "it was stolen".to_owned(),
        })),
    ]
}

fn signals() -> Vec<Body> {
    let least = SignalAccepted {
        arms: Vec::new(),
        cause: None,
        clears: Vec::new(),
        correlation: id(4),
        decisions: Vec::new(),
        depth: 0,
        facts: Facts::empty(),
        id: id(4),
        key: None,
        lineage: Vec::new(),
        meets: Vec::new(),
        occurred_ms: None,
        origin: Origin::External,
        policy: digest(2),
        runs: Vec::new(),
        signal: signal("Q_A"),
        source: SourceName::new("test").unwrap(),
        state: None,
    };
    let most = SignalAccepted {
        arms: vec![Armed {
            deadline_ms: 60_000,
            emit: signal("Q_SILENT"),
            expect: vec![signal("Q_B"), signal("Q_C")],
            id: id(5),
            monitor: MonitorName::new("answers").unwrap(),
        }],
        cause: Some(id(6)),
        clears: vec![cleared(None), cleared(Some(id(7)))],
        decisions: verdicts(),
        depth: 3,
        facts: odd_facts(),
        key: Some(signal_key()),
        lineage: vec![rule_name("first"), rule_name("worker:Q_GO>work")],
        meets: vec![id(8)],
        occurred_ms: Some(1_800_000_000_001),
        origin: Origin::Rule(rule_name("first")),
        runs: vec![plan(9, None), plan(10, Some(odd_facts()))],
        state: Some(facts(r#"{"count":{"Q_A":1},"last_ms":{},"mode":"normal"}"#)),
        ..least.clone()
    };
    let origins = [
        Origin::Task(task_name("work")),
        Origin::Monitor(MonitorName::new("answers").unwrap()),
        Origin::Expectation(MonitorName::new("answers").unwrap()),
        Origin::Replay(id(11)),
    ];
    let from = origins.map(|origin| SignalAccepted {
        origin,
        ..least.clone()
    });
    let all = [least.clone(), most].into_iter().chain(from);
    all.map(|body| Body::SignalAccepted(Box::new(body)))
        .collect()
}

fn cleared(correlation: Option<Id>) -> Cleared {
    Cleared {
        correlation,
        rule: rule_name("first"),
    }
}

/// One of each verdict; what fired or is deferred with all that it can hold.
fn verdicts() -> Vec<RuleVerdict> {
    let all = [
        Verdict::Fired,
        Verdict::Deferred,
        Verdict::ConditionFalse,
        Verdict::Cooldown,
        Verdict::RateLimited,
        Verdict::Duplicate,
        Verdict::Errored,
        Verdict::TooDeep,
        Verdict::BreakerOpen,
        Verdict::Disabled,
        Verdict::Full,
    ];
    let said = |verdict: Verdict| {
        let follows = matches!(verdict, Verdict::Fired | Verdict::Deferred);
        RuleVerdict {
            ask: (verdict == Verdict::Deferred).then(|| Box::new(ask())),
            dedupe_key: follows.then(|| "a \"key\"".to_owned()),
            detail: (!follows).then(|| "why not".to_owned()),
            remember: u32::from(follows) * 2,
            rule: rule_name(verdict.as_str()),
            verdict,
        }
    };
    all.map(said).to_vec()
}

fn ask() -> Ask {
    Ask {
        asks: "operator".to_owned(),
        deadline_ms: 60_000,
        emit: Some(signal("Q_B")),
        facts: odd_facts(),
        id: id(12),
        task: Some(task_name("work")),
    }
}

fn plan(number: u8, facts: Option<Facts>) -> Plan {
    let is_rule = facts.is_some();
    Plan {
        emits: if is_rule {
            Completions::default()
        } else {
            worker("Q_A", "work", "Q_WORK").emits
        },
        facts,
        id: id(number),
        rule: is_rule.then(|| rule_name("first")),
        task: task_name("work"),
        version: TaskVersion(digest(13)),
    }
}

fn asks() -> Vec<Body> {
    let answered = |permit: bool| {
        Body::AskAnswered(Box::new(AskAnswered {
            ask: id(12),
            by: by(),
            permit,
            rule: rule_name("first"),
        }))
    };
    let breaker = |open_until_ms: Option<u64>| {
        Body::BreakerChanged(Box::new(BreakerChanged {
            by: "machine".to_owned(),
            open_until_ms,
            rule: rule_name("first"),
        }))
    };
    vec![
        answered(false),
        answered(true),
        Body::RunPlanned(Box::new(RunPlanned {
            ask: id(12),
            runs: vec![plan(14, None)],
        })),
        breaker(Some(60_000)),
        breaker(None),
    ]
}

fn runs() -> Vec<Body> {
    let stopping = |by: Option<String>, cause: StopCause| {
        Body::RunStopping(Box::new(RunStopping {
            by,
            cause,
            run: id(9),
            token: 4,
        }))
    };
    let returned = |why: Returned| {
        Body::RunReturned(Box::new(RunReturned {
            due_ms: 1_000,
            run: id(9),
            token: 4,
            why,
        }))
    };
    vec![
        Body::RunLeased(Box::new(RunLeased {
            agent: agent("LARS"),
            attempt: 1,
            deadline_ms: 60_000,
            run: id(9),
            task: task_name("work"),
        })),
        Body::RunReplanned(Box::new(RunReplanned {
            by: by(),
            correlation: id(4),
            depth: 1,
            facts: odd_facts(),
            of: id(9),
            plan: plan(15, None),
            signal: id(4),
            signal_name: signal("Q_A"),
        })),
        returned(Returned::OwnerLost),
        returned(Returned::NotStarted(NotStarted::Gate)),
        returned(Returned::NotStarted(NotStarted::Later("EAGAIN".to_owned()))),
        returned(Returned::NotStarted(NotStarted::Never("ENOENT".to_owned()))),
        stopping(Some(by()), StopCause::Cancelled),
        stopping(None, StopCause::Deadline),
        stopping(None, StopCause::Output),
        stopping(None, StopCause::Stopped),
        Body::RunCancelled(Box::new(RunCancelled {
            by: by(),
            run: id(9),
            task: task_name("work"),
        })),
        Body::ReportRefused(Box::new(ReportRefused {
            token: 4,
            what: "a report: it exited with 0".to_owned(),
        })),
    ]
}

fn ends() -> Vec<Body> {
    let settled = |outcome: Outcome, evidence: Evidence, next: Next| {
        let reason = (outcome != Outcome::Succeeded).then(|| "it broke".to_owned());
        Body::RunSettled(Box::new(RunSettled {
            attempt: 2,
            evidence,
            next,
            outcome,
            reason,
            run: id(9),
            task: task_name("work"),
            token: 4,
        }))
    };
    let report = |report: Report| Evidence::Report(Box::new(report));
    let most = Report {
        executor_stop: Some(StopCause::Output),
        exit: Exit::Signal(9),
        exited_before_stop: false,
        processes_killed: 2,
        result: ResultFile::Invalid("no JSON".to_owned()),
        stdout: Output {
            bytes: 1 << 40,
            cut: true,
            evidence: Some(digest(16)),
            sha256: digest(17),
            text: "\u{1b}[1mé\u{fffd}".to_owned(),
        },
        ..exited(0)
    };
    let valid = Report {
        result: ResultFile::Valid(odd_facts()),
        ..exited(0)
    };
    let lost = |proven_dead: bool| Evidence::OwnerLost { proven_dead };
    let again = Next::Planned { due_ms: 2_000 };
    vec![
        settled(Outcome::Succeeded, report(valid), Next::Ended),
        settled(Outcome::Failed, report(most), again),
        settled(Outcome::TimedOut, report(exited(1)), Next::Ended),
        settled(
            Outcome::Cancelled,
            Evidence::NotStarted("ENOENT".to_owned()),
            Next::Ended,
        ),
        settled(Outcome::Unknown, lost(true), again),
        settled(Outcome::Unknown, lost(false), Next::Ended),
    ]
}

fn guards() -> Vec<Body> {
    let changed = |mode: Mode, switch: Switch, reason: &str| {
        Body::GuardChanged(Box::new(GuardChanged {
            by: by(),
            guards: Guards {
                maintenance: reason.is_empty(),
                mode,
                switch,
            },
            reason: reason.to_owned(),
            replaces: 41,
        }))
    };
    let task = |enabled: Option<bool>| {
        Body::TaskChanged(Box::new(TaskChanged {
            by: by(),
            enabled,
            replaces: 40,
            task: task_name("work"),
        }))
    };
    vec![
        changed(Mode::Normal, Switch::Clear, ""),
        changed(Mode::Drain, Switch::Clear, "tonight"),
        changed(Mode::Pause, Switch::Unreadable, ""),
        changed(Mode::Kill, Switch::Engaged, ""),
        task(Some(false)),
        task(None),
    ]
}

fn letters() -> Vec<Body> {
    let parked = |payload: Payload, key: Option<Key>, replays: u32| {
        Body::LetterParked(Box::new(LetterParked {
            code: "json.syntax".to_owned(),
            error: "`:` is expected".to_owned(),
            id: id(18),
            key,
            payload,
            replays,
            subject: "intent:one.json".to_owned(),
        }))
    };
    let run = Payload::Run {
        correlation: id(4),
        facts: odd_facts(),
        run: id(9),
        signal: id(4),
        signal_name: signal("Q_A"),
    };
    let errored = Payload::Signal {
        correlation: id(4),
        facts: Facts::empty(),
        signal: id(4),
        signal_name: signal("Q_A"),
    };
    let bytes = Payload::Bytes {
        excerpt: "{\"a\"".to_owned(),
        sha256: digest(19),
    };
    vec![
        parked(bytes, Some(signal_key()), 0),
        parked(Payload::Document(odd_facts()), None, 0),
        parked(run, None, 2),
        parked(errored, None, 0),
        Body::LettersPurged(Box::new(LettersPurged {
            by: "age".to_owned(),
            letters: vec![id(18), id(20)],
        })),
    ]
}
