//! Signals: what is noticed, and the draft of one before the machine has accepted it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::hex;
use crate::id::Id;
use crate::json::{Document, JsonError, JsonLimits};
use crate::name::{MonitorName, RuleName, SignalName, SourceName, TaskName};

/// The facts of a signal: one canonical JSON object, cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts(Arc<Document>);

impl Facts {
    /// Parses `bytes` as one JSON object within the limits of facts.
    ///
    /// # Errors
    /// [`JsonError`] when the bytes are no JSON, no object, or beyond a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        Self::from_document(Document::parse(bytes, &JsonLimits::FACTS)?)
    }

    /// Takes a document that is already parsed.
    ///
    /// # Errors
    /// [`JsonError::NotAnObject`] when its root is not an object.
    pub fn from_document(document: Document) -> Result<Self, JsonError> {
        if document.root().is_object() {
            Ok(Self(Arc::new(document)))
        } else {
            Err(JsonError::NotAnObject)
        }
    }

    /// The object `{}`.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(Document::empty_object()))
    }

    /// The canonical text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text()
    }

    /// The parsed document.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.0
    }
}

impl Serialize for Facts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Document::deserialize(deserializer)?;
        Self::from_document(document).map_err(serde::de::Error::custom)
    }
}

/// An idempotency key as the log stores it: a hash of the scope and the key, and a hash of what
/// came with it, so that the same key with another payload is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// First 16 bytes of SHA-256 over scope and key.
    pub hash: [u8; 16],
    /// First 8 bytes of SHA-256 over the signal's name and facts.
    pub payload: [u8; 8],
}

impl Key {
    /// The key `text` in `scope` (such as `http` or `intent`) for a signal with these contents.
    #[must_use]
    pub fn new(scope: &str, text: &[u8], name: &SignalName, facts: &Facts) -> Self {
        let mut key = Sha256::new();
        key.update(b"antiphon/key/v1\0");
        key.update(scope.as_bytes());
        key.update([0]);
        key.update(text);
        Self::with_hash(prefix(&key.finalize()), name, facts)
    }

    /// The key whose `hash` is known already, for a signal with these contents.
    #[must_use]
    pub fn with_hash(hash: [u8; 16], name: &SignalName, facts: &Facts) -> Self {
        let mut payload = Sha256::new();
        payload.update(name.as_str().as_bytes());
        payload.update([0]);
        payload.update(facts.text().as_bytes());
        Self {
            hash,
            payload: prefix(&payload.finalize()),
        }
    }
}

fn prefix<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(hash) {
        *to = *from;
    }
    out
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = [0; 24];
        for (to, from) in bytes.iter_mut().zip(self.hash.iter().chain(&self.payload)) {
            *to = *from;
        }
        serializer.serialize_str(hex::write(&bytes, &mut [0; 48]))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let mut bytes = [0_u8; 24];
        if text.len() != 48 || !text.is_ascii() {
            return Err(serde::de::Error::custom("a key has 48 hexadecimal digits"));
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            let start = index.saturating_mul(2);
            let digits = text.get(start..start.saturating_add(2)).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).map_err(serde::de::Error::custom)?;
        }
        let (hash, payload) = bytes.split_at(16);
        Ok(Self {
            hash: prefix(hash),
            payload: prefix(payload),
        })
    }
}

/// A signal that asks to be accepted. Everything in it is already checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub name: SignalName,
    /// Who emits it.
    pub source: SourceName,
    /// When it happened by the producer's clock, ms since 1970 UTC, if it says so.
    pub occurred_ms: Option<i64>,
    /// What it says.
    pub facts: Facts,
    /// The signal that caused it, if any.
    pub cause: Option<Id>,
    /// The first signal of its chain, if it belongs to one.
    pub correlation: Option<Id>,
    /// Its idempotency key, if it has one.
    pub key: Option<Key>,
}

impl Draft {
    /// A draft with a name, a source and facts, and nothing else.
    #[must_use]
    pub fn new(name: SignalName, source: SourceName, facts: Facts) -> Self {
        Self {
            name,
            source,
            occurred_ms: None,
            facts,
            cause: None,
            correlation: None,
            key: None,
        }
    }
}

/// Where an accepted signal came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// From outside: a file, a request, the command line.
    External,
    /// A rule emitted it.
    Rule(RuleName),
    /// A run's end emitted it.
    Task(TaskName),
    /// A monitor emitted it.
    Monitor(MonitorName),
    /// An expectation that was not met in time emitted it.
    Expectation(MonitorName),
    /// A dead letter was replayed.
    Replay(Id),
}
