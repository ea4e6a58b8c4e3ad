//! Keys that the owner holds, as routes and the owner itself change them: made, then recorded.
//!
//! In: who keeps the secrets ([`Custody`]), the keys of the log. Out: which key may be changed how,
//! which the machine says. Invariant: a key is on disk before its record is asked for, and asked
//! again until it is recorded it is the same one.

use std::sync::Arc;

use antiphon_core::control::Control;
use antiphon_core::key::{KeyText, key_name};
use antiphon_core::name::AgentName;
use antiphon_core::record::{KeyRegistered, KeyRotated};
use antiphon_core::state::Keys;
use antiphon_engine::fail;

use crate::problem::{Code, Problem};
use crate::state::AppState;

/// Why a key could not be made.
pub type CustodyError = Box<dyn std::error::Error + Send + Sync>;

/// Who keeps the owner's secrets.
pub trait Custody: Send + Sync {
    /// A key of `name` that is on disk and that no record brought, as `is_recorded` knows them: one
    /// that waits already, or a new one. Blocks.
    ///
    /// # Errors
    /// Why none can be made.
    fn pending(
        &self,
        name: &str,
        is_recorded: &dyn Fn(&KeyText) -> bool,
    ) -> Result<KeyText, CustodyError>;

    /// Every key that is held.
    fn held(&self) -> Vec<KeyText>;
}

impl AppState {
    /// The keys of the log, as far as they are durable.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.handle.keys().borrow().clone()
    }

    /// A key of `agent` that the owner holds and that no record brought yet.
    pub(crate) async fn pending_key(&self, agent: &AgentName) -> Result<KeyText, Problem> {
        let keys = self.keys();
        let name = key_name(&keys.origin, agent.as_str());
        let custody = Arc::clone(&self.custody);
        let made = tokio::task::spawn_blocking(move || {
            custody.pending(&name, &|key| is_recorded(&keys, key))
        });
        match made.await {
            Ok(Ok(key)) => Ok(key),
            Ok(Err(error)) => Err(Code::KeyIo.caused_by(&*error)),
            Err(panicked) => Err(Code::KeyIo.caused_by(&panicked)),
        }
    }

    /// Gives `agent` its first key, which the owner holds.
    ///
    /// # Errors
    /// [`Problem`]: why not.
    pub async fn register_held(&self, agent: &AgentName, by: String) -> Result<KeyText, Problem> {
        let key = self.pending_key(agent).await?;
        let body = KeyRegistered {
            agent: agent.clone(),
            by,
            custodial: true,
            key: key.clone(),
        };
        let control = Control::RegisterKey(Box::new(body));
        self.handle.control(control).await?;
        Ok(key)
    }

    /// Puts a new key in the place of `agent`'s, both held by the owner.
    ///
    /// # Errors
    /// [`Problem`]: why not.
    pub async fn rotate_held(&self, agent: &AgentName, by: String) -> Result<KeyText, Problem> {
        let of = match self.keys().active(agent.as_str()) {
            Some(active) => active.key.id(),
            None => return Err(Code::EngineNotFound.problem(format!("{agent} has no key"))),
        };
        let key = self.pending_key(agent).await?;
        fail::step("rotation.prepared").map_err(|step| Code::KeyIo.caused_by(&step))?;
        let body = KeyRotated {
            agent: agent.clone(),
            by,
            custodial: true,
            key: key.clone(),
            of,
        };
        let control = Control::RotateKey(Box::new(body));
        self.handle.control(control).await?;
        fail::step("rotation.recorded").map_err(|step| Code::KeyIo.caused_by(&step))?;
        Ok(key)
    }
}

/// Whether a record of the log brought `key`.
pub(crate) fn is_recorded(keys: &Keys, key: &KeyText) -> bool {
    keys.agents.values().any(|agent| {
        agent.active.key == *key || agent.replaced.iter().any(|replaced| replaced.key == *key)
    })
}
