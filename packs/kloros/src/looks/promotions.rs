//! Promotions that nobody has acknowledged.
//!
//! In: `promotions/` and `promotions_ack/`, the same directories that D-REAM and the
//! acknowledgement use (defect 36). Out: at most one observation, whose identity is the set: the
//! hash of names and contents. While the set stays, it is the same thing still there, so a running
//! monitor says it once; the rule's dedupe holds across restarts.

use std::path::Path;

use antiphon_core::id::Digest;
use antiphon_engine::registry::{LookCall, LookError, Observation, Repeat};
use serde_json::{Value, json};

use crate::error::Error;
use crate::paths::{ACKNOWLEDGEMENTS, PROMOTIONS, Root, has_extension};
use crate::promotion::PROMOTION_BYTES_MAX;

/// Promotions of one set. More wait for the next: a set and what D-REAM says of each member must
/// fit a task's result of 16 KiB.
pub const SET_MAX: usize = 32;
/// Bytes of a promotion's file name, for the same reason.
const FILE_NAME_BYTES_MAX: usize = 96;
/// How long a file that is no whole JSON document may still be being written, ms.
const SETTLE_MS: i64 = 10_000;
/// Bytes of an acknowledgement.
const ACKNOWLEDGEMENT_BYTES_MAX: u64 = 16 * 1024;
const HOUR_MS: i64 = 3_600_000;

/// Looks at the promotions.
///
/// # Errors
/// When a directory cannot be read. A single file that cannot be is counted, and hides no other.
pub fn look(call: &LookCall<'_>) -> Result<Vec<Observation>, LookError> {
    let root = Root::open(call.root, "look")?;
    let Some(names) = root.names(Path::new(PROMOTIONS)).map_err(LookError::from)? else {
        return Ok(Vec::new());
    };
    let mut waiting = Vec::new();
    let mut unreadable: u32 = 0;
    for name in names.iter().filter(|name| has_extension(name, "json")) {
        match see(&root, name, call.now_ms) {
            Ok(Some(promotion)) => waiting.push(promotion),
            Ok(None) => {}
            Err(_) => unreadable = unreadable.saturating_add(1),
        }
    }
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    // The oldest first, so that none waits behind those that came later.
    waiting.sort_by(|a, b| (a.modified_ms, &a.name).cmp(&(b.modified_ms, &b.name)));
    let unacknowledged = waiting.len();
    waiting.truncate(SET_MAX);
    Ok(vec![observe(
        waiting,
        unacknowledged,
        unreadable,
        call.now_ms,
    )?])
}

/// Whether a file name is one that a promotion may have: safe in a path, in JSON and in a log.
#[must_use]
pub fn is_promotion_name(name: &str) -> bool {
    name.len() <= FILE_NAME_BYTES_MAX
        && has_extension(name, "json")
        && !name.starts_with(['.', '-'])
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-:+@ ".contains(&b))
}

/// The name of a promotion's file without `.json`.
#[must_use]
pub fn stem_of(name: &str) -> &str {
    name.strip_suffix(".json").unwrap_or(name)
}

/// Whether the promotion `name` has an acknowledgement. A file that is none, such as a half one
/// that another writer left, acknowledges nothing (defect 8).
///
/// # Errors
/// When it cannot be read.
pub fn is_acknowledged(root: &Root, name: &str) -> Result<bool, Error> {
    let path = Path::new(ACKNOWLEDGEMENTS).join(format!("{}_ack.json", stem_of(name)));
    let Some(bytes) = root.read(&path, ACKNOWLEDGEMENT_BYTES_MAX)? else {
        return Ok(false);
    };
    let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let is_of_it = value
        .get("promotion_id")
        .is_some_and(|id| id == stem_of(name));
    Ok(is_of_it && value.get("accepted").is_some_and(Value::is_boolean))
}

/// A promotion that waits.
struct Waiting {
    name: String,
    sha256: Digest,
    modified_ms: i64,
}

fn see(root: &Root, name: &str, now_ms: i64) -> Result<Option<Waiting>, Error> {
    if !is_promotion_name(name) {
        return Err(Error::malformed(
            PROMOTIONS,
            "a name that no promotion may have",
        ));
    }
    if is_acknowledged(root, name)? {
        return Ok(None);
    }
    let path = Path::new(PROMOTIONS).join(name);
    let Some(modified_ms) = root.modified_ms(&path)? else {
        return Ok(None);
    };
    let Some(bytes) = root.read(&path, PROMOTION_BYTES_MAX)? else {
        return Ok(None);
    };
    let is_whole = serde_json::from_slice::<Value>(&bytes).is_ok();
    if !is_whole && now_ms.saturating_sub(modified_ms) < SETTLE_MS {
        return Ok(None);
    }
    Ok(Some(Waiting {
        name: name.to_owned(),
        sha256: Digest::of(&bytes),
        modified_ms,
    }))
}

fn observe(
    mut set: Vec<Waiting>,
    unacknowledged: usize,
    unreadable: u32,
    now_ms: i64,
) -> Result<Observation, Error> {
    let age_hours = |promotion: Option<&Waiting>| {
        let modified_ms = promotion.map_or(now_ms, |promotion| promotion.modified_ms);
        let age_ms = now_ms.saturating_sub(modified_ms).max(0);
        // Thousandths of an hour, as a decimal that is short and always the same.
        let thousandths = age_ms.saturating_mul(1_000) / HOUR_MS;
        format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
            .parse::<f64>()
            .unwrap_or(0.0)
    };
    let oldest = age_hours(set.first());
    let newest = age_hours(set.last());
    set.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for promotion in &set {
        text.push_str(&promotion.name);
        text.push('\0');
        text.push_str(&promotion.sha256.to_string());
        text.push('\n');
    }
    let promotion_set = Digest::of(text.as_bytes()).to_string();
    let names: Vec<&str> = set
        .iter()
        .map(|promotion| promotion.name.as_str())
        .collect();
    let facts = super::facts(&json!({
        "promotion_count": set.len(),
        "unacknowledged_count": unacknowledged,
        "unreadable_count": unreadable,
        "oldest_promotion_age_hours": oldest,
        "newest_promotion_age_hours": newest,
        "promotion_files": names,
        "promotion_set": promotion_set,
        "promotions_path": PROMOTIONS,
        "source": "orchestrator_monitor",
    }))?;
    Ok(Observation {
        identity: promotion_set,
        repeat: Repeat::OnChange,
        facts,
    })
}

#[cfg(test)]
mod tests;
