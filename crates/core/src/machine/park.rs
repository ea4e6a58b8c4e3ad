//! Dead letters: what cannot be processed is kept with its reason, replayed or purged.

use std::collections::BTreeSet;

use super::Step;
use super::accept::Arrival;
use crate::control::Refusal;
use crate::id::{Digest, Id};
use crate::input::{Intent, Malformed, Reply};
use crate::intent;
use crate::limits::{DEAD_LETTERS_MAX, FACTS_BYTES_MAX, REPLAYS_MAX};
use crate::name::{SignalName, SourceName};
use crate::record::{Body, LetterParked, LettersPurged, Payload};
use crate::signal::{Draft, Facts, Key, Origin};

/// Bytes of a document that is too large to keep whole.
const EXCERPT_BYTES: usize = 4 * 1024;

/// Something that cannot be processed, on its way to be kept.
pub(super) struct Unprocessed {
    /// Who could not process it.
    pub(super) subject: String,
    /// The stable code of what is wrong.
    pub(super) code: String,
    /// What is wrong, for people.
    pub(super) error: String,
    pub(super) payload: Payload,
    /// The identity of the file that it came by.
    pub(super) key: Option<Key>,
    /// How often what it is about was replayed before.
    pub(super) replays: u32,
}

impl Step<'_> {
    pub(super) fn intent(&mut self, intent: &Intent) {
        let policy = self.machine.policy.clone();
        match intent::route(&policy, intent) {
            Ok(draft) => self.signal(draft, Origin::External),
            Err(refusal) => self.park_and_reply(Unprocessed {
                subject: format!("intent:{}", intent.file),
                code: refusal.code.to_owned(),
                error: refusal.error,
                payload: document_payload(intent),
                key: Some(file_key(intent.key)),
                replays: 0,
            }),
        }
    }

    pub(super) fn malformed(&mut self, what: Malformed, key: Option<[u8; 16]>) {
        self.park_and_reply(Unprocessed {
            subject: what.subject,
            code: what.code,
            error: what.error,
            payload: Payload::Bytes {
                excerpt: what.excerpt,
                sha256: what.sha256,
            },
            key: key.map(file_key),
            replays: 0,
        });
    }

    fn park_and_reply(&mut self, what: Unprocessed) {
        let (code, error) = (what.code.clone(), what.error.clone());
        let letter = self.park(what);
        self.output.reply = Reply::Parked {
            letter,
            code,
            error,
        };
    }

    /// Keeps something that cannot be processed; the oldest letter goes when there are too many.
    pub(super) fn park(&mut self, what: Unprocessed) -> Id {
        let letters = &self.state().letters;
        if letters.len() >= DEAD_LETTERS_MAX {
            let oldest = letters.first_key_value().map(|(id, _letter)| *id);
            self.record(Body::LettersPurged(Box::new(LettersPurged {
                by: "room".to_owned(),
                letters: oldest.into_iter().collect(),
            })));
        }
        let id = self.next_id(0);
        self.record(Body::LetterParked(Box::new(LetterParked {
            code: what.code,
            error: what.error,
            id,
            key: what.key,
            payload: what.payload,
            replays: what.replays,
            subject: what.subject,
        })));
        id
    }

    pub(super) fn replay(&mut self, letter: &Id, by: &str) {
        let refusal = match self.state().letters.get(letter) {
            None => Refusal::NotFound,
            Some(kept) if kept.replays >= REPLAYS_MAX => Refusal::TooManyReplays,
            Some(kept) => match replayable(&kept.payload, by) {
                None => Refusal::NotReplayable,
                Some(draft) => {
                    let (id, seq) = self.accept(Arrival::first(draft, Origin::Replay(*letter)));
                    self.output.reply = Reply::Accepted { id, seq, key: None };
                    return;
                }
            },
        };
        self.output.reply = Reply::Refused(refusal);
    }

    pub(super) fn purge(&mut self, letters: Vec<Id>, older_than_ms: u64, by: &str) {
        let kept = &self.state().letters;
        let letters: Vec<Id> = if letters.is_empty() {
            let parked_before_ms = self.elapsed_ms.saturating_sub(older_than_ms);
            let is_old = |parked_ms: u64| parked_ms <= parked_before_ms;
            kept.iter()
                .filter(|(_, l)| is_old(l.parked_ms))
                .map(|(id, _)| *id)
                .collect()
        } else {
            let named: BTreeSet<Id> = letters.into_iter().collect();
            named
                .into_iter()
                .filter(|id| kept.contains_key(id))
                .collect()
        };
        self.drop_letters(&letters, by);
    }

    /// Purges letters that were found to be too old.
    pub(super) fn purge_aged(&mut self, letters: &[Id]) {
        self.drop_letters(letters, "age");
    }

    fn drop_letters(&mut self, letters: &[Id], by: &str) {
        let count = u64::try_from(letters.len()).unwrap_or(u64::MAX);
        // One body holds at most 256 KiB: 4,096 ids of 39 bytes fit.
        for part in letters.chunks(4_096) {
            let purged = LettersPurged {
                by: by.to_owned(),
                letters: part.to_vec(),
            };
            self.record(Body::LettersPurged(Box::new(purged)));
        }
        self.output.reply = Reply::Changed { count };
    }
}

/// The key of a file that became no signal: there is no payload to tell apart.
fn file_key(hash: [u8; 16]) -> Key {
    Key {
        hash,
        payload: [0; 8],
    }
}

fn document_payload(intent: &Intent) -> Payload {
    let text = intent.document.text();
    if text.len() <= FACTS_BYTES_MAX
        && let Ok(facts) = Facts::from_document(intent.document.clone())
    {
        return Payload::Document(facts);
    }
    let mut end = EXCERPT_BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let excerpt = text.get(..end).unwrap_or_default().to_owned();
    Payload::Bytes {
        excerpt,
        sha256: Digest::of(text.as_bytes()),
    }
}

fn replayable(payload: &Payload, by: &str) -> Option<Draft> {
    let again = |name: &SignalName, facts: &Facts, signal: &Id, correlation: &Id| {
        let source = SourceName::new(by)
            .or_else(|_error| SourceName::new("replay"))
            .ok()?;
        let mut draft = Draft::new(name.clone(), source, facts.clone());
        draft.cause = Some(*signal);
        draft.correlation = Some(*correlation);
        Some(draft)
    };
    match payload {
        Payload::Run {
            correlation,
            facts,
            signal,
            signal_name,
            ..
        }
        | Payload::Signal {
            correlation,
            facts,
            signal,
            signal_name,
        } => again(signal_name, facts, signal, correlation),
        Payload::Bytes { .. } | Payload::Document(_) => None,
    }
}
