//! Intents: requests dropped as JSON objects, routed to the signals that they ask for.
//!
//! In: a policy and an [`Intent`]. Out: a [`Draft`], or why there is none. Two dialects are read,
//! told apart by nothing but the names that they use: the router's `{type, id, data}` and the
//! producers' `{intent_type, priority, reason, data, generated_at, emitted_by, sha256}`. A
//! producer's `sha256` is over its own formatting of the object, which canonical text no longer
//! holds, so it is not verified; what the log knows an intent by is [`Intent::key`].
//!
//! Reading files is `antiphon-files`; parking what is refused is the machine's.

use std::borrow::Cow;

use crate::expression::{Bound, Scope};
use crate::input::Intent;
use crate::json::{Kind, View};
use crate::limits::NAME_BYTES_MAX;
use crate::name::SourceName;
use crate::policy::{CompiledIntent, Policy, nearest};
use crate::signal::{Draft, Facts, Key};
use crate::time::parse_rfc3339;

/// Who emits what comes from an intent that names nobody.
const SOURCE: &str = "intent";

/// Why an intent becomes no signal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct IntentRefusal {
    /// The stable code: `intent.…`, or that of the expression or of the facts that failed.
    pub code: &'static str,
    /// Why, for people.
    pub error: String,
}

impl IntentRefusal {
    fn new(code: &'static str, error: impl Into<String>) -> Self {
        Self {
            code,
            error: error.into(),
        }
    }
}

/// The signal that `intent` asks for, by the first mapping of `policy` that takes its type.
///
/// # Errors
/// [`IntentRefusal`] when its type is missing or ambiguous, no mapping takes it, or the mapping's
/// facts fail.
pub fn route(policy: &Policy, intent: &Intent) -> Result<Draft, IntentRefusal> {
    let root = intent.document.root();
    if !root.is_object() {
        return Err(IntentRefusal::new(
            "intent.not_an_object",
            "an intent is a JSON object",
        ));
    }
    let kind = kind(root)?;
    let Some(mapping) = policy
        .intents()
        .iter()
        .find(|mapping| mapping.pattern.matches(&kind))
    else {
        return Err(no_mapping(policy, &kind));
    };
    let facts = facts(mapping, intent, root, &kind)?;
    let name = mapping.source.emit.clone();
    let key = Key::with_hash(intent.key, &name, &facts);
    Ok(Draft {
        occurred_ms: occurred_ms(root),
        key: Some(key),
        ..Draft::new(name, source(root)?, facts)
    })
}

fn kind(root: View<'_>) -> Result<Cow<'_, str>, IntentRefusal> {
    let read = |key: &str| match root.get(key) {
        None => Ok(None),
        Some(view) => match view.as_str() {
            Some(kind) if !kind.is_empty() && kind.len() <= NAME_BYTES_MAX => Ok(Some(kind)),
            _ => {
                let error = format!("`{key}` must be a text of 1 to {NAME_BYTES_MAX} bytes");
                Err(IntentRefusal::new("intent.type_invalid", error))
            }
        },
    };
    match (read("type")?, read("intent_type")?) {
        (Some(kind), Some(other)) if kind != other => {
            let error = format!("`type` says `{kind}`, `intent_type` says `{other}`");
            Err(IntentRefusal::new("intent.type_conflict", error))
        }
        (Some(kind), _) | (None, Some(kind)) => Ok(kind),
        (None, None) => {
            let error = "it has neither `type` nor `intent_type`";
            Err(IntentRefusal::new("intent.no_type", error))
        }
    }
}

fn no_mapping(policy: &Policy, kind: &str) -> IntentRefusal {
    let patterns = policy
        .intents()
        .iter()
        .map(|mapping| mapping.source.pattern.as_str());
    let hint = match nearest(kind, patterns) {
        Some(pattern) => format!("the nearest is `{pattern}`"),
        None => "none is configured".to_owned(),
    };
    IntentRefusal::new(
        "intent.no_mapping",
        format!("no mapping takes the type `{kind}`; {hint}"),
    )
}

fn facts(
    mapping: &CompiledIntent,
    intent: &Intent,
    root: View<'_>,
    kind: &str,
) -> Result<Facts, IntentRefusal> {
    let data = root.get("data").filter(|data| !data.is_null());
    let Some(expression) = &mapping.facts else {
        let facts = data.map_or(Ok(Facts::empty()), |data| {
            Facts::parse(data.text().as_bytes())
        });
        return facts.map_err(|error| {
            IntentRefusal::new(error.code(), format!("`data` cannot be facts: {error}"))
        });
    };
    let id = id(intent, root, data);
    let priority = priority(root, data);
    let scope = Scope::new()
        .bind("data", data.map_or(Bound::Fields(&[]), Bound::View))
        .bind("file", intent.file.as_str())
        .bind("id", &*id)
        .bind("intent", root)
        .bind(
            "priority",
            priority.as_deref().map_or(Bound::Null, Bound::Text),
        )
        .bind("type", kind);
    expression.facts(&scope).map_err(|error| {
        let pattern = &mapping.source.pattern;
        IntentRefusal::new(
            error.code(),
            format!("the facts of the mapping `{pattern}`: {error}"),
        )
    })
}

/// Its `id`, else the id of the question that it asks, else the stem of its file's name.
fn id<'a>(intent: &'a Intent, root: View<'a>, data: Option<View<'a>>) -> Cow<'a, str> {
    let named = root.get("id").and_then(scalar);
    named
        .or_else(|| data?.get("question_id").and_then(scalar))
        .unwrap_or_else(|| Cow::Borrowed(intent.file.strip_suffix(".json").unwrap_or(&intent.file)))
}

