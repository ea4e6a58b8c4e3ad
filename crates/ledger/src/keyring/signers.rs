//! What a signed record is about, and who signs it, by its kind and by what it says about keys.
//!
//! Not here: whether a signature fits, and whose keys are valid ([`super::Keyring`]).
//! Source: `docs/reference/ledger.md`, "Signatures on records".

use super::event::Event;
use crate::key::KeyId;
use crate::signature::{LOG, OPERATOR, RECOVERY};
use crate::verify::ProblemKind;

/// Whether a record of `kind` may be about `subject`; of what its body says only an event about
/// keys is asked, for the body is signed with it.
pub(super) fn fits_subject(kind: &str, event: &Event, subject: &str) -> bool {
    match kind {
        "config.applied" => subject.starts_with("policy:"),
        "task.changed" => subject.starts_with("task:"),
        "ask.answered" => subject.starts_with("ask:"),
        "guard.changed" => subject == "guards",
        "log.cut" | "log.restored" => subject == "log",
        _ => event
            .new_key()
            .is_some_and(|new| subject.strip_prefix("key:") == Some(new.agent.as_str())),
    }
}

/// Whether those who signed are those who must have.
pub(super) fn check_signers(
    kind: &str,
    event: &Event,
    signers: &[(String, KeyId)],
    of_log: &str,
) -> Result<(), ProblemKind> {
    let new = event.new_key();
    let is_new = |(agent, id): &&(String, KeyId)| {
        new.is_some_and(|new| new.agent == *agent && new.key.id() == *id)
    };
    let mut others = signers
        .iter()
        .filter(|it| !is_new(it))
        .map(|(agent, _)| agent.as_str());
    let has_other = match (event, kind) {
        (Event::Registered { .. }, _) => others.any(|agent| agent == OPERATOR),
        (Event::Rotated { new, .. }, _) => others.any(|agent| agent == new.agent),
        (Event::Revoked { .. }, _) => others.any(|agent| agent == RECOVERY),
        (_, "log.cut" | "log.restored") => others.any(|agent| agent == of_log),
        (Event::None | Event::Created { .. }, _) => {
            others.any(|agent| agent != LOG && agent != RECOVERY)
        }
    };
    let has_new = new.is_none() || signers.iter().any(|it| is_new(&it));
    let asked = if new.is_some() { 2 } else { 1 };
    if !has_other || !has_new {
        Err(ProblemKind::SignatureMissing)
    } else if signers.len() > asked {
        Err(ProblemKind::SignatureUnexpected)
    } else {
        Ok(())
    }
}

/// Who must sign, for people.
pub(super) fn asked_of(kind: &str, event: &Event, of_log: &str) -> String {
    match (event, kind) {
        (Event::Registered { .. }, _) => "operator and the new key".to_owned(),
        (Event::Rotated { new, .. }, _) => {
            format!("{} with the old key and the new one", new.agent)
        }
        (Event::Revoked { .. }, _) => "recovery and the new key".to_owned(),
        (_, "log.cut" | "log.restored") => of_log.to_owned(),
        (Event::None | Event::Created { .. }, _) => "one agent".to_owned(),
    }
}
