//! The signatures of one record: those that came with the request for it, and those of the keys that
//! the program holds.
//!
//! What came is verified before the step, against the very body that the step will record, so that a
//! signature that does not fit changes nothing. Invariant: a record of a signed kind has exactly its
//! signatures, or it is not appended.
//! Not here: which kinds are signed and by whom (`antiphon-core`), what a signature covers
//! (`antiphon-ledger`).

use std::sync::Arc;

use antiphon_core::key::{KeyText, LOG, RECOVERY};
use antiphon_core::record::{Body, Subject};
use antiphon_core::state::Keys;
use antiphon_ledger::Hash;
use antiphon_ledger::hash::{SALT_BYTES, body_hash};
use antiphon_ledger::key::{KeyId, VerifierKey};
use antiphon_ledger::signature::{Signature, Signed, to_sig};

use crate::error::EngineError;
use crate::handle::{Presigned, Preview, SubmitError};
use crate::ports::signer::{Signer, SignerError};

/// A body whose signatures came with the request for it, and were verified.
#[derive(Debug)]
pub(crate) struct Attested {
    pub(super) body: Body,
    pub(super) salt: [u8; SALT_BYTES],
    /// For each place of a signature, in order, the one that came.
    signatures: Vec<Option<Signature>>,
}

impl Attested {
    /// Whether it is about this record.
    pub(crate) fn is_of(&self, body: &Body) -> bool {
        self.body == *body
    }
}

/// A place for one signature of a record.
struct Place<'a> {
    agent: &'a str,
    key: &'a KeyText,
    custodial: bool,
    /// Whether another agent may sign here what it did itself.
    is_delegable: bool,
}

/// Who signs: the keys that are held here, and which of them the log says are valid.
pub(crate) struct Signing {
    signer: Arc<dyn Signer>,
    /// The log's keys before the step whose records are sealed.
    keys: Arc<Keys>,
}

impl Signing {
    pub(crate) fn new(signer: Arc<dyn Signer>, keys: Arc<Keys>) -> Self {
        Self { signer, keys }
    }

    /// The log's keys as of now.
    pub(crate) fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// From now on these are the log's keys.
    pub(crate) fn follow(&mut self, keys: &Keys) -> Arc<Keys> {
        self.keys = Arc::new(keys.clone());
        self.keys.clone()
    }

    /// Whether the secret of `key` is held here.
    pub(crate) fn holds(&self, key: &KeyText) -> bool {
        self.signer.holds(key)
    }

    /// The text of `sig` for a record.
    pub(super) fn sign(
        &self,
        kind: &str,
        subject: &Subject<'_>,
        body_sha256: &Hash,
        attested: Option<&Attested>,
    ) -> Result<String, EngineError> {
        let signed = Signed {
            origin: &self.keys.origin,
            kind,
            subject: &subject.text,
            body_sha256,
        };
        let message = signed.message();
        let mut signatures = Vec::with_capacity(2);
        for (number, place) in places(subject, &self.keys)?.iter().enumerate() {
            let came = attested.and_then(|attested| attested.signatures.get(number)?.clone());
            signatures.push(match came {
                Some(signature) => signature,
                None => self.sign_place(place, &subject.text, &message)?,
            });
        }
        to_sig(&signatures)
            .ok_or_else(|| EngineError::Bug("a record without its signers".to_owned()))
    }

    fn sign_place(
        &self,
        place: &Place<'_>,
        subject: &str,
        message: &[u8],
    ) -> Result<Signature, EngineError> {
        if !place.custodial {
            let key = place.key.clone();
            return Err(EngineError::Signer(SignerError::Missing { key }));
        }
        let bytes = self.signer.sign(place.key, message)?;
        Signature::new(place.agent, id_of(place.key), subject, bytes)
            .map_err(|error| EngineError::Bug(error.to_string()))
    }

    /// Verifies what came signed for `body`; without anything, looks whether others than the program
    /// must sign, or a key that it says to hold is not there.
    ///
    /// # Errors
    /// [`SubmitError`]: what does not fit. Nothing has changed.
    pub(crate) fn attest(
        &self,
        body: Body,
        presigned: Option<&Presigned>,
    ) -> Result<Option<Attested>, SubmitError> {
        let Some(subject) = body.signed_subject() else {
            return Ok(None);
        };
        let places = places(&subject, &self.keys).map_err(|_none| SubmitError::SignatureKey)?;
        let Some(presigned) = presigned else {
            // That a key is gone which the program itself signs with is found in the seal, and final.
            let is_asked = |place: &&Place<'_>| subject.new_key.is_some() || !place.custodial;
            let mut asked = places.iter().filter(is_asked);
            asked.try_for_each(|place| self.can_sign(place))?;
            return Ok(None);
        };
        if let (Some(signed), Some(last)) = (presigned.replaces, body.replaces())
            && signed != last
        {
            return Err(SubmitError::SignatureStale { signed, last });
        }
        let body_sha256 = hash_of(&body, &presigned.salt)?;
        let mut waiting: Vec<&Signature> = presigned.signatures.iter().collect();
        let mut signatures = Vec::with_capacity(places.len());
        for place in &places {
            let found = waiting.iter().position(|came| place.takes(came));
            let Some(found) = found else {
                self.can_sign(place)?;
                signatures.push(None);
                continue;
            };
            let came = waiting.remove(found);
            let key = self.key_of(place, came)?;
            let is_good = came.subject() == subject.text
                && acts_for_itself(place, came, &body)
                && came.is_by(&key, &self.keys.origin, body.kind(), &body_sha256);
            if !is_good {
                return Err(SubmitError::SignatureMismatch);
            }
            signatures.push(Some(came.clone()));
        }
        drop(places);
        if !waiting.is_empty() {
            return Err(SubmitError::SignatureKey);
        }
        let salt = presigned.salt;
        Ok(Some(Attested {
            body,
            salt,
            signatures,
        }))
    }

