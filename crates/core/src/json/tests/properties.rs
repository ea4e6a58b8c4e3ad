//! Properties over random values and random bytes, against two oracles.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Values whose numbers I-JSON holds.
fn value() -> impl Strategy<Value = Value> {
    let integer = -9_007_199_254_740_991_i64..=9_007_199_254_740_991;
    let double = any::<f64>().prop_filter("beyond I-JSON as an integer", |double| {
        double.is_finite() && (double.abs() < 9e15 || double.abs() >= 1e21)
    });
    let text = prop_oneof![
        "[a-z\"\\\\/\n\u{1}-\u{1f}é€😀\u{e000}\u{ffff}]{0,12}",
        any::<String>()
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        integer.prop_map(Value::from),
        double.prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn our_canonical_text_is_that_of_the_oracle_and_its_own_canonical_text(value in value()) {
        let expected = serde_jcs::to_string(&value).expect("the oracle takes it");
        for source in [value.to_string(), serde_json::to_string_pretty(&value).expect("JSON")] {
            let document = Document::parse(source.as_bytes(), &WIDE).expect(&source);
            prop_assert_eq!(document.text(), &expected);
            let again = Document::parse(document.text().as_bytes(), &WIDE).expect(&source);
            prop_assert_eq!(again.text(), document.text());
            let read: Value = serde_json::from_str(document.text()).expect("JSON");
            prop_assert!(same(&again.root(), &read) && same(&document.root(), &read));
        }
    }

    #[test]
    fn f40_any_bytes_are_taken_or_refused_and_what_is_taken_is_stable(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\[\\]{}:,\"\\\\a-fu0-9eE.+ \n-]{0,60}".prop_map(String::into_bytes),
        ],
    ) {
        if let Ok(document) = Document::parse(&bytes, &WIDE) {
            let again = Document::parse(document.text().as_bytes(), &WIDE).expect("canonical");
            prop_assert_eq!(again.text(), document.text());
            prop_assert!(serde_json::from_slice::<Value>(&bytes).is_ok(), "the oracle refuses");
        }
    }
}

/// Whether `view` reads as the value that `serde_json` reads.
fn same(view: &View<'_>, value: &Value) -> bool {
    match value {
        Value::Null => view.is_null(),
        Value::Bool(expected) => view.as_bool() == Some(*expected),
        Value::Number(expected) => view.as_f64() == expected.as_f64(),
        Value::String(expected) => view.as_str().as_deref() == Some(expected.as_str()),
        Value::Array(expected) => {
            view.len() == expected.len()
                && view
                    .items()
                    .zip(expected)
                    .all(|(item, value)| same(&item, value))
        }
        Value::Object(expected) => {
            view.len() == expected.len()
                && expected
                    .iter()
                    .all(|(key, value)| view.get(key).is_some_and(|member| same(&member, value)))
        }
    }
}
