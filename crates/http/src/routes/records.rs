//! `/records`: one record as stored.

use axum::Json;
use axum::extract::State;
use serde_json::value::RawValue;

use crate::body::PathPart;
use crate::model;
use crate::problem::{Code, Problem};
use crate::state::{AppState, QueryError};

pub(crate) async fn show(
    State(state): State<AppState>,
    PathPart(seq): PathPart<u64>,
) -> Result<Json<model::RecordText>, Problem> {
    let text = state.query_now(move |sources| {
        sources
            .records
            .text(seq)?
            .ok_or(QueryError::NotFound("record"))
    });
    let (envelope, body) = text.await?;
    let raw = |text: String| {
        RawValue::from_string(text).map_err(|error| Code::LogUnreadable.caused_by(&error))
    };
    let (envelope, body) = (raw(envelope)?, body.map(raw).transpose()?);
    Ok(Json(model::RecordText {
        seq,
        envelope,
        body,
    }))
}
