//! `/asks`: a human's answer to a rule that asks first.

use antiphon_core::control::Control;
use antiphon_core::id::Id;
use axum::Json;
use axum::extract::State;

use crate::body::PathPart;
use crate::model;
use crate::problem::Problem;
use crate::routes::Peer;
use crate::state::AppState;

pub(crate) async fn approve(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(ask): PathPart<Id>,
) -> Result<Json<model::Done>, Problem> {
    answer(&state, ask, true, &peer).await
}

pub(crate) async fn deny(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(ask): PathPart<Id>,
) -> Result<Json<model::Done>, Problem> {
    answer(&state, ask, false, &peer).await
}

async fn answer(
    state: &AppState,
    ask: Id,
    permit: bool,
    peer: &Peer,
) -> Result<Json<model::Done>, Problem> {
    state
        .handle
        .control(Control::Answer {
            ask,
            permit,
            by: peer.name(),
        })
        .await?;
    Ok(Json(model::Done { changed: true }))
}
