//! Bodies about keys: those that a log begins with, and what became of them.

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::key::{KeyId, KeyText, LOG, OPERATOR, OWNER, key_name};
use crate::name::AgentName;

/// A key that a log begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstKey {
    /// Whose it is.
    pub agent: AgentName,
    /// Whether the program holds its secret.
    pub custodial: bool,
    /// The key.
    pub key: KeyText,
}

impl FirstKey {
    /// Keys that nobody holds, for a log of `origin` that nobody keeps: those of `log`, `operator` and
    /// `owner`. Empty when no key can be named after the origin.
    #[must_use]
    pub fn unheld(origin: &str) -> Vec<Self> {
        let first = |agent: &str| {
            let public = Digest::of(agent.as_bytes()).0;
            Some(Self {
                agent: AgentName::new(agent).ok()?,
                custodial: true,
                key: KeyText::of(&key_name(origin, agent), &public).ok()?,
            })
        };
        [LOG, OPERATOR, OWNER]
            .into_iter()
            .filter_map(first)
            .collect()
    }
}

/// Body of `key.registered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRegistered {
    /// Whose it is.
    pub agent: AgentName,
    /// Who registered it.
    pub by: String,
    /// Whether the program holds its secret.
    pub custodial: bool,
    /// The agent's first key.
    pub key: KeyText,
}

/// Body of `key.rotated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotated {
    /// Whose it is.
    pub agent: AgentName,
    /// Who rotated it.
    pub by: String,
    /// Whether the program holds the new key's secret.
    pub custodial: bool,
    /// The new key.
    pub key: KeyText,
    /// The key that was valid up to this record.
    pub of: KeyId,
}

/// Body of `key.revoked`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    /// Whose it is.
    pub agent: AgentName,
    /// Who revoked it.
    pub by: String,
    /// Whether the program holds the new key's secret.
    pub custodial: bool,
    /// The first record at which the revoked key is not valid; without one, the revocation itself.
    pub from_seq: Option<u64>,
    /// The new key.
    pub key: KeyText,
    /// The revoked key.
    pub of: KeyId,
    /// Why, in the operator's words.
    pub reason: String,
}
