//! Which key is valid where, as the records of a log say, and whether its records are signed by
//! those that are.
//!
//! In: every record in order. Out: what is wrong with its keys and signatures, and for every agent
//! and place the one key that is valid there, or none. Validity is by place, never by clock: a key
//! is valid from the record after the one that brings it, up to the one that ends it.
//!
//! Invariants: an event that makes no sense, or is not signed by whom it must be, changes nothing;
//! no two keys of an agent are valid at one place; no key comes back; what a key signed counts once.
//! Not here: whether a record stands where it says and has the body that it says
//! ([`crate::verify`]), who is trusted ([`crate::trust`]).
//! Source: `docs/reference/ledger.md`.

mod event;
mod signers;

use std::collections::{BTreeMap, BTreeSet};

use crate::envelope::Envelope;
use crate::hash::Hash;
use crate::key::{KeyId, VerifierKey};
use crate::signature::{self, LOG, OWNER, RECOVERY, Signature};
use crate::verify::{Problem, ProblemKind};

use event::{Brought, Event};
use signers::{asked_of, check_signers, fits_subject};

/// A key of an agent, and the places at which it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Whose it is.
    pub agent: String,
    /// The key.
    pub key: VerifierKey,
    /// Whether the program holds its secret.
    pub is_custodial: bool,
    /// The first place at which it is valid.
    pub first: u64,
    /// The place from which on it is valid no more; `None` while it is the agent's key.
    pub end: Option<u64>,
    /// Whether it was revoked.
    pub is_revoked: bool,
    /// The bodies that it signed, by their hashes, and the records that have them, as long as it is
    /// the agent's key: none of them counts again, and a revocation refuses some.
    signed: BTreeMap<Hash, u64>,
}

impl Tenure {
    /// Whether the key is valid at `place`.
    #[must_use]
    pub fn is_valid_at(&self, place: u64) -> bool {
        self.first <= place && self.end.is_none_or(|end| place < end)
    }

    fn is_of(&self, agent: &str, id: KeyId) -> bool {
        self.agent == agent && self.key.id() == id
    }
}

/// The keys of a log, as its records bring and end them.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    origin: Option<String>,
    tenures: Vec<Tenure>,
}

impl Keyring {
    /// The keys of the log of `origin`, before its first record; that of record 0 when `None`.
    #[must_use]
    pub fn new(origin: Option<&str>) -> Self {
        Self {
            origin: origin.map(str::to_owned),
            tenures: Vec::new(),
        }
    }

    /// The log's origin, as it was given or as record 0 says.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Every key, in the order in which they came.
    #[must_use]
    pub fn tenures(&self) -> &[Tenure] {
        &self.tenures
    }

    /// The first key that `agent` had.
    #[must_use]
    pub fn first(&self, agent: &str) -> Option<&Tenure> {
        self.tenures.iter().find(|it| it.agent == agent)
    }

    /// The key of `agent` that is valid at `place`.
    #[must_use]
    pub fn valid_at(&self, agent: &str, place: u64) -> Option<&Tenure> {
        let is_valid = |it: &&Tenure| it.agent == agent && it.is_valid_at(place);
        self.tenures.iter().find(is_valid)
    }

    /// Whether [`Keyring::record`] must be asked about a record; of record 0 it must be always.
    #[must_use]
    pub fn concerns(envelope: &Envelope<'_>) -> bool {
        envelope.sig.is_some()
            || event::is_about_keys(envelope.kind)
            || signature::is_signed(envelope.kind)
    }