    /// What whoever signs `body` elsewhere must know.
    pub(crate) fn preview(&self, body: &Body) -> Result<Preview, SubmitError> {
        let subject = body.signed_subject();
        let subject = subject.ok_or(SubmitError::SignatureKey)?;
        let places = places(&subject, &self.keys).map_err(|_none| SubmitError::SignatureKey)?;
        Ok(Preview {
            origin: self.keys.origin.clone(),
            kind: body.kind(),
            body: json_of(body)?,
            replaces: body.replaces(),
            keys: places.iter().map(|place| place.key.clone()).collect(),
            subject: subject.text,
        })
    }

    /// Whether the program itself can sign there.
    fn can_sign(&self, place: &Place<'_>) -> Result<(), SubmitError> {
        if !place.custodial {
            return Err(SubmitError::SignatureMissing {
                agent: place.agent.to_owned(),
            });
        }
        if self.signer.holds(place.key) {
            Ok(())
        } else {
            Err(SubmitError::KeyMissing {
                key: place.key.clone(),
            })
        }
    }

    /// The valid key that `came` says it is by.
    fn key_of(&self, place: &Place<'_>, came: &Signature) -> Result<VerifierKey, SubmitError> {
        let key = if place.agent == came.agent() {
            place.key
        } else {
            let active = self.keys.active(came.agent());
            &active.ok_or(SubmitError::SignatureKey)?.key
        };
        let key: VerifierKey = key
            .as_str()
            .parse()
            .map_err(|_weak| SubmitError::SignatureKey)?;
        if key.id() == came.id() {
            Ok(key)
        } else {
            Err(SubmitError::SignatureKey)
        }
    }
}

impl Place<'_> {
    /// Whether `came` may be meant for this place: two of one agent are told apart by their keys.
    fn takes(&self, came: &Signature) -> bool {
        if self.is_delegable {
            !matches!(came.agent(), LOG | RECOVERY)
        } else {
            came.agent() == self.agent && came.id() == id_of(self.key)
        }
    }
}

/// Who signs in the place of another says that it was himself.
fn acts_for_itself(place: &Place<'_>, came: &Signature, body: &Body) -> bool {
    let by = match body {
        Body::AskAnswered(body) => &body.by,
        Body::GuardChanged(body) => &body.by,
        Body::TaskChanged(body) => &body.by,
        _ => return true,
    };
    came.agent() == place.agent || came.agent() == by
}

/// The places for signatures of a record about `subject`, as the log's keys stand before it.
fn places<'a>(subject: &'a Subject<'a>, keys: &'a Keys) -> Result<Vec<Place<'a>>, EngineError> {
    let agent = subject.signer(keys);
    let active = keys
        .active(agent)
        .ok_or_else(|| EngineError::Bug(format!("{agent} has no key in this log")))?;
    let mut places = vec![Place {
        agent,
        key: &active.key,
        custodial: active.custodial,
        is_delegable: subject.is_delegable,
    }];
    places.extend(subject.new_key.map(|new| Place {
        agent: new.agent.as_str(),
        key: new.key,
        custodial: new.custodial,
        is_delegable: false,
    }));
    Ok(places)
}

/// The id as the ledger has it; the text was checked when it was read.
fn id_of(key: &KeyText) -> KeyId {
    KeyId(key.id().to_bytes())
}

fn json_of(body: &Body) -> Result<String, SubmitError> {
    let mut json = Vec::new();
    let encoded = body.encode(&mut json);
    encoded.map_err(|error| SubmitError::Unusable(error.to_string()))?;
    String::from_utf8(json).map_err(|error| SubmitError::Unusable(error.to_string()))
}

fn hash_of(body: &Body, salt: &[u8; SALT_BYTES]) -> Result<Hash, SubmitError> {
    let mut stored = salt.to_vec();
    stored.extend_from_slice(json_of(body)?.as_bytes());
    Ok(body_hash(&stored))
}
