//! What a refused request is answered: problem details with a stable code.
//!
//! Source: RFC 9457. Every code has a page `docs/errors/CODE.md`; a test of the binary ties them.

use antiphon_core::control::Refusal;
use antiphon_core::state::KeyFault;
use antiphon_engine::handle::SubmitError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A name for this kind of problem: `urn:antiphon:error:CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words, the same for each occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence in words.
    pub detail: String,
    /// The stable code.
    pub code: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

/// Every kind of problem that the API answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// No checkpoint covers what is asked.
    CheckpointMissing,
    /// The configuration is not usable.
    ConfigUnusable,
    /// Too few witnesses have cosigned the log.
    CosignatureMissing,
    /// The owner is shutting down.
    EngineClosed,
    /// The disk is nearly full.
    EngineDiskFull,
    /// As much work waits as may.
    EngineFull,
    /// The key came with something else.
    EngineKeyConflict,
    /// It has not ended.
    EngineNotEnded,
    /// Not found.
    EngineNotFound,
    /// Refused.
    EngineRefused,
    /// The evidence cannot be read.
    EvidenceUnreadable,
    /// The input stopped the machine.
    InputSuspect,
    /// No event about keys can say so.
    Key(KeyFault),
    /// A key cannot be made or kept.
    KeyIo,
    /// A key is not held here.
    KeyMissing,
    /// The log cannot be read.
    LogUnreadable,
    /// The request is not understood.
    RequestMalformed,
    /// Another media type is needed.
    RequestMediaType,
    /// Another method is needed.
    RequestMethod,
    /// No such route.
    RequestNoRoute,
    /// The request came too slowly.
    RequestTimeout,
    /// The body is too large.
    RequestTooLarge,
    /// Signed by a key that does not sign it.
    SignatureKey,
    /// Signed for something else.
    SignatureMismatch,
    /// Not signed by whom it must be.
    SignatureMissing,
    /// Signed to replace a record that was replaced.
    SignatureStale,
    /// The signal cannot be accepted.
    SignalInvalid,
    /// The views are behind the log.
    ViewsBehind,
    /// The views cannot be read.
    ViewsUnreadable,
}

impl Code {
    /// Its text, as in `docs/errors/`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Code::CheckpointMissing => "checkpoint.missing",
            Code::ConfigUnusable => "config.unusable",
            Code::CosignatureMissing => "cosignature.missing",
            Code::EngineClosed => "engine.closed",
            Code::EngineDiskFull => "engine.disk_full",
            Code::EngineFull => "engine.full",
            Code::EngineKeyConflict => "engine.key_conflict",
            Code::EngineNotEnded => "engine.not_ended",
            Code::EngineNotFound => "engine.not_found",
            Code::EngineRefused => "engine.refused",
            Code::EvidenceUnreadable => "evidence.unreadable",
            Code::InputSuspect => "input.suspect",
            Code::Key(fault) => fault.code(),
            Code::KeyIo => "key.io",
            Code::KeyMissing => "key.missing",
            Code::LogUnreadable => "log.unreadable",
            Code::RequestMalformed => "request.malformed",
            Code::RequestMediaType => "request.media_type",
            Code::RequestMethod => "request.method",
            Code::RequestNoRoute => "request.no_route",
            Code::RequestTimeout => "request.timeout",
            Code::RequestTooLarge => "request.too_large",
            Code::SignatureKey => "signature.key",
            Code::SignatureMismatch => "signature.mismatch",
            Code::SignatureStale => "signature.stale",
            Code::SignatureMissing => "signature.missing",
            Code::SignalInvalid => "signal.invalid",
            Code::ViewsBehind => "views.behind",
            Code::ViewsUnreadable => "views.unreadable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Code::ConfigUnusable | Code::EngineKeyConflict | Code::InputSuspect => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Code::CosignatureMissing | Code::EngineClosed | Code::ViewsBehind => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Code::EngineDiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Code::EngineFull => StatusCode::TOO_MANY_REQUESTS,
            Code::CheckpointMissing | Code::EngineNotFound | Code::RequestNoRoute => {
                StatusCode::NOT_FOUND
            }
            Code::EngineNotEnded
            | Code::EngineRefused
            | Code::Key(_)
            | Code::KeyMissing
            | Code::SignatureStale => StatusCode::CONFLICT,
            Code::SignatureKey | Code::SignatureMismatch | Code::SignatureMissing => {
                StatusCode::FORBIDDEN
            }
            Code::EvidenceUnreadable
            | Code::KeyIo
            | Code::LogUnreadable
            | Code::ViewsUnreadable => StatusCode::INTERNAL_SERVER_ERROR,
            Code::RequestMalformed | Code::SignalInvalid => StatusCode::BAD_REQUEST,
            Code::RequestMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::RequestMethod => StatusCode::METHOD_NOT_ALLOWED,
            Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Code::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Code::CheckpointMissing => "No checkpoint covers it",
            Code::ConfigUnusable => "The configuration is not usable",
            Code::CosignatureMissing => "Too few witnesses have cosigned the log",
            Code::EngineClosed => "The owner is shutting down",
            Code::EngineDiskFull => "The disk is nearly full",
            Code::EngineFull => "As much work waits as may",
            Code::EngineKeyConflict => "The key came with something else",
            Code::EngineNotEnded => "It has not ended",
            Code::EngineNotFound => "Not found",
            Code::EngineRefused => "Refused",
            Code::EvidenceUnreadable => "The evidence cannot be read",
            Code::InputSuspect => "The input stopped the machine",
            Code::Key(_) => "The key is refused",
            Code::KeyIo => "A key cannot be made or kept",
            Code::KeyMissing => "A key is not held here",
            Code::LogUnreadable => "The log cannot be read",
            Code::RequestMalformed => "The request is not understood",
            Code::RequestMediaType => "Another media type is needed",
            Code::RequestMethod => "Another method is needed",
            Code::RequestNoRoute => "No such route",
            Code::RequestTimeout => "The request came too slowly",
            Code::RequestTooLarge => "The body is too large",
            Code::SignatureKey => "Signed by a key that does not sign it",
            Code::SignatureMismatch => "Signed for something else",
            Code::SignatureMissing => "Not signed by whom it must be",
            Code::SignatureStale => "Signed to replace what was replaced",
            Code::SignalInvalid => "The signal cannot be accepted",
            Code::ViewsBehind => "The views are behind the log",
            Code::ViewsUnreadable => "The views cannot be read",
        }
    }

    fn is_retryable(self) -> bool {
        matches!(
            self,
            Code::CheckpointMissing
                | Code::CosignatureMissing
                | Code::EngineClosed
                | Code::EngineDiskFull
                | Code::EngineFull
                | Code::RequestTimeout
                | Code::ViewsBehind
        )
    }

    /// The problem of this kind with this `detail`.
    pub fn problem(self, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:antiphon:error:{}", self.code()),
            title: self.title().to_owned(),
            status: self.status().as_u16(),
            detail: detail.into(),
            code: self.code().to_owned(),
            retryable: self.is_retryable(),
        }
    }

    /// The problem of this kind, told by `error` and its causes.
    pub(crate) fn caused_by(self, error: &dyn std::error::Error) -> Problem {
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            detail = format!("{detail}: {cause}");
            source = cause.source();
        }
        tracing::error!(
            error.code = self.code(),
            error.detail = detail,
            "request failed"
        );
        self.problem(detail)
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let code = match &error {
            SubmitError::Full => Code::EngineFull,
            SubmitError::DiskFull => Code::EngineDiskFull,
            SubmitError::Uncosigned => Code::CosignatureMissing,
            SubmitError::KeyConflict { .. } => Code::EngineKeyConflict,
            SubmitError::Suspect { .. } => Code::InputSuspect,
            SubmitError::SignatureMismatch => Code::SignatureMismatch,
            SubmitError::SignatureStale { .. } => Code::SignatureStale,
            SubmitError::SignatureKey => Code::SignatureKey,
            SubmitError::SignatureMissing { .. } => Code::SignatureMissing,
            SubmitError::KeyMissing { .. } => Code::KeyMissing,
            SubmitError::Refused(Refusal::Key(fault)) => Code::Key(*fault),
            SubmitError::Refused(Refusal::NotFound) => Code::EngineNotFound,
            SubmitError::Refused(Refusal::NotEnded) => Code::EngineNotEnded,
            SubmitError::Refused(_) => Code::EngineRefused,
            SubmitError::Unusable(_) => Code::ConfigUnusable,
            SubmitError::Closed => Code::EngineClosed,
        };
        code.problem(error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let head = [
            (header::CONTENT_TYPE, MEDIA_TYPE),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (status, head, body).into_response();
        if self.retryable {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::id::Id;
    use antiphon_core::key::KeyText;

    use super::*;

    #[test]
    fn every_refusal_of_the_engine_keeps_its_code_and_says_whether_to_come_back() {
        let check = |error: SubmitError, status: u16| {
            let (code, retryable) = (error.code(), error.is_retryable());
            let problem = Problem::from(error);
            assert_eq!((problem.code.as_str(), problem.status), (code, status));
            assert_eq!(problem.retryable, retryable, "{code}");
        };
        check(SubmitError::Full, 429);
        check(SubmitError::DiskFull, 507);
        check(SubmitError::SignatureMismatch, 403);
        check(SubmitError::SignatureStale { signed: 3, last: 9 }, 409);
        check(SubmitError::SignatureKey, 403);
        let agent = "LARS".to_owned();
        check(SubmitError::SignatureMissing { agent }, 403);
        let key = KeyText::of("a", &[1; 32]).unwrap();
        check(SubmitError::KeyMissing { key }, 409);
        check(SubmitError::Refused(Refusal::Key(KeyFault::Used)), 409);
        check(SubmitError::Uncosigned, 503);
        check(
            SubmitError::KeyConflict {
                id: Id::from_bytes([1; 16]),
            },
            422,
        );
        let letter = Id::from_bytes([2; 16]);
        check(SubmitError::Suspect { letter }, 422);
        check(SubmitError::Refused(Refusal::NotFound), 404);
        check(SubmitError::Refused(Refusal::Ended), 409);
        check(SubmitError::Refused(Refusal::NotEnded), 409);
        check(SubmitError::Unusable("x".into()), 422);
        check(SubmitError::Closed, 503);
    }
}
