//! The structured log: a line for each record that says more than that a signal came.

use std::io::Write as _;
use std::time::Duration;

use antiphon_core::key::KeyText;
use antiphon_core::name::AgentName;
use antiphon_core::record::{Body, Evidence, Record, SignalAccepted, Verdict};
use antiphon_core::time::rfc3339;
use antiphon_engine::ports::views::Projected;
use antiphon_engine::project::Observer;
use antiphon_files::structured_log::StructuredWriter;
use serde_json::{Map, Value, json};

/// Writes a line for each record that is worth one.
pub(crate) fn observer(mut writer: StructuredWriter) -> Observer {
    Box::new(move |records: &[Projected]| {
        for record in records
            .iter()
            .filter_map(|projected| projected.record.as_ref())
        {
            if let Some(line) = line(record) {
                // The writer never fails: what it has no room for it counts.
                writeln!(writer, "{line}").ok();
            }
        }
    })
}

/// Keys as the seeds name them: `ts`, `level`, `event`, `outcome`, `duration_s`, then ids.
fn line(record: &Record) -> Option<Value> {
    let mut line = Map::new();
    line.insert("ts".to_owned(), json!(rfc3339(record.time_ms)));
    let (level, more) = describe(&record.body)?;
    line.insert("level".to_owned(), json!(level));
    line.insert("event".to_owned(), json!(record.body.kind()));
    line.insert("log.seq".to_owned(), json!(record.seq));
    if let Value::Object(more) = more {
        line.extend(more.into_iter().filter(|(_key, value)| !value.is_null()));
    }
    Some(Value::Object(line))
}

fn describe(body: &Body) -> Option<(&'static str, Value)> {
    Some(match body {
        Body::SignalAccepted(body) => return signal(body),
        Body::RunLeased(body) => (
            "info",
            json!({"run.id": body.run, "task.id": body.task, "attempt": body.attempt}),
        ),
        Body::RunSettled(body) => {
            let duration_s = match &body.evidence {
                Evidence::Report(report) => Some(seconds(report.duration_ms)),
                Evidence::NotStarted(_) | Evidence::OwnerLost { .. } => None,
            };
            let level = if body.reason.is_none() {
                "info"
            } else {
                "warn"
            };
            let more = json!({
                "outcome": body.outcome.as_str(),
                "duration_s": duration_s,
                "run.id": body.run,
                "task.id": body.task,
                "attempt": body.attempt,
                "reason": body.reason,
            });
            (level, more)
        }
        Body::RunReturned(body) => (
            "info",
            json!({"run.id": body.run, "attempt.id": body.token}),
        ),
        Body::RunStopping(body) => ("info", json!({"run.id": body.run, "cause": body.cause})),
        Body::RunCancelled(body) => ("info", json!({"run.id": body.run, "by": body.by})),
        Body::RunReplanned(body) => ("info", json!({"run.id": body.plan.id, "of": body.of})),
        Body::GuardChanged(body) => (
            "warn",
            json!({"outcome": body.guards.mode.as_str(), "by": body.by}),
        ),
        Body::LetterParked(body) => (
            "warn",
            json!({"error.code": body.code, "letter.id": body.id, "subject": body.subject}),
        ),
        Body::LettersPurged(body) => ("info", json!({"by": body.by, "count": body.letters.len()})),
        Body::ReportRefused(body) => ("warn", json!({"attempt.id": body.token})),
        Body::AskAnswered(body) => ("info", json!({"ask.id": body.ask, "permit": body.permit})),
        Body::RunPlanned(body) => {
            let runs: Vec<_> = body.runs.iter().map(|plan| plan.id).collect();
            ("info", json!({"ask.id": body.ask, "runs": runs}))
        }
        Body::BreakerChanged(body) => ("warn", json!({"rule.id": body.rule, "by": body.by})),
        Body::TaskChanged(body) => (
            "info",
            json!({"task.id": body.task, "enabled": body.enabled}),
        ),
        Body::ClockJumped(body) => ("warn", json!({"by_ms": body.by_ms})),
        Body::ConfigApplied(body) => ("info", json!({"policy": body.digest})),
        Body::OwnerStarted(body) => ("info", json!({"epoch": body.epoch, "pid": body.pid})),
        Body::KeyRegistered(body) => key(&body.agent, &body.key, &body.by),
        Body::KeyRevoked(body) => key(&body.agent, &body.key, &body.by),
        Body::KeyRotated(body) => key(&body.agent, &body.key, &body.by),
        Body::LogCut(body) => ("warn", json!({"by": body.by, "log.seq": body.size})),
        Body::LogRestored(body) => ("warn", json!({"by": body.by, "log.seq": body.size})),
        Body::LogCreated(body) => ("info", json!({"log.id": body.id})),
        Body::SnapshotTaken(body) => ("info", json!({"at_seq": body.at_seq})),
    })
}

/// The key that is an agent's from now on.
fn key(agent: &AgentName, key: &KeyText, by: &str) -> (&'static str, Value) {
    (
        "warn",
        json!({"agent": agent, "key.id": key.id(), "by": by}),
    )
}

/// A signal is worth a line when something follows from it.
fn signal(body: &SignalAccepted) -> Option<(&'static str, Value)> {
    let has_fired = |verdict| matches!(verdict, Verdict::Fired | Verdict::Deferred);
    let fired: Vec<_> = body
        .decisions
        .iter()
        .filter(|d| has_fired(d.verdict))
        .map(|d| &d.rule)
        .collect();
    if fired.is_empty() && body.runs.is_empty() {
        return None;
    }
    let more = json!({
        "signal": body.signal,
        "signal.id": body.id,
        "correlation": body.correlation,
        "rules": fired,
        "runs": body.runs.iter().map(|plan| &plan.task).collect::<Vec<_>>(),
    });
    Some(("info", more))
}

/// Seconds with milliseconds, as the seeds write durations.
fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}
