//! The winner deployer: the winner of a D-REAM cycle becomes configuration.
//!
//! In: `Q_DREAM_COMPLETE`. Out: `kloros.env` with the winner's parameters, its backup, and
//! `winner_deployer_state.json`. The file is checked after it was written, and put back when it does
//! not say what it should. A winner is known by its experiment *and* its parameters (defect 42), and
//! is skipped only while its values stand in the file. Nothing is deployed of a cycle that failed
//! (defect 40) or against a guardrail, and neither counts as deployed (defect 41).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use antiphon_core::id::Digest;
use antiphon_engine::registry::{BuiltinCall, BuiltinEnd};
use serde_json::{Map, Value, json};

use super::{Given, end, time_of};
use crate::environment::{ENVIRONMENT_BYTES_MAX, key_of, setting, with_settings};
use crate::error::Error;
use crate::paths::{DEPLOYER_STATE, ENVIRONMENT, ENVIRONMENT_BACKUP, Root, WINNERS};
use crate::promotion::validate_parameters;

/// Bytes of a winner's file and of the state.
const DOCUMENT_BYTES_MAX: u64 = 1024 * 1024;
/// Hashes of deployed winners that the state keeps.
const HASHES_MAX: usize = 1_000;
/// The metrics that every winner must bring, measured, and the range in which each must lie: better
/// than a coin (a log loss of ln 2) and right on three of four.
const GUARDRAILS: [(&str, f64, f64); 2] = [
    ("accuracy", 0.75, 1.0),
    ("log_loss", 0.0, std::f64::consts::LN_2),
];
/// The guardrails of the original, held where a winner brings these metrics.
const GUARDRAILS_IF_MEASURED: [(&str, f64, f64); 3] = [
    ("context_precision", 0.5, 1.0),
    ("hallucination_rate", 0.0, 0.2),
    ("response_latency_ms", 0.0, 5_000.0),
];

/// Answers `Q_DREAM_COMPLETE`.
#[must_use]
pub fn deploy(call: &BuiltinCall<'_>) -> BuiltinEnd {
    let given = Given::of(call.facts);
    let cycle = given
        .text("dream_cycle_id")
        .or(given.text("run_tag"))
        .unwrap_or_default();
    match try_deploy(call, &given) {
        Ok(deployed) => {
            let note = format!("{}: {}", deployed.experiment, deployed.status);
            end(true, &completion(&given, cycle, &deployed), note)
        }
        Err(error) => {
            let failures = [json!({"reason": error.code(), "error": error.to_string()})];
            let result = json!({
                "dream_cycle_id": cycle,
                "failures": failures,
                "failed_at": time_of(call),
                "deployment_result": {"status": "failed", "deployed": 0, "skipped": 0, "failed": 1},
                "promotion_set": given.copy("promotion_set"),
            });
            end(false, &result, error.to_string())
        }
    }
}

/// A winner in place.
struct Deployed {
    experiment: String,
    status: &'static str,
    at: String,
    hash: String,
    settings: BTreeMap<String, String>,
}

fn completion(given: &Given, cycle: &str, deployed: &Deployed) -> Value {
    let is_new = deployed.status == "deployed";
    json!({
        "dream_cycle_id": cycle,
        "winners_deployed": u8::from(is_new),
        "deployed_at": deployed.at,
        "deployment_result": {
            "status": deployed.status,
            "deployed": u8::from(is_new),
            "skipped": u8::from(!is_new),
            "failed": 0,
        },
        "experiment": deployed.experiment,
        "winner_hash": deployed.hash,
        "settings": deployed.settings,
        "promotion_set": given.copy("promotion_set"),
        "promotions": given.list("promotions"),
        "telemetry_sha256": given.copy("telemetry_sha256"),
    })
}

