//! What the rules, workers and expectations that hear one signal decide on it; nothing is recorded
//! here. What one rule says by itself is [`crate::rule`]'s.

use std::collections::BTreeMap;

use super::Step;
use super::accept::Arrival;
use super::room::{chain_is_full, no_room, runs_are_full};
use crate::expression::{Bound, Expression, Scope, StateRead};
use crate::id::Id;
use crate::json::{Document, JsonLimits};
use crate::limits::EXPECTATIONS_MAX;
use crate::name::{RuleName, SourceName};
use crate::policy::{CompiledRule, CompiledWorker, MonitorKind, Policy};
use crate::record::{Armed, Ask, RuleVerdict, Verdict};
use crate::rule::{self, Decision, Heard, Permit};
use crate::run::{Completions, Plan};
use crate::signal::{Draft, Facts, Origin};

/// What the rules and workers that hear one signal decided.
#[derive(Default)]
pub(super) struct Decided {
    pub(super) decisions: Vec<RuleVerdict>,
    pub(super) runs: Vec<Plan>,
    pub(super) arms: Vec<Armed>,
    pub(super) emissions: Vec<Arrival>,
    pub(super) breakers: Vec<(RuleName, u64)>,
    /// Bytes of facts that the record holds for runs and asks.
    pub(super) facts_bytes: usize,
    /// Runs and asks among what it creates.
    pub(super) live: usize,
    /// Things that the record creates beside the signal, for their ids.
    created: u32,
}

/// One signal under decision.
pub(super) struct Hearing<'a> {
    pub(super) arrival: &'a Arrival,
    pub(super) id: Id,
    pub(super) correlation: Id,
    pub(super) policy: &'a Policy,
    /// Records that this step may still make.
    pub(super) room: usize,
    /// Runs and asks that may still be added to those that live.
    pub(super) live_room: usize,
}

