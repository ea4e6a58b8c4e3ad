//! The JSON Schema of the configuration, made of the table of keys, for editors.
//!
//! Source: JSON Schema draft-07, which the TOML language servers read.

use serde_json::{Map, Value, json};

use super::key::{Absent, Key, Kind};
use super::keys::ROOT;

/// The schema of `antiphon.toml`.
#[must_use]
pub fn schema() -> Value {
    let mut schema = table(ROOT);
    if let Value::Object(members) = &mut schema {
        members.insert(
            "$schema".into(),
            "http://json-schema.org/draft-07/schema#".into(),
        );
        members.insert("title".into(), "antiphon.toml".into());
    }
    schema
}

fn table(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required: Vec<&str> = keys
        .iter()
        .filter(|key| key.absent == Absent::Refused)
        .map(|key| key.name)
        .collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

fn property(key: &Key) -> Value {
    let mut value = kind(key.kind);
    if let Value::Object(members) = &mut value {
        members.insert("description".into(), key.about.into());
        if let Absent::Default(text) = key.absent {
            members.insert("default".into(), default(key.kind, text));
        }
    }
    value
}

fn default(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Integer(..) | Kind::Number(..) | Kind::Boolean => {
            serde_json::from_str(text).unwrap_or(Value::Null)
        }
        _ => Value::from(text),
    }
}

fn kind(kind: Kind) -> Value {
    match kind {
        Kind::Text | Kind::Expression => json!({ "type": "string" }),
        Kind::Name => name(),
        Kind::Duration => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }),
        Kind::Size => json!({ "type": "string", "pattern": "^[0-9]+(B|[KMGT]i?B)$" }),
        Kind::Integer(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Number(low, high) => json!({ "type": "number", "minimum": low, "maximum": high }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::TextList => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Names => json!({ "anyOf": [name(), { "type": "array", "items": name() }] }),
        Kind::TextMap => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        Kind::Free => json!({ "type": "object" }),
        Kind::Table(keys) => table(keys),
        Kind::Tables(keys) => json!({ "type": "array", "items": table(keys) }),
    }
}

fn name() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$" })
}

/// The paths of all keys of a table and of the tables in it, in order.
#[cfg(test)]
pub(crate) fn keys_of(keys: &[Key]) -> std::collections::BTreeSet<String> {
    let mut paths = std::collections::BTreeSet::new();
    for key in keys {
        paths.insert(key.name.to_owned());
        if let Kind::Table(inner) | Kind::Tables(inner) = key.kind {
            paths.extend(
                keys_of(inner)
                    .into_iter()
                    .map(|path| format!("{}.{path}", key.name)),
            );
        }
    }
    paths
}

/// The paths of all keys that a text sets, those of free tables left out.
#[cfg(test)]
pub(crate) fn keys_in(text: &str) -> std::collections::BTreeSet<String> {
    fn walk(prefix: &str, value: &toml::Value, paths: &mut std::collections::BTreeSet<String>) {
        match value {
            toml::Value::Table(entries) => {
                for (key, value) in entries {
                    let path = if prefix.is_empty() {
                        key.clone()
                    } else {
                        format!("{prefix}.{key}")
                    };
                    paths.insert(path.clone());
                    if key != "options" && key != "environment" {
                        walk(&path, value, paths);
                    }
                }
            }
            toml::Value::Array(items) => items.iter().for_each(|item| walk(prefix, item, paths)),
            _ => {}
        }
    }
    let mut paths = std::collections::BTreeSet::new();
    walk("", &toml::from_str(text).unwrap(), &mut paths);
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_each_key_its_default_and_what_must_be_there() {
        let schema = schema();
        let task = &schema["properties"]["task"]["items"];
        assert_eq!(task["required"], json!(["name"]));
        assert_eq!(task["additionalProperties"], json!(false));
        assert_eq!(task["properties"]["timeout"]["default"], json!("10m"));
        assert_eq!(task["properties"]["concurrency"]["default"], json!(4));
        assert_eq!(task["properties"]["enabled"]["default"], json!(true));
        assert_eq!(
            task["properties"]["retry"]["properties"]["limit"]["maximum"],
            json!(99)
        );
    }
}
