//! From records and views to the JSON of the API.
//!
//! In: what the core and the views say. Out: [`crate::model`]. Asking them is the routes'.

use antiphon_core::id::Id;
use antiphon_core::record::{
    Armed, Body, Evidence, LetterParked, Payload, Record, Returned, RuleVerdict, RunSettled,
    SignalAccepted, Verdict,
};
use antiphon_core::report::{Exit, NotStarted, Report, ResultFile};
use antiphon_core::run::Plan;
use antiphon_core::signal::Origin;
use antiphon_core::time::rfc3339;
use antiphon_engine::ports::views::{LetterRow, RunRow};

use crate::model;

/// When a signal happened: by its producer, or else when it was accepted.
fn timestamp(time_ms: i64, accepted: &SignalAccepted) -> String {
    rfc3339(accepted.occurred_ms.unwrap_or(time_ms))
}

/// A signal as lists show it.
pub(crate) fn signal(record: &Record, accepted: &SignalAccepted) -> model::Signal {
    model::Signal {
        id: accepted.id,
        seq: record.seq,
        signal: accepted.signal.to_string(),
        timestamp: timestamp(record.time_ms, accepted),
        source: accepted.source.to_string(),
        facts: accepted.facts.clone(),
        cause: accepted.cause,
        correlation: accepted.correlation,
    }
}

/// A signal with all that was decided on it.
pub(crate) fn signal_detail(record: &Record, accepted: &SignalAccepted) -> model::SignalDetail {
    model::SignalDetail {
        id: accepted.id,
        seq: record.seq,
        signal: accepted.signal.to_string(),
        timestamp: timestamp(record.time_ms, accepted),
        accepted_at: rfc3339(record.time_ms),
        source: accepted.source.to_string(),
        origin: origin(&accepted.origin),
        facts: accepted.facts.clone(),
        cause: accepted.cause,
        correlation: accepted.correlation,
        depth: accepted.depth,
        policy: accepted.policy.to_string(),
        decisions: accepted.decisions.iter().map(decision).collect(),
        runs: accepted.runs.iter().map(task_ref).collect(),
        expects: accepted.arms.iter().map(expectation).collect(),
    }
}

/// Where a signal came from, in one word and a name.
pub(crate) fn origin(origin: &Origin) -> String {
    match origin {
        Origin::External => "external".to_owned(),
        Origin::Rule(rule) => format!("rule:{rule}"),
        Origin::Task(task) => format!("task:{task}"),
        Origin::Monitor(monitor) => format!("monitor:{monitor}"),
        Origin::Expectation(monitor) => format!("expectation:{monitor}"),
        Origin::Replay(letter) => format!("replay:{letter}"),
    }
}

fn decision(verdict: &RuleVerdict) -> model::Decision {
    model::Decision {
        rule: verdict.rule.to_string(),
        verdict: verdict.verdict.as_str().to_owned(),
        why: explain(verdict.verdict).to_owned(),
        detail: verdict.detail.clone(),
        ask: verdict.ask.as_ref().map(|ask| ask.id),
    }
}

/// A verdict in words that follow the name of a rule.
#[must_use]
pub fn explain(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fired => "fired",
        Verdict::Deferred => "waits for an approval",
        Verdict::ConditionFalse => "did not fire: its condition does not hold",
        Verdict::Cooldown => "did not fire: it fired too recently",
        Verdict::RateLimited => "did not fire: it fired as often as it may",
        Verdict::Duplicate => "did not fire: it fired for this key before",
        Verdict::Errored => "did not fire: its expression failed",
        Verdict::TooDeep => "did not fire: the chain is too deep",
        Verdict::BreakerOpen => "did not fire: it fed itself, its breaker is open",
        Verdict::Disabled => "did not fire: it is not enabled",
        Verdict::Full => "did not fire: as much waits as may",
    }
}

/// An expectation.
pub(crate) fn expectation(armed: &Armed) -> model::Expectation {
    model::Expectation {
        monitor: armed.monitor.to_string(),
        expect: armed.expect.iter().map(ToString::to_string).collect(),
        emit: armed.emit.to_string(),
    }
}

fn task_ref(plan: &Plan) -> model::TaskRef {
    model::TaskRef {
        run: plan.id,
        task: plan.task.to_string(),
        rule: plan.rule.as_ref().map(ToString::to_string),
    }
}

/// A run as lists show it.
pub(crate) fn run(row: &RunRow) -> model::Run {
    model::Run {
        id: row.id,
        task: row.task.to_string(),
        agent: row.agent.clone(),
        signal_id: row.signal_id,
        state: row.state.clone(),
        attempt: row.attempt,
        started_at: row.started_ms.map(rfc3339),
        finished_at: row.finished_ms.map(rfc3339),
        exit_code: row.exit_code,
        evidence_sha256: row.evidence_sha256.clone(),
    }
}

/// The attempts that `records`, all of one run and in order, tell of.
pub(crate) fn attempts(records: &[Record]) -> Vec<model::Attempt> {
    let mut attempts: Vec<model::Attempt> = Vec::new();
    for record in records {
        let at = rfc3339(record.time_ms);
        if let Body::RunLeased(leased) = &record.body {
            attempts.push(leased_attempt(leased.attempt, record.seq, at));
        } else if let Some(attempt) = attempts.last_mut() {
            advance(attempt, &record.body, at);
        }
    }
    attempts
}

