//! Why something happened: the whole chain around a signal, a run or a dead letter.
//!
//! In: the views and the log. Out: a tree from the first signal of the chain down to everything
//! that came of it: decisions (those that did not fire too), asks, runs, attempts, completion
//! signals, dead letters. Pure but for reading; nothing here knows HTTP.
//!
//! A completion signal names the signal that planned its run as its cause; it is shown under the
//! run of that task that ended last before it.

mod gather;

use std::collections::BTreeMap;

use antiphon_core::id::Id;
use antiphon_core::limits::CAUSAL_DEPTH_MAX;
use antiphon_core::record::{Body, LetterParked, Next, Payload, RuleVerdict, Verdict};
use antiphon_core::signal::Origin;
use antiphon_core::time::rfc3339;
use antiphon_engine::ports::views::RunRow;

use crate::model::{AskNode, Chain, DecisionNode, LetterNode, RunNode, Seal, SignalNode};
use crate::present;
use crate::routes::{letters, runs};
use crate::state::{QueryError, Sources};
use gather::{Accepted, Gathered};

/// Records behind a decision or an end in which its dead letter is looked for: a step's.
const LETTER_WITHIN_RECORDS: usize = 64;

/// The chain around the signal, run or dead letter `id`.
///
/// # Errors
/// [`QueryError::NotFound`] when nothing has this id, or the views' or the log's error.
pub(crate) fn why(sources: &mut Sources<'_>, id: Id) -> Result<Chain, QueryError> {
    let subject = subject(sources, id)?;
    let mut chain = Chain {
        asked: id,
        kind: subject.kind.to_owned(),
        cut: false,
        root: None,
        letters: Vec::new(),
        seal: Seal::of(subject.seq),
    };
    match subject.signal {
        Some(signal) => {
            let gathered = gather::gather(sources, signal)?;
            let mut tree = Tree {
                sources,
                cut: gathered.cut,
                gathered: &gathered,
                last_seq: subject.seq,
            };
            chain.root = Some(tree.signal(&gathered.root, 0)?);
            chain.cut = tree.cut;
            chain.seal = Seal::of(tree.last_seq);
        }
        None => chain.letters.extend(subject.letter),
    }
    Ok(chain)
}

/// What was asked about.
struct Subject {
    kind: &'static str,
    /// A record of it.
    seq: u64,
    signal: Option<Id>,
    letter: Option<LetterNode>,
}

fn subject(sources: &mut Sources<'_>, id: Id) -> Result<Subject, QueryError> {
    if let Some(row) = sources.views.signal(&id)? {
        return Ok(Subject {
            kind: "signal",
            seq: row.seq,
            signal: Some(id),
            letter: None,
        });
    }
    if let Some(run) = sources.views.run(&id)? {
        return Ok(Subject {
            kind: "run",
            seq: run.planned_seq,
            signal: Some(run.signal_id),
            letter: None,
        });
    }
    let missing = || QueryError::NotFound("signal, run or letter");
    let row = sources.views.letter(&id)?.ok_or_else(missing)?;
    let (_, parked) = letters::parked(sources, &row)?.ok_or_else(missing)?;
    let signal = gather::signal_of_letter(&parked.payload);
    Ok(Subject {
        kind: "letter",
        seq: row.seq,
        signal,
        letter: Some(letter_node(&parked)),
    })
}

/// Builds the tree from what was gathered.
struct Tree<'a, 'b> {
    sources: &'a mut Sources<'b>,
    gathered: &'a Gathered,
    cut: bool,
    /// The last record that was told.
    last_seq: u64,
}

impl Tree<'_, '_> {
    fn signal(&mut self, id: &Id, depth: u32) -> Result<SignalNode, QueryError> {
        let gathered = self.gathered;
        let missing = || QueryError::NotFound("signal");
        let Accepted { record, signal } = gathered.signals.get(id).ok_or_else(missing)?;
        self.last_seq = self.last_seq.max(record.seq);
        let mut node = SignalNode {
            id: *id,
            seq: record.seq,
            signal: signal.signal.to_string(),
            accepted_at: rfc3339(record.time_ms),
            source: signal.source.to_string(),
            origin: present::origin(&signal.origin),
            facts: signal.facts.clone(),
            decisions: signal
                .decisions
                .iter()
                .map(|verdict| self.decision(verdict))
                .collect(),
            runs: Vec::new(),
            expects: signal.arms.iter().map(present::expectation).collect(),
            follows: Vec::new(),
            letters: Vec::new(),
        };
        if signal
            .decisions
            .iter()
            .any(|verdict| verdict.verdict == Verdict::Errored)
        {
            node.letters = self.letters_behind(
                record.seq,
                |payload| matches!(payload, Payload::Signal { signal, .. } if signal == id),
            )?;
        }
        let mut planned = Vec::new();
        for row in gathered.runs_of(id) {
            planned.push(self.run(row)?);
        }
        for child in gathered.children_of(id) {
            if depth >= CAUSAL_DEPTH_MAX {
                self.cut = true;
                break;
            }
            let followed = self.signal(child, depth.saturating_add(1))?;
            place(&mut node, &mut planned, followed, &gathered.signals);
        }
        for Planned { run, rule, .. } in planned {
            let decision = node
                .decisions
                .iter_mut()
                .find(|d| Some(&d.rule) == rule.as_ref());
            decision
                .map_or(&mut node.runs, |decision| &mut decision.runs)
                .push(run);
        }
        Ok(node)
    }

