//! Accepting a signal: one record for the signal and what was decided on it, then what follows.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Step;
use super::decide::{Decided, Hearing, state_document};
use super::park::Unprocessed;
use crate::id::Id;
use crate::limits::{CASCADE_RECORDS_MAX, LINEAGE_MAX};
use crate::name::RuleName;
use crate::policy::Policy;
use crate::record::{Body, BreakerChanged, Cleared, Payload, RuleVerdict, SignalAccepted, Verdict};
use crate::signal::{Draft, Origin};

/// A signal on its way in, with what it descends from.
pub(super) struct Arrival {
    pub(super) draft: Draft,
    pub(super) origin: Origin,
    /// Causal depth in its chain.
    pub(super) depth: u32,
    /// Depth within this step's cascade.
    pub(super) cascade_depth: u32,
    pub(super) lineage: Vec<RuleName>,
    /// Expectations that it meets whatever its name.
    pub(super) meets: Vec<Id>,
}

impl Arrival {
    /// One that nothing in the machine caused.
    pub(super) fn first(draft: Draft, origin: Origin) -> Self {
        Self {
            draft,
            origin,
            depth: 0,
            cascade_depth: 0,
            lineage: Vec::new(),
            meets: Vec::new(),
        }
    }

    /// One that `fired` caused, on a signal of this depth and lineage.
    pub(super) fn following(
        draft: Draft,
        origin: Origin,
        depth: u32,
        lineage: &[RuleName],
        fired: RuleName,
    ) -> Self {
        let lineage = extended(lineage, fired);
        Self {
            depth: depth.saturating_add(1),
            lineage,
            ..Self::first(draft, origin)
        }
    }
}

/// Rules whose expressions failed, and the signal that they failed on.
struct Errors {
    payload: Payload,
    replays: u32,
    rules: Vec<(RuleName, String)>,
}

impl Step<'_> {
    /// Accepts a signal and, one after another, the signals that rules emit on it; gives the id and
    /// the record of the first.
    pub(super) fn accept(&mut self, first: Arrival) -> (Id, u64) {
        let mut accepted = None;
        // Each cascade has room of its own: timers that were due before it take none of it.
        let begun = self.output.records.len();
        let mut waiting = VecDeque::from([first]);
        while let Some(arrival) = waiting.pop_front() {
            let made = self.output.records.len().saturating_sub(begun);
            let taken = made.saturating_add(waiting.len()).saturating_add(1);
            let room = CASCADE_RECORDS_MAX.saturating_sub(taken);
            let (id, seq, emissions) = self.accept_one(arrival, room);
            accepted.get_or_insert((id, seq));
            waiting.extend(emissions);
        }
        accepted.unwrap_or((Id::from_bytes([0; 16]), 0))
    }

    fn accept_one(&mut self, arrival: Arrival, room: usize) -> (Id, u64, Vec<Arrival>) {
        let policy: Arc<Policy> = self.machine.policy.clone();
        let id = self.next_id(0);
        let correlation = arrival.draft.correlation.unwrap_or(id);
        let hearing = Hearing {
            arrival: &arrival,
            id,
            correlation,
            policy: &policy,
            room,
            live_room: self.live_room(),
        };
        let reads = state_document(self, &hearing);
        let decided = self.decide(&hearing, reads.as_ref());
        let errors = self.errors(&hearing, &decided.decisions);
        let meets = self.met(&hearing);
        let clears = cleared(&hearing);
        let Decided {
            decisions,
            runs,
            arms,
            emissions,
            breakers,
            ..
        } = decided;
        let Arrival {
            draft,
            origin,
            depth,
            lineage,
            ..
        } = arrival;
        let seq = self.record(Body::SignalAccepted(Box::new(SignalAccepted {
            arms,
            cause: draft.cause,
            clears,
            correlation,
            decisions,
            depth,
            facts: draft.facts,
            id,
            key: draft.key,
            lineage,
            meets,
            occurred_ms: draft.occurred_ms,
            origin,
            policy: policy.digest(),
            runs,
            signal: draft.name,
            source: draft.source,
            state: reads,
        })));
        self.open_breakers(breakers);
        self.park_errors(errors);
        (id, seq, emissions)
    }

    fn errors(&self, hearing: &Hearing<'_>, decisions: &[RuleVerdict]) -> Errors {
        let errored = decisions
            .iter()
            .filter(|said| said.verdict == Verdict::Errored);
        let rules =
            errored.map(|said| (said.rule.clone(), said.detail.clone().unwrap_or_default()));
        let replayed = if let Origin::Replay(letter) = &hearing.arrival.origin {
            self.state().letters.get(letter)
        } else {
            None
        };
        let draft = &hearing.arrival.draft;
        Errors {
            payload: Payload::Signal {
                correlation: hearing.correlation,
                facts: draft.facts.clone(),
                signal: hearing.id,
                signal_name: draft.name.clone(),
            },
            replays: replayed.map_or(0, |letter| letter.replays.saturating_add(1)),
            rules: rules.collect(),
        }
    }

    fn open_breakers(&mut self, breakers: Vec<(RuleName, u64)>) {
        for (rule, until_ms) in breakers {
            let changed = BreakerChanged {
                by: "machine".to_owned(),
                open_until_ms: Some(until_ms),
                rule,
            };
            self.record(Body::BreakerChanged(Box::new(changed)));
        }
    }

    fn park_errors(&mut self, errors: Errors) {
        for (rule, error) in errors.rules {
            self.park(Unprocessed {
                subject: format!("rule:{rule}"),
                code: "rule.errored".to_owned(),
                error,
                payload: errors.payload.clone(),
                key: None,
                replays: errors.replays,
            });
        }
    }
}

/// The dedupe keys that wait for a signal of this name: those of its own chain, or all when nothing
/// in the machine caused it.
fn cleared(hearing: &Hearing<'_>) -> Vec<Cleared> {
    let chain = (hearing.arrival.depth > 0).then_some(hearing.correlation);
    hearing
        .policy
        .rules_cleared_by(&hearing.arrival.draft.name)
        .map(|rule| Cleared {
            correlation: chain,
            rule: rule.clone(),
        })
        .collect()
}

fn extended(lineage: &[RuleName], fired: RuleName) -> Vec<RuleName> {
    let skip = lineage.len().saturating_add(1).saturating_sub(LINEAGE_MAX);
    lineage.iter().skip(skip).cloned().chain([fired]).collect()
}
