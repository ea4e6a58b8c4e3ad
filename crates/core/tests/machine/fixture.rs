//! Policies and inputs to feed the machine with, told apart by short names.

use std::collections::BTreeMap;

use antiphon_core::id::Digest;
use antiphon_core::key::{KeyText, LOG, OPERATOR, OWNER, RECOVERY, key_name};
use antiphon_core::name::{
    AgentName, LockName, MonitorName, RuleName, SignalName, SourceName, TaskName,
};
use antiphon_core::policy::{
    DedupeSource, MonitorKind, MonitorSource, PolicySource, RuleSource, WorkerSource,
};
use antiphon_core::record::FirstKey;
use antiphon_core::report::{Exit, Output, Report, ResultFile};
use antiphon_core::run::Completions;
use antiphon_core::signal::{Draft, Facts};
use antiphon_core::task::{Interrupted, Program, ResourceLimits, ResultPolicy, Retry, Task};

pub(crate) fn signal(name: &str) -> SignalName {
    SignalName::new(name).unwrap()
}

pub(crate) fn rule_name(name: &str) -> RuleName {
    RuleName::new(name).unwrap()
}

pub(crate) fn task_name(name: &str) -> TaskName {
    TaskName::new(name).unwrap()
}

pub(crate) fn lock(name: &str) -> LockName {
    LockName::new(name).unwrap()
}

pub(crate) fn facts(json: &str) -> Facts {
    Facts::parse(json.as_bytes()).unwrap()
}

/// The origin of every log.
pub(crate) const ORIGIN: &str = "test";

/// Key number `number` of `agent`.
pub(crate) fn key(agent: &str, number: u8) -> KeyText {
    KeyText::of(&key_name(ORIGIN, agent), &[number; 32]).unwrap()
}

pub(crate) fn agent(name: &str) -> AgentName {
    AgentName::new(name).unwrap()
}

/// Keys 1 to 4, of the agents that a log begins with.
pub(crate) fn first_keys() -> Vec<FirstKey> {
    let first = |(number, name): (u8, &str)| FirstKey {
        agent: agent(name),
        custodial: name != RECOVERY,
        key: key(name, number),
    };
    let agents = [(1, LOG), (2, OPERATOR), (3, OWNER), (4, RECOVERY)];
    agents.into_iter().map(first).collect()
}

/// A signal from outside.
pub(crate) fn draft(name: &str, json: &str) -> Draft {
    Draft::new(signal(name), SourceName::new("test").unwrap(), facts(json))
}

/// A task that runs for a minute at most and is tried once.
pub(crate) fn task(name: &str) -> Task {
    Task {
        agent: AgentName::new("LARS").unwrap(),
        concurrency: 4,
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
        timeout_ms: 60_000,
        working_directory: None,
    }
}

/// So many retries, the first after a second.
pub(crate) fn retry(limit: u32) -> Retry {
    Retry {
        backoff_ms: 1_000,
        factor_permille: 2_000,
        limit,
        wait_ms_max: 60_000,
    }
}

/// A rule that emits `emit` whenever it hears `on`.
pub(crate) fn rule(name: &str, on: &str, emit: &str) -> RuleSource {
    RuleSource {
        emit: Some(signal(emit)),
        ..silent(name, on)
    }
}

/// A rule that starts `task` whenever it hears `on`.
pub(crate) fn starts(name: &str, on: &str, task: &str) -> RuleSource {
    RuleSource {
        task: Some(task_name(task)),
        ..silent(name, on)
    }
}

fn silent(name: &str, on: &str) -> RuleSource {
    RuleSource {
        approve: None,
        approve_within_ms: 0,
        cooldown_ms: 0,
        dedupe: None,
        emit: None,
        enabled: true,
        facts: None,
        name: rule_name(name),
        on: signal(on),
        rate: None,
        task: None,
        when: None,
    }
}

pub(crate) fn dedupe(key: &str, until: &str) -> DedupeSource {
    DedupeSource {
        key: key.to_owned(),
        until: Some(signal(until)),
    }
}

/// `task` answers `on`; its ends are `STEM_DONE`, `STEM_FAILED` and `STEM_TIMEOUT`.
pub(crate) fn worker(on: &str, task: &str, stem: &str) -> WorkerSource {
    let end = |how: &str| Some(signal(&format!("{stem}_{how}")));
    WorkerSource {
        emits: Completions {
            failed: end("FAILED"),
            succeeded: end("DONE"),
            timed_out: end("TIMEOUT"),
        },
        on: signal(on),
        task: task_name(task),
        when: None,
    }
}

/// `expect` must follow `after` within `within_ms`, else `emit`.
pub(crate) fn expectation(
    name: &str,
    after: &str,
    expect: &str,
    within_ms: u64,
    emit: &str,
) -> MonitorSource {
    MonitorSource {
        emit: signal(emit),
        every_ms: 0,
        kind: MonitorKind::Expect {
            after: signal(after),
            expect: vec![signal(expect)],
            within_ms,
        },
        name: MonitorName::new(name).unwrap(),
        timeout_ms: 0,
    }
}

/// One task, `work`, that answers `Q_GO` in two slots.
pub(crate) fn work(change: impl FnOnce(&mut Task)) -> PolicySource {
    let mut work = task("work");
    change(&mut work);
    PolicySource {
        slots: 2,
        tasks: vec![work],
        workers: vec![worker("Q_GO", "work", "Q_WORK")],
        ..PolicySource::default()
    }
}

/// An attempt that ended by itself with this code and no result.
pub(crate) fn exited(code: i32) -> Report {
    let stderr = if code == 0 { "" } else { "it broke\n" };
    Report {
        cpu_ms: 5,
        duration_ms: 10,
        executor_stop: None,
        exit: Exit::Code(code),
        exited_before_stop: true,
        memory_kib_max: 1_024,
        processes_killed: 0,
        result: ResultFile::Absent,
        stderr: written(stderr),
        stdout: Output::empty(),
    }
}

/// An attempt that was killed after it had been told to stop.
pub(crate) fn killed() -> Report {
    Report {
        exit: Exit::Signal(15),
        exited_before_stop: false,
        ..exited(0)
    }
}

/// An attempt that succeeded with this result.
pub(crate) fn gave(json: &str) -> Report {
    Report {
        result: ResultFile::Valid(facts(json)),
        ..exited(0)
    }
}

pub(crate) fn written(text: &str) -> Output {
    Output {
        bytes: text.len().try_into().unwrap(),
        cut: false,
        evidence: None,
        sha256: Digest::of(text.as_bytes()),
        text: text.to_owned(),
    }
}
