//! A witness of the log, wherever it is: asked for cosignatures.
//!
//! In: the body of an `add-checkpoint`. Out: status and body of the answer, unjudged. What they mean
//! is the engine's; how they travel is the adapter's. Source: C2SP tlog-witness.

use std::sync::Arc;

use antiphon_ledger::key::VerifierKey;

use super::executor::Answer;

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessReply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// The way to one witness.
///
/// An implementation MUST answer within bounded time, with an error in words when there was no answer;
/// it MUST NOT ask twice for one call. The caller MUST NOT have more than one call under way.
pub trait AsksWitness: Send + Sync {
    /// What the witness answers to `body`; an error says why there was no answer.
    fn add_checkpoint(&self, body: Vec<u8>) -> Answer<'_, Result<WitnessReply, String>>;
}

/// A witness that the operator has named.
#[derive(Clone)]
pub struct Witness {
    /// Its name, for people.
    pub name: String,
    /// The key that its cosignatures are checked with.
    pub key: VerifierKey,
    /// The way to it.
    pub way: Arc<dyn AsksWitness>,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
