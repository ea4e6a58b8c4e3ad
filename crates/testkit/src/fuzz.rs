//! Parsers of foreign bytes, each with what must hold whatever it is fed.
//!
//! In: any bytes. Out: whether they were accepted; a panic when a claim does not hold. The libFuzzer targets
//! in `fuzz/` and the plain test `fuzz_smoke` call the same bodies. The parser of the configuration
//! is the program's own, and so is its body; that of key files is told how to open one.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a target speaks")]

mod audit;
mod key_file;
mod ledger;
mod smoke;

use std::sync::LazyLock;

use antiphon_core::expression::{Bound, Expression, Scope};
use antiphon_core::input::Intent;
use antiphon_core::intent::route;
use antiphon_core::json::{Document, JsonLimits};
use antiphon_core::name::SignalName;
use antiphon_core::policy::{IntentSource, Policy, PolicySource};
use antiphon_core::record::Body;
use antiphon_core::signal::Facts;
use antiphon_ledger::envelope::Envelope;
use serde_json::Value;

pub use audit::{
    bundle_index, exported_folder, fork_proof, key_event, record_signature, trust_file,
};
pub use key_file::{Open, PASSPHRASE, key_file};
pub use ledger::{bundle, checkpoint, note, tile_path, tlog_proof, verifier_key, witness_request};
pub use smoke::smoke;

/// A parser and its claims.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its seeds' folder and of its libFuzzer target.
    pub name: &'static str,
    /// Feeds it and says whether the bytes were accepted.
    pub feed: fn(&[u8]) -> bool,
}

/// Every target of this crate, in the order of their names.
pub const TARGETS: &[Target] = &[
    Target {
        name: "bundle",
        feed: bundle,
    },
    Target {
        name: "bundle_index",
        feed: bundle_index,
    },
    Target {
        name: "checkpoint",
        feed: checkpoint,
    },
    Target {
        name: "envelope",
        feed: envelope,
    },
    Target {
        name: "exported_folder",
        feed: exported_folder,
    },
    Target {
        name: "expression",
        feed: expression,
    },
    Target {
        name: "fork_proof",
        feed: fork_proof,
    },
    Target {
        name: "intent",
        feed: intent,
    },
    Target {
        name: "json_document",
        feed: json_document,
    },
    Target {
        name: "key_event",
        feed: key_event,
    },
    Target {
        name: "note",
        feed: note,
    },
    Target {
        name: "record_body",
        feed: record_body,
    },
    Target {
        name: "record_signature",
        feed: record_signature,
    },
    Target {
        name: "tile_path",
        feed: tile_path,
    },
    Target {
        name: "tlog_proof",
        feed: tlog_proof,
    },
    Target {
        name: "trust_file",
        feed: trust_file,
    },
    Target {
        name: "verifier_key",
        feed: verifier_key,
    },
    Target {
        name: "witness_request",
        feed: witness_request,
    },
];

/// An envelope that decodes encodes to the bytes it came from.
#[must_use]
pub fn envelope(bytes: &[u8]) -> bool {
    let Ok(envelope) = Envelope::decode(bytes) else {
        return false;
    };
    let mut again = Vec::new();
    envelope
        .encode_into(&mut again)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again, bytes, "another form of an envelope was accepted");
    true
}

/// A source is compiled or refused; what was compiled gives a value or an error, never a panic.
#[must_use]
pub fn expression(bytes: &[u8]) -> bool {
    let Ok(source) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(expression) = Expression::compile(source, &["facts", "signal"]) else {
        return false;
    };
    let facts =
        Document::parse(FACTS, &JsonLimits::FACTS).unwrap_or_else(|error| panic!("{error}"));
    let scope = Scope::new()
        .bind("facts", facts.root())
        .bind("signal", Bound::Text("Q_FUZZ"));
    let first = expression.text(&scope).ok();
    assert_eq!(
        first,
        expression.text(&scope).ok(),
        "an expression gave two answers"
    );
    expression.bool(&scope).ok();
    expression.facts(&scope).ok();
    true
}

