//! `/signals`: publish, list, show, and wait for what comes of one.

use std::time::Duration;

use antiphon_core::id::Id;
use antiphon_core::name::SignalName;
use antiphon_core::record::{Body, Record, SignalAccepted};
use antiphon_core::time::parse_rfc3339;
use antiphon_engine::ports::views::{RunFilter, SignalFilter, SignalRow};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::body::{JsonBytes, Parameters, PathPart};
use crate::draft::draft;
use crate::model;
use crate::present;
use crate::problem::{Code, Problem};
use crate::routes::limit;
use crate::state::{AppState, QueryError, Sources};

/// The longest wait for a chain to settle, ms.
const SETTLED_WITHIN_MS_MAX: u64 = 24 * 3_600_000;
/// Runs that the answer to a settled chain lists.
const SETTLED_RUNS_MAX: usize = 1_000;
/// Turns that come closer than this are looked at together.
const SETTLED_PAUSE: Duration = Duration::from_millis(20);

pub(crate) async fn emit(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: JsonBytes,
) -> Result<(StatusCode, Json<model::Emitted>), Problem> {
    let key = headers
        .get("idempotency-key")
        .map(|key| key.to_str())
        .transpose();
    let key = key.map_err(|error| {
        Code::RequestMalformed.problem(format!("Idempotency-Key is no ASCII text: {error}"))
    })?;
    let submitted = state.handle.submit(draft(&body, key)?).await?;
    let emitted = model::Emitted {
        id: submitted.id,
        seq: submitted.seq,
        duplicate: submitted.duplicate,
    };
    Ok((StatusCode::ACCEPTED, Json(emitted)))
}

/// Newest first, or oldest first behind the record `after`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    name: Option<SignalName>,
    correlation: Option<Id>,
    since: Option<String>,
    after: Option<u64>,
    limit: Option<usize>,
}

pub(crate) async fn list(
    State(state): State<AppState>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<Vec<model::Signal>>, Problem> {
    let since_ms = parameters.since.map(|since| {
        let wrong = || Code::RequestMalformed.problem("`since` is no RFC 3339 time");
        parse_rfc3339(&since).ok_or_else(wrong)
    });
    let filter = SignalFilter {
        name: parameters.name,
        correlation: parameters.correlation,
        since_ms: since_ms.transpose()?,
        after_seq: parameters.after,
        ascending: parameters.after.is_some(),
        limit: limit(parameters.limit),
    };
    let signals = state.query(move |sources| {
        let rows = sources.views.signals(&filter)?;
        let mut signals = Vec::with_capacity(rows.len());
        for row in rows {
            let shown = accepted(sources, &row)?;
            signals.extend(shown.map(|(record, accepted)| present::signal(&record, &accepted)));
        }
        Ok(signals)
    });
    signals.await.map(Json)
}

pub(crate) async fn show(
    State(state): State<AppState>,
    PathPart(id): PathPart<Id>,
) -> Result<Json<model::SignalDetail>, Problem> {
    let detail = state.query(move |sources| {
        let row = sources
            .views
            .signal(&id)?
            .ok_or(QueryError::NotFound("signal"))?;
        let (record, accepted) = accepted(sources, &row)?.ok_or(QueryError::NotFound("signal"))?;
        Ok(present::signal_detail(&record, &accepted))
    });
    detail.await.map(Json)
}

/// The record of a signal and its body; `None` when the body was pruned.
pub(crate) fn accepted(
    sources: &mut Sources<'_>,
    row: &SignalRow,
) -> Result<Option<(Record, Box<SignalAccepted>)>, QueryError> {
    let record = sources
        .records
        .record(row.seq)?
        .and_then(|projected| projected.record);
    Ok(record.and_then(|record| match &record.body {
        Body::SignalAccepted(accepted) => {
            let accepted = accepted.clone();
            Some((record, accepted))
        }
        _ => None,
    }))
}

/// How long to wait.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettledParameters {
    within_ms: u64,
}

/// Answers when nothing of the signal's chain waits or runs any more, or the time is over.
pub(crate) async fn settled(
    State(state): State<AppState>,
    PathPart(id): PathPart<Id>,
    Parameters(parameters): Parameters<SettledParameters>,
) -> Result<Json<model::Settled>, Problem> {
    let within = Duration::from_millis(parameters.within_ms.min(SETTLED_WITHIN_MS_MAX));
    let correlation = show(State(state.clone()), PathPart(id))
        .await?
        .0
        .correlation;
    let settled = tokio::time::timeout(within, until_settled(&state, correlation)).await;
    let settled = match settled {
        Ok(settled) => settled.map(|()| true)?,
        Err(_elapsed) => false,
    };
    let filter = RunFilter {
        correlation: Some(correlation),
        limit: SETTLED_RUNS_MAX,
        ..RunFilter::default()
    };
    let runs = state
        .query(move |sources| Ok(sources.views.runs(&filter)?))
        .await?;
    Ok(Json(model::Settled {
        settled,
        runs: runs.iter().map(present::run).collect(),
    }))
}

async fn until_settled(state: &AppState, correlation: Id) -> Result<(), Problem> {
    let mut high_water = state.handle.high_water();
    loop {
        high_water.borrow_and_update();
        let is_live = state.query(move |sources| {
            for live in ["planned", "leased", "stopping"] {
                let filter = RunFilter {
                    correlation: Some(correlation),
                    state: Some(live.to_owned()),
                    limit: 1,
                    ..RunFilter::default()
                };
                if !sources.views.runs(&filter)?.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        });
        if !is_live.await? {
            return Ok(());
        }
        let closed = || Code::EngineClosed.problem("the owner is shutting down");
        tokio::select! {
            changed = high_water.changed() => changed.map_err(|_closed| closed())?,
            () = state.closing.cancelled() => return Err(closed()),
        }
        tokio::time::sleep(SETTLED_PAUSE).await;
    }
}
