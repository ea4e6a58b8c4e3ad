//! Keys, and records that were signed elsewhere.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A key of the log, or one that waits to become one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Whose it is.
    pub agent: String,
    /// Its id: 8 hexadecimal digits.
    pub id: String,
    /// The verifier key.
    pub key: String,
    /// `active`, `deprecated`, `archived`, `revoked`, or `pending` when no record brought it yet.
    pub state: String,
    /// Whether the program holds its secret, so that it can sign for the agent.
    pub custodial: bool,
    /// The first record at which it is valid; `null` when it is pending.
    pub from: Option<u64>,
    /// The first record at which it is not valid any more; `null` while it is.
    pub to: Option<u64>,
    /// ms of elapsed time since it became valid; `null` unless it is active.
    pub age_ms: Option<u64>,
    /// ms of elapsed time until it is older than a key should be, 0 when it is; `null` unless it is
    /// active.
    pub due_ms: Option<u64>,
    /// ms of elapsed time since it was replaced; `null` unless it was.
    pub replaced_ms: Option<u64>,
}

/// A record that was signed elsewhere, or is to be signed by the owner as well.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRecord {
    /// Its kind.
    pub kind: String,
    /// What its signatures are about.
    pub subject: String,
    /// Its body, byte for byte as it was signed.
    pub body: Box<RawValue>,
    /// The body's salt: 32 hexadecimal digits.
    pub salt: String,
    /// The signatures, each `AGENT+ID SUBJECT BASE64`.
    pub signatures: Vec<String>,
}
