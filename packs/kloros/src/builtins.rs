//! The orchestrator's own work: what touches the registry, the configuration and the promotions.
//!
//! Each is a function of the facts that it is given and the files beneath the root, runs in a
//! process of its own, and may be run again after a crash: it finishes what it began and says the
//! same. A verdict (`refused`, `already_integrated`) is a result; only what could not be done fails.

pub mod acknowledge;
pub mod deploy;
pub mod integrate;

use antiphon_core::signal::Facts;
use antiphon_core::time;
use antiphon_engine::registry::{BuiltinCall, BuiltinEnd};
use serde_json::{Map, Value};

use crate::error::Error;

/// The facts of the signal that a built-in answers, read leniently: a fact of another type than
/// expected is a missing one.
#[derive(Debug)]
struct Given(Map<String, Value>);

impl Given {
    fn of(facts: &Facts) -> Self {
        // Facts are one JSON object by construction.
        Self(serde_json::from_str(facts.text()).unwrap_or_default())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, Error> {
        self.text(name)
            .ok_or_else(|| Error::malformed("facts", format!("`{name}` is missing")))
    }

    fn list(&self, name: &str) -> &[Value] {
        self.0
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    fn copy(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

/// The end of a built-in with this result; `note` is a line for people.
fn end(succeeded: bool, result: &Value, note: String) -> BuiltinEnd {
    match Facts::parse(result.to_string().as_bytes()) {
        Ok(result) => BuiltinEnd {
            succeeded,
            result,
            note,
        },
        // Everything that goes into a result is bounded; this is what is left when it is not.
        Err(error) => BuiltinEnd {
            succeeded: false,
            result: Facts::empty(),
            note: format!("{note}; the result is no set of facts: {error}"),
        },
    }
}

/// When the built-in was started, RFC 3339.
fn time_of(call: &BuiltinCall<'_>) -> String {
    time::rfc3339(call.now_ms)
}

#[cfg(test)]
mod testing {
    //! What the tests of all built-ins share.

    use std::path::Path;

    use super::*;
    use antiphon_engine::registry::Builtin;

    /// 2026-11-20T15:36:52.001Z.
    pub(super) const NOW_MS: i64 = 1_795_189_012_001;

    /// Runs `builtin` as run `run_id`; whether it succeeded, and its result.
    pub(super) fn run(builtin: Builtin, root: &Path, run_id: &str, facts: &Value) -> (bool, Value) {
        let facts = Facts::parse(facts.to_string().as_bytes()).unwrap();
        let call = BuiltinCall {
            root,
            arguments: &[],
            facts: &facts,
            run_id,
            now_ms: NOW_MS,
        };
        let end = builtin(&call);
        (
            end.succeeded,
            serde_json::from_str(end.result.text()).unwrap(),
        )
    }

    /// Every file below `root` with its content, temporary files included.
    pub(super) fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut waiting = vec![root.to_owned()];
        while let Some(directory) = waiting.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    let name = path.strip_prefix(root).unwrap().display().to_string();
                    found.push((name, std::fs::read(path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }
}