impl Step<'_> {
    pub(super) fn decide(&self, hearing: &Hearing<'_>, reads: Option<&Facts>) -> Decided {
        let mut decided = Decided::default();
        let draft = &hearing.arrival.draft;
        let rules = hearing.policy.rules_on(&draft.name);
        let workers = hearing.policy.workers_on(&draft.name);
        self.arm(hearing, &mut decided);
        if rules.is_empty() && workers.is_empty() {
            return decided;
        }
        let texts = SignalTexts::of(hearing);
        let time_ms = draft.occurred_ms.unwrap_or(self.at.wall_ms);
        let signal = texts.fields(hearing, time_ms);
        let nothing = Facts::empty();
        let scope = Scope::new()
            .bind("facts", draft.facts.document().root())
            .bind("signal", Bound::Fields(&signal))
            .bind("state", reads.unwrap_or(&nothing).document().root());
        for rule in rules {
            self.hear(hearing, rule, &scope, &mut decided);
        }
        for worker in workers {
            self.answer_by(hearing, worker, &scope, &mut decided);
        }
        decided
    }

    fn hear(
        &self,
        hearing: &Hearing<'_>,
        rule: &CompiledRule,
        scope: &Scope<'_>,
        decided: &mut Decided,
    ) {
        let name = &rule.source.name;
        let memory = self.state().rules.get(name);
        let heard = Heard {
            facts: &hearing.arrival.draft.facts,
            lineage: &hearing.arrival.lineage,
            elapsed_ms: self.elapsed_ms,
        };
        let mut verdict = RuleVerdict {
            ask: None,
            dedupe_key: None,
            detail: None,
            remember: 0,
            rule: name.clone(),
            verdict: Verdict::Fired,
        };
        match rule::decide(rule, memory, heard, scope) {
            Decision::Deny {
                verdict: code,
                detail,
            } => {
                verdict.verdict = code;
                verdict.detail = detail;
            }
            Decision::OpenBreaker { until_ms } => {
                verdict.verdict = Verdict::BreakerOpen;
                verdict.detail = Some("it fed itself".to_owned());
                decided.breakers.push((name.clone(), until_ms));
            }
            Decision::Permit(permit) => {
                if let Some((code, detail)) = no_room(hearing, rule, &permit, decided) {
                    verdict.verdict = code;
                    verdict.detail = Some(detail.to_owned());
                } else {
                    verdict.remember = rule.source.rate.map_or(0, |rate| rate.limit);
                    verdict.dedupe_key.clone_from(&permit.dedupe_key);
                    if rule.source.approve.is_some() {
                        verdict.verdict = Verdict::Deferred;
                        verdict.ask = Some(Box::new(self.ask(rule, permit, decided)));
                    } else {
                        self.follow(hearing, rule, permit, decided);
                    }
                }
            }
        }
        decided.decisions.push(verdict);
    }

    fn ask(&self, rule: &CompiledRule, permit: Permit, decided: &mut Decided) -> Ask {
        let id = self.live_id(decided);
        Ask {
            asks: rule.source.approve.clone().unwrap_or_default(),
            deadline_ms: self
                .elapsed_ms
                .saturating_add(rule.source.approve_within_ms),
            emit: rule.source.emit.clone(),
            facts: permit.facts,
            id,
            task: rule.source.task.clone(),
        }
    }

    /// The id of one more run or ask.
    fn live_id(&self, decided: &mut Decided) -> Id {
        decided.live = decided.live.saturating_add(1);
        decided.created = decided.created.saturating_add(1);
        self.next_id(decided.created)
    }

    /// What a rule that fires leads to: a signal, a run, or both.
    fn follow(
        &self,
        hearing: &Hearing<'_>,
        rule: &CompiledRule,
        permit: Permit,
        decided: &mut Decided,
    ) {
        let source = &rule.source;
        if let Some(task) = &source.task
            && let Some(version) = self.state().tasks.get(task)
        {
            let id = self.live_id(decided);
            decided.runs.push(Plan {
                emits: Completions::default(),
                facts: source.facts.is_some().then(|| permit.facts.clone()),
                id,
                rule: Some(source.name.clone()),
                task: task.clone(),
                version: *version,
            });
        }
        if let Some(emit) = &source.emit
            && let Ok(by) = SourceName::new(source.name.as_str())
        {
            let mut draft = Draft::new(emit.clone(), by, permit.facts);
            draft.cause = Some(hearing.id);
            draft.correlation = Some(hearing.correlation);
            let arrival = hearing.arrival;
            let origin = Origin::Rule(source.name.clone());
            let fired = source.name.clone();
            let mut next =
                Arrival::following(draft, origin, arrival.depth, &arrival.lineage, fired);
            next.cascade_depth = arrival.cascade_depth.saturating_add(1);
            decided.emissions.push(next);
        }
    }

    /// A worker plans its run, or says why not under its own name.
    fn answer_by(
        &self,
        hearing: &Hearing<'_>,
        worker: &CompiledWorker,
        scope: &Scope<'_>,
        decided: &mut Decided,
    ) {
        let task = &worker.source.task;
        let Some(version) = self.state().tasks.get(task) else {
            return;
        };
        let name = RuleName::of_worker(&worker.source.on, task);
        let memory = self.state().rules.get(&name);
        let lineage = &hearing.arrival.lineage;
        let (verdict, detail) = match rule::breaker(&name, memory, lineage, self.elapsed_ms) {
            Some(Decision::OpenBreaker { until_ms }) => {
                decided.breakers.push((name.clone(), until_ms));
                (Verdict::BreakerOpen, Some("it fed itself".to_owned()))
            }
            Some(Decision::Deny { verdict, detail }) => (verdict, detail),
            Some(Decision::Permit(_)) | None => match worker.when.as_ref().map(|w| w.bool(scope)) {
                Some(Err(error)) => (Verdict::Errored, Some(format!("when: {error}"))),
                Some(Ok(false)) => (Verdict::ConditionFalse, None),
                Some(Ok(true)) | None => {
                    let full = chain_is_full(hearing).or_else(|| runs_are_full(hearing, decided));
                    if let Some((verdict, detail)) = full {
                        (verdict, Some(detail.to_owned()))
                    } else {
                        let id = self.live_id(decided);
                        decided.runs.push(Plan {
                            emits: worker.source.emits.clone(),
                            facts: None,
                            id,
                            rule: None,
                            task: task.clone(),
                            version: *version,
                        });
                        return;
                    }
                }
            },
        };
        let denied = RuleVerdict {
            ask: None,
            dedupe_key: None,
            detail,
            remember: 0,
            rule: name,
            verdict,
        };
        decided.decisions.push(denied);
    }

    fn arm(&self, hearing: &Hearing<'_>, decided: &mut Decided) {
        for monitor in hearing
            .policy
            .expectations_after(&hearing.arrival.draft.name)
        {
            let MonitorKind::Expect {
                expect, within_ms, ..
            } = &monitor.kind
            else {
                continue;
            };
            let armed = self.machine.index.armed();
            if armed.saturating_add(decided.arms.len()) >= EXPECTATIONS_MAX {
                return;
            }
            decided.created = decided.created.saturating_add(1);
            decided.arms.push(Armed {
                deadline_ms: self.elapsed_ms.saturating_add(*within_ms),
                emit: monitor.emit.clone(),
                expect: expect.clone(),
                id: self.next_id(decided.created),
                monitor: monitor.name.clone(),
            });
        }
    }

    /// The expectations of its chain that a signal meets.
    pub(super) fn met(&self, hearing: &Hearing<'_>) -> Vec<Id> {
        let mut meets = hearing.arrival.meets.clone();
        let name = &hearing.arrival.draft.name;
        let armed = self
            .state()
            .expectations
            .get(&hearing.correlation)
            .into_iter()
            .flatten();
        meets.extend(armed.filter(|e| e.expect.contains(name)).map(|e| e.id));
        meets
    }
}

