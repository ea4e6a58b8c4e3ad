//! Modules that the integrator added to the registry.
//!
//! In: `capabilities.yaml` and `integrated_capabilities.jsonl`. Out: one observation for each entry
//! with `auto_discovered: true`, known by its name and time for ever: what stands in the registry
//! was discovered once, however often the monitor looks and restarts.

use std::path::{Path, PathBuf};

use antiphon_engine::registry::{LookCall, LookError, Observation, Repeat};
use serde_json::{Value, json};

use crate::capabilities::{CAPABILITIES_BYTES_MAX, Capabilities, Entry};
use crate::error::Error;
use crate::journal::find_newest;
use crate::paths::{CAPABILITIES, INTEGRATED, Root};

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
    let mut seen = Vec::new();
    for entry in registry.entries() {
        if entry
            .fields
            .get("auto_discovered")
            .is_some_and(|value| value == "true")
            && let Some(observation) = see(&root, &entry)?
        {
            seen.push(observation);
        }
    }
    Ok(seen)
}

/// `None` while the integrator has not written its line: the entry may be half of its work.
fn see(root: &Root, entry: &Entry) -> Result<Option<Observation>, Error> {
    let field = |name: &str| {
        entry
            .fields
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let Some(journal) = root.file(Path::new(INTEGRATED))? else {
        return Ok(None);
    };
    let line = find_newest(&journal, &entry.name, |line| {
        line.get("module_name")
            .is_some_and(|name| *name == entry.name)
    })
    .map_err(|source| Error::io("read", Path::new(INTEGRATED), source))?;
    let Some(line) = line else { return Ok(None) };
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
    Ok(Some(Observation {
        identity,
        repeat: Repeat::Once,
        facts,
    }))
}

#[cfg(test)]
mod tests;
