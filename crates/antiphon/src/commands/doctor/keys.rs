//! What is to be said of keys: how they are kept, who holds them, when they are due, and whether
//! there is one for the day on which another is stolen.

use std::path::Path;

use antiphon_backend_sqlite::open_reader;
use antiphon_core::key::{KeyText, RECOVERY};
use antiphon_core::limits::KEY_AGE_MS_MAX;
use antiphon_core::state::{Keys as LogKeys, State};
use antiphon_engine::ports::clock::Clock as _;
use antiphon_engine::recover::recover;
use antiphon_files::Root;
use antiphon_files::keys::{Form, KeyFile, Keys};

use super::Check;
use crate::output::{count, duration};
use crate::owner::clock::SystemClock;

const FILES: &str = "key files";
const RECOVERY_KEY: &str = "recovery key";
const AGES: &str = "key ages";

pub(super) fn checks(root: &Root) -> Vec<Check> {
    let survey = match Keys::survey(root) {
        Ok(survey) => survey,
        Err(error) => {
            return vec![Check::failed(
                FILES,
                error.to_string(),
                "keys/ must be there",
            )];
        }
    };
    let mut checks = vec![kept(&survey)];
    match state(root.path()) {
        Some(state) => {
            checks.extend(held(&state.keys, &survey));
            checks.push(recovery(&state.keys));
            checks.push(ages(&state));
        }
        None => checks.push(recovery_to_be(root)),
    }
    checks
}

/// The state of the log; `None` when there is no log, or none that can be read, which is told of the
/// log itself.
fn state(root: &Path) -> Option<State> {
    if !root.join("antiphon.db").exists() {
        return None;
    }
    let mut log = open_reader(root).ok()?;
    let recovered = recover(log.as_mut(), u64::MAX).ok()?;
    (recovered.head.next_seq > 0).then_some(recovered.state)
}

fn kept(survey: &[KeyFile]) -> Check {
    let wrong = survey.iter().find_map(|file| file.found.as_ref().err());
    if let Some(error) = wrong {
        return Check::failed(
            FILES,
            error.to_string(),
            "mode 0600, ours alone, and a key; antiphon serve says what to do",
        );
    }
    let is_sealed = |file: &&KeyFile| matches!(file.found, Ok((_, Form::Sealed)));
    let sealed = survey.iter().filter(is_sealed).count();
    let plain = survey.len().saturating_sub(sealed);
    let found = match (plain, sealed) {
        (0, 0) => "none yet: the first owner makes them".to_owned(),
        (plain, 0) => format!("{}, not encrypted, mode 0600", count(plain, "key")),
        (0, sealed) => format!("{}, encrypted with a passphrase", count(sealed, "key")),
        (plain, sealed) => format!("{sealed} encrypted, {plain} not: the next owner seals them"),
    };
    Check::ok(FILES, found)
}

/// Whether every key that the log says is held here is here.
fn held(keys: &LogKeys, survey: &[KeyFile]) -> Vec<Check> {
    let is_here = |wanted: &KeyText| {
        survey.iter().any(|file| {
            let found = file.found.as_ref().ok();
            found.is_some_and(|(key, _)| key.to_string() == wanted.as_str())
        })
    };
    let (mut here, mut outside, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for (agent, keys) in &keys.agents {
        match (keys.active.custodial, is_here(&keys.active.key)) {
            (true, true) => here.push(agent.to_string()),
            (true, false) => missing.push(format!("{} of {agent}", keys.active.key.id())),
            (false, _) => outside.push(agent.to_string()),
        }
    }
    let mut found = format!("held here (custodial): {}", list(&here));
    if !outside.is_empty() {
        found = format!("{found}; outside: {}", list(&outside));
    }
    let mut checks = vec![Check::ok("key custody", found)];
    if !missing.is_empty() {
        let hint = "put the files back, or antiphon key revoke AGENT --of ID --recovery-key FILE";
        checks.push(Check::failed(
            "key custody",
            format!("missing: {}", list(&missing)),
            hint,
        ));
    }
    checks
}

fn recovery(keys: &LogKeys) -> Check {
    match keys.active(RECOVERY) {
        Some(active) => Check::ok(RECOVERY_KEY, format!("{}, held outside", active.key.id())),
        None => Check::warning(
            RECOVERY_KEY,
            "none: a key that is stolen or lost can never be revoked",
            "only antiphon init, before the log begins, gives it one",
        ),
    }
}

fn recovery_to_be(root: &Root) -> Check {
    let keys = Keys::new(
        root.clone(),
        None,
        Box::new(crate::owner::entropy::SystemEntropy),
    );
    match keys.recovery() {
        Ok(Some(key)) => Check::ok(RECOVERY_KEY, format!("{} waits for the log", key.id())),
        Ok(None) => Check::warning(
            RECOVERY_KEY,
            "none: a key that is stolen or lost could never be revoked",
            "antiphon init makes one while there is no log",
        ),
        Err(error) => Check::failed(
            RECOVERY_KEY,
            error.to_string(),
            "antiphon init makes another",
        ),
    }
}

/// When each key is due, by the log's own elapsed time.
fn ages(state: &State) -> Check {
    let mut overdue = Vec::new();
    let mut due = Vec::new();
    let elapsed_ms = state.time.restarted(SystemClock::new().now()).elapsed_ms;
    for (agent, keys) in &state.keys.agents {
        let age_ms = elapsed_ms.saturating_sub(keys.active.since_ms);
        match KEY_AGE_MS_MAX.saturating_sub(age_ms) {
            _ if agent.as_str() == RECOVERY => {}
            0 => overdue.push(agent.to_string()),
            due_ms => due.push(format!("{agent} in {}", duration(due_ms))),
        }
    }
    if overdue.is_empty() {
        Check::ok(AGES, format!("due: {}", list(&due)))
    } else {
        let found = format!("older than 90 days: {}", list(&overdue));
        Check::warning(AGES, found, "antiphon key rotate AGENT")
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
