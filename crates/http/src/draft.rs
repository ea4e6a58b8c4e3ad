//! From the body of a request to a signal's draft: the plain envelope, and CloudEvents.
//!
//! In: bytes and the `Idempotency-Key` header. Out: a [`Draft`] that is within every limit.
//! The plain envelope is `{signal, source, facts, timestamp?, key?}` and nothing else.
//! A `CloudEvent` is one in structured JSON; its `source` and `id` together are its idempotency key.
//! Source: CloudEvents 1.0.2, sections 3.1 and 3.2 of its JSON format.

use antiphon_core::json::{Document, JsonLimits, View};
use antiphon_core::limits::{FACTS_DEPTH_MAX, FACTS_KEYS_MAX, FACTS_LIST_MAX, NAME_BYTES_MAX};
use antiphon_core::name::{SignalName, SourceName};
use antiphon_core::signal::{Draft, Facts, Key};
use antiphon_core::time::parse_rfc3339;

use crate::body::{BODY_BYTES_MAX, JsonBytes, wrong_media_type};
use crate::problem::{Code, Problem};

/// Bytes of an idempotency key.
const KEY_BYTES_MAX: usize = 256;
/// What a body may hold: facts, and one more level around them.
const LIMITS: JsonLimits = JsonLimits {
    bytes_max: BODY_BYTES_MAX,
    depth_max: FACTS_DEPTH_MAX + 1,
    list_max: FACTS_LIST_MAX,
    keys_max: FACTS_KEYS_MAX + 32,
};
/// The members of the plain envelope.
const MEMBERS: [&str; 5] = ["facts", "key", "signal", "source", "timestamp"];
/// The media type of a `CloudEvent`.
const CLOUD_EVENT: &str = "application/cloudevents+json";

/// The draft that `body` asks for; `header_key` is the value of `Idempotency-Key`.
///
/// # Errors
/// [`Problem`] `request.media_type`, `request.malformed` or `signal.invalid`.
pub(crate) fn draft(body: &JsonBytes, header_key: Option<&str>) -> Result<Draft, Problem> {
    if body.media_type != "application/json" && body.media_type != CLOUD_EVENT {
        let needed = format!("application/json or {CLOUD_EVENT}");
        return Err(wrong_media_type(&body.media_type, &needed));
    }
    let document = Document::parse(&body.bytes, &LIMITS)
        .map_err(|error| Code::RequestMalformed.problem(format!("the body: {error}")))?;
    let root = document.root();
    if !root.is_object() {
        return Err(Code::RequestMalformed.problem("the body: a JSON object is expected"));
    }
    if body.media_type == CLOUD_EVENT || root.get("specversion").is_some() {
        cloud_event(root, header_key)
    } else {
        plain(root, header_key)
    }
}

fn plain(root: View<'_>, header_key: Option<&str>) -> Result<Draft, Problem> {
    for (name, _) in root.entries() {
        if !MEMBERS.contains(&name.as_ref()) {
            return Err(invalid(&name, "is not known here"));
        }
    }
    let name = required(root, "signal")?;
    let source = required(root, "source")?;
    let facts = facts(root.get("facts"), "facts")?;
    let body_key = text(root, "key")?;
    let key = match (header_key, body_key.as_deref()) {
        (Some(header), Some(body)) if header != body => {
            return Err(invalid("key", "and Idempotency-Key differ"));
        }
        (header, body) => header.or(body),
    };
    let name = SignalName::new(&name).map_err(|error| invalid("signal", &error.to_string()))?;
    let source = SourceName::new(&source).map_err(|error| invalid("source", &error.to_string()))?;
    let mut draft = Draft::new(name, source, facts);
    draft.occurred_ms = time(root, "timestamp")?;
    draft.key = key
        .map(|key| keyed("http", key.as_bytes(), &draft))
        .transpose()?;
    Ok(draft)
}

fn cloud_event(root: View<'_>, header_key: Option<&str>) -> Result<Draft, Problem> {
    if required(root, "specversion")? != "1.0" {
        return Err(invalid("specversion", "must be 1.0"));
    }
    if root.get("data_base64").is_some() {
        return Err(invalid(
            "data_base64",
            "cannot be facts; send a JSON object as data",
        ));
    }
    let media_type = text(root, "datacontenttype")?;
    if media_type.is_some_and(|media_type| !media_type.starts_with("application/json")) {
        return Err(invalid("datacontenttype", "must be application/json"));
    }
    let id = required(root, "id")?;
    let origin = required(root, "source")?;
    let kind = required(root, "type")?;
    let name = SignalName::new(&kind).map_err(|error| invalid("type", &error.to_string()))?;
    let source = SourceName::new(&as_name(&origin))
        .map_err(|error| invalid("source", &error.to_string()))?;
    let mut draft = Draft::new(name, source, facts(root.get("data"), "data")?);
    draft.occurred_ms = time(root, "time")?;
    let key = match header_key {
        Some(key) => keyed("http", key.as_bytes(), &draft)?,
        None => keyed("cloudevents", format!("{origin}\0{id}").as_bytes(), &draft)?,
    };
    draft.key = Some(key);
    Ok(draft)
}

/// A CloudEvents source, which is a URI reference, as a name: other characters become `-`.
fn as_name(source: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    let name: String = source
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect();
    name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric())
        .chars()
        .take(NAME_BYTES_MAX)
        .collect()
}