    /// Checks the signatures of the record that stands at `seq`, and takes the keys that it brings;
    /// `json` is its body without salt, `None` when it is not there. Problems are in the order in
    /// which they are to be told, each with the record that it is of.
    pub fn record(
        &mut self,
        seq: u64,
        envelope: &Envelope<'_>,
        json: Option<&[u8]>,
    ) -> Vec<Problem> {
        let event = match self.event(seq, envelope, json) {
            Ok(event) => event,
            Err(detail) => return vec![problem(seq, ProblemKind::KeyMalformed, detail)],
        };
        let signers = match self.signers(seq, envelope, &event) {
            Ok(signers) => signers,
            Err(problem) => return vec![problem],
        };
        for tenure in &mut self.tenures {
            let is_signer = signers.iter().any(|(agent, id)| tenure.is_of(agent, *id));
            if is_signer {
                tenure.signed.insert(envelope.body_sha256, seq);
            }
        }
        let refused = self.end(seq, &event);
        for Brought {
            agent,
            key,
            is_custodial,
        } in event.brought()
        {
            self.tenures.push(Tenure {
                agent: agent.clone(),
                key: key.clone(),
                is_custodial: *is_custodial,
                first: event.first_place(seq),
                end: None,
                is_revoked: false,
                signed: BTreeMap::new(),
            });
        }
        refused
    }

    /// What a record says about keys, if that makes sense where it stands.
    fn event(
        &mut self,
        seq: u64,
        envelope: &Envelope<'_>,
        json: Option<&[u8]>,
    ) -> Result<Event, String> {
        if (envelope.kind == event::LOG_CREATED) != (seq == 0) {
            return Err(format!("{} has no place here", envelope.kind));
        }
        if !event::is_about_keys(envelope.kind) {
            return Ok(Event::None);
        }
        if envelope.version != 1 {
            return Err("it is of another version".to_owned());
        }
        let json = json.ok_or("its body is not there")?;
        let event = Event::parse(envelope.kind, json, self.origin.as_deref())?;
        self.check_event(seq, &event)?;
        if let Event::Created { origin, .. } = &event {
            self.origin.get_or_insert_with(|| origin.clone());
        }
        Ok(event)
    }

    fn check_event(&self, seq: u64, event: &Event) -> Result<(), String> {
        let had = |public| self.tenures.iter().any(|it| it.key.public() == public);
        if event.brought().iter().any(|it| had(it.key.public())) {
            return Err("the log has had this key".to_owned());
        }
        match event {
            Event::None | Event::Created { .. } => Ok(()),
            Event::Registered { new } => {
                let is_known = self.tenures.iter().any(|it| it.agent == new.agent);
                if is_known || [LOG, RECOVERY].contains(&new.agent.as_str()) {
                    return Err(format!("{} is not registered", new.agent));
                }
                Ok(())
            }
            Event::Rotated { new, of } => self.valid_key(new, *of, seq).map(|_| ()),
            Event::Revoked { new, of, from_seq } => {
                let old = self.valid_key(new, *of, seq)?;
                if new.agent == RECOVERY {
                    return Err("the recovery key is not revoked".to_owned());
                }
                let from_seq = from_seq.unwrap_or(seq);
                if !(old.first..=seq).contains(&from_seq) {
                    return Err(format!("a key is not revoked from record {from_seq} on"));
                }
                Ok(())
            }
        }
    }

    fn valid_key(&self, new: &Brought, of: KeyId, seq: u64) -> Result<&Tenure, String> {
        let valid = self.valid_at(&new.agent, seq);
        valid
            .filter(|it| it.key.id() == of)
            .ok_or_else(|| format!("{of} is not the valid key of {}", new.agent))
    }

    /// Who signed the record, when all that must have did, and nobody else.
    fn signers(
        &self,
        seq: u64,
        envelope: &Envelope<'_>,
        event: &Event,
    ) -> Result<Vec<(String, KeyId)>, Problem> {
        let kind = envelope.kind;
        if !signature::is_signed(kind) {
            if envelope.sig.is_none() {
                return Ok(Vec::new());
            }
            let detail = format!("records of kind {kind} are not signed");
            return Err(problem(seq, ProblemKind::SignatureUnexpected, detail));
        }
        let mut signers = Vec::new();
        for text in signature::texts(envelope.sig.unwrap_or_default()) {
            let signer = self
                .signer(seq, envelope, event, text)
                .map_err(|(kind, detail)| problem(seq, kind, detail))?;
            signers.push(signer);
        }
        let of_log = self.signer_of_log();
        check_signers(kind, event, &signers, of_log).map_err(|kind| {
            let by: Vec<_> = signers.iter().map(|(agent, _)| agent.as_str()).collect();
            let asked = asked_of(envelope.kind, event, of_log);
            let detail = format!("it is signed by {by:?}, and must be by {asked}");
            problem(seq, kind, detail)
        })?;
        Ok(signers)
    }