fn try_deploy(call: &BuiltinCall<'_>, given: &Given) -> Result<Deployed, Error> {
    if given.0.get("success") != Some(&Value::Bool(true)) {
        return Err(Error::malformed(
            "facts",
            "the D-REAM cycle did not succeed",
        ));
    }
    let root = Root::open(call.root, call.run_id)?;
    let path = winner_path(&root, given.required("winner_path")?)?;
    // One deployment at a time; the state is replaced, so its lock is a file of its own.
    let _lock = root.journal(Path::new(".winner_deployer.lock"))?;
    let winner = read_winner(&root, &path, given)?;
    let hash = winner_hash(&winner.experiment, &winner.parameters);
    let mut state = State::read(&root)?;
    let last = state.last_of(&winner.experiment);
    let is_ours = last.get("run_id").is_some_and(|id| id == call.run_id);
    let is_known = last.get("hash").is_some_and(|known| *known == hash);
    let before = root.read(Path::new(ENVIRONMENT), ENVIRONMENT_BYTES_MAX)?;
    let is_in_place = write_environment(&root, before.as_deref(), &winner.settings)?;
    let mut at = time_of(call);
    let mut status = "deployed";
    if is_in_place && is_known {
        at = last
            .get("deployed_at")
            .and_then(Value::as_str)
            .map_or(at, str::to_owned);
        status = if is_ours {
            "deployed"
        } else {
            "already_deployed"
        };
    } else {
        state.remember(call.run_id, &winner, &hash, &at);
        root.replace(Path::new(DEPLOYER_STATE), state.text().as_bytes())?;
    }
    Ok(Deployed {
        experiment: winner.experiment,
        status,
        at,
        hash,
        settings: winner.settings,
    })
}

/// Only a file directly in `winners/` is a winner.
fn winner_path(root: &Root, text: &str) -> Result<PathBuf, Error> {
    let path = root.locate(text)?;
    if path.parent() == Some(Path::new(WINNERS)) && path.extension().is_some_and(|e| e == "json") {
        Ok(path)
    } else {
        Err(Error::Outside {
            path: path.display().to_string(),
        })
    }
}

struct Winner {
    experiment: String,
    parameters: Map<String, Value>,
    settings: BTreeMap<String, String>,
}

/// The winner at `path`, validated: the one that the facts speak of, parameters within their bounds,
/// metrics within the guardrails.
fn read_winner(root: &Root, path: &Path, given: &Given) -> Result<Winner, Error> {
    let subject = path.display().to_string();
    let wrong = |message: String| Error::malformed(&subject, message);
    let bytes = root
        .read(path, DOCUMENT_BYTES_MAX)?
        .ok_or_else(|| wrong("it is missing".to_owned()))?;
    if given
        .text("winner_sha256")
        .is_some_and(|sha256| sha256 != Digest::of(&bytes).to_string())
    {
        return Err(wrong(
            "it is not the winner of this cycle any more".to_owned(),
        ));
    }
    let winner: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let best = winner.get("best").and_then(Value::as_object);
    let part = |name: &str| {
        best.and_then(|best| best.get(name))
            .and_then(Value::as_object)
    };
    let parameters = part("params").ok_or_else(|| wrong("best.params is missing".to_owned()))?;
    if parameters.is_empty() {
        return Err(wrong("best.params is empty".to_owned()));
    }
    validate_parameters(parameters).map_err(wrong)?;
    let metrics = part("metrics").ok_or_else(|| wrong("best.metrics is missing".to_owned()))?;
    hold_guardrails(metrics).map_err(wrong)?;
    let settings = parameters
        .iter()
        .map(|(name, value)| (key_of(name), value.to_string()))
        .collect();
    let experiment = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    Ok(Winner {
        experiment: experiment.to_owned(),
        parameters: parameters.clone(),
        settings,
    })
}

fn hold_guardrails(metrics: &Map<String, Value>) -> Result<(), String> {
    let hold = |name: &str, low: f64, high: f64, value: f64| {
        if (low..=high).contains(&value) {
            Ok(())
        } else {
            Err(format!(
                "guardrail: {name} is {value}, {low} to {high} is allowed"
            ))
        }
    };
    for (name, low, high) in GUARDRAILS {
        let value = metrics.get(name).and_then(Value::as_f64);
        hold(
            name,
            low,
            high,
            value.ok_or_else(|| format!("guardrail: {name} was not measured"))?,
        )?;
    }
    for (name, low, high) in GUARDRAILS_IF_MEASURED {
        if let Some(value) = metrics.get(name) {
            hold(name, low, high, value.as_f64().unwrap_or(f64::NAN))?;
        }
    }
    Ok(())
}

