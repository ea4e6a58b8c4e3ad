//! The acknowledgement: every promotion of a D-REAM cycle gets its answer, once.
//!
//! In: the signal that ends a cycle (`Q_WINNER_DEPLOYED`, or `Q_DREAM_COMPLETE` of a cycle that
//! found nothing to deploy), with `promotions` as D-REAM judged them. Out:
//! `promotions_ack/<stem>_ack.json` in the form of facts.md A5, whole or absent (defect 8), after
//! which the monitor falls silent (defects 5 and 36). An acknowledgement that is there stays as it
//! is. A promotion whose bytes changed since D-REAM read it is another one: it is left for the next
//! cycle. What A4 refuses is never accepted, whoever says so.

use std::path::{Path, PathBuf};

use antiphon_core::id::Digest;
use antiphon_engine::registry::{BuiltinCall, BuiltinEnd};
use serde_json::{Value, json};

use super::{Given, end, time_of};
use crate::error::Error;
use crate::looks::promotions::{is_acknowledged, is_promotion_name, stem_of};
use crate::paths::{ACKNOWLEDGEMENTS, PROMOTIONS, Root};
use crate::promotion::{PROMOTION_BYTES_MAX, validate};

/// Answers the end of a D-REAM cycle.
#[must_use]
pub fn acknowledge(call: &BuiltinCall<'_>) -> BuiltinEnd {
    let given = Given::of(call.facts);
    let mut count = Count::default();
    let outcome = all(call, &given, &mut count);
    let mut result = json!({
        "dream_cycle_id": given.copy("dream_cycle_id"),
        "promotion_set": given.copy("promotion_set"),
        "acknowledged": count.accepted.saturating_add(count.rejected),
        "accepted": count.accepted,
        "rejected": count.rejected,
        "already_acknowledged": count.already,
        "changed_since": count.changed,
        "acknowledged_at": time_of(call),
    });
    let note = match &outcome {
        Ok(()) => format!("{} accepted, {} rejected", count.accepted, count.rejected),
        Err(error) => {
            if let Some(object) = result.as_object_mut() {
                object.insert("reason".to_owned(), Value::from(error.code()));
                object.insert("error".to_owned(), Value::from(error.to_string()));
            }
            error.to_string()
        }
    };
    end(outcome.is_ok(), &result, note)
}

#[derive(Default)]
struct Count {
    accepted: u32,
    rejected: u32,
    already: u32,
    changed: u32,
}

fn all(call: &BuiltinCall<'_>, given: &Given, count: &mut Count) -> Result<(), Error> {
    let root = Root::open(call.root, call.run_id)?;
    for judged in given.list("promotions") {
        one(call, &root, given, judged, count)?;
    }
    Ok(())
}

fn one(
    call: &BuiltinCall<'_>,
    root: &Root,
    given: &Given,
    judged: &Value,
    count: &mut Count,
) -> Result<(), Error> {
    let text = |name: &str| judged.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = text("file");
    if !is_promotion_name(name) {
        return Err(Error::Outside {
            path: name.chars().take(256).collect(),
        });
    }
    if is_acknowledged(root, name)? {
        count.already = count.already.saturating_add(1);
        return Ok(());
    }
    let path = Path::new(PROMOTIONS).join(name);
    let bytes = match root.read(&path, PROMOTION_BYTES_MAX) {
        Ok(Some(bytes)) if Digest::of(&bytes).to_string() == text("sha256") => bytes,
        Ok(_) | Err(Error::TooLong { .. } | Error::Malformed { .. }) => {
            count.changed = count.changed.saturating_add(1);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let dream_accepts = judged.get("accepted") == Some(&Value::Bool(true));
    let rejection = match validate(&bytes) {
        Err(reason) => Some(reason),
        Ok(()) if dream_accepts => None,
        Ok(()) => Some(text("reason").to_owned()),
    };
    let acknowledgement = acknowledgement(call, given, name, rejection.as_deref());
    root.replace(&path_of(name), acknowledgement.as_bytes())?;
    let counter = if rejection.is_none() {
        &mut count.accepted
    } else {
        &mut count.rejected
    };
    *counter = counter.saturating_add(1);
    Ok(())
}

/// Where the acknowledgement of the promotion `name` is.
fn path_of(name: &str) -> PathBuf {
    Path::new(ACKNOWLEDGEMENTS).join(format!("{}_ack.json", stem_of(name)))
}

/// The text of A5, keys in its order.
fn acknowledgement(
    call: &BuiltinCall<'_>,
    given: &Given,
    name: &str,
    rejection: Option<&str>,
) -> String {
    let quoted = |value: &str| Value::from(value).to_string();
    let mut text = format!(
        "{{\n  \"promotion_id\": {},\n  \"accepted\": {},\n  \"phase_epoch\": {},\n  \"phase_sha\": {},\n  \"ts\": {},\n  \"schema\": \"v1\"",
        quoted(stem_of(name)),
        rejection.is_none(),
        quoted(given.text("dream_cycle_id").unwrap_or_default()),
        quoted(given.text("telemetry_sha256").unwrap_or_default()),
        call.now_ms.div_euclid(1_000),
    );
    if let Some(reason) = rejection.filter(|reason| !reason.is_empty()) {
        text.push_str(",\n  \"rejection_reason\": ");
        text.push_str(&quoted(reason));
    }
    text.push_str("\n}\n");
    text
}

#[cfg(test)]
mod tests;