/// The texts of what expressions see as `signal`.
struct SignalTexts {
    cause: Option<String>,
    correlation: String,
    id: String,
}

impl SignalTexts {
    fn of(hearing: &Hearing<'_>) -> Self {
        Self {
            cause: hearing.arrival.draft.cause.map(|id| id.to_string()),
            correlation: hearing.correlation.to_string(),
            id: hearing.id.to_string(),
        }
    }

    fn fields<'a>(&'a self, hearing: &'a Hearing<'_>, time_ms: i64) -> [(&'a str, Bound<'a>); 7] {
        let draft = &hearing.arrival.draft;
        [
            (
                "cause",
                self.cause.as_deref().map_or(Bound::Null, Bound::Text),
            ),
            ("correlation", Bound::Text(&self.correlation)),
            ("depth", Bound::Integer(i64::from(hearing.arrival.depth))),
            ("id", Bound::Text(&self.id)),
            ("name", Bound::Text(draft.name.as_str())),
            ("source", Bound::Text(draft.source.as_str())),
            ("time_ms", Bound::Integer(time_ms)),
        ]
    }
}

/// What expressions see as `state`: the values that the rules on this signal read, and no others.
pub(super) fn state_document(step: &Step<'_>, hearing: &Hearing<'_>) -> Option<Facts> {
    let rules = hearing.policy.rules_on(&hearing.arrival.draft.name);
    let workers = hearing.policy.workers_on(&hearing.arrival.draft.name);
    let reads = || {
        let of_rules = rules.iter().flat_map(|rule| &rule.state_reads);
        let of_workers = workers.iter().filter_map(|worker| worker.when.as_ref());
        of_rules.chain(of_workers.flat_map(Expression::state_reads))
    };
    reads().next()?;
    let mut count = BTreeMap::new();
    let mut last_ms = BTreeMap::new();
    for read in reads() {
        let memory = |name| step.state().signals.get(name).copied().unwrap_or_default();
        match read {
            StateRead::Mode => {}
            StateRead::Count(name) => drop(count.insert(name.as_str(), memory(name).count)),
            StateRead::LastMs(name) => drop(last_ms.insert(name.as_str(), memory(name).last_ms)),
        }
    }
    let value = serde_json::json!({
        "count": count,
        "last_ms": last_ms,
        "mode": step.state().guards.mode.as_str(),
    });
    let document = Document::from_serialize(&value, &JsonLimits::FACTS).ok()?;
    Facts::from_document(document).ok()
}
