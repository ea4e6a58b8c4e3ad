//! What the demo drops into a new root to set both loops going, in the forms that the originals
//! wrote (facts.md A4, B4).
//!
//! In: the time. Out: files, in the order in which they are dropped. What comes of them: two modules
//! are investigated, integrated and discovered (`src/memory` gets its `__init__.py`), one intent is
//! parked, and one D-REAM cycle ends with two promotions accepted and one rejected.

use antiphon_core::id::Digest;
use serde_json::{Value, json};

/// A file to drop: written under another name, then renamed to this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// Where, relative to the root.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// What it is, for people.
    pub about: &'static str,
}

/// Modules that are discovered in the end.
pub const MODULES_DISCOVERED: usize = 2;

/// The files that the demo drops at `now_ms` (ms since 1970 UTC).
#[must_use]
pub fn drops(now_ms: i64) -> Vec<Drop> {
    vec![
        promotion(
            "wider",
            &json!({"learning_rate": 0.02, "batch_size": 32}),
            now_ms,
        ),
        promotion(
            "slower",
            &json!({"learning_rate": 0.0005, "batch_size": 8}),
            now_ms,
        ),
        promotion("reckless", &json!({"learning_rate": 5.0}), now_ms),
        router_intent(),
        producer_intent(now_ms),
        Drop {
            path: "intents/half_an_intent.json".to_owned(),
            bytes: b"{\"type\": \"discover.module\", \"id\": \"discover.module.speech\", \"da"
                .to_vec(),
            about: "an intent that its writer did not finish",
        },
    ]
}

/// A promotion as A4 has it.
fn promotion(id: &str, changes: &Value, now_ms: i64) -> Drop {
    let promotion = json!({
        "schema": "v1",
        "id": id,
        "timestamp": now_ms.div_euclid(1_000),
        "fitness": 0.5,
        "changes": changes,
    });
    let about = if id == "reckless" {
        "a promotion with a learning rate far beyond its bounds"
    } else {
        "a promotion"
    };
    Drop {
        path: format!("promotions/{id}.json"),
        bytes: pretty(&promotion),
        about,
    }
}

/// An intent in the dialect of the intent router.
fn router_intent() -> Drop {
    let intent = json!({
        "type": "discover.module",
        "id": "discover.module.audio",
        "data": {
            "question": "What does the audio module do?",
            "priority": "normal",
            "evidence": ["path:src/audio", "has_init:true"],
        },
    });
    Drop {
        path: "intents/discover_module_audio.json".to_owned(),
        bytes: pretty(&intent),
        about: "a question about src/audio",
    }
}

/// An intent in the dialect of the curiosity core: priority as a number, its own hash, and a name
/// made of time, type and content.
fn producer_intent(now_ms: i64) -> Drop {
    let mut intent = json!({
        "intent_type": "curiosity_investigate",
        "priority": 8,
        "reason": "A directory under src is in no registry",
        "data": {
            "question_id": "discover.module.memory",
            "question": "What does the memory module remember, and for how long?",
            "hypothesis": "UNDISCOVERED_MODULE_MEMORY",
            "capability_key": "module.memory",
            "value_estimate": 0.7,
            "cost_estimate": 0.2,
            "action_class": "investigate",
            "evidence": ["path:src/memory", "has_init:false", "py_files:2"],
        },
        "generated_at": now_ms.div_euclid(1_000),
        "emitted_by": "observer",
    });
    let sha256 = Digest::of(&pretty(&intent)).to_string();
    let mark: String = sha256.chars().take(8).collect();
    let path = format!("intents/{now_ms}_curiosity_investigate_{mark}.json");
    if let Some(object) = intent.as_object_mut() {
        object.insert("sha256".to_owned(), Value::from(sha256));
    }
    Drop {
        path,
        bytes: pretty(&intent),
        about: "a question about src/memory, which has no __init__.py",
    }
}

fn pretty(value: &Value) -> Vec<u8> {
    // A JSON value always serialises.
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promotion::validate;

    #[test]
    fn two_promotions_are_valid_and_one_is_not() {
        let of = |prefix: &str| {
            let all = drops(1_795_189_012_001).into_iter();
            all.filter(|drop| drop.path.starts_with(prefix))
                .collect::<Vec<_>>()
        };
        let valid = of("promotions/")
            .iter()
            .filter(|drop| validate(&drop.bytes).is_ok())
            .count();
        assert_eq!((valid, of("promotions/").len()), (2, 3));
        let whole = |drop: &&Drop| serde_json::from_slice::<Value>(&drop.bytes).is_ok();
        assert_eq!(
            (
                of("intents/").iter().filter(whole).count(),
                of("intents/").len()
            ),
            (2, 3)
        );
    }
}
