//! The third verb: encodes records and signs those that are signed, and stages the bytes of one
//! commit.
//!
//! Their places in chain and tree they get in [`Log`], with the store and on its thread.

mod chain;
mod sign;

use std::sync::Arc;

use antiphon_core::guard::Guards;
use antiphon_core::id::Digest;
use antiphon_core::input::{Effect, Event};
use antiphon_core::policy::Policy;
use antiphon_core::record::{Body, Record};
use antiphon_core::signal::Origin;
use antiphon_core::state::Keys;
use antiphon_ledger::hash::{SALT_BYTES, body_hash};
use tokio::sync::oneshot;

use crate::error::EngineError;
use crate::handle::{Answered, Status, SubmitError};
use crate::ports::entropy::Entropy;
use chain::Unchained;
pub(crate) use chain::{Draft, Log};
pub(crate) use sign::{Attested, Signing};

/// Inputs of one batch.
pub(super) const STAGED_INPUTS_MAX: usize = 512;
/// Records of one batch, after which no input is added.
const STAGED_RECORDS_MAX: u32 = 4_096;
/// Bytes of one batch, after which no input is added.
const STAGED_BYTES_MAX: usize = 4 << 20;

/// What makes records into bytes.
pub(crate) struct Sealer {
    entropy: Box<dyn Entropy>,
    pub(crate) signing: Signing,
    /// What salts are drawn from; renewed with every batch.
    seed: Option<[u8; 32]>,
}

impl Sealer {
    pub(crate) fn new(entropy: Box<dyn Entropy>, signing: Signing) -> Self {
        Self {
            entropy,
            signing,
            seed: None,
        }
    }

    /// Adds the bytes of `record` to `staged`; a record that `attested` is about gets what came with
    /// it.
    pub(crate) fn seal(
        &mut self,
        record: &Record,
        attested: Option<&Attested>,
        staged: &mut Staged,
    ) -> Result<(), EngineError> {
        let subject = record.body.signed_subject();
        let attested = attested.filter(|_| subject.is_some());
        let attested = attested.filter(|attested| attested.is_of(&record.body));
        let salt = match attested {
            Some(attested) => attested.salt,
            None => self.salt(record.seq)?,
        };
        let turn = &mut staged.draft.batch.turn;
        let bodies = turn.bodies.get_or_insert_default();
        let frame = bodies.len();
        bodies.extend_from_slice(&[0; 4]);
        bodies.extend_from_slice(&salt);
        record.body.encode(bodies)?;
        let start = frame.saturating_add(4);
        let stored = bodies.get(start..).unwrap_or_default();
        let length = u32::try_from(stored.len()).unwrap_or(u32::MAX);
        let kind = record.body.kind();
        let sig = match &subject {
            Some(subject) => {
                let body_sha256 = body_hash(stored);
                Some(self.signing.sign(kind, subject, &body_sha256, attested)?)
            }
            None => None,
        };
        if let Some(prefix) = bodies.get_mut(frame..start) {
            prefix.copy_from_slice(&length.to_be_bytes());
        }
        if turn.count == 0 {
            turn.first_seq = record.seq;
        }
        turn.count = turn.count.saturating_add(1);
        staged.draft.records.push(Unchained {
            elapsed_ms: record.elapsed_ms,
            kind,
            seq: record.seq,
            sig,
            stored: start..bodies.len(),
            time_ms: record.time_ms,
        });
        staged.note(record);
        Ok(())
    }

    /// The next record is the first of another batch.
    pub(super) fn begin_batch(&mut self) {
        self.seed = None;
    }

    fn salt(&mut self, seq: u64) -> Result<[u8; SALT_BYTES], EngineError> {
        let seed = match self.seed {
            Some(seed) => seed,
            None => *self
                .seed
                .insert(self.entropy.bytes32().map_err(EngineError::Entropy)?),
        };
        let mut material = [0; 40];
        let (front, back) = material.split_at_mut(32);
        front.copy_from_slice(&seed);
        back.copy_from_slice(&seq.to_be_bytes());
        let mut salt = [0; SALT_BYTES];
        for (to, from) in salt.iter_mut().zip(Digest::of(&material).0) {
            *to = from;
        }
        Ok(salt)
    }
}