/// Puts `settings` into the configuration, keeping what stood there; says whether they stood there
/// already.
fn write_environment(
    root: &Root,
    before: Option<&[u8]>,
    settings: &BTreeMap<String, String>,
) -> Result<bool, Error> {
    let wrong = |error: std::str::Utf8Error| Error::malformed(ENVIRONMENT, error.to_string());
    let text = std::str::from_utf8(before.unwrap_or_default()).map_err(wrong)?;
    if settings
        .iter()
        .all(|(key, value)| setting(text, key) == Some(value))
    {
        return Ok(true);
    }
    let after = with_settings(text, settings);
    root.replace(Path::new(ENVIRONMENT_BACKUP), text.as_bytes())?;
    root.replace(Path::new(ENVIRONMENT), after.as_bytes())?;
    verify_or_roll_back(root, text.as_bytes(), settings)?;
    Ok(false)
}

/// Reads the configuration back; when it does not hold `settings`, puts `before` in its place.
fn verify_or_roll_back(
    root: &Root,
    before: &[u8],
    settings: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let found = root
        .read(Path::new(ENVIRONMENT), ENVIRONMENT_BYTES_MAX)?
        .unwrap_or_default();
    let found = String::from_utf8_lossy(&found);
    if settings
        .iter()
        .all(|(key, value)| setting(&found, key) == Some(value))
    {
        return Ok(());
    }
    root.replace(Path::new(ENVIRONMENT), before)?;
    Err(Error::malformed(
        ENVIRONMENT,
        "it did not hold what was deployed; it was rolled back",
    ))
}

/// First 16 hexadecimal digits of SHA-256 over experiment and parameters, keys sorted.
fn winner_hash(experiment: &str, parameters: &Map<String, Value>) -> String {
    // A `Map` is ordered by key, so its text is key-sorted.
    let text = json!({"experiment": experiment, "params": parameters}).to_string();
    Digest::of(text.as_bytes())
        .to_string()
        .chars()
        .take(16)
        .collect()
}

/// What was deployed: `deployed_hashes` and `last_updated` as in the original, and the last winner
/// of each experiment under `experiments`.
struct State(Map<String, Value>);

impl State {
    /// A state that cannot be read is an error, never a fresh start (defect 48).
    fn read(root: &Root) -> Result<Self, Error> {
        match root.read(Path::new(DEPLOYER_STATE), DOCUMENT_BYTES_MAX)? {
            None => Ok(Self(Map::new())),
            Some(bytes) => serde_json::from_slice(&bytes)
                .map(Self)
                .map_err(|error| Error::malformed(DEPLOYER_STATE, error.to_string())),
        }
    }

    fn last_of(&self, experiment: &str) -> Map<String, Value> {
        let last = self
            .0
            .get("experiments")
            .and_then(|all| all.get(experiment));
        last.and_then(Value::as_object).cloned().unwrap_or_default()
    }

    fn remember(&mut self, run_id: &str, winner: &Winner, hash: &str, at: &str) {
        let hashes = self.0.get("deployed_hashes").and_then(Value::as_array);
        let mut hashes = hashes.cloned().unwrap_or_default();
        hashes.retain(|known| known != hash);
        hashes.push(Value::from(hash));
        let surplus = hashes.len().saturating_sub(HASHES_MAX);
        hashes.drain(..surplus);
        let experiments = self.0.get("experiments").and_then(Value::as_object);
        let mut experiments = experiments.cloned().unwrap_or_default();
        let last = json!({
            "hash": hash, "params": winner.parameters, "deployed_at": at, "run_id": run_id,
        });
        experiments.insert(winner.experiment.clone(), last);
        self.0
            .insert("deployed_hashes".to_owned(), Value::from(hashes));
        self.0
            .insert("experiments".to_owned(), Value::from(experiments));
        self.0.insert("last_updated".to_owned(), Value::from(at));
    }

    fn text(&self) -> String {
        // A map of JSON values always serialises.
        let mut text = serde_json::to_string_pretty(&self.0).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests;