fn advance(attempt: &mut model::Attempt, body: &Body, at: String) {
    if let Body::RunStopping(_) = body {
        "stopping".clone_into(&mut attempt.state);
    } else if let Body::RunReturned(returned) = body {
        "returned".clone_into(&mut attempt.state);
        attempt.reason = Some(why_returned(&returned.why));
        attempt.finished_at = Some(at);
    } else if let Body::RunSettled(settled) = body {
        settle(attempt, settled);
        attempt.finished_at = Some(at);
    }
}

fn leased_attempt(attempt: u32, token: u64, started_at: String) -> model::Attempt {
    model::Attempt {
        attempt,
        token,
        state: "leased".to_owned(),
        started_at,
        finished_at: None,
        reason: None,
        exit: None,
        duration_ms: None,
        cpu_ms: None,
        memory_kib_max: None,
        result: None,
        stdout_bytes: None,
        stderr_bytes: None,
    }
}

fn why_returned(why: &Returned) -> String {
    match why {
        Returned::NotStarted(NotStarted::Gate) => "a guard closed the gate".to_owned(),
        Returned::NotStarted(NotStarted::Later(why) | NotStarted::Never(why)) => why.clone(),
        Returned::OwnerLost => "its owner was lost before it was started".to_owned(),
    }
}

fn settle(attempt: &mut model::Attempt, settled: &RunSettled) {
    settled.outcome.as_str().clone_into(&mut attempt.state);
    attempt.reason.clone_from(&settled.reason);
    match &settled.evidence {
        Evidence::Report(report) => tell(attempt, report),
        Evidence::NotStarted(why) => {
            attempt.reason.get_or_insert_with(|| why.clone());
        }
        Evidence::OwnerLost { proven_dead } => {
            let proven = if *proven_dead {
                "proven dead"
            } else {
                "not proven dead"
            };
            attempt
                .reason
                .get_or_insert_with(|| format!("its owner was lost, its tree {proven}"));
        }
    }
}

fn tell(attempt: &mut model::Attempt, report: &Report) {
    attempt.exit = Some(match report.exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
    });
    attempt.duration_ms = Some(report.duration_ms);
    attempt.cpu_ms = Some(report.cpu_ms);
    attempt.memory_kib_max = Some(report.memory_kib_max);
    attempt.stdout_bytes = Some(report.stdout.bytes);
    attempt.stderr_bytes = Some(report.stderr.bytes);
    match &report.result {
        ResultFile::Valid(facts) => attempt.result = Some(facts.clone()),
        ResultFile::Invalid(why) => {
            attempt
                .reason
                .get_or_insert_with(|| format!("the result is invalid: {why}"));
        }
        ResultFile::Absent => {}
    }
}

/// A dead letter as lists show it.
pub(crate) fn letter(row: &LetterRow, record: &Record, parked: &LetterParked) -> model::Letter {
    let signal = match &parked.payload {
        Payload::Run { signal_name, .. } | Payload::Signal { signal_name, .. } => {
            Some(signal_name.to_string())
        }
        Payload::Bytes { .. } | Payload::Document(_) => None,
    };
    model::Letter {
        id: row.id,
        seq: row.seq,
        parked_at: rfc3339(record.time_ms),
        subject: parked.subject.clone(),
        code: parked.code.clone(),
        error: parked.error.clone(),
        signal,
        replays: row.replays,
        purged: row.purged,
    }
}

/// What a dead letter holds.
pub(crate) fn payload(payload: &Payload) -> model::LetterPayload {
    let mut shown = model::LetterPayload {
        kind: String::new(),
        excerpt: None,
        sha256: None,
        facts: None,
        run: None,
        signal_id: None,
    };
    match payload {
        Payload::Bytes { excerpt, sha256 } => {
            "bytes".clone_into(&mut shown.kind);
            shown.excerpt = Some(excerpt.clone());
            shown.sha256 = Some(sha256.to_string());
        }
        Payload::Document(facts) => {
            "document".clone_into(&mut shown.kind);
            shown.facts = Some(facts.clone());
        }
        Payload::Run {
            facts, run, signal, ..
        } => {
            "run".clone_into(&mut shown.kind);
            shown.facts = Some(facts.clone());
            shown.run = Some(*run);
            shown.signal_id = Some(*signal);
        }
        Payload::Signal { facts, signal, .. } => {
            "signal".clone_into(&mut shown.kind);
            shown.facts = Some(facts.clone());
            shown.signal_id = Some(*signal);
        }
    }
    shown
}

/// The plan of `run` in the record that planned it.
pub(crate) fn plan_of<'a>(body: &'a Body, run: &Id) -> Option<&'a Plan> {
    let plans = if let Body::SignalAccepted(accepted) = body {
        accepted.runs.as_slice()
    } else if let Body::RunPlanned(planned) = body {
        planned.runs.as_slice()
    } else if let Body::RunReplanned(replanned) = body {
        std::slice::from_ref(&replanned.plan)
    } else {
        &[]
    };
    plans.iter().find(|plan| plan.id == *run)
}