fn keyed(scope: &str, key: &[u8], draft: &Draft) -> Result<Key, Problem> {
    if key.is_empty() || (scope == "http" && key.len() > KEY_BYTES_MAX) {
        return Err(invalid("key", &format!("has 1 to {KEY_BYTES_MAX} bytes")));
    }
    Ok(Key::new(scope, key, &draft.name, &draft.facts))
}

fn facts(value: Option<View<'_>>, member: &str) -> Result<Facts, Problem> {
    match value {
        None => Ok(Facts::empty()),
        Some(value) => Facts::parse(value.text().as_bytes())
            .map_err(|error| invalid(member, &format!("is wrong: {error}"))),
    }
}

fn time(root: View<'_>, member: &str) -> Result<Option<i64>, Problem> {
    let Some(text) = text(root, member)? else {
        return Ok(None);
    };
    parse_rfc3339(&text)
        .map(Some)
        .ok_or_else(|| invalid(member, "is no RFC 3339 time"))
}

fn required(root: View<'_>, member: &str) -> Result<String, Problem> {
    text(root, member)?.ok_or_else(|| invalid(member, "is missing"))
}

fn text(root: View<'_>, member: &str) -> Result<Option<String>, Problem> {
    match root.get(member) {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => value
            .as_str()
            .map(|text| Some(text.into_owned()))
            .ok_or_else(|| invalid(member, "must be a text")),
    }
}

fn invalid(member: &str, message: &str) -> Problem {
    let member: String = member.chars().take(NAME_BYTES_MAX).collect();
    Code::SignalInvalid.problem(format!("`{member}` {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(media_type: &str, text: &str) -> JsonBytes {
        JsonBytes {
            media_type: media_type.to_owned(),
            bytes: text.to_owned().into(),
        }
    }

    fn check_refused(media_type: &str, text: &str, code: &str, detail: &str) {
        let problem = draft(&body(media_type, text), None).expect_err(text);
        assert_eq!(
            (problem.code.as_str(), problem.detail.as_str()),
            (code, detail)
        );
    }

    #[test]
    fn the_plain_envelope_becomes_a_draft() {
        let text = r#"{"signal":"Q_A","source":"probe","facts":{"b":1.0,"a":2},
                       "timestamp":"2026-11-20T15:36:52.001Z","key":"k"}"#;
        let read = draft(&body("application/json", text), None).unwrap();
        assert_eq!((read.name.as_str(), read.source.as_str()), ("Q_A", "probe"));
        assert_eq!(read.facts.text(), r#"{"a":2,"b":1}"#);
        assert_eq!(read.occurred_ms, Some(1_795_189_012_001));
        assert_eq!(
            read.key,
            Some(Key::new("http", b"k", &read.name, &read.facts))
        );
        let header = draft(&body("application/json", text), Some("k")).unwrap();
        assert_eq!(header.key, read.key);
    }

    #[test]
    fn a_cloud_event_becomes_a_draft_that_is_known_by_its_source_and_id() {
        let text = r#"{"specversion":"1.0","id":"1","source":"/probes/a","type":"Q_A",
                       "time":"1970-01-01T00:00:01Z","data":{"a":1},"extension":"x"}"#;
        for media_type in ["application/json", "application/cloudevents+json"] {
            let read = draft(&body(media_type, text), None).unwrap();
            assert_eq!(
                (read.name.as_str(), read.source.as_str()),
                ("Q_A", "probes-a")
            );
            assert_eq!(
                (read.facts.text(), read.occurred_ms),
                (r#"{"a":1}"#, Some(1_000))
            );
            let key = Key::new("cloudevents", b"/probes/a\x001", &read.name, &read.facts);
            assert_eq!(read.key, Some(key));
        }
    }

    #[test]
    fn a_body_that_is_no_signal_is_refused_and_says_why() {
        let check = |text: &str, code: &str, detail: &str| {
            check_refused("application/json", text, code, detail);
        };
        check(
            "[]",
            "request.malformed",
            "the body: a JSON object is expected",
        );
        check(r#"{"source":"s"}"#, "signal.invalid", "`signal` is missing");
        check(r#"{"signal":"A"}"#, "signal.invalid", "`source` is missing");
        check(
            r#"{"signal":1,"source":"s"}"#,
            "signal.invalid",
            "`signal` must be a text",
        );
        check(
            r#"{"signal":"A","source":"s","id":"forged"}"#,
            "signal.invalid",
            "`id` is not known here",
        );
        check(
            r#"{"signal":"A","source":"s","facts":[]}"#,
            "signal.invalid",
            "`facts` is wrong: a JSON object is expected",
        );
        check(
            r#"{"signal":"A","source":"s","timestamp":"now"}"#,
            "signal.invalid",
            "`timestamp` is no RFC 3339 time",
        );
        check(
            r#"{"signal":"A","source":"s","key":""}"#,
            "signal.invalid",
            "`key` has 1 to 256 bytes",
        );
        check(
            r#"{"specversion":"0.3","id":"1","source":"s","type":"A"}"#,
            "signal.invalid",
            "`specversion` must be 1.0",
        );
        check_refused(
            "text/plain",
            "{}",
            "request.media_type",
            "application/json or application/cloudevents+json is needed, text/plain came",
        );
        let differ = body(
            "application/json",
            r#"{"signal":"A","source":"s","key":"a"}"#,
        );
        let problem = draft(&differ, Some("b")).unwrap_err();
        assert_eq!(problem.detail, "`key` and Idempotency-Key differ");
    }
}
