//! Keys that are known: one lookup for what was taken, and what is answered to what came before.
//!
//! In: the keys of signals and files. Out: what is known and for how long, which is [`crate::keys`].

use std::collections::HashMap;

use antiphon_core::id::Id;
use antiphon_core::input::{Event, Reply};

use super::Turn;
use super::ingest::Taken;
use crate::error::EngineError;
use crate::handle::{Answered, SubmitError};
use crate::keys::Known;

/// The payload of a key whose input became a dead letter.
const PARKED_PAYLOAD: [u8; 8] = [0; 8];

impl Turn {
    /// One lookup for all keys of what was taken that memory does not know.
    pub(super) fn known_keys(&mut self) -> Result<HashMap<[u8; 16], Known>, EngineError> {
        let asked: Vec<[u8; 16]> = self
            .taken
            .iter()
            .filter_map(|taken| match taken {
                Taken::Signal(request) => key_of(&request.event),
                Taken::Control(_) | Taken::Outcome(_) | Taken::Executor(_) => None,
            })
            .filter(|hash| self.keys.recent(hash).is_none())
            .collect();
        if asked.is_empty() {
            Ok(HashMap::new())
        } else {
            Ok(self.keys.indexed(&asked)?)
        }
    }

    /// What is answered to an event whose key is known. The same key with the same contents is the
    /// same signal, or the same dead letter; a file's key covers its contents.
    pub(super) fn known(&self, event: &Event, found: Known) -> Result<Answered, SubmitError> {
        let Known { id, seq, payload } = found;
        if payload == PARKED_PAYLOAD {
            return Ok(Answered::Machine(self.parked_before(id)));
        }
        match event {
            Event::Signal { draft, .. } if draft.key.is_some_and(|key| key.payload != payload) => {
                Err(SubmitError::KeyConflict { id })
            }
            _ => Ok(Answered::Duplicate { id, seq }),
        }
    }

    /// What was answered when this letter was parked, as long as it is kept.
    fn parked_before(&self, letter: Id) -> Reply {
        let kept = self.machine.state().letters.get(&letter);
        let (code, error) = kept.map_or_else(
            || {
                let error = format!("it was refused before, as dead letter {letter}");
                ("intent.parked_before".to_owned(), error)
            },
            |kept| (kept.code.clone(), kept.error.clone()),
        );
        Reply::Parked {
            letter,
            code,
            error,
        }
    }
}

/// The key that an event brings.
pub(super) fn key_of(event: &Event) -> Option<[u8; 16]> {
    match event {
        Event::Signal { draft, .. } => draft.key.map(|key| key.hash),
        Event::Intent(intent) => Some(intent.key),
        Event::Malformed { key, .. } => *key,
        Event::Started(_)
        | Event::Configured(_)
        | Event::Reported { .. }
        | Event::NotStarted { .. }
        | Event::Recovered { .. }
        | Event::Control(_)
        | Event::OwnerGoing
        | Event::SnapshotWritten { .. }
        | Event::Tick => None,
    }
}
