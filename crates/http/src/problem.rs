//! What a refused request is answered: problem details with a stable code.
//!
//! Source: RFC 9457. Every code has a page `docs/errors/CODE.md`; a test of the binary ties them.

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

macro_rules! codes {
    ($($variant:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// Every kind of problem that the API answers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = concat!("`", $code, "`: ", $title, ".")] $variant,)*
        }

        impl Code {
            /// All of them, in the order of their texts.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The code, its HTTP status and its title.
            fn parts(self) -> (&'static str, StatusCode, &'static str) {
                match self {
                    $(Code::$variant => ($code, StatusCode::$status, $title),)*
                }
            }
        }
    };
}

codes! {
    ConfigUnusable = "config.unusable", UNPROCESSABLE_ENTITY, "The configuration is not usable";
    EngineClosed = "engine.closed", SERVICE_UNAVAILABLE, "The owner is shutting down";
    EngineDiskFull = "engine.disk_full", INSUFFICIENT_STORAGE, "The disk is nearly full";
    EngineFull = "engine.full", TOO_MANY_REQUESTS, "As much work waits as may";
    EngineKeyConflict = "engine.key_conflict", UNPROCESSABLE_ENTITY, "The key came with something else";
    EngineNotFound = "engine.not_found", NOT_FOUND, "Not found";
    EngineRefused = "engine.refused", CONFLICT, "Refused";
    EvidenceUnreadable = "evidence.unreadable", INTERNAL_SERVER_ERROR, "The evidence cannot be read";
    LogUnreadable = "log.unreadable", INTERNAL_SERVER_ERROR, "The log cannot be read";
    RequestMalformed = "request.malformed", BAD_REQUEST, "The request is not understood";
    RequestMediaType = "request.media_type", UNSUPPORTED_MEDIA_TYPE, "Another media type is needed";
    RequestMethod = "request.method", METHOD_NOT_ALLOWED, "Another method is needed";
    RequestNoRoute = "request.no_route", NOT_FOUND, "No such route";
    RequestTimeout = "request.timeout", REQUEST_TIMEOUT, "The request came too slowly";
    RequestTooLarge = "request.too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    SignalInvalid = "signal.invalid", BAD_REQUEST, "The signal cannot be accepted";
    ViewsBehind = "views.behind", SERVICE_UNAVAILABLE, "The views are behind the log";
    ViewsUnreadable = "views.unreadable", INTERNAL_SERVER_ERROR, "The views cannot be read";
}

impl Code {
    /// The code as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.parts().0
    }

    fn is_retryable(self) -> bool {
        matches!(
            self,
            Code::EngineClosed
                | Code::EngineDiskFull
                | Code::EngineFull
                | Code::RequestTimeout
                | Code::ViewsBehind
        )
    }

    /// The problem of this kind with this `detail`.
    pub fn problem(self, detail: impl Into<String>) -> Problem {
        let (code, status, title) = self.parts();
        Problem {
            kind: format!("urn:antiphon:error:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
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
            error.code = self.as_str(),
            error.detail = detail,
            "request failed"
        );
        self.problem(detail)
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let code = Code::ALL.iter().find(|code| code.as_str() == error.code());
        let code = code.copied().unwrap_or(Code::EngineRefused);
        code.problem(error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
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
    use super::*;
    use antiphon_core::control::Refusal;
    use antiphon_core::id::Id;

    #[test]
    fn every_code_is_listed_once_and_in_order() {
        let texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let mut sorted = texts.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(texts, sorted);
    }

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
        check(
            SubmitError::KeyConflict {
                id: Id::from_bytes([1; 16]),
            },
            422,
        );
        check(SubmitError::Refused(Refusal::NotFound), 404);
        check(SubmitError::Refused(Refusal::Ended), 409);
        check(SubmitError::Unusable("x".into()), 422);
        check(SubmitError::Closed, 503);
    }
}
