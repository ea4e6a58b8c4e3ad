//! Everything of one chain, read once: its signals, who follows whom, its runs, the answers to asks.

use std::collections::BTreeMap;

use antiphon_core::id::Id;
use antiphon_core::record::{Body, Payload, Record, SignalAccepted};
use antiphon_core::signal::Origin;
use antiphon_engine::ports::views::{RunFilter, RunRow, SignalFilter};

use crate::routes::{letters, signals};
use crate::state::{QueryError, Sources};

/// Signals of one chain that are shown.
const SIGNALS_MAX: usize = 500;
/// Runs of one chain that are shown.
const RUNS_MAX: usize = 2_000;
/// Newest events among which answers to asks are looked for.
const EVENTS_MAX: usize = 1_000;

/// A signal and the record that accepted it.
pub(super) struct Accepted {
    pub(super) record: Record,
    pub(super) signal: Box<SignalAccepted>,
}

/// An answer to an ask.
pub(super) struct Answer {
    pub(super) permit: bool,
    pub(super) by: String,
    pub(super) seq: u64,
}

/// A chain.
pub(super) struct Gathered {
    /// Its first signal.
    pub(super) root: Id,
    /// Its signals.
    pub(super) signals: BTreeMap<Id, Accepted>,
    /// The answers to its asks.
    pub(super) answers: BTreeMap<Id, Answer>,
    /// Whether parts of it were left out.
    pub(super) cut: bool,
    children: BTreeMap<Id, Vec<Id>>,
    runs: BTreeMap<Id, Vec<RunRow>>,
}

impl Gathered {
    /// The signals that follow from `signal`, in order.
    pub(super) fn children_of(&self, signal: &Id) -> &[Id] {
        self.children.get(signal).map_or(&[], Vec::as_slice)
    }

    /// The runs that `signal` planned, in order.
    pub(super) fn runs_of(&self, signal: &Id) -> &[RunRow] {
        self.runs.get(signal).map_or(&[], Vec::as_slice)
    }
}

/// Reads the chain of `signal`.
pub(super) fn gather(sources: &mut Sources<'_>, signal: Id) -> Result<Gathered, QueryError> {
    let mut chain = Gathered {
        root: signal,
        signals: BTreeMap::new(),
        answers: BTreeMap::new(),
        cut: false,
        children: BTreeMap::new(),
        runs: BTreeMap::new(),
    };
    climb(sources, &mut chain)?;
    descend(sources, &mut chain)?;
    let mut order: Vec<(u64, Id)> = chain
        .signals
        .iter()
        .map(|(id, accepted)| (accepted.record.seq, *id))
        .collect();
    order.sort_unstable();
    for (_, id) in order {
        let Some(accepted) = chain.signals.get(&id) else {
            continue;
        };
        if let Some(parent) = parent(sources, &accepted.signal)? {
            chain.children.entry(parent).or_default().push(id);
        }
    }
    let is_deferred = chain.signals.values().any(|accepted| {
        accepted
            .signal
            .decisions
            .iter()
            .any(|verdict| verdict.ask.is_some())
    });
    if is_deferred {
        chain.answers = answers(sources)?;
    }
    Ok(chain)
}

/// Goes up from the root as it is known to the first signal of the chain.
fn climb(sources: &mut Sources<'_>, chain: &mut Gathered) -> Result<(), QueryError> {
    let mut next = Some(chain.root);
    while let Some(id) = next {
        if chain.signals.len() >= SIGNALS_MAX {
            chain.cut = true;
            break;
        }
        let Some(row) = sources.views.signal(&id)? else {
            break;
        };
        let Some((record, signal)) = signals::accepted(sources, &row)? else {
            break;
        };
        next = parent(sources, &signal)?;
        chain.root = id;
        chain.signals.insert(id, Accepted { record, signal });
    }
    if chain.signals.is_empty() {
        Err(QueryError::NotFound("signal"))
    } else {
        Ok(())
    }
}

/// Reads every signal and run of the chains that were met on the way up.
fn descend(sources: &mut Sources<'_>, chain: &mut Gathered) -> Result<(), QueryError> {
    let mut correlations: Vec<Id> = chain
        .signals
        .values()
        .map(|accepted| accepted.signal.correlation)
        .collect();
    correlations.sort_unstable();
    correlations.dedup();
    for correlation in correlations {
        let filter = SignalFilter {
            correlation: Some(correlation),
            ascending: true,
            limit: SIGNALS_MAX,
            ..SignalFilter::default()
        };
        let rows = sources.views.signals(&filter)?;
        chain.cut |= rows.len() >= SIGNALS_MAX;
        for row in rows {
            if let Some((record, signal)) = signals::accepted(sources, &row)? {
                chain.signals.insert(row.id, Accepted { record, signal });
            }
        }
        let filter = RunFilter {
            correlation: Some(correlation),
            limit: RUNS_MAX,
            ..RunFilter::default()
        };
        let mut rows = sources.views.runs(&filter)?;
        chain.cut |= rows.len() >= RUNS_MAX;
        rows.sort_by_key(|row| row.planned_seq);
        for row in rows {
            chain.runs.entry(row.signal_id).or_default().push(row);
        }
    }
    Ok(())
}

/// The signal that `signal` follows from: its cause, or the one whose dead letter was replayed.
fn parent(sources: &mut Sources<'_>, signal: &SignalAccepted) -> Result<Option<Id>, QueryError> {
    if let Some(cause) = signal.cause {
        return Ok(Some(cause));
    }
    let Origin::Replay(letter) = &signal.origin else {
        return Ok(None);
    };
    let Some(row) = sources.views.letter(letter)? else {
        return Ok(None);
    };
    let parked = letters::parked(sources, &row)?;
    Ok(parked.and_then(|(_, parked)| signal_of_letter(&parked.payload)))
}

/// The signal that a dead letter is about.
pub(super) fn signal_of_letter(payload: &Payload) -> Option<Id> {
    match payload {
        Payload::Run { signal, .. } | Payload::Signal { signal, .. } => Some(*signal),
        Payload::Bytes { .. } | Payload::Document(_) => None,
    }
}

fn answers(sources: &mut Sources<'_>) -> Result<BTreeMap<Id, Answer>, QueryError> {
    let mut answers = BTreeMap::new();
    for seq in sources.views.events(EVENTS_MAX)? {
        let record = sources
            .records
            .record(seq)?
            .and_then(|projected| projected.record);
        if let Some(Body::AskAnswered(answered)) = record.map(|record| record.body) {
            let (permit, by) = (answered.permit, answered.by);
            answers.insert(answered.ask, Answer { permit, by, seq });
        }
    }
    Ok(answers)
}
