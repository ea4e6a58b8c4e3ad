//! The engine's signer over the room of keys.
//!
//! In: every key of the room, held in memory from the start; making more. Out: which key is valid,
//! which the log says; when one is replaced, which is the binary's. Invariant: what is held is on
//! disk.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use antiphon_core::key::{KeyText, LOG, OPERATOR, OWNER, RECOVERY, key_name};
use antiphon_core::name::AgentName;
use antiphon_core::record::FirstKey;
use antiphon_engine::ports::signer::{SIGNATURE_BYTES, Signer, SignerError};
use antiphon_ledger::key::{SigningKey, VerifierKey};

use crate::keys::{Error, Keys};

/// Signs with the keys of one room.
#[derive(Debug)]
pub struct KeySigner {
    keys: Keys,
    held: RwLock<BTreeMap<KeyText, SigningKey>>,
}

impl KeySigner {
    /// Reads every key of the room.
    ///
    /// # Errors
    /// [`Error`] of the first file that is no usable key.
    pub fn open(keys: Keys) -> Result<Self, Error> {
        let mut held = BTreeMap::new();
        for key in keys.all()? {
            held.insert(text_of(key.verifier())?, key);
        }
        Ok(Self {
            keys,
            held: RwLock::new(held),
        })
    }

    /// A key of `name` that is held and that no record brought, as `is_recorded` knows them: one
    /// that waits already, or a new one.
    ///
    /// # Errors
    /// [`Error`] when it cannot be made.
    pub fn pending(
        &self,
        name: &str,
        is_recorded: impl Fn(&KeyText) -> bool,
    ) -> Result<KeyText, Error> {
        // Held to the end: two that ask at once get the same key.
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let waits = |key: &&KeyText| key.name() == name && !is_recorded(key);
        if let Some(key) = held.keys().find(waits) {
            return Ok(key.clone());
        }
        let made = self.keys.make(name)?;
        let key = text_of(made.verifier())?;
        #[cfg(antiphon_plant)]
        if antiphon_engine::plant::is("rotated_key_not_on_disk")
            && held.keys().any(|key| key.name() == name)
        {
            self.keys.remove(made.verifier().id())?;
        }
        held.insert(key.clone(), made);
        Ok(key)
    }

    /// Every key that is held.
    #[must_use]
    pub fn held(&self) -> Vec<KeyText> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.keys().cloned().collect()
    }

    /// Wipes the secret of `key`, here and on disk; one that is not held is no error.
    ///
    /// # Errors
    /// [`Error::Io`]; then it is not held any more and may lie on disk.
    pub fn forget(&self, key: &KeyText) -> Result<(), Error> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        match held.remove(key) {
            Some(key) => self.keys.remove(key.verifier().id()),
            None => Ok(()),
        }
    }

    fn first_keys(&self, origin: &str) -> Result<Vec<FirstKey>, SignerError> {
        let mut first = Vec::new();
        for agent in [LOG, OPERATOR, OWNER] {
            let key = self.pending(&key_name(origin, agent), |_key| false)?;
            first.push(first_key(agent, true, key)?);
        }
        if let Some(recovery) = self.keys.recovery()? {
            let key = text_of(&recovery)?;
            if key.name() != key_name(origin, RECOVERY) {
                return Err(SignerError::Unusable {
                    what: format!("{} is no key of {origin}", key.name()),
                });
            }
            first.push(first_key(RECOVERY, false, key)?);
        }
        first.sort_by(|one, other| one.agent.cmp(&other.agent));
        Ok(first)
    }
}

impl Signer for KeySigner {
    fn begin(&self, origin: &str) -> Result<Vec<FirstKey>, SignerError> {
        self.first_keys(origin)
    }

    fn holds(&self, key: &KeyText) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.contains_key(key)
    }

    fn sign(&self, key: &KeyText, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], SignerError> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let secret = held.get(key);
        let secret = secret.ok_or_else(|| SignerError::Missing { key: key.clone() })?;
        Ok(secret.sign(message))
    }
}

