//! The capability integrator: a module that was investigated becomes an entry of the registry.
//!
//! In: `Q_INVESTIGATION_COMPLETE`. Out: `__init__.py` where it is missing, an entry at the end of
//! `capabilities.yaml`, a line in `integrated_capabilities.jsonl`, and a conclusion: `integrated`,
//! `already_integrated`, `not_applicable` or `refused`, with the reason of facts.md B6. The line is
//! written last, under the lock of its file: an entry without a line is work that a crash cut short,
//! and is finished. Rules turn the conclusion into `Q_MODULE_INTEGRATED` or `Q_INTEGRATION_FAILED`.

use std::path::{Path, PathBuf};

use antiphon_engine::registry::{BuiltinCall, BuiltinEnd};
use serde_json::{Map, Value, json};

use super::{Given, end, time_of};
use crate::capabilities::{CAPABILITIES_BYTES_MAX, Capabilities, Discovered, is_module_name};
use crate::error::Error;
use crate::journal::{Journal, find_newest};
use crate::paths::{
    CAPABILITIES, CAPABILITIES_BACKUP, INTEGRATED, INVESTIGATIONS, Root, has_extension,
};

/// What a hypothesis about a module that nobody registered begins with.
const HYPOTHESIS: &str = "UNDISCOVERED_MODULE_";

/// Answers `Q_INVESTIGATION_COMPLETE`.
#[must_use]
pub fn integrate(call: &BuiltinCall<'_>) -> BuiltinEnd {
    let given = Given::of(call.facts);
    match conclude(call, &given) {
        Ok(mut result) => {
            if let Some(object) = result.as_object_mut() {
                object.insert("concluded_at".to_owned(), Value::from(time_of(call)));
            }
            let said = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
            let note = format!(
                "{}: {} ({})",
                said("module_name"),
                said("status"),
                said("reason")
            );
            end(true, &result, note)
        }
        Err(error) => {
            let result = json!({
                "status": "failed",
                "reason": error.code(),
                "error": error.to_string(),
                "capability_key": given.copy("capability_key"),
                "module_name": given.copy("module_name"),
                "investigation_timestamp": given.copy("investigation_timestamp"),
                "failed_at": time_of(call),
            });
            end(false, &result, error.to_string())
        }
    }
}

/// A module that meets the criteria.
struct Candidate {
    capability: String,
    name: String,
    path: PathBuf,
    module: String,
    question: String,
    question_id: String,
    python_files: usize,
    has_init: bool,
}

/// Why nothing is integrated: a status and its reason.
type Refusal = (&'static str, &'static str);

fn conclude(call: &BuiltinCall<'_>, given: &Given) -> Result<Value, Error> {
    let timestamp = given.required("investigation_timestamp")?;
    let root = Root::open(call.root, call.run_id)?;
    let mut done = root.journal(Path::new(INTEGRATED))?;
    let investigation = find_investigation(&root, timestamp)?;
    let capability = capability_of(&investigation);
    if let Some(line) = find_integrated(&done, &capability)? {
        return Ok(if line.get("run_id").is_some_and(|id| id == call.run_id) {
            conclusion("integrated", "integration_criteria_met", timestamp, &line)
        } else {
            conclusion("already_integrated", "already_integrated", timestamp, &line)
        });
    }
    let candidate = match judge(&root, &investigation)? {
        Ok(candidate) => candidate,
        Err((status, reason)) => {
            return Ok(conclusion(
                status,
                reason,
                timestamp,
                &described(&investigation),
            ));
        }
    };
    let before = root.read(Path::new(CAPABILITIES), CAPABILITIES_BYTES_MAX)?;
    let registry = Capabilities::parse(before.clone().unwrap_or_default())
        .map_err(|message| Error::malformed(CAPABILITIES, message))?;
    if let Some(entry) = registry.entry(&candidate.name) {
        let is = |field: &str, value: &str| entry.fields.get(field).is_some_and(|v| v == value);
        if !(is("auto_discovered", "true") && is("module", &candidate.module)) {
            let reason = "already_integrated";
            return Ok(conclusion(
                reason,
                reason,
                timestamp,
                &described(&investigation),
            ));
        }
    }
    let line = write(
        &root,
        call,
        &registry,
        before.as_deref(),
        &candidate,
        timestamp,
    )?;
    done.append(&Value::Object(line.clone()).to_string())?;
    Ok(conclusion(
        "integrated",
        "integration_criteria_met",
        timestamp,
        &line,
    ))
}

/// Creates what is missing, and gives the line that says so.
fn write(
    root: &Root,
    call: &BuiltinCall<'_>,
    registry: &Capabilities,
    before: Option<&[u8]>,
    candidate: &Candidate,
    timestamp: &str,
) -> Result<Map<String, Value>, Error> {
    let mut python_files = candidate.python_files;
    if !candidate.has_init {
        let content = format!("\"\"\"The package {}.\"\"\"\n", candidate.module);
        if root.create(&candidate.path.join("__init__.py"), content.as_bytes())? {
            python_files = python_files.saturating_add(1);
        }
    }
    let mut at = time_of(call);
    if let Some(entry) = registry.entry(&candidate.name) {
        at = entry.fields.get("discovered_at").cloned().unwrap_or(at);
    } else {
        if let Some(before) = before {
            root.replace(Path::new(CAPABILITIES_BACKUP), before)?;
        }
        let description = format!("Module {} found by investigation", candidate.module);
        let found = Discovered {
            name: &candidate.name,
            module: &candidate.module,
            description: &description,
            at: &at,
            python_files,
        };
        root.replace(Path::new(CAPABILITIES), registry.with(&found).as_bytes())?;
    }
    let line = json!({
        "capability": candidate.capability,
        "integrated_at": at,
        "module_name": candidate.name,
        "module_path": candidate.module,
        "question": candidate.question,
        "question_id": candidate.question_id,
        "investigation_timestamp": timestamp,
        "py_files_count": python_files,
        "run_id": call.run_id,
    });
    Ok(match line {
        Value::Object(line) => line,
        _ => Map::new(),
    })
}

