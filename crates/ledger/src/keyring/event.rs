//! The bodies of records about keys, read strictly: canonical JSON with exactly their members.
//!
//! In: kind and JSON. Out: [`Event`], whose keys are named as their agents ask. Whether the event
//! makes sense where it stands is the keyring's. The same bodies are written by `antiphon-core`,
//! which this crate does not know; a test of the testkit ties both.

use serde::{Deserialize, Serialize};

use crate::key::{Algorithm, KeyId, VerifierKey};
use crate::signature::{LOG, OPERATOR, OWNER, RECOVERY, is_agent, is_origin, key_name};

pub(super) const LOG_CREATED: &str = "log.created";

/// Whether records of `kind` bring keys.
pub(super) fn is_about_keys(kind: &str) -> bool {
    matches!(
        kind,
        LOG_CREATED | "key.registered" | "key.rotated" | "key.revoked"
    )
}

/// What a record does to keys.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Nothing.
    None,
    /// The log began with these.
    Created { origin: String, keys: Vec<Brought> },
    /// An agent got its first key.
    Registered { new: Brought },
    /// An agent's key was replaced.
    Rotated { new: Brought, of: KeyId },
    /// An agent's key was revoked and replaced.
    Revoked {
        new: Brought,
        of: KeyId,
        /// Without one, from the revocation itself on.
        from_seq: Option<u64>,
    },
}

/// A key that a record brings.
#[derive(Clone, Debug)]
pub(super) struct Brought {
    pub(super) agent: String,
    pub(super) key: VerifierKey,
    pub(super) is_custodial: bool,
}

impl Event {
    /// The event of a record of `kind`, one of those about keys, in the log of `origin`; for
    /// `log.created` without one, that of the log that it names.
    pub(super) fn parse(kind: &str, json: &[u8], origin: Option<&str>) -> Result<Self, String> {
        let of_log = || origin.ok_or("record 0 did not say whose log this is");
        match kind {
            "key.registered" => {
                let body: RegisteredBody<'_> = canonical(json)?;
                let new = brought(of_log()?, &body.agent, body.custodial, &body.key)?;
                Ok(Self::Registered { new })
            }
            "key.rotated" => {
                let body: RotatedBody<'_> = canonical(json)?;
                let new = brought(of_log()?, &body.agent, body.custodial, &body.key)?;
                let of = key_id(&body.of)?;
                Ok(Self::Rotated { new, of })
            }
            "key.revoked" => {
                let body: RevokedBody<'_> = canonical(json)?;
                let new = brought(of_log()?, &body.agent, body.custodial, &body.key)?;
                let of = key_id(&body.of)?;
                let from_seq = body.from_seq;
                Ok(Self::Revoked { new, of, from_seq })
            }
            _ => created(&canonical(json)?, origin),
        }
    }

    /// The keys that it brings.
    pub(super) fn brought(&self) -> &[Brought] {
        match self {
            Self::None => &[],
            Self::Created { keys, .. } => keys,
            Self::Registered { new } | Self::Rotated { new, .. } | Self::Revoked { new, .. } => {
                std::slice::from_ref(new)
            }
        }
    }

    /// The key that must sign the record that brings it.
    pub(super) fn new_key(&self) -> Option<&Brought> {
        match self {
            Self::None | Self::Created { .. } => None,
            Self::Registered { new } | Self::Rotated { new, .. } | Self::Revoked { new, .. } => {
                Some(new)
            }
        }
    }

    /// The first place at which the keys are valid that it brings at `seq`.
    pub(super) fn first_place(&self, seq: u64) -> u64 {
        match self {
            Self::Created { .. } => 0,
            Self::None | Self::Registered { .. } | Self::Rotated { .. } | Self::Revoked { .. } => {
                seq.saturating_add(1)
            }
        }
    }
}

// Members stand in alphabetical order, so that what serde writes is canonical.

type Text<'a> = std::borrow::Cow<'a, str>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreatedBody<'a> {
    format: u32,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    keys: Vec<FirstKey<'a>>,
    #[serde(borrow)]
    origin: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstKey<'a> {
    #[serde(borrow)]
    agent: Text<'a>,
    custodial: bool,
    #[serde(borrow)]
    key: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisteredBody<'a> {
    #[serde(borrow)]
    agent: Text<'a>,
    #[serde(borrow)]
    by: Text<'a>,
    custodial: bool,
    #[serde(borrow)]
    key: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RotatedBody<'a> {
    #[serde(borrow)]
    agent: Text<'a>,
    #[serde(borrow)]
    by: Text<'a>,
    custodial: bool,
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    of: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedBody<'a> {
    #[serde(borrow)]
    agent: Text<'a>,
    #[serde(borrow)]
    by: Text<'a>,
    custodial: bool,
    from_seq: Option<u64>,
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    of: Text<'a>,
    #[serde(borrow)]
    reason: Text<'a>,
}

/// The body that `json` is, if it is what writing that body gives.
fn canonical<'a, T: Deserialize<'a> + Serialize>(json: &'a [u8]) -> Result<T, String> {
    let body: T = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let again = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
    if again == json {
        Ok(body)
    } else {
        Err("its body is not canonical".to_owned())
    }
}

fn created(body: &CreatedBody<'_>, origin: Option<&str>) -> Result<Event, String> {
    if body.format != 1 {
        return Err(format!("format {} is another", body.format));
    }
    if !is_origin(&body.origin) || origin.is_some_and(|origin| origin != body.origin) {
        return Err(format!("the log is that of {}", body.origin));
    }
    let agents: Vec<&str> = body.keys.iter().map(|key| &*key.agent).collect();
    if agents != [LOG, OPERATOR, OWNER] && agents != [LOG, OPERATOR, OWNER, RECOVERY] {
        return Err("a log does not begin with keys of these agents".to_owned());
    }
    let keys = body
        .keys
        .iter()
        .map(|it| brought(&body.origin, &it.agent, it.custodial, &it.key))
        .collect::<Result<Vec<_>, _>>()?;
    let publics: std::collections::BTreeSet<_> = keys.iter().map(|it| it.key.public()).collect();
    if publics.len() < keys.len() {
        return Err("a key stands twice".to_owned());
    }
    Ok(Event::Created {
        origin: body.origin.to_string(),
        keys,
    })
}

fn brought(origin: &str, agent: &str, is_custodial: bool, key: &str) -> Result<Brought, String> {
    let key: VerifierKey = key
        .parse()
        .map_err(|error: crate::key::KeyError| error.to_string())?;
    let is_named = is_agent(agent) && key.name() == key_name(origin, agent);
    if !is_named || key.algorithm() != Algorithm::Ed25519 {
        return Err(format!(
            "the key of {agent} is not one of this agent and log"
        ));
    }
    Ok(Brought {
        agent: agent.to_owned(),
        key,
        is_custodial,
    })
}

fn key_id(text: &str) -> Result<KeyId, String> {
    text.parse()
        .map_err(|error: crate::key::KeyError| error.to_string())
}
