//! `/stop`: the operator's mode.

use antiphon_core::control::Control;
use antiphon_core::guard::Mode;
use axum::Json;
use axum::extract::State;

use crate::body::{JsonBody, PathPart};
use crate::model;
use crate::problem::{Code, Problem};
use crate::routes::Peer;
use crate::state::AppState;

pub(crate) async fn stop(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(word): PathPart<String>,
    JsonBody(model::Reason { reason }): JsonBody<model::Reason>,
) -> Result<Json<model::Done>, Problem> {
    let mode = match word.as_str() {
        "drain" => Mode::Drain,
        "pause" => Mode::Pause,
        "kill" => Mode::Kill,
        "resume" => Mode::Normal,
        _ => return Err(Code::RequestNoRoute.problem("stop knows drain, pause, kill and resume")),
    };
    let changed = state.handle.status().guards.mode != mode;
    let by = peer.name();
    if mode.starts_work() {
        let resume = Control::SetMode { mode, by, reason };
        state.handle.control(resume).await?;
    } else {
        state.handle.stop(mode, by, reason).await?;
    }
    Ok(Json(model::Done { changed }))
}
