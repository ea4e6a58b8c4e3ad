//! The keys of a log's agents: which is valid, which was, and which event about them makes sense.
//!
//! Validity is by place in the log, never by clock. Every agent that has had a key has a valid one:
//! rotation and revocation are one record each, which ends one key and brings the next. Out: who holds
//! a secret. Source: `docs/reference/ledger.md`, "Which key is valid where".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::key::{KeyId, KeyText, LOG, OPERATOR, OWNER, RECOVERY, is_origin, key_name};
use crate::limits::{KEY_AGENTS_MAX, KEY_GRACE_MS, KEYS_REPLACED_MAX};
use crate::name::AgentName;
use crate::record::{FirstKey, KeyRegistered, KeyRevoked, KeyRotated, LogCreated, Record};

/// The keys of all agents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// By agent; each has had a key.
    pub agents: BTreeMap<AgentName, AgentKeys>,
    /// The log's origin, of which every key is named; empty before record 0.
    pub origin: String,
}

/// The keys of one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentKeys {
    /// The valid one.
    pub active: ActiveKey,
    /// Those before, oldest first.
    pub replaced: Vec<ReplacedKey>,
}

/// A key that is valid now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActiveKey {
    /// Whether the program holds its secret.
    pub custodial: bool,
    /// The first record at which it is valid.
    pub from_seq: u64,
    /// The key.
    pub key: KeyText,
    /// Elapsed ms since when it is valid.
    pub since_ms: u64,
}

/// A key that was valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacedKey {
    /// Whether the program held its secret.
    pub custodial: bool,
    /// The first record at which it is not valid any more.
    pub end_seq: u64,
    /// The first record at which it was valid.
    pub from_seq: u64,
    /// The key.
    pub key: KeyText,
    /// Elapsed ms at which it was replaced.
    pub replaced_ms: u64,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// Why an event about keys makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.what())]
pub enum KeyFault {
    /// The agent has a key.
    AgentKnown,
    /// The agent has none.
    AgentUnknown,
    /// The program must hold it, or must not.
    Custody,
    /// There are as many as may be.
    Full,
    /// It is named otherwise.
    Name,
    /// There is no recovery key.
    NoRecovery,
    /// The place is not one of the key's.
    Range,
    /// No key of that agent is treated so.
    Reserved,
    /// It is not the agent's valid key.
    Stale,
    /// The log has it.
    Used,
}

impl KeyFault {
    /// What is wrong, for people.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            KeyFault::AgentKnown => "the agent has a key: rotate or revoke it",
            KeyFault::AgentUnknown => "the agent has no key: register one",
            KeyFault::Custody => {
                "the program holds the keys of log, owner and operator, and never that of recovery"
            }
            KeyFault::Full => "there are as many agents, or keys of this agent, as may be",
            KeyFault::Name => "the key is not named after the log's origin and its agent",
            KeyFault::NoRecovery => "the log has no recovery key, by which this is signed",
            KeyFault::Range => {
                "a key is revoked from one of its own records on, and not later than now"
            }
            KeyFault::Reserved => {
                "a log begins with one key of log, operator and owner, at most one of recovery, and \
                 no other; recovery is neither registered nor revoked"
            }
            KeyFault::Stale => "the key that is to be replaced is not the agent's valid one",
            KeyFault::Used => "the log has had this key: make a new one",
        }
    }

    /// Its stable code, as in `docs/errors/`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            KeyFault::AgentKnown => "key.agent_known",
            KeyFault::AgentUnknown => "key.agent_unknown",
            KeyFault::Custody => "key.custody",
            KeyFault::Full => "key.full",
            KeyFault::Name => "key.name",
            KeyFault::NoRecovery => "key.no_recovery",
            KeyFault::Range => "key.range",
            KeyFault::Reserved => "key.reserved",
            KeyFault::Stale => "key.stale",
            KeyFault::Used => "key.used",
        }
    }
}

impl Keys {
    /// The valid key of `agent`.
    #[must_use]
    pub fn active(&self, agent: &str) -> Option<&ActiveKey> {
        self.agents.get(agent).map(|keys| &keys.active)
    }

    /// The keys with which a log begins.
    ///
    /// # Errors
    /// [`KeyFault`] when no log can begin so.
    pub fn first(origin: &str, keys: &[FirstKey]) -> Result<Self, KeyFault> {
        let agents: Vec<&str> = keys.iter().map(|first| first.agent.as_str()).collect();
        let is_whole = [
            &[LOG, OPERATOR, OWNER][..],
            &[LOG, OPERATOR, OWNER, RECOVERY],
        ];
        if !is_whole.contains(&agents.as_slice()) {
            return Err(KeyFault::Reserved);
        }
        if !is_origin(origin) {
            return Err(KeyFault::Name);
        }
        let mut begun = Self {
            agents: BTreeMap::new(),
            origin: origin.to_owned(),
        };
        for FirstKey {
            agent,
            custodial,
            key,
        } in keys
        {
            begun.check_new(agent, *custodial, key)?;
            let active = ActiveKey {
                custodial: *custodial,
                from_seq: 0,
                key: key.clone(),
                since_ms: 0,
            };
            let replaced = Vec::new();
            begun
                .agents
                .insert(agent.clone(), AgentKeys { active, replaced });
        }
        Ok(begun)
    }

    /// Whether `body` can be the next record.
    ///
    /// # Errors
    /// [`KeyFault`]: why not.
    pub fn check_registered(&self, body: &KeyRegistered) -> Result<(), KeyFault> {
        if matches!(body.agent.as_str(), LOG | RECOVERY) {
            return Err(KeyFault::Reserved);
        }
        if self.agents.contains_key(&body.agent) {
            return Err(KeyFault::AgentKnown);
        }
        if self.agents.len() >= KEY_AGENTS_MAX {
            return Err(KeyFault::Full);
        }
        self.check_new(&body.agent, body.custodial, &body.key)
    }

