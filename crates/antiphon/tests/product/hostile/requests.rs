//! Requests that no honest client makes.

use serde_json::{Value, json};

use super::CONFIGURATION;
use crate::support::http::{Answer, exchange, request};
use crate::support::{Owner, Site};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A problem says in its type, its status and its body the same thing.
#[track_caller]
fn is_problem(answer: &Answer, status: u16, code: &str) {
    let problem = answer.json();
    assert_eq!(
        (answer.status, problem["code"].as_str()),
        (status, Some(code)),
        "{problem}"
    );
    assert!(
        answer
            .head
            .contains("content-type: application/problem+json"),
        "{}",
        answer.head
    );
    let expected = json!({"type": format!("urn:antiphon:error:{code}"), "status": status});
    assert_eq!(
        (&problem["type"], &problem["status"]),
        (&expected["type"], &expected["status"])
    );
    for member in ["title", "detail"] {
        assert!(
            problem[member]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{problem}"
        );
    }
    assert!(problem["retryable"].is_boolean());
}

#[track_caller]
fn refuses(
    site: &Site,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    status: u16,
    code: &str,
) {
    let answer = request(&site.socket(), line, headers, body).unwrap();
    is_problem(&answer, status, code);
}

/// The owner answers, and nothing was recorded.
#[track_caller]
fn is_unmoved(owner: &Owner) {
    let signals = owner.get("/api/v1/signals");
    assert_eq!(signals, Value::Array(vec![]));
}

#[test]
fn f40_what_is_no_signal_is_refused_with_a_code() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let check = |body: &[u8], code: &str| {
        refuses(&site, "POST /api/v1/signals", &[JSON], body, 400, code);
    };
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"{\"signal\":\"\xff\"}",
        br#"{"signal":"Q_A","signal":"Q_B","source":"s"}"#,
    ] {
        check(body, "request.malformed");
    }
    for body in [
        &br#"{"source":"s"}"#[..],
        br#"{"signal":"not a name","source":"s"}"#,
        br#"{"signal":"Q_A","source":"s","facts":{},"seq":1}"#,
    ] {
        check(body, "signal.invalid");
    }
    let with = |facts: &str| format!(r#"{{"signal":"Q_A","source":"s","facts":{facts}}}"#);
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let list = format!(r#"{{"a":[{}1]}}"#, "1,".repeat(300));
    for facts in [
        r#"{"a":NaN}"#,
        r#"{"a":1e400}"#,
        r#"{"a":9007199254740993}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":1,"a":2}"#,
        "{\"a\":\"\0\"}",
        r#"{"a":"\u12"}"#,
        &deep,
        &list,
    ] {
        check(with(facts).as_bytes(), "request.malformed");
    }
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(70_000));
    for facts in ["[]", "1", &large] {
        check(with(facts).as_bytes(), "signal.invalid");
    }
    let huge = vec![b' '; 10 << 20];
    refuses(
        &site,
        "POST /api/v1/signals",
        &[JSON],
        &huge,
        413,
        "request.too_large",
    );
    is_unmoved(&owner);
    owner.stop();
}

#[test]
fn a_body_counts_only_by_its_type_and_may_claim_nothing() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let check = |line: &str, kind: &[(&str, &str)], body: &str, status: u16, code: &str| {
        refuses(&site, line, kind, body.as_bytes(), status, code);
    };
    let signals = "POST /api/v1/signals";
    let honest = r#"{"signal":"Q_A","source":"s","facts":{}}"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/json",
    ] {
        let kind = [("Content-Type", kind)];
        check(signals, &kind, honest, 415, "request.media_type");
    }
    check(signals, &[], honest, 415, "request.media_type");
    let forged = r#"{"reason":"x","by":"root"}"#;
    let kill = "POST /api/v1/stop/kill";
    check(kill, &[JSON], forged, 400, "request.malformed");
    check(kill, &[JSON], "{", 400, "request.malformed");
    let never = r#"{"older_than_ms":-1}"#;
    check(
        "POST /api/v1/letters/purge",
        &[JSON],
        never,
        400,
        "request.malformed",
    );
    assert_eq!(owner.status()["mode"], "normal");
    is_unmoved(&owner);
    owner.stop();
}

#[test]
fn a_path_leads_to_its_route_or_nowhere() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let check = |line: &str, status: u16, code: &str| {
        refuses(&site, line, &[JSON], b"{}", status, code);
    };
    check("POST /api/v1/signals/", 404, "request.no_route");
    check("POST /api/v1//stop/kill", 404, "request.no_route");
    check("POST /API/v1/stop/kill", 404, "request.no_route");
    check("POST /api/v1/../v1/stop/kill", 404, "request.no_route");
    check("POST /api/v1/stop%2fkill", 404, "request.no_route");
    check("DELETE /api/v1/signals", 405, "request.method");
    check("GET /api/v1/stop/kill", 405, "request.method");
    check("GET /api/v1/signals?limit=x", 400, "request.malformed");
    check("GET /api/v1/why/%2e%2e", 400, "request.malformed");
    assert_eq!(owner.status()["mode"], "normal");
    owner.stop();
}

#[test]
fn what_is_no_http_harms_nobody() {
    let site = Site::new(CONFIGURATION);
    let owner = site.serve();
    let head = "x".repeat(1 << 20);
    for bytes in [
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"GET /\r\n\r\n".to_vec(),
        b"POST /api/v1/signals HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"POST /api/v1/signals HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nzz".to_vec(),
        format!("GET / HTTP/1.1\r\nHost: {head}\r\n\r\n").into_bytes(),
    ] {
        if let Ok(answer) = exchange(&site.socket(), &bytes) {
            assert!((400..500).contains(&answer.status), "{}", answer.head);
        }
    }
    is_unmoved(&owner);
    owner.emit("Q_A", &json!({}));
    owner.stop();
}
