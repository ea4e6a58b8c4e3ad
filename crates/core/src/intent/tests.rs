//! Both dialects of intents, as tables.

use super::*;
use crate::json::{Document, JsonLimits};
use crate::policy::{IntentSource, PolicySource};

fn policy() -> Policy {
    let mapping = |pattern: &str, emit: &str, facts: Option<&str>| IntentSource {
        emit: emit.parse_name(),
        facts: facts.map(str::to_owned),
        pattern: pattern.to_owned(),
    };
    let all = "{'id': id, 'type': type, 'file': file, 'priority': priority, 'data': data, \
               'keys': size(intent)}";
    let intents = vec![
        mapping("discover.module", "Q_CURIOSITY_INVESTIGATE", Some(all)),
        mapping("curiosity_*", "Q_CURIOSITY_INVESTIGATE", Some(all)),
        mapping("run_scanner", "Q_SCAN", Some("{'scanner': intent.scanner}")),
        mapping("plain", "Q_PLAIN", None),
    ];
    let source = PolicySource {
        intents,
        slots: 1,
        ..PolicySource::default()
    };
    Policy::compile(source).expect("the policy compiles")
}

trait ParseName {
    fn parse_name(&self) -> crate::name::SignalName;
}

impl ParseName for str {
    fn parse_name(&self) -> crate::name::SignalName {
        crate::name::SignalName::new(self).expect("a name")
    }
}

fn intent(text: &str) -> Intent {
    Intent {
        file: "1761664739120_x_1a2b3c4d.json".to_owned(),
        document: Document::parse(text.as_bytes(), &JsonLimits::INTENT).expect(text),
        key: [7; 16],
    }
}

fn routed(text: &str) -> Result<Draft, IntentRefusal> {
    route(&policy(), &intent(text))
}

#[test]
fn both_dialects_become_the_same_signal() {
    let check = |text: &str, facts: &str| {
        let draft = routed(text).expect(text);
        assert_eq!(
            (draft.name.as_str(), draft.facts.text()),
            ("Q_CURIOSITY_INVESTIGATE", facts)
        );
    };
    check(
        r#"{"type":"discover.module","id":"q1","data":{"question":"?","priority":"high"}}"#,
        r#"{"data":{"priority":"high","question":"?"},"file":"1761664739120_x_1a2b3c4d.json","id":"q1","keys":3,"priority":"high","type":"discover.module"}"#,
    );
    check(
        r#"{"intent_type":"curiosity_explore","priority":4,"reason":"r","data":{"question_id":"q2"},
            "generated_at":1761664739.12,"emitted_by":"observer","sha256":"00"}"#,
        r#"{"data":{"question_id":"q2"},"file":"1761664739120_x_1a2b3c4d.json","id":"q2","keys":7,"priority":"low","type":"curiosity_explore"}"#,
    );
    check(
        r#"{"type":"curiosity_","intent_type":"curiosity_"}"#,
        r#"{"data":{},"file":"1761664739120_x_1a2b3c4d.json","id":"1761664739120_x_1a2b3c4d","keys":2,"priority":null,"type":"curiosity_"}"#,
    );
}