/// Says whether an investigation is of a module that may be integrated: the criteria of B6 in their
/// order, and what they left out: the path leads nowhere but beneath the root (defect 44).
fn judge(
    root: &Root,
    investigation: &Map<String, Value>,
) -> Result<Result<Candidate, Refusal>, Error> {
    if text(investigation, "status") != "completed" {
        return Ok(Err(("not_applicable", "investigation_not_completed")));
    }
    if !text(investigation, "hypothesis").starts_with(HYPOTHESIS) {
        return Ok(Err(("not_applicable", "not_undiscovered_module")));
    }
    // Evidence that is no number says nothing; what counts is counted on disk below.
    if evidence(investigation, "py_files:")
        .and_then(|n| n.parse::<i64>().ok())
        .is_some_and(|n| n < 1)
    {
        return Ok(Err(("refused", "insufficient_files")));
    }
    let Some(given) = evidence(investigation, "path:") else {
        return Ok(Err(("refused", "missing_path")));
    };
    let Ok(path) = root.locate(given) else {
        return Ok(Err(("refused", "path_outside_the_root")));
    };
    match root.is_directory(&path) {
        Err(Error::Outside { .. }) => return Ok(Err(("refused", "path_outside_the_root"))),
        Err(error) => return Err(error),
        Ok(None) => return Ok(Err(("refused", "directory_not_found_phantom"))),
        Ok(Some(false)) => return Ok(Err(("refused", "not_a_directory"))),
        Ok(Some(true)) => {}
    }
    let names = root.names(&path)?.unwrap_or_default();
    let python_files = names
        .iter()
        .filter(|name| has_extension(name, "py"))
        .count();
    if python_files == 0 {
        return Ok(Err(("refused", "no_python_files_phantom")));
    }
    let segments: Vec<&str> = path.iter().filter_map(|segment| segment.to_str()).collect();
    let Some(name) = segments
        .last()
        .filter(|_| segments.iter().all(|s| is_module_name(s)))
    else {
        return Ok(Err(("refused", "no_module_name")));
    };
    Ok(Ok(Candidate {
        capability: capability_of(investigation),
        name: (*name).to_owned(),
        module: segments.join("."),
        question: text(investigation, "question"),
        question_id: text(investigation, "question_id"),
        python_files,
        has_init: names.iter().any(|name| name == "__init__.py"),
        path,
    }))
}

fn find_investigation(root: &Root, timestamp: &str) -> Result<Map<String, Value>, Error> {
    let path = Path::new(INVESTIGATIONS);
    let file = root
        .file(path)?
        .ok_or_else(|| Error::malformed(INVESTIGATIONS, "it is missing"))?;
    find_newest(&file, timestamp, |line| {
        line.get("timestamp")
            .is_some_and(|found| found == timestamp)
    })
    .map_err(|source| Error::io("read", path, source))?
    .ok_or_else(|| Error::malformed(INVESTIGATIONS, format!("no record of {timestamp}")))
}

/// What the module is known by; a record without a capability is known by its module (defect 43).
fn capability_of(investigation: &Map<String, Value>) -> String {
    let capability = text(investigation, "capability");
    if capability.is_empty() {
        text(investigation, "module_path")
    } else {
        capability
    }
}

fn find_integrated(done: &Journal, capability: &str) -> Result<Option<Map<String, Value>>, Error> {
    find_newest(done.file(), capability, |line| {
        line.get("capability")
            .is_some_and(|found| found == capability)
    })
    .map_err(|source| Error::io("read", Path::new(INTEGRATED), source))
}

/// The value of the first piece of evidence that is a text and begins with `key` (defect 43: it may
/// hold anything).
fn evidence<'a>(investigation: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let list = investigation.get("evidence").and_then(Value::as_array)?;
    list.iter()
        .filter_map(Value::as_str)
        .find_map(|item| item.strip_prefix(key))
        .map(str::trim)
}

fn text(object: &Map<String, Value>, name: &str) -> String {
    object
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// What is known of a module that was not integrated.
fn described(investigation: &Map<String, Value>) -> Map<String, Value> {
    ["capability", "module_name", "module_path", "question_id"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), investigation.get(*name)?.clone())))
        .collect()
}

fn conclusion(status: &str, reason: &str, timestamp: &str, about: &Map<String, Value>) -> Value {
    let copy = |name: &str| about.get(name).cloned().unwrap_or_default();
    json!({
        "status": status,
        "reason": reason,
        "capability_key": copy("capability"),
        "module_name": copy("module_name"),
        "module_path": copy("module_path"),
        "question_id": copy("question_id"),
        "integrated_at": copy("integrated_at"),
        "py_files_count": copy("py_files_count"),
        "investigation_timestamp": timestamp,
    })
}

#[cfg(test)]
mod tests;
