//! Records that are signed here and submitted: by an agent with its own key, or with the recovery
//! key.
//!
//! In: a body and the keys. Out: a [`SignedRecord`], which is the record to the byte but for its
//! place; the owner adds what only it can sign, and refuses what does not fit. No root is needed:
//! a key's name says of which log it is.

use antiphon_core::key::{KeyText, LOG, OPERATOR, OWNER, key_name};
use antiphon_core::name::AgentName;
use antiphon_core::record::Body;
use antiphon_engine::ports::entropy::Entropy as _;
use antiphon_http::client::Client;
use antiphon_http::model::{Done, SignedRecord};
use antiphon_ledger::hash::body_hash;
use antiphon_ledger::key::SigningKey;
use antiphon_ledger::signature::{Signature, Signed};
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::owner::entropy::SystemEntropy;

/// Bytes of a body's salt.
const SALT_BYTES: usize = 16;

/// A key with whose it is.
#[derive(Debug)]
pub(crate) struct Signatory {
    /// The log's origin.
    pub(crate) origin: String,
    /// The agent.
    pub(crate) agent: AgentName,
    /// Its key.
    pub(crate) key: SigningKey,
}

impl Signatory {
    /// Whose `key` is, as its name says.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it is no agent's.
    pub(crate) fn of(key: SigningKey) -> Result<Self, Failure> {
        let name = key.verifier().name();
        let parts = name.rsplit_once('/');
        let agent = parts.and_then(|(_, agent)| AgentName::new(agent).ok());
        match (parts, agent) {
            (Some((origin, _)), Some(agent)) if agent.as_str() != LOG => Ok(Self {
                origin: origin.to_owned(),
                agent,
                key,
            }),
            _ => Err(Failure::usage(format!("{name} is not the key of an agent"))),
        }
    }

    /// The key as records name it.
    ///
    /// # Errors
    /// [`Failure::Usage`] when no record can name it.
    pub(crate) fn text(&self) -> Result<KeyText, Failure> {
        let text = self.key.verifier().to_string();
        KeyText::new(&text).map_err(|error| Failure::usage(error.to_string()))
    }

    /// That it is `agent`'s.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it is another's.
    pub(crate) fn must_be(self, agent: &str) -> Result<Self, Failure> {
        if self.agent.as_str() == agent {
            Ok(self)
        } else {
            let (name, wanted) = (self.key.verifier().name(), key_name(&self.origin, agent));
            Err(Failure::usage(format!(
                "the key is {name}'s, {wanted} was expected"
            )))
        }
    }
}

/// `body`, signed by `signatories`, who are of one log.
///
/// # Errors
/// [`Failure::Usage`] when the body is of a kind that is not signed, or the keys are of two logs.
pub(crate) fn sign(body: &Body, signatories: &[&Signatory]) -> Result<SignedRecord, Failure> {
    let subject = body
        .signed_subject()
        .ok_or_else(|| Failure::usage(format!("{} is not signed", body.kind())))?;
    let salt = salt()?;
    let mut stored = salt.to_vec();
    let bug = |source: Box<dyn std::error::Error + Send + Sync>| Failure::Bug {
        what: "a body cannot be written".to_owned(),
        source: Some(source),
    };
    body.encode(&mut stored)
        .map_err(|error| bug(error.into()))?;
    let hash = body_hash(&stored);
    let mut signatures = Vec::new();
    for signatory in signatories {
        if signatories.iter().any(|it| it.origin != signatory.origin) {
            return Err(Failure::usage("the keys are of different logs"));
        }
        let signed = Signed {
            origin: &signatory.origin,
            kind: body.kind(),
            subject: &subject.text,
            body_sha256: &hash,
        };
        let signature = Signature::sign(signatory.agent.as_str(), &signatory.key, &signed);
        let signature = signature.map_err(|error| Failure::usage(error.to_string()))?;
        signatures.push(signature.to_string());
    }
    let json = stored.split_off(SALT_BYTES);
    let json = String::from_utf8(json).map_err(|error| bug(error.into()))?;
    Ok(SignedRecord {
        kind: body.kind().to_owned(),
        subject: subject.text,
        body: RawValue::from_string(json).map_err(|error| bug(error.into()))?,
        salt: format!("{:032x}", u128::from_be_bytes(salt)),
        signatures,
    })
}

/// Gives `record` to the owner.
///
/// # Errors
/// [`Failure`]: why it was not recorded.
pub(crate) async fn submit(client: &mut Client, record: &SignedRecord) -> Result<Done, Failure> {
    Ok(client.post("/api/v1/signed", record).await?)
}

/// Whose `key` is, as its name says.
pub(crate) fn agent_of(key: &KeyText) -> &str {
    match key.name().rsplit_once('/') {
        Some((_, agent)) if matches!(agent, OPERATOR | OWNER) => agent,
        _ => LOG,
    }
}

fn salt() -> Result<[u8; SALT_BYTES], Failure> {
    let random = SystemEntropy.bytes32().map_err(|source| Failure::Bug {
        what: "there is no randomness".to_owned(),
        source: Some(Box::new(source)),
    })?;
    let mut salt = [0; SALT_BYTES];
    salt.iter_mut()
        .zip(random)
        .for_each(|(to, from)| *to = from);
    Ok(salt)
}