impl From<Error> for SignerError {
    fn from(error: Error) -> Self {
        SignerError::Io {
            source: Box::new(error),
        }
    }
}

fn first_key(agent: &str, custodial: bool, key: KeyText) -> Result<FirstKey, SignerError> {
    let agent = AgentName::new(agent).map_err(|error| SignerError::Unusable {
        what: error.to_string(),
    })?;
    Ok(FirstKey {
        agent,
        custodial,
        key,
    })
}

/// The key as records name it.
fn text_of(key: &VerifierKey) -> Result<KeyText, Error> {
    KeyText::new(&key.to_string()).map_err(|_other| Error::Foreign {
        name: key.name().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use antiphon_engine::ports::entropy::Entropy;

    use super::*;
    use crate::keys::generate;
    use crate::root::Root;

    const ORIGIN: &str = "here/antiphon";

    struct Counting(u8);

    impl Entropy for Counting {
        fn bytes32(&mut self) -> std::io::Result<[u8; 32]> {
            self.0 += 1;
            Ok([self.0; 32])
        }
    }

    fn room(home: &Path) -> Keys {
        let root = Root::create(&home.join("root")).unwrap();
        Keys::new(root, None, Box::new(Counting(0)))
    }

    fn agents(first: &[FirstKey]) -> Vec<&str> {
        first.iter().map(|key| key.agent.as_str()).collect()
    }

    #[test]
    fn a_new_log_begins_with_three_keys_that_are_on_disk() {
        let home = tempfile::tempdir().unwrap();
        let signer = KeySigner::open(room(home.path())).unwrap();
        let first = signer.begin(ORIGIN).unwrap();
        assert_eq!(agents(&first), ["log", "operator", "owner"]);
        assert_eq!(first[0].key.name(), ORIGIN);
        assert_eq!(first[1].key.name(), "here/antiphon/operator");
        let again = KeySigner::open(room(home.path())).unwrap();
        for key in &first {
            assert!(key.custodial);
            assert!(again.holds(&key.key), "{}", key.key);
            assert_eq!(
                again.sign(&key.key, b"x").unwrap(),
                signer.sign(&key.key, b"x").unwrap()
            );
        }
        assert_eq!(
            again.begin(ORIGIN).unwrap(),
            first,
            "a crash leaves no litter"
        );
    }

    #[test]
    fn a_recovery_key_that_waits_is_the_fourth_and_its_secret_is_not_here() {
        let home = tempfile::tempdir().unwrap();
        let keys = room(home.path());
        let recovery = generate("here/antiphon/recovery", &mut Counting(9)).unwrap();
        keys.put_recovery(recovery.verifier()).unwrap();
        let signer = KeySigner::open(keys).unwrap();
        let first = signer.begin(ORIGIN).unwrap();
        assert_eq!(agents(&first), ["log", "operator", "owner", "recovery"]);
        assert!(!first[3].custodial);
        assert!(!signer.holds(&first[3].key));
        let error = signer.sign(&first[3].key, b"x").unwrap_err();
        assert_eq!(error.code(), "key.missing");
        let error = signer.begin("there/antiphon").unwrap_err();
        assert_eq!(error.code(), "key.unusable");
    }

    #[test]
    fn a_key_that_waits_is_given_again_until_it_is_recorded() {
        let home = tempfile::tempdir().unwrap();
        let signer = KeySigner::open(room(home.path())).unwrap();
        let waits = signer.pending("here/antiphon/LARS", |_| false).unwrap();
        let again = signer.pending("here/antiphon/LARS", |_| false).unwrap();
        assert_eq!(waits, again);
        let next = signer
            .pending("here/antiphon/LARS", |key| *key == waits)
            .unwrap();
        assert_ne!(next, waits);
        assert_eq!(signer.held().len(), 2);
        signer.forget(&waits).unwrap();
        assert!(!signer.holds(&waits));
        let reopened = KeySigner::open(room(home.path())).unwrap();
        assert_eq!(reopened.held(), [next]);
    }
}
