//! The routes of `/api/v1`, one file per noun.

pub(crate) mod asks;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod letters;
pub(crate) mod policy;
pub(crate) mod records;
pub(crate) mod runs;
pub(crate) mod signals;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod stream;
pub(crate) mod why;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::routing::{get, post};

use crate::problem::{Code, Problem};
use crate::state::AppState;

/// The rows of a list when the request names no limit.
const LIMIT_DEFAULT: usize = 50;
/// The most rows of one answer; a client asks on behind the last.
pub const LIMIT_MAX: usize = 10_000;

/// The whole API over `state`.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/healthz", get(status::health))
        .route("/readyz", get(status::readiness))
        .route("/checkpoint", get(ledger::checkpoint))
        .route("/tile/{*path}", get(ledger::tile))
        .nest("/api/v1", api())
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(state)
}

fn api() -> Router<AppState> {
    Router::new()
        .route("/status", get(status::status))
        .route("/signals", post(signals::emit).get(signals::list))
        .route("/signals/stream", get(stream::follow))
        .route("/signals/{id}", get(signals::show))
        .route("/signals/{id}/settled", get(signals::settled))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/logs", get(runs::logs))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/runs/{id}/retry", post(runs::retry))
        .route("/asks/{id}/approve", post(asks::approve))
        .route("/asks/{id}/deny", post(asks::deny))
        .route("/why/{id}", get(why::why))
        .route("/tasks", get(policy::tasks))
        .route("/tasks/{name}/enable", post(policy::enable))
        .route("/tasks/{name}/disable", post(policy::disable))
        .route("/tasks/{name}/reset", post(policy::reset))
        .route("/rules", get(policy::rules))
        .route("/rules/{name}/close_breaker", post(policy::close_breaker))
        .route("/workers", get(policy::workers))
        .route("/letters", get(letters::list))
        .route("/letters/replay", post(letters::replay_many))
        .route("/letters/purge", post(letters::purge))
        .route("/letters/{id}", get(letters::show))
        .route("/letters/{id}/replay", post(letters::replay))
        .route("/stop/{mode}", post(stop::stop))
        .route("/records/{seq}", get(records::show))
        .route("/keys", get(keys::list))
        .route("/keys/{agent}/register", post(keys::register))
        .route("/keys/{agent}/rotate", post(keys::rotate))
        .route("/keys/{agent}/prepare", post(keys::prepare))
        .route("/signed", post(keys::signed))
        .route("/ledger", get(ledger::status))
        .route("/ledger/proof/{seq}", get(ledger::proof))
}

async fn no_route() -> Problem {
    Code::RequestNoRoute.problem("no such route; the API lives below /api/v1")
}

async fn wrong_method() -> Problem {
    Code::RequestMethod.problem("this route has another method")
}

/// Who asks, as the connection knows: a client cannot say it. `local` without a connection.
#[derive(Clone, Debug)]
pub struct Peer(pub std::sync::Arc<str>);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts
            .extensions
            .get::<Peer>()
            .cloned()
            .unwrap_or_else(|| Peer("local".into())))
    }
}

impl Peer {
    fn name(&self) -> String {
        self.0.as_ref().to_owned()
    }
}

/// The limit of a list, 1 to [`LIMIT_MAX`].
fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX)
}
