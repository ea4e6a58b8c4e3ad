//! A TOML value as JSON: what a free table is handed on as.

use toml::de::DeValue;

/// `value` as JSON; dates become texts.
///
/// # Errors
/// What is wrong, as a phrase that follows the name of the key.
pub(super) fn as_json(value: &DeValue<'_>) -> Result<serde_json::Value, String> {
    Ok(match value {
        DeValue::String(text) => serde_json::Value::from(text.as_ref()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(serde_json::Value::from)
            .map_err(|_too_large| format!("holds {number}, which is too large"))?,
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(serde_json::Value::Number)
            .ok_or_else(|| format!("holds {number}, which is no finite number"))?,
        DeValue::Boolean(value) => serde_json::Value::from(*value),
        DeValue::Datetime(time) => serde_json::Value::from(time.to_string()),
        DeValue::Array(items) => items
            .iter()
            .map(|item| as_json(item.get_ref()))
            .collect::<Result<Vec<_>, _>>()
            .map(serde_json::Value::from)?,
        DeValue::Table(entries) => entries
            .iter()
            .map(|(key, value)| Ok((key.get_ref().to_string(), as_json(value.get_ref())?)))
            .collect::<Result<serde_json::Map<_, _>, String>>()
            .map(serde_json::Value::Object)?,
    })
}