    /// Whether `body` can be the next record.
    ///
    /// # Errors
    /// [`KeyFault`]: why not.
    pub fn check_rotated(&self, body: &KeyRotated) -> Result<(), KeyFault> {
        self.check_replaced(&body.agent, body.of)?;
        self.check_new(&body.agent, body.custodial, &body.key)
    }

    /// Whether `body` can be record `seq`.
    ///
    /// # Errors
    /// [`KeyFault`]: why not.
    pub fn check_revoked(&self, seq: u64, body: &KeyRevoked) -> Result<(), KeyFault> {
        if body.agent.as_str() == RECOVERY {
            return Err(KeyFault::Reserved);
        }
        let active = self.check_replaced(&body.agent, body.of)?;
        if !(active.from_seq..=seq).contains(&body.from_seq.unwrap_or(seq)) {
            return Err(KeyFault::Range);
        }
        self.check_recovery()?;
        self.check_new(&body.agent, body.custodial, &body.key)
    }

    /// Whether anything can be signed by the recovery key.
    ///
    /// # Errors
    /// [`KeyFault::NoRecovery`] when there is none.
    fn check_recovery(&self) -> Result<(), KeyFault> {
        match self.active(RECOVERY) {
            Some(_) => Ok(()),
            None => Err(KeyFault::NoRecovery),
        }
    }

    pub(super) fn created(&mut self, body: &LogCreated) -> Result<(), KeyFault> {
        *self = Self::first(&body.origin, &body.keys)?;
        Ok(())
    }

    pub(super) fn registered(
        &mut self,
        record: &Record,
        body: &KeyRegistered,
    ) -> Result<(), KeyFault> {
        self.check_registered(body)?;
        let keys = AgentKeys {
            active: brought(record, body.custodial, &body.key),
            replaced: Vec::new(),
        };
        self.agents.insert(body.agent.clone(), keys);
        Ok(())
    }

    pub(super) fn rotated(&mut self, record: &Record, body: &KeyRotated) -> Result<(), KeyFault> {
        self.check_rotated(body)?;
        let next = brought(record, body.custodial, &body.key);
        let end_seq = next.from_seq;
        self.replace(&body.agent, next, end_seq, false)
    }

    pub(super) fn revoked(&mut self, record: &Record, body: &KeyRevoked) -> Result<(), KeyFault> {
        self.check_revoked(record.seq, body)?;
        let next = brought(record, body.custodial, &body.key);
        let end_seq = body.from_seq.unwrap_or(record.seq);
        self.replace(&body.agent, next, end_seq, true)
    }

    fn replace(
        &mut self,
        agent: &AgentName,
        next: ActiveKey,
        end_seq: u64,
        revoked: bool,
    ) -> Result<(), KeyFault> {
        let keys = self.agents.get_mut(agent).ok_or(KeyFault::AgentUnknown)?;
        let replaced_ms = next.since_ms;
        let ActiveKey {
            custodial,
            from_seq,
            key,
            ..
        } = std::mem::replace(&mut keys.active, next);
        keys.replaced.push(ReplacedKey {
            custodial,
            end_seq,
            from_seq,
            key,
            replaced_ms,
            revoked,
        });
        Ok(())
    }

    /// The agent's valid key, when it is `of` and may be replaced.
    fn check_replaced(&self, agent: &AgentName, of: KeyId) -> Result<&ActiveKey, KeyFault> {
        let keys = self.agents.get(agent).ok_or(KeyFault::AgentUnknown)?;
        if keys.active.key.id() != of {
            return Err(KeyFault::Stale);
        }
        if keys.replaced.len() >= KEYS_REPLACED_MAX {
            return Err(KeyFault::Full);
        }
        Ok(&keys.active)
    }

    /// Whether `key` can be a new one of `agent`.
    fn check_new(&self, agent: &AgentName, custodial: bool, key: &KeyText) -> Result<(), KeyFault> {
        if key.name() != key_name(&self.origin, agent.as_str()) {
            return Err(KeyFault::Name);
        }
        let must_hold = match agent.as_str() {
            LOG | OWNER | OPERATOR => Some(true),
            RECOVERY => Some(false),
            _ => None,
        };
        if must_hold.is_some_and(|must| must != custodial) {
            return Err(KeyFault::Custody);
        }
        let is_same = |had: &KeyText| had.public_text() == key.public_text();
        let is_used = self.agents.values().any(|keys| {
            is_same(&keys.active.key) || keys.replaced.iter().any(|old| is_same(&old.key))
        });
        if is_used {
            return Err(KeyFault::Used);
        }
        Ok(())
    }
}

impl AgentKeys {
    /// The key that was replaced so short a time before `elapsed_ms` that its signature still stands
    /// beside that of the valid one, on checkpoints.
    #[must_use]
    pub fn deprecated(&self, elapsed_ms: u64) -> Option<&ReplacedKey> {
        let last = self.replaced.last()?;
        let is_fresh = elapsed_ms < last.replaced_ms.saturating_add(KEY_GRACE_MS);
        (is_fresh && !last.revoked).then_some(last)
    }
}

/// A key is valid from the record after the one that brings it.
fn brought(record: &Record, custodial: bool, key: &KeyText) -> ActiveKey {
    ActiveKey {
        custodial,
        from_seq: record.seq.saturating_add(1),
        key: key.clone(),
        since_ms: record.elapsed_ms,
    }
}