    /// Who says that the log was cut or restored.
    fn signer_of_log(&self) -> &'static str {
        self.first(RECOVERY).map_or(OWNER, |_key| RECOVERY)
    }

    /// Who made the signature that `text` writes, if it is good at this place.
    fn signer(
        &self,
        seq: u64,
        envelope: &Envelope<'_>,
        event: &Event,
        text: &str,
    ) -> Result<(String, KeyId), (ProblemKind, String)> {
        let invalid = |detail: String| (ProblemKind::SignatureInvalid, detail);
        let read: Result<Signature, _> = text.parse();
        let signature = read.map_err(|error| invalid(error.to_string()))?;
        let (agent, id, subject) = (signature.agent(), signature.id(), signature.subject());
        if !fits_subject(envelope.kind, event, subject) {
            return Err(invalid(format!("the subject of {agent}+{id} is {subject}")));
        }
        let new = event
            .new_key()
            .filter(|new| new.agent == agent && new.key.id() == id);
        let (key, earlier) = if let Some(new) = new {
            (&new.key, None)
        } else {
            let tenure = self.tenure_of(agent, id, seq)?;
            (&tenure.key, tenure.signed.get(&envelope.body_sha256))
        };
        let origin = self.origin.as_deref().unwrap_or_default();
        if !signature.is_by(key, origin, envelope.kind, &envelope.body_sha256) {
            return Err(invalid(format!(
                "the signature of {agent}+{id} does not fit"
            )));
        }
        if let Some(earlier) = earlier {
            let detail = format!("{agent}+{id} signed the same body for record {earlier}");
            return Err((ProblemKind::SignatureReplayed, detail));
        }
        Ok((agent.to_owned(), id))
    }

    /// The key that an agent says it signed the record at `seq` with.
    fn tenure_of(
        &self,
        agent: &str,
        id: KeyId,
        seq: u64,
    ) -> Result<&Tenure, (ProblemKind, String)> {
        match self.tenures.iter().find(|it| it.is_of(agent, id)) {
            Some(tenure) if tenure.is_valid_at(seq) => Ok(tenure),
            Some(_) => {
                let detail = format!("the key {agent}+{id} is not valid there");
                Err((ProblemKind::SignatureKey, detail))
            }
            None => {
                let detail = format!("the log has no key {agent}+{id}");
                Err((ProblemKind::KeyUnknown, detail))
            }
        }
    }

    /// Ends the key that the event replaces; the signatures that a revocation refuses.
    fn end(&mut self, seq: u64, event: &Event) -> Vec<Problem> {
        let (new, end, is_revoked) = match event {
            Event::None | Event::Created { .. } | Event::Registered { .. } => return Vec::new(),
            Event::Rotated { new, .. } => (new, seq.saturating_add(1), false),
            Event::Revoked { new, from_seq, .. } => (new, from_seq.unwrap_or(seq), true),
        };
        #[cfg(antiphon_plant)]
        let end = if !is_revoked && crate::plant::is("rotated_key_stays_valid") {
            end.saturating_add(1)
        } else if is_revoked && crate::plant::is("revocation_from_now_on") {
            seq.saturating_add(1)
        } else {
            end
        };
        let mut open = self
            .tenures
            .iter_mut()
            .filter(|it| it.agent == new.agent && it.end.is_none());
        let Some(old) = open.next() else {
            return Vec::new();
        };
        old.end = Some(end);
        old.is_revoked = is_revoked;
        let signed = std::mem::take(&mut old.signed).into_values();
        let refused: BTreeSet<u64> = signed.filter(|place| *place >= end).collect();
        let (agent, id) = (&old.agent, old.key.id());
        let detail = format!("its key {agent}+{id} was revoked from {end} on");
        refused
            .into_iter()
            .map(|place| problem(place, ProblemKind::SignatureKey, detail.clone()))
            .collect()
    }
}

fn problem(seq: u64, kind: ProblemKind, detail: String) -> Problem {
    Problem { seq, kind, detail }
}