#[test]
fn a_mapping_without_facts_takes_the_data_as_they_are() {
    let check = |text: &str, facts: &str| {
        assert_eq!(routed(text).expect(text).facts.text(), facts);
    };
    check(
        r#"{"type":"plain","data":{"b":1,"a":2.50}}"#,
        r#"{"a":2.5,"b":1}"#,
    );
    check(r#"{"type":"plain"}"#, "{}");
    check(r#"{"type":"plain","data":null}"#, "{}");
    check(
        r#"{"type":"run_scanner","scanner":"gpu"}"#,
        r#"{"scanner":"gpu"}"#,
    );
}

#[test]
fn a_number_of_urgency_becomes_its_word_and_a_word_stays() {
    let check = |priority: &str, expected: &str| {
        for text in [
            format!(r#"{{"type":"curiosity_x","priority":{priority}}}"#),
            format!(r#"{{"type":"curiosity_x","data":{{"priority":{priority}}}}}"#),
        ] {
            let draft = routed(&text).expect(&text);
            let found = draft
                .facts
                .document()
                .root()
                .get("priority")
                .map(|view| view.text());
            assert_eq!(found, Some(expected), "{text}");
        }
    };
    check("10", "\"critical\"");
    check("9", "\"critical\"");
    check("8", "\"high\"");
    check("7", "\"high\"");
    check("6", "\"normal\"");
    check("5", "\"normal\"");
    check("4", "\"low\"");
    check("0", "\"low\"");
    check("-1", "\"low\"");
    check("8.5", "\"high\"");
    check("\"urgent\"", "\"urgent\"");
    check("null", "null");
}

#[test]
fn what_cannot_be_routed_is_refused_with_a_code() {
    let check = |text: &str, code: &str, part: &str| {
        let refusal = routed(text).expect_err(text);
        assert_eq!(refusal.code, code, "{text}: {refusal}");
        assert!(refusal.error.contains(part), "{text}: {refusal}");
    };
    check("[]", "intent.not_an_object", "object");
    check("{}", "intent.no_type", "neither `type` nor `intent_type`");
    check(r#"{"type":1}"#, "intent.type_invalid", "`type`");
    check(
        r#"{"intent_type":""}"#,
        "intent.type_invalid",
        "`intent_type`",
    );
    check(
        &format!(r#"{{"type":"{}"}}"#, "x".repeat(129)),
        "intent.type_invalid",
        "128 bytes",
    );
    check(
        r#"{"type":"plain","intent_type":"other"}"#,
        "intent.type_conflict",
        "`plain`",
    );
    check(
        r#"{"type":"discover.modul"}"#,
        "intent.no_mapping",
        "the nearest is `discover.module`",
    );
    check(
        r#"{"type":"Discover.module"}"#,
        "intent.no_mapping",
        "`Discover.module`",
    );
    check(
        r#"{"type":"plain","data":[1]}"#,
        "json.not_an_object",
        "`data`",
    );
    check(
        r#"{"type":"run_scanner"}"#,
        "expression.failed",
        "the mapping `run_scanner`",
    );
    let long = format!(
        r#"{{"type":"plain","data":{{"s":"{}"}}}}"#,
        "x".repeat(70_000)
    );
    check(&long, "json.too_large", "`data`");
    let refusal = route(&Policy::empty(), &intent(r#"{"type":"x"}"#)).expect_err("no mapping");
    assert!(refusal.error.ends_with("none is configured"), "{refusal}");
}

#[test]
fn the_producer_and_its_time_are_kept_when_they_can_be_read() {
    let check = |members: &str, source: &str, occurred_ms: Option<i64>| {
        let text = format!(r#"{{"type":"plain"{members}}}"#);
        let draft = routed(&text).expect(&text);
        assert_eq!(
            (draft.source.as_str(), draft.occurred_ms),
            (source, occurred_ms),
            "{text}"
        );
    };
    check("", "intent", None);
    check(r#","emitted_by":"observer""#, "observer", None);
    check(r#","emitted_by":"../etc""#, "intent", None);
    check(r#","emitted_by":7"#, "intent", None);
    check(
        r#","generated_at":1761664739.12"#,
        "intent",
        Some(1_761_664_739_120),
    );
    check(
        r#","generated_at":1761664739"#,
        "intent",
        Some(1_761_664_739_000),
    );
    check(
        r#","generated_at":1761664739.1239"#,
        "intent",
        Some(1_761_664_739_123),
    );
    check(r#","generated_at":1e300"#, "intent", None);
    check(r#","generated_at":1.5e-7"#, "intent", None);
    check(r#","generated_at":-1"#, "intent", None);
    check(
        r#","timestamp":"2025-11-01T00:00:00.5+00:00""#,
        "intent",
        Some(1_761_955_200_500),
    );
    check(r#","timestamp":"soon""#, "intent", None);
}

#[test]
fn the_key_is_that_of_the_file_with_the_payload_of_the_signal() {
    let key = |text: &str| routed(text).expect(text).key.expect("a key");
    let one = key(r#"{"type":"plain","data":{"a":1}}"#);
    assert_eq!(one.hash, [7; 16]);
    assert_eq!(one, key(r#"{"data":{"a":1.0},"type":"plain"}"#));
    assert_ne!(
        one.payload,
        key(r#"{"type":"plain","data":{"a":2}}"#).payload
    );
}
