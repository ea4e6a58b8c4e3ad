//! What is refused, and by which code.

use antiphon_http::client::ClientError;
use antiphon_http::model::Done;
use serde_json::{Value, json};

use crate::owner::Fixture;
use crate::policy;

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_by_its_code() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let mut check = async |path: &str, code: &str, status: u16| {
        let error = client.get::<Value>(path).await.expect_err(path);
        let ClientError::Refused(problem) = error else {
            panic!("{path}: {error}")
        };
        assert_eq!(
            (problem.code.as_str(), problem.status),
            (code, status),
            "{path}"
        );
        assert_eq!(problem.kind, format!("urn:antiphon:error:{code}"));
    };
    check("/", "request.no_route", 404).await;
    check("/api/v1/other", "request.no_route", 404).await;
    check("/api/v1/runs/x", "request.malformed", 400).await;
    check("/api/v1/runs?colour=red", "request.malformed", 400).await;
    check("/api/v1/signals?limit=many", "request.malformed", 400).await;
    check("/api/v1/signals?since=monday", "request.malformed", 400).await;
    check("/api/v1/letters/purge", "request.method", 405).await;
    check("/api/v1/stop/drain", "request.method", 405).await;
    let unknown = "00000000-0000-7000-8000-000000000000";
    for what in ["signals", "runs", "letters", "why"] {
        check(
            &format!("/api/v1/{what}/{unknown}"),
            "engine.not_found",
            404,
        )
        .await;
    }
    check("/api/v1/records/99999", "engine.not_found", 404).await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_body_that_claims_too_much_is_refused_and_changes_nothing() {
    let mut fixture = Fixture::start(&policy()).await;
    let client = &mut fixture.client;
    let mut check = async |path: &str, body: Value, code: &str| {
        let error = client.post::<_, Value>(path, &body).await.expect_err(path);
        assert_eq!(error.code(), code, "{path}: {error}");
    };
    let forged = json!({"reason": "x", "by": "root"});
    check("/api/v1/stop/pause", forged, "request.malformed").await;
    check("/api/v1/stop/sleep", json!({}), "request.no_route").await;
    let forged = json!({"signal": "A", "source": "s", "correlation": "x"});
    check("/api/v1/signals", forged, "signal.invalid").await;
    let large = json!({"signal": "A", "source": "s", "facts": {"text": "x".repeat(70_000)}});
    check("/api/v1/signals", large, "signal.invalid").await;
    let larger = json!({"signal": "A", "source": "s", "facts": {"text": "x".repeat(140_000)}});
    check("/api/v1/signals", larger, "request.too_large").await;
    check("/api/v1/letters/purge", json!({}), "request.malformed").await;
    check(
        "/api/v1/letters/replay",
        json!({"letters": []}),
        "request.malformed",
    )
    .await;
    let no_type = client.act::<Value>("/api/v1/signals").await.unwrap_err();
    assert_eq!(no_type.code(), "request.media_type");
    let status: antiphon_http::model::Status = client.get("/api/v1/status").await.unwrap();
    assert_eq!(status.mode, "normal");
    let listed: Vec<Value> = client.get("/api/v1/signals").await.unwrap();
    assert!(listed.is_empty(), "{listed:?}");
    let done: Done = client.act("/api/v1/stop/pause").await.unwrap();
    assert!(done.changed, "no body is an empty reason");
    fixture.stop().await;
}
