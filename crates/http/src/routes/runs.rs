//! `/runs`: list, show, read what they wrote, cancel, try again.

use antiphon_core::control::{Control, EndedRun, Refusal};
use antiphon_core::id::Id;
use antiphon_core::input::Reply;
use antiphon_core::name::TaskName;
use antiphon_core::record::{Body, Evidence, Record, SignalAccepted};
use antiphon_core::report::{Output, Report};
use antiphon_core::signal::Facts;
use antiphon_core::time::rfc3339;
use antiphon_engine::handle::SubmitError;
use antiphon_engine::ports::views::{RunFilter, RunRow};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::body::{Parameters, PathPart};
use crate::model;
use crate::present;
use crate::problem::{Code, Problem};
use crate::routes::{Peer, limit, signals};
use crate::state::{AppState, QueryError, Sources};

/// Newest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    task: Option<TaskName>,
    state: Option<String>,
    signal: Option<Id>,
    correlation: Option<Id>,
    limit: Option<usize>,
}

pub(crate) async fn list(
    State(state): State<AppState>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<Vec<model::Run>>, Problem> {
    let filter = RunFilter {
        task: parameters.task,
        state: parameters.state,
        signal: parameters.signal,
        correlation: parameters.correlation,
        limit: limit(parameters.limit),
    };
    let rows = state
        .query(move |sources| Ok(sources.views.runs(&filter)?))
        .await?;
    Ok(Json(rows.iter().map(present::run).collect()))
}

pub(crate) async fn show(
    State(state): State<AppState>,
    PathPart(id): PathPart<Id>,
) -> Result<Json<model::RunDetail>, Problem> {
    let mut detail = state.query(move |sources| detail(sources, &id)).await?;
    detail.seal.covered_by(&state.handle.sealing().borrow());
    Ok(Json(detail))
}

fn detail(sources: &mut Sources<'_>, id: &Id) -> Result<model::RunDetail, QueryError> {
    let row = find(sources, id)?;
    let origin = origin(sources, &row)?;
    let last_seq = row.record_seqs.iter().copied().max();
    Ok(model::RunDetail {
        run: present::run(&row),
        signal: origin.signal_name.to_string(),
        correlation: origin.correlation,
        rule: origin.plan.rule.as_ref().map(ToString::to_string),
        retry_of: origin.retry_of,
        planned_at: rfc3339(origin.time_ms),
        planned_seq: row.planned_seq,
        version: origin.plan.version.0.to_string(),
        facts: origin.facts,
        attempts: present::attempts(&records_of(sources, &row)?),
        seal: model::Seal::of(last_seq.unwrap_or(row.planned_seq)),
    })
}

/// The run with this id.
pub(crate) fn find(sources: &Sources<'_>, id: &Id) -> Result<RunRow, QueryError> {
    sources.views.run(id)?.ok_or(QueryError::NotFound("run"))
}

/// The records of a run, in order.
pub(crate) fn records_of(
    sources: &mut Sources<'_>,
    row: &RunRow,
) -> Result<Vec<Record>, QueryError> {
    let mut seqs = row.record_seqs.clone();
    seqs.sort_unstable();
    seqs.dedup();
    let mut records = Vec::with_capacity(seqs.len());
    for seq in seqs {
        records.extend(
            sources
                .records
                .record(seq)?
                .and_then(|projected| projected.record),
        );
    }
    Ok(records)
}

/// Where a run comes from.
struct RunOrigin {
    plan: antiphon_core::run::Plan,
    signal_name: antiphon_core::name::SignalName,
    correlation: Id,
    depth: u32,
    facts: Facts,
    retry_of: Option<Id>,
    time_ms: i64,
}

fn origin(sources: &mut Sources<'_>, row: &RunRow) -> Result<RunOrigin, QueryError> {
    let missing = QueryError::NotFound("plan of a run");
    let planned = sources
        .records
        .record(row.planned_seq)?
        .and_then(|planned| planned.record);
    let planned = planned.ok_or(missing)?;
    let plan = present::plan_of(&planned.body, &row.id).cloned();
    let plan = plan.ok_or(QueryError::NotFound("plan of a run"))?;
    let time_ms = planned.time_ms;
    if let Body::RunReplanned(again) = planned.body {
        return Ok(RunOrigin {
            plan,
            signal_name: again.signal_name,
            correlation: again.correlation,
            depth: again.depth,
            facts: again.facts,
            retry_of: Some(again.of),
            time_ms,
        });
    }
    let signal = match planned.body {
        Body::SignalAccepted(accepted) => *accepted,
        _ => signal_of(sources, row)?,
    };
    Ok(RunOrigin {
        facts: plan.facts.clone().unwrap_or(signal.facts),
        plan,
        signal_name: signal.signal,
        correlation: signal.correlation,
        depth: signal.depth,
        retry_of: None,
        time_ms,
    })
}

fn signal_of(sources: &mut Sources<'_>, row: &RunRow) -> Result<SignalAccepted, QueryError> {
    let missing = || QueryError::NotFound("signal of a run");
    let signal = sources.views.signal(&row.signal_id)?.ok_or_else(missing)?;
    let (_, accepted) = signals::accepted(sources, &signal)?.ok_or_else(missing)?;
    Ok(*accepted)
}

pub(crate) async fn logs(
    State(state): State<AppState>,
    PathPart(id): PathPart<Id>,
) -> Result<Json<Vec<model::AttemptLogs>>, Problem> {
    let evidence = std::sync::Arc::clone(&state.evidence);
    let logs = state.query(move |sources| {
        let row = find(sources, &id)?;
        let mut logs = Vec::new();
        for record in records_of(sources, &row)? {
            let Body::RunSettled(settled) = &record.body else {
                continue;
            };
            let Evidence::Report(report) = &settled.evidence else {
                continue;
            };
            logs.push(attempt_logs(settled.attempt, report, |digest| {
                let read = evidence.read(digest);
                read.map_err(|source| QueryError::Evidence {
                    digest: *digest,
                    source,
                })
            })?);
        }
        Ok(logs)
    });
    logs.await.map(Json)
}

fn attempt_logs(
    attempt: u32,
    report: &Report,
    read: impl Fn(&antiphon_core::id::Digest) -> Result<Option<Vec<u8>>, QueryError>,
) -> Result<model::AttemptLogs, QueryError> {
    let show = |output: &Output| {
        let kept = output.evidence.as_ref().map(&read).transpose()?.flatten();
        let text = match kept {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => output.text.clone(),
        };
        let sha256 = output.sha256.to_string();
        Ok::<_, QueryError>(model::LogOutput {
            bytes: output.bytes,
            cut: output.cut,
            sha256,
            text,
        })
    };
    Ok(model::AttemptLogs {
        attempt,
        stdout: show(&report.stdout)?,
        stderr: show(&report.stderr)?,
    })
}

pub(crate) async fn cancel(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(run): PathPart<Id>,
) -> Result<Json<model::Done>, Problem> {
    let cancelled = state
        .handle
        .control(Control::Cancel {
            run,
            by: peer.name(),
        })
        .await;
    // The machine keeps live runs only; the views know those that have ended.
    if cancelled == Err(SubmitError::Refused(Refusal::NotFound)) {
        state
            .query(move |sources| find(sources, &run).map(drop))
            .await?;
        return Err(SubmitError::Refused(Refusal::Ended).into());
    }
    cancelled?;
    Ok(Json(model::Done { changed: true }))
}

pub(crate) async fn retry(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(id): PathPart<Id>,
) -> Result<Json<model::Planned>, Problem> {
    let found = state.query(move |sources| {
        let row = find(sources, &id)?;
        let origin = origin(sources, &row)?;
        Ok((row, origin))
    });
    let (row, origin) = found.await?;
    if matches!(row.state.as_str(), "planned" | "leased" | "stopping") {
        return Err(SubmitError::Refused(Refusal::NotEnded).into());
    }
    let ended = Box::new(EndedRun {
        id,
        task: row.task,
        emits: origin.plan.emits,
        signal: row.signal_id,
        signal_name: origin.signal_name,
        correlation: origin.correlation,
        facts: origin.facts,
        depth: origin.depth,
    });
    match state
        .handle
        .control(Control::RetryRun {
            ended,
            by: peer.name(),
        })
        .await?
    {
        Reply::Planned { run } => Ok(Json(model::Planned { run })),
        reply => Err(Code::EngineRefused.problem(format!("no run was planned: {reply:?}"))),
    }
}