/// What the next commit holds, and what waits for it.
#[derive(Default)]
pub(crate) struct Staged {
    pub(super) draft: Draft,
    pub(super) held: Held,
    pub(super) inputs: usize,
    /// The inputs of this batch, for the case that one stops the machine.
    events: Vec<Event>,
}

/// What is let go once a batch is durable.
#[derive(Default)]
pub(crate) struct Held {
    /// The records, for the views.
    pub(super) records: Vec<Record>,
    pub(super) answers: Vec<Waiting>,
    pub(super) effects: Vec<Effect>,
    /// Leases that were settled or given back.
    pub(super) ended: Vec<u64>,
    /// The guards, when they changed.
    pub(super) guards: Option<Guards>,
    /// Stops whose senders closed the gate.
    pub(super) stops: u32,
    /// The last record that changed the dead letters.
    pub(super) letters_seq: Option<u64>,
    /// The policy, when another came into force.
    pub(super) policy: Option<Arc<Policy>>,
    /// Whether an operator's act is among it, who is to see it done once he is answered.
    pub(super) is_control: bool,
    /// How things stand after it, when that is to be shown.
    pub(super) status: Option<Arc<Status>>,
    /// The log's keys, when they changed.
    pub(super) keys: Option<Arc<Keys>>,
}

/// An answer and who waits for it.
pub(super) struct Waiting {
    pub(super) sender: oneshot::Sender<Result<Answered, SubmitError>>,
    pub(super) answer: Result<Answered, SubmitError>,
}

impl Staged {
    /// Whether one more input may be stepped into this batch.
    pub(super) fn has_room(&self) -> bool {
        self.inputs < STAGED_INPUTS_MAX
            && self.draft.batch.turn.count < STAGED_RECORDS_MAX
            && self.bytes() < STAGED_BYTES_MAX
            && self.held.answers.len() < STAGED_INPUTS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        // Inputs that left no record count, too: else they would fill the batch for ever.
        self.inputs == 0 && self.held.answers.is_empty()
    }

    /// Bytes of the records, about.
    pub(super) fn bytes(&self) -> usize {
        self.draft.bytes()
    }

    pub(super) fn answer(
        &mut self,
        sender: oneshot::Sender<Result<Answered, SubmitError>>,
        answer: Result<Answered, SubmitError>,
    ) {
        self.held.answers.push(Waiting { sender, answer });
    }

    pub(super) fn effects(&mut self, effects: Vec<Effect>) {
        self.held.effects.extend(effects);
    }

    pub(super) fn note_stop(&mut self) {
        self.held.stops = self.held.stops.saturating_add(1);
    }

    pub(super) fn remember(&mut self, event: &Event) {
        self.held.is_control |= matches!(event, Event::Control(_) | Event::Configured(_));
        self.events.push(event.clone());
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// The batch and what waits for it; what is left is empty.
    pub(crate) fn take(&mut self) -> (Draft, Held) {
        self.inputs = 0;
        self.events.clear();
        (
            std::mem::take(&mut self.draft),
            std::mem::take(&mut self.held),
        )
    }

    /// Takes back the buffers of a batch that is durable.
    pub(super) fn reuse(&mut self, draft: Draft) {
        if self.draft.batch.turn.count == 0 {
            self.draft = draft.emptied();
        }
    }

    fn note(&mut self, record: &Record) {
        match &record.body {
            Body::RunSettled(body) => self.held.ended.push(body.token),
            Body::RunReturned(body) => self.held.ended.push(body.token),
            Body::GuardChanged(body) => self.held.guards = Some(body.guards),
            Body::LetterParked(_) | Body::LettersPurged(_) => {
                self.held.letters_seq = Some(record.seq);
            }
            Body::SignalAccepted(body) if matches!(body.origin, Origin::Replay(_)) => {
                self.held.letters_seq = Some(record.seq);
            }
            _ => {}
        }
    }
}