/// What an expression may read.
const FACTS: &[u8] = br#"{"n":3,"x":1.5,"ok":true,"none":null,"text":"abc","list":[1,2,3],
    "inner":{"key":"value","items":[{"id":"a"},{"id":"b"}]}}"#;

/// A dropped document becomes a signal within the limits or is refused with a code, and the same
/// one each time.
#[must_use]
pub fn intent(bytes: &[u8]) -> bool {
    let Ok(document) = Document::parse(bytes, &JsonLimits::INTENT) else {
        return false;
    };
    let file = "fuzz.json".to_owned();
    let intent = Intent {
        file,
        document,
        key: [7; 16],
    };
    let draft = route(&POLICY, &intent);
    assert_eq!(
        draft,
        route(&POLICY, &intent),
        "an intent became two signals"
    );
    match draft {
        Ok(draft) => {
            let facts = Facts::parse(draft.facts.text().as_bytes());
            assert_eq!(
                facts.as_ref(),
                Ok(&draft.facts),
                "facts beyond their limits"
            );
            true
        }
        Err(refusal) => {
            assert!(refusal.code.contains('.') && !refusal.error.is_empty());
            false
        }
    }
}

/// Mappings as an operator writes them: one with facts of its own, one that takes the rest.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let mapping = |pattern: &str, facts: Option<&str>| IntentSource {
        emit: SignalName::new("Q_FUZZ").unwrap_or_else(|error| panic!("{error}")),
        facts: facts.map(str::to_owned),
        pattern: pattern.to_owned(),
    };
    let own = r#"{"id": id, "question": data.question, "evidence": data.evidence}"#;
    let source = PolicySource {
        intents: vec![mapping("discover.*", Some(own)), mapping("*", None)],
        slots: 1,
        ..PolicySource::default()
    };
    Policy::compile(source).unwrap_or_else(|error| panic!("{error}"))
});

/// A document has one canonical text, which is a document with the same text; and whatever is
/// accepted is JSON to another parser too.
#[must_use]
pub fn json_document(bytes: &[u8]) -> bool {
    let mut accepted = false;
    for limits in [JsonLimits::FACTS, JsonLimits::INTENT, JsonLimits::BODY] {
        let Ok(document) = Document::parse(bytes, &limits) else {
            continue;
        };
        accepted = true;
        let text = document.text();
        let again = Document::parse(text.as_bytes(), &limits);
        assert_eq!(
            again.as_ref().map(Document::text),
            Ok(text),
            "the canonical text is not fixed"
        );
        let theirs = serde_json::from_slice::<Value>(bytes);
        let ours = serde_json::from_str::<Value>(text);
        assert!(
            matches!((&theirs, &ours), (Ok(theirs), Ok(ours)) if is_same(theirs, ours)),
            "another parser reads it otherwise: {theirs:?}, {ours:?}"
        );
    }
    accepted
}

/// Whether two values are the same; numbers may differ in the last bit, where the other parser
/// does not round correctly.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64(), other.as_f64());
            let near = |one: f64, other: f64| (one - other).abs() <= one.abs() * 2.0 * f64::EPSILON;
            one.zip(other).is_some_and(|(one, other)| near(one, other))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |key: &String, value| other.get(key).is_some_and(|it| is_same(value, it));
            one.len() == other.len() && one.iter().all(|(key, value)| same(key, value))
        }
        (one, other) => one == other,
    }
}

/// A body that decodes has one form, which decodes to the same body. Its kind stands on the first
/// line.
#[must_use]
pub fn record_body(bytes: &[u8]) -> bool {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(kind), Some(json)) = (lines.next(), lines.next()) else {
        return false;
    };
    let Ok(kind) = std::str::from_utf8(kind) else {
        return false;
    };
    let Ok(body) = Body::decode(kind, 1, json) else {
        return false;
    };
    let encoded = encode(&body);
    let again = Body::decode(kind, 1, &encoded).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(body, again, "a body is not what it was written from");
    assert_eq!(encoded, encode(&again), "a body has two forms");
    true
}

fn encode(body: &Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    body.encode(&mut bytes)
        .unwrap_or_else(|error| panic!("{error}"));
    bytes
}
