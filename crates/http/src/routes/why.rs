//! `/why`: the whole chain around a signal, a run or a dead letter.

use antiphon_core::id::Id;
use axum::Json;
use axum::extract::State;

use crate::body::PathPart;
use crate::model;
use crate::problem::Problem;
use crate::state::AppState;

pub(crate) async fn why(
    State(state): State<AppState>,
    PathPart(id): PathPart<Id>,
) -> Result<Json<model::Chain>, Problem> {
    let chain = state.query(move |sources| crate::why::why(sources, id));
    let mut chain = chain.await?;
    chain.seal.covered_by(&state.handle.sealing().borrow());
    Ok(Json(chain))
}