fn scalar(view: View<'_>) -> Option<Cow<'_, str>> {
    match view.kind() {
        Kind::Text => view.as_str(),
        Kind::Integer | Kind::Double => Some(Cow::Borrowed(view.text())),
        Kind::Boolean | Kind::List | Kind::Null | Kind::Object => None,
    }
}

/// Its urgency as a word. Producers say 0 to 10: from 9 on `critical`, from 7 on `high`, from 5 on
/// `normal`, below `low`; a word is passed through.
fn priority<'a>(root: View<'a>, data: Option<View<'a>>) -> Option<Cow<'a, str>> {
    let priority = root.get("priority").or_else(|| data?.get("priority"))?;
    let word = match priority.as_f64() {
        None => return priority.as_str(),
        Some(number) if number >= 9.0 => "critical",
        Some(number) if number >= 7.0 => "high",
        Some(number) if number >= 5.0 => "normal",
        Some(_) => "low",
    };
    Some(Cow::Borrowed(word))
}

fn source(root: View<'_>) -> Result<SourceName, IntentRefusal> {
    let emitted_by = root.get("emitted_by").and_then(|view| view.as_str());
    emitted_by
        .and_then(|name| SourceName::new(&name).ok())
        .map_or_else(|| SourceName::new(SOURCE), Ok)
        .map_err(|error| IntentRefusal::new("intent.source_invalid", error.to_string()))
}

/// When the producer says that it happened: seconds since 1970 or RFC 3339.
fn occurred_ms(root: View<'_>) -> Option<i64> {
    let said = root.get("generated_at").or_else(|| root.get("timestamp"))?;
    match said.kind() {
        Kind::Text => parse_rfc3339(&said.as_str()?),
        Kind::Integer | Kind::Double => milliseconds(said.text()),
        Kind::Boolean | Kind::List | Kind::Null | Kind::Object => None,
    }
}

/// Decimal seconds as whole milliseconds, cut; `None` before 1970 and beyond what 64 bits hold.
/// From the text, because a double of seconds holds no exact milliseconds.
fn milliseconds(seconds: &str) -> Option<i64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits = fraction.chars().chain("000".chars()).take(3);
    let milliseconds = digits
        .map(|digit| digit.to_digit(10))
        .try_fold(0, |sum: i64, digit| {
            sum.checked_mul(10)?.checked_add(i64::from(digit?))
        })?;
    let whole = whole.parse::<u32>().ok()?;
    i64::from(whole)
        .checked_mul(1_000)?
        .checked_add(milliseconds)
}

#[cfg(test)]
mod tests;
