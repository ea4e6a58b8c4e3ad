//! Records to feed a port with, valid in form, told apart by small numbers.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a failed expectation is a failed test"
)]

use antiphon_core::id::{Digest, Id};
use antiphon_core::name::{AgentName, RuleName, SignalName, SourceName, TaskName};
use antiphon_core::record::{
    Ask, Body, ConfigApplied, Evidence, LetterParked, Next, Payload, RawDocument, Record,
    RuleVerdict, RunLeased, RunSettled, SignalAccepted, Verdict,
};
use antiphon_core::report::{Exit, Output, Report, ResultFile};
use antiphon_core::run::{Completions, Outcome, Plan};
use antiphon_core::signal::{Facts, Key, Origin};
use antiphon_core::task::TaskVersion;
use antiphon_engine::ports::views::Projected;
use serde_json::value::RawValue;

/// Wall time of record 0, ms since 1970 UTC.
pub const TIME_MS: i64 = 1_700_000_000_000;

/// The id of thing `number` of kind `kind`.
#[must_use]
pub fn id(kind: u8, number: u64) -> Id {
    let mut bytes = [kind; 16];
    bytes
        .iter_mut()
        .zip(number.to_be_bytes())
        .for_each(|(to, from)| *to = from);
    Id::from_bytes(bytes)
}

/// The id of the signal that record `seq` accepts.
#[must_use]
pub fn signal_id(seq: u64) -> Id {
    id(1, seq)
}

/// The id of run `number`.
#[must_use]
pub fn run_id(number: u64) -> Id {
    id(2, number)
}

/// The id of the letter that record `seq` parks.
#[must_use]
pub fn letter_id(seq: u64) -> Id {
    id(3, seq)
}

/// The key of number `number`.
#[must_use]
pub fn key(number: u64) -> Key {
    let digest = Digest::of(&number.to_be_bytes());
    let mut hash = [0; 16];
    hash.iter_mut()
        .zip(digest.0)
        .for_each(|(to, from)| *to = from);
    Key {
        hash,
        payload: number.to_le_bytes(),
    }
}

/// `body` as record `seq`, one second after the one before it.
#[must_use]
pub fn projected(seq: u64, body: Body) -> Projected {
    let elapsed_ms = seq.saturating_mul(1_000);
    let time_ms = TIME_MS.saturating_add(i64::try_from(elapsed_ms).unwrap());
    Projected {
        seq,
        time_ms,
        elapsed_ms,
        record: Some(Record {
            seq,
            time_ms,
            elapsed_ms,
            body,
        }),
    }
}

/// Record `seq` whose body was pruned.
#[must_use]
pub fn pruned(seq: u64) -> Projected {
    let elapsed_ms = seq.saturating_mul(1_000);
    let time_ms = TIME_MS.saturating_add(i64::try_from(elapsed_ms).unwrap());
    Projected {
        seq,
        time_ms,
        elapsed_ms,
        record: None,
    }
}

/// A signal called `name` that record `seq` accepts, from outside, first of its chain.
#[must_use]
pub fn signal(seq: u64, name: &str) -> SignalAccepted {
    SignalAccepted {
        arms: Vec::new(),
        cause: None,
        clears: Vec::new(),
        correlation: signal_id(seq),
        decisions: Vec::new(),
        depth: 0,
        facts: Facts::empty(),
        id: signal_id(seq),
        key: None,
        lineage: Vec::new(),
        meets: Vec::new(),
        occurred_ms: None,
        origin: Origin::External,
        policy: Digest([0; 32]),
        runs: Vec::new(),
        signal: SignalName::new(name).unwrap(),
        source: SourceName::new("test").unwrap(),
        state: None,
    }
}

/// `signal` as a projected record.
#[must_use]
pub fn accepted(seq: u64, signal: SignalAccepted) -> Projected {
    projected(seq, Body::SignalAccepted(Box::new(signal)))
}

/// A plan of run `number` of `task`.
#[must_use]
pub fn plan(number: u64, task: &str) -> Plan {
    Plan {
        emits: Completions::default(),
        facts: None,
        id: run_id(number),
        rule: None,
        task: TaskName::new(task).unwrap(),
        version: TaskVersion(Digest([0; 32])),
    }
}

/// A verdict that opens ask `number`.
#[must_use]
pub fn deferred(number: u64) -> RuleVerdict {
    RuleVerdict {
        ask: Some(Box::new(Ask {
            asks: "operator".to_owned(),
            deadline_ms: 0,
            emit: None,
            facts: Facts::empty(),
            id: id(4, number),
            task: Some(TaskName::new("dream").unwrap()),
        })),
        dedupe_key: None,
        detail: None,
        remember: 0,
        rule: RuleName::new("rule").unwrap(),
        verdict: Verdict::Deferred,
    }
}

/// Attempt `attempt` of run `number` gets a lease by record `seq`.
#[must_use]
pub fn leased(seq: u64, number: u64, attempt: u32) -> Projected {
    let body = RunLeased {
        agent: AgentName::new("LARS").unwrap(),
        attempt,
        deadline_ms: 0,
        run: run_id(number),
        task: TaskName::new("dream").unwrap(),
    };
    projected(seq, Body::RunLeased(Box::new(body)))
}

/// Record `seq` settles an attempt of run `number` that ended with `exit`.
#[must_use]
pub fn settled(seq: u64, number: u64, exit: Exit, outcome: Outcome, next: Next) -> Projected {
    let report = Report {
        duration_ms: 1,
        exit,
        exited_before_stop: true,
        executor_stop: None,
        memory_kib_max: 1,
        processes_killed: 0,
        result: ResultFile::Absent,
        stderr: Output::empty(),
        stdout: Output::empty(),
        cpu_ms: 1,
    };
    let body = RunSettled {
        attempt: 1,
        evidence: Evidence::Report(Box::new(report)),
        next,
        outcome,
        reason: None,
        run: run_id(number),
        task: TaskName::new("dream").unwrap(),
        token: 0,
    };
    projected(seq, Body::RunSettled(Box::new(body)))
}

/// A letter that record `seq` parks, with `key`.
#[must_use]
pub fn parked(seq: u64, key: Option<Key>) -> Projected {
    let body = LetterParked {
        code: "json.syntax".to_owned(),
        error: "no JSON".to_owned(),
        id: letter_id(seq),
        key,
        payload: Payload::Document(Facts::empty()),
        replays: 0,
        subject: "inbox".to_owned(),
    };
    projected(seq, Body::LetterParked(Box::new(body)))
}

/// Record 0: a policy that says that STIG runs the task `dream`.
#[must_use]
pub fn policy() -> Projected {
    let text = r#"{"tasks":[{"agent":"STIG","name":"dream"}]}"#;
    let policy = RawDocument(RawValue::from_string(text.to_owned()).unwrap());
    let digest = Digest([0; 32]);
    let body = ConfigApplied {
        digest,
        evaluator: "cel".to_owned(),
        policy: Box::new(policy),
        replaces: 0,
    };
    projected(0, Body::ConfigApplied(Box::new(body)))
}
