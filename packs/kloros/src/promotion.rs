//! Promotions: what a proposed change must look like before anything may follow from it.
//!
//! Source: facts.md A4, order of checks and words of the reasons included. Stricter than the
//! original in three ways: a boolean is no number, a number is finite, and a name without bounds is
//! refused (defect 7). `programs/promotions.py` says the same; a test holds the two together.

use serde_json::{Map, Value};

/// Bytes of one promotion; a longer file is none.
pub const PROMOTION_BYTES_MAX: u64 = 64 * 1024;

/// What a parameter may be, both ends included.
const BOUNDS: [(&str, f64, f64); 4] = [
    ("batch_size", 1.0, 128.0),
    ("context_window", 1_000.0, 32_000.0),
    ("learning_rate", 0.000_1, 0.1),
    ("temperature", 0.1, 2.0),
];

/// Says whether `bytes` are a promotion: `Ok` when they are valid, else the reason.
///
/// # Errors
/// The reason, one line for people.
pub fn validate(bytes: &[u8]) -> Result<(), String> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("JSON decode error: {error}"))?;
    let promotion = value.as_object().ok_or("promotion is not an object")?;
    match promotion.get("schema") {
        None => return Err("missing schema".to_owned()),
        Some(schema) if schema != "v1" && schema != "v2" => {
            return Err("unsupported schema, v1 or v2 is expected".to_owned());
        }
        Some(_) => {}
    }
    for field in ["id", "timestamp", "fitness", "changes"] {
        if !promotion.contains_key(field) {
            return Err(format!("missing field {field}"));
        }
    }
    let fitness = promotion
        .get("fitness")
        .and_then(number)
        .ok_or("fitness is no finite number")?;
    if fitness < 0.0 {
        return Err("fitness is negative".to_owned());
    }
    let changes = promotion.get("changes").and_then(Value::as_object);
    validate_parameters(changes.ok_or("changes is not an object")?)
}

/// Says whether every one of `parameters` has a registered name and a value within its bounds.
///
/// # Errors
/// The reason, one line for people.
pub fn validate_parameters(parameters: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in parameters {
        let shown: String = name.chars().take(40).collect();
        let Some((_, minimum, maximum)) = BOUNDS.iter().find(|(known, _, _)| known == name) else {
            return Err(format!("{shown} is not a registered parameter"));
        };
        let value = number(value).ok_or_else(|| format!("{shown} is no finite number"))?;
        if value < *minimum {
            return Err(format!("{shown} is below the minimum of {minimum}"));
        }
        if value > *maximum {
            return Err(format!("{shown} is above the maximum of {maximum}"));
        }
    }
    Ok(())
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of A4: a promotion's text, and a word of the reason or `valid`. The Python
    /// validator is held to the same table in `tests/programs/dream.rs`.
    #[test]
    fn a4_the_table_of_promotions_is_judged_as_it_says() {
        for line in include_str!("../tests/programs/promotions.table").lines() {
            let Some((expect, text)) = line.split_once(" | ") else {
                continue;
            };
            let reason = validate(text.as_bytes())
                .err()
                .unwrap_or_else(|| "valid".to_owned());
            assert!(reason.to_lowercase().contains(expect), "{text}: {reason}");
            assert_eq!(expect == "valid", reason == "valid", "{text}: {reason}");
        }
    }
}
