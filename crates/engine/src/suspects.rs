//! Inputs that were at hand when the machine failed: stepped alone the next time, then never again.
//!
//! The file `run/suspects` is a JSON object from an input's fingerprint to how often it was there.

use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_core::id::Digest;
use antiphon_core::input::{Event, Malformed};
use antiphon_core::report::Fate;

use crate::ports::effector::Effector;

/// Where they are named, relative to the root.
const FILE: &str = "run/suspects";
/// An input that stopped the machine alone is not stepped again.
const STRIKES_MAX: u32 = 2;

/// The inputs that are under suspicion.
pub struct Suspects {
    strikes: BTreeMap<String, u32>,
    effector: Arc<dyn Effector>,
}

impl std::fmt::Debug for Suspects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suspects")
            .field("strikes", &self.strikes)
            .finish_non_exhaustive()
    }
}

/// How an input is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// As any other.
    None,
    /// Alone, in a batch of its own.
    StepAlone,
    /// Not at all.
    Park,
}

impl Suspects {
    /// Reads who is under suspicion; a file that cannot be read suspects nobody.
    #[must_use]
    pub fn load(effector: Arc<dyn Effector>) -> Self {
        let bytes = effector.read(FILE).ok().flatten().unwrap_or_default();
        Self {
            strikes: serde_json::from_slice(&bytes).unwrap_or_default(),
            effector,
        }
    }

    /// How `event` is to be treated.
    #[must_use]
    pub fn judge(&self, event: &Event) -> Suspicion {
        if self.strikes.is_empty() {
            return Suspicion::None;
        }
        match fingerprint(event).and_then(|name| self.strikes.get(&name).copied()) {
            None => Suspicion::None,
            Some(strikes) if strikes >= STRIKES_MAX => Suspicion::Park,
            Some(_) => Suspicion::StepAlone,
        }
    }

    /// One more strike for each of `events`, written down before the process ends or the input is
    /// stepped. A write that fails is only logged: the process is ending anyway.
    pub fn strike<'a>(&mut self, events: impl Iterator<Item = &'a Event>) {
        for name in events.filter_map(fingerprint) {
            let strikes = self.strikes.entry(name).or_default();
            *strikes = strikes.saturating_add(1);
        }
        self.write();
    }

    /// `event` was stepped without harm.
    pub fn clear(&mut self, event: &Event) {
        if let Some(name) = fingerprint(event)
            && self.strikes.remove(&name).is_some()
        {
            self.write();
        }
    }

    fn write(&self) {
        let bytes = serde_json::to_vec_pretty(&self.strikes).unwrap_or_default();
        if let Err(error) = self.effector.write(FILE, &bytes) {
            tracing::error!(error = %error, "suspects could not be written");
        }
    }
}

/// What an input is known by across restarts; `None` for inputs that the machine makes itself.
fn fingerprint(event: &Event) -> Option<String> {
    let hash = |parts: &[&[u8]]| Digest::of(&parts.join(&0_u8)).to_string();
    match event {
        Event::Signal { draft, .. } => Some(hash(&[
            b"signal",
            draft.name.as_str().as_bytes(),
            draft.facts.text().as_bytes(),
        ])),
        Event::Intent(intent) => Some(hash(&[b"file", &intent.key])),
        Event::Malformed { what, .. } => Some(hash(&[b"malformed", &what.sha256.0])),
        Event::Reported { token, .. }
        | Event::NotStarted { token, .. }
        | Event::Recovered { token, .. } => Some(format!("lease {token}")),
        Event::Control(control) => Some(hash(&[b"control", format!("{control:?}").as_bytes()])),
        Event::Started(_)
        | Event::Configured(_)
        | Event::OwnerGoing
        | Event::Tick
        | Event::SnapshotWritten { .. } => None,
    }
}

/// What stands for an input that stopped the machine twice.
pub(crate) fn parked(event: Event) -> Event {
    match event {
        Event::Reported { token, .. }
        | Event::NotStarted { token, .. }
        | Event::Recovered { token, .. } => Event::Recovered {
            token,
            fate: Fate::Unproven,
        },
        Event::Signal { draft, .. } => {
            let subject = format!("input:{}", draft.name);
            malformed(subject, draft.facts.text(), draft.key.map(|key| key.hash))
        }
        Event::Intent(intent) => malformed(
            format!("intent:{}", intent.file),
            intent.document.text(),
            Some(intent.key),
        ),
        Event::Malformed { what, key } => malformed(what.subject, &what.excerpt, key),
        Event::Control(control) => {
            malformed("input:control".to_owned(), &format!("{control:?}"), None)
        }
        other @ (Event::Started(_)
        | Event::Configured(_)
        | Event::OwnerGoing
        | Event::SnapshotWritten { .. }
        | Event::Tick) => other,
    }
}

fn malformed(subject: String, text: &str, key: Option<[u8; 16]>) -> Event {
    let what = Malformed {
        subject,
        code: "input.suspect".to_owned(),
        error: "it stopped the machine twice and is not stepped again".to_owned(),
        excerpt: text.chars().take(1_000).collect(),
        sha256: Digest::of(text.as_bytes()),
    };
    Event::Malformed {
        what: Box::new(what),
        key,
    }
}
