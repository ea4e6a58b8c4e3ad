//! Request bodies: of one media type, small, in time, and nothing in them that is not known.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::{Code, Problem};

/// Bytes of a request's body: facts and what stands around them.
pub(crate) const BODY_BYTES_MAX: usize = 128 * 1024;
/// The longest time for a body to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A body that is one JSON object, and its media type without parameters.
#[derive(Debug)]
pub(crate) struct JsonBytes {
    pub(crate) media_type: String,
    pub(crate) bytes: Bytes,
}

/// A body as `T`, or `T::default()` when there is none.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// The query string as `T`.
#[derive(Debug)]
pub(crate) struct Parameters<T>(pub(crate) T);

/// A part of the path as `T`.
#[derive(Debug)]
pub(crate) struct PathPart<T>(pub(crate) T);

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let media_type = media_type(request.headers());
        let bytes = read(request.into_body()).await?;
        Ok(Self { media_type, bytes })
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = JsonBytes::from_request(request, state).await?;
        if body.bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if body.media_type != "application/json" {
            return Err(wrong_media_type(&body.media_type, "application/json"));
        }
        serde_json::from_slice(&body.bytes)
            .map(Self)
            .map_err(|error| Code::RequestMalformed.problem(format!("the body: {error}")))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(parameters)| Self(parameters))
            .map_err(|error| Code::RequestMalformed.problem(error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathPart<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(part)| Self(part))
            .map_err(|error| Code::RequestMalformed.problem(error.body_text()))
    }
}

/// That the body is not of the media type that is needed.
pub(crate) fn wrong_media_type(found: &str, needed: &str) -> Problem {
    let found = if found.is_empty() {
        "no Content-Type"
    } else {
        found
    };
    Code::RequestMediaType.problem(format!("{needed} is needed, {found} came"))
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let limited = Limited::new(body, BODY_BYTES_MAX);
    let collected = tokio::time::timeout(BODY_TIMEOUT, limited.collect());
    match collected.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("a body has at most {BODY_BYTES_MAX} bytes");
            Err(Code::RequestTooLarge.problem(detail))
        }
        Ok(Err(error)) => Err(Code::RequestMalformed.problem(format!("the body: {error}"))),
        Err(_elapsed) => {
            let detail = format!("the body did not come within {} s", BODY_TIMEOUT.as_secs());
            Err(Code::RequestTimeout.problem(detail))
        }
    }
}
