//! Modules that the integrator added to the registry.
//!
//! In: `capabilities.yaml` and `integrated_capabilities.jsonl`. Out: one observation for each entry
//! with `auto_discovered: true`, known by its name and time for ever: what stands in the registry
//! was discovered once, however often the monitor looks and restarts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use antiphon_engine::registry::{LookCall, LookError, Observation, Repeat};
use serde_json::{Value, json};

use crate::capabilities::{CAPABILITIES_BYTES_MAX, Capabilities, Entry};
use crate::error::Error;
use crate::paths::{CAPABILITIES, INTEGRATED, Root};

/// Bytes of the journal of integrated modules: some hundred thousand of them.
const INTEGRATED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Looks at the registry.
///
/// # Errors
/// When it cannot be read or is no registry.
pub fn look(call: &LookCall<'_>) -> Result<Vec<Observation>, LookError> {
    let root = Root::open(call.root, "look")?;
    let bytes = root
        .read(Path::new(CAPABILITIES), CAPABILITIES_BYTES_MAX)?
        .unwrap_or_default();
    let registry = Capabilities::parse(bytes)
        .map_err(|message| LookError::from(Error::malformed(CAPABILITIES, message)))?;
    let integrated = integrated(&root)?;
    let mut seen = Vec::new();
    for entry in registry.entries() {
        let field = |name: &str| entry.fields.get(name).map(String::as_str);
        // Without its line an entry may be half of the integrator's work.
        if field("auto_discovered") == Some("true")
            && let Some(line) = integrated.get(&entry.name)
        {
            seen.push(observe(&root, &entry, line)?);
        }
    }
    Ok(seen)
}

/// The newest line of each module that was integrated.
fn integrated(root: &Root) -> Result<BTreeMap<String, Value>, Error> {
    let bytes = root
        .read(Path::new(INTEGRATED), INTEGRATED_BYTES_MAX)?
        .unwrap_or_default();
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let named = |line: Value| Some((line.get("module_name")?.as_str()?.to_owned(), line));
    Ok(lines.filter_map(named).collect())
}

fn observe(root: &Root, entry: &Entry, line: &Value) -> Result<Observation, Error> {
    let field = |name: &str| {
        entry
            .fields
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let init: PathBuf = field("module").split('.').chain(["__init__.py"]).collect();
    let has_init = matches!(root.file(&init), Ok(Some(_)));
    let facts = super::facts(&json!({
        "module_name": entry.name,
        "module_path": field("module"),
        "investigation_id": line.get("question_id").and_then(Value::as_str).unwrap_or_default(),
        "investigation_timestamp": line.get("investigation_timestamp"),
        "py_files_count": field("py_files").parse::<u32>().unwrap_or(0),
        "has_init": has_init,
        "discovered_at": field("discovered_at"),
        "source": "orchestrator_monitor",
    }))?;
    let identity = format!("{}@{}", entry.name, field("discovered_at"));
    Ok(Observation {
        identity,
        repeat: Repeat::Once,
        facts,
    })
}

#[cfg(test)]
mod tests;