    fn decision(&mut self, verdict: &RuleVerdict) -> DecisionNode {
        let ask = verdict.ask.as_ref().map(|ask| {
            let answer = self.gathered.answers.get(&ask.id);
            let state = match answer {
                Some(answer) if answer.permit => "permitted",
                Some(_) => "denied",
                None => "open",
            };
            self.last_seq = self.last_seq.max(answer.map_or(0, |answer| answer.seq));
            AskNode {
                id: ask.id,
                asks: ask.asks.clone(),
                state: state.to_owned(),
                by: answer.map(|answer| answer.by.clone()),
            }
        });
        DecisionNode {
            rule: verdict.rule.to_string(),
            verdict: verdict.verdict.as_str().to_owned(),
            why: present::explain(verdict.verdict).to_owned(),
            detail: verdict.detail.clone(),
            ask,
            runs: Vec::new(),
            follows: Vec::new(),
        }
    }

    fn run(&mut self, row: &RunRow) -> Result<Planned, QueryError> {
        let planned = self.sources.records.record(row.planned_seq)?;
        let planned = planned
            .and_then(|planned| planned.record)
            .map(|record| record.body);
        let plan = planned
            .as_ref()
            .and_then(|body| present::plan_of(body, &row.id));
        let rule = plan
            .and_then(|plan| plan.rule.as_ref())
            .map(ToString::to_string);
        let retry_of = match &planned {
            Some(Body::RunReplanned(again)) => Some(again.of),
            _ => None,
        };
        let records = runs::records_of(self.sources, row)?;
        let last_seq = records.last().map_or(row.planned_seq, |record| record.seq);
        self.last_seq = self.last_seq.max(last_seq);
        let ended_seq = records.iter().rev().find(|record| ends_run(&record.body));
        let ended_seq = ended_seq.map(|record| record.seq);
        let letters = match ended_seq {
            Some(seq) => self.letters_behind(
                seq,
                |payload| matches!(payload, Payload::Run { run, .. } if *run == row.id),
            )?,
            None => Vec::new(),
        };
        let run = RunNode {
            id: row.id,
            task: row.task.to_string(),
            agent: row.agent.clone(),
            state: row.state.clone(),
            retry_of,
            attempts: present::attempts(&records),
            follows: Vec::new(),
            letters,
        };
        Ok(Planned {
            run,
            rule,
            ended_seq,
        })
    }

    /// The letters parked in the step of record `seq` that `is_about` recognises.
    fn letters_behind(
        &mut self,
        seq: u64,
        is_about: impl Fn(&Payload) -> bool,
    ) -> Result<Vec<LetterNode>, QueryError> {
        let behind = self.sources.records.turn_from(seq)?;
        let records = behind.into_iter().take(LETTER_WITHIN_RECORDS);
        let bodies = records
            .filter_map(|projected| projected.record)
            .map(|record| record.body);
        let letters = bodies.filter_map(|body| match body {
            Body::LetterParked(parked) if is_about(&parked.payload) => Some(letter_node(&parked)),
            _ => None,
        });
        Ok(letters.collect())
    }
}

/// A run of a signal.
struct Planned {
    run: RunNode,
    /// The rule that planned it; `None` for a worker.
    rule: Option<String>,
    /// The record that ended it.
    ended_seq: Option<u64>,
}

fn ends_run(body: &Body) -> bool {
    match body {
        Body::RunSettled(settled) => settled.next == Next::Ended,
        Body::RunCancelled(_) => true,
        _ => false,
    }
}

/// Puts a signal that follows from `node` below what emitted it: a rule, a run, or the signal.
fn place(
    node: &mut SignalNode,
    planned: &mut [Planned],
    followed: SignalNode,
    signals: &BTreeMap<Id, Accepted>,
) {
    let origin = signals
        .get(&followed.id)
        .map(|accepted| &accepted.signal.origin);
    if let Some(Origin::Rule(rule)) = origin
        && let Some(decision) = node.decisions.iter_mut().find(|d| d.rule == rule.as_str())
    {
        decision.follows.push(followed);
    } else if let Some(Origin::Task(task)) = origin
        && let Some(planned) = planned
            .iter_mut()
            .filter(|planned| planned.run.task == task.as_str())
            .filter(|planned| planned.ended_seq.is_some_and(|seq| seq < followed.seq))
            .max_by_key(|planned| planned.ended_seq)
    {
        planned.run.follows.push(followed);
    } else {
        node.follows.push(followed);
    }
}

fn letter_node(parked: &LetterParked) -> LetterNode {
    LetterNode {
        id: parked.id,
        code: parked.code.clone(),
        error: parked.error.clone(),
    }
}
