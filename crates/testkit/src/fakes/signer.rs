//! Keys in memory, which outlive their owners as files do, can be lost, and can be held elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use antiphon_core::key::{KeyText, LOG, OPERATOR, OWNER, RECOVERY, key_name};
use antiphon_core::name::AgentName;
use antiphon_core::record::FirstKey;
use antiphon_engine::handle::{Presigned, Preview};
use antiphon_engine::ports::signer::{SIGNATURE_BYTES, Signer, SignerError};
use antiphon_ledger::hash::{SALT_BYTES, body_hash};
use antiphon_ledger::key::{Algorithm, SigningKey};
use antiphon_ledger::signature::{Signature, Signed};

/// The keys that a program holds. Clones are the same room.
#[derive(Clone, Debug, Default)]
pub struct MemoryKeys(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    held: BTreeMap<KeyText, SigningKey>,
    /// Keys that were made, held or not: each has a seed of its own.
    made: u64,
    /// What seeds begin with.
    room: u8,
}

impl MemoryKeys {
    /// A room whose keys are others than those of any room of another number.
    #[must_use]
    pub fn numbered(room: u8) -> Self {
        let inner = Inner {
            room,
            ..Inner::default()
        };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Makes a key of `agent` for the log of `origin`, held here from now on.
    #[must_use]
    pub fn make(&self, origin: &str, agent: &str) -> KeyText {
        let key = self.apart(origin, agent);
        let text = key.text();
        self.lock().held.insert(text.clone(), key.key);
        text
    }

    /// Makes a key of `agent` that is held by whoever asked, and not here.
    #[must_use]
    pub fn apart(&self, origin: &str, agent: &str) -> AgentKey {
        let mut inner = self.lock();
        inner.made = inner.made.saturating_add(1);
        let mut seed = [inner.room; 32];
        seed[..8].copy_from_slice(&inner.made.to_be_bytes());
        let name = key_name(origin, agent);
        let key = SigningKey::new(name, Algorithm::Ed25519, &seed).unwrap();
        AgentKey {
            agent: agent.to_owned(),
            key,
        }
    }

    /// Its file is gone, and comes back by what this gives.
    pub fn lose(&self, key: &KeyText) -> impl FnOnce() + use<> {
        let lost = self.lock().held.remove(key).unwrap();
        let (room, key) = (self.clone(), key.clone());
        move || drop(room.lock().held.insert(key, lost))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Signer for MemoryKeys {
    fn begin(&self, origin: &str) -> Result<Vec<FirstKey>, SignerError> {
        let first = |agent: &str, custodial: bool, key: KeyText| FirstKey {
            agent: AgentName::new(agent).unwrap(),
            custodial,
            key,
        };
        let mut keys = [LOG, OPERATOR, OWNER]
            .map(|agent| first(agent, true, self.make(origin, agent)))
            .to_vec();
        let recovery = AgentKey::recovery(origin);
        keys.push(first(RECOVERY, false, recovery.text()));
        Ok(keys)
    }

    fn holds(&self, key: &KeyText) -> bool {
        self.lock().held.contains_key(key)
    }

    fn sign(&self, key: &KeyText, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], SignerError> {
        let inner = self.lock();
        let held = inner.held.get(key);
        let held = held.ok_or_else(|| SignerError::Missing { key: key.clone() })?;
        Ok(held.sign(message))
    }
}

/// A key that an agent holds itself.
#[derive(Clone, Debug)]
pub struct AgentKey {
    agent: String,
    key: SigningKey,
}

impl AgentKey {
    /// The recovery key of every log of `origin` that begins with [`MemoryKeys`].
    #[must_use]
    pub fn recovery(origin: &str) -> Self {
        let name = key_name(origin, RECOVERY);
        Self {
            agent: RECOVERY.to_owned(),
            key: SigningKey::new(name, Algorithm::Ed25519, &[0x2e; 32]).unwrap(),
        }
    }

    /// Its public half, as records name it.
    #[must_use]
    pub fn text(&self) -> KeyText {
        KeyText::new(&self.key.verifier().to_string()).unwrap()
    }

    /// Signs what `preview` says, with this salt.
    #[must_use]
    pub fn sign(&self, preview: &Preview, salt: [u8; SALT_BYTES]) -> Signature {
        let stored = [&salt[..], preview.body.as_bytes()].concat();
        let signed = Signed {
            origin: &preview.origin,
            kind: preview.kind,
            subject: &preview.subject,
            body_sha256: &body_hash(&stored),
        };
        Signature::sign(&self.agent, &self.key, &signed).unwrap()
    }
}

/// What `keys` submit when they sign `preview` together.
#[must_use]
pub fn presigned(preview: &Preview, keys: &[&AgentKey]) -> Presigned {
    let salt = [0x5a; SALT_BYTES];
    Presigned {
        replaces: preview.replaces,
        salt,
        signatures: keys.iter().map(|key| key.sign(preview, salt)).collect(),
    }
}
