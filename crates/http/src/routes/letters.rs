//! `/letters`: dead letters, to look at, accept once more, or drop.

use antiphon_core::control::Control;
use antiphon_core::id::Id;
use antiphon_core::input::Reply;
use antiphon_core::record::{Body, LetterParked, Record};
use antiphon_engine::ports::views::LetterRow;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::body::{JsonBody, Parameters, PathPart};
use crate::model;
use crate::present;
use crate::problem::{Code, Problem};
use crate::routes::{LIMIT_MAX, Peer, limit};
use crate::state::{AppState, QueryError, Sources};

/// Newest first; purged ones only when asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    limit: Option<usize>,
    #[serde(default)]
    purged: bool,
}

pub(crate) async fn list(
    State(state): State<AppState>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<Vec<model::Letter>>, Problem> {
    let letters = state.query(move |sources| {
        let rows = sources
            .views
            .letters(limit(parameters.limit), parameters.purged)?;
        let mut letters = Vec::with_capacity(rows.len());
        for row in rows {
            let shown = parked(sources, &row)?;
            letters.extend(shown.map(|(record, parked)| present::letter(&row, &record, &parked)));
        }
        Ok(letters)
    });
    letters.await.map(Json)
}

pub(crate) async fn show(
    State(state): State<AppState>,
    PathPart(id): PathPart<Id>,
) -> Result<Json<model::LetterDetail>, Problem> {
    let detail = state.query(move |sources| {
        let row = sources
            .views
            .letter(&id)?
            .ok_or(QueryError::NotFound("letter"))?;
        let (record, parked) = parked(sources, &row)?.ok_or(QueryError::NotFound("letter"))?;
        Ok(model::LetterDetail {
            letter: present::letter(&row, &record, &parked),
            payload: present::payload(&parked.payload),
        })
    });
    detail.await.map(Json)
}

/// The record of a letter and its body; `None` when the body was pruned.
pub(crate) fn parked(
    sources: &mut Sources<'_>,
    row: &LetterRow,
) -> Result<Option<(Record, Box<LetterParked>)>, QueryError> {
    let record = sources
        .records
        .record(row.seq)?
        .and_then(|projected| projected.record);
    Ok(record.and_then(|record| match &record.body {
        Body::LetterParked(parked) => {
            let parked = parked.clone();
            Some((record, parked))
        }
        _ => None,
    }))
}

pub(crate) async fn replay(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(letter): PathPart<Id>,
) -> Result<Json<model::Replayed>, Problem> {
    replay_one(&state, letter, &peer).await.map(Json)
}

async fn replay_one(state: &AppState, letter: Id, peer: &Peer) -> Result<model::Replayed, Problem> {
    match state
        .handle
        .control(Control::ReplayLetter {
            letter,
            by: peer.name(),
        })
        .await?
    {
        Reply::Accepted { id, seq, .. } => Ok(model::Replayed {
            letter,
            id: Some(id),
            seq: Some(seq),
            code: None,
            error: None,
        }),
        reply => Err(Code::EngineRefused.problem(format!("no signal was accepted: {reply:?}"))),
    }
}

/// Replays each; one that is refused does not keep the others back.
pub(crate) async fn replay_many(
    State(state): State<AppState>,
    peer: Peer,
    JsonBody(replay): JsonBody<model::Replay>,
) -> Result<Json<Vec<model::Replayed>>, Problem> {
    if replay.letters.is_empty() || replay.letters.len() > LIMIT_MAX {
        let detail = format!("`letters` names 1 to {LIMIT_MAX} letters");
        return Err(Code::RequestMalformed.problem(detail));
    }
    let mut replayed = Vec::with_capacity(replay.letters.len());
    for letter in replay.letters {
        replayed.push(match replay_one(&state, letter, &peer).await {
            Ok(replayed) => replayed,
            Err(problem) => model::Replayed {
                letter,
                id: None,
                seq: None,
                code: Some(problem.code),
                error: Some(problem.detail),
            },
        });
    }
    Ok(Json(replayed))
}

pub(crate) async fn purge(
    State(state): State<AppState>,
    peer: Peer,
    JsonBody(purge): JsonBody<model::Purge>,
) -> Result<Json<model::Purged>, Problem> {
    let older_than_ms = match (purge.letters.is_empty(), purge.older_than_ms) {
        (false, None) => 0,
        (true, Some(older_than_ms)) => older_than_ms,
        (false, Some(_)) | (true, None) => {
            let detail = "either `letters` or `older_than_ms` is needed";
            return Err(Code::RequestMalformed.problem(detail));
        }
    };
    let letters = purge.letters;
    let control = Control::PurgeLetters {
        letters,
        older_than_ms,
        by: peer.name(),
    };
    let purged = match state.handle.control(control).await? {
        Reply::Changed { count } => count,
        Reply::Done
        | Reply::Accepted { .. }
        | Reply::Parked { .. }
        | Reply::Planned { .. }
        | Reply::Full
        | Reply::Refused(_) => 0,
    };
    Ok(Json(model::Purged { purged }))
}
