//! What operators ask of runs, asks and rules.

use super::Step;
use super::accept::Arrival;
use super::signed::answered;
use crate::attempt::Happening;
use crate::control::{EndedRun, Refusal};
use crate::id::Id;
use crate::input::Reply;
use crate::name::{RuleName, SourceName};
use crate::record::{BY_DEADLINE, Body, BreakerChanged, RunPlanned, RunReplanned};
use crate::run::{Completions, Plan};
use crate::signal::{Draft, Origin};
use crate::state::OpenAsk;

impl Step<'_> {
    pub(super) fn cancel(&mut self, id: &Id, by: String) {
        if !self.state().runs.contains_key(id) {
            self.output.reply = Reply::Refused(Refusal::NotFound);
        } else if !self.cancel_run(id, Happening::Cancelled, &by) {
            self.stop_run(id, Happening::Cancelled, Some(by));
        }
    }

    pub(super) fn replan(&mut self, ended: &EndedRun, by: String) {
        let state = self.state();
        if state.runs.contains_key(&ended.id) {
            self.output.reply = Reply::Refused(Refusal::NotEnded);
            return;
        }
        let Some(version) = state.tasks.get(&ended.task).copied() else {
            self.output.reply = Reply::Refused(Refusal::NoSuchTask);
            return;
        };
        if self.live_room() == 0 {
            self.output.reply = Reply::Full;
            return;
        }
        let id = self.next_id(0);
        let plan = Plan {
            emits: ended.emits.clone(),
            facts: None,
            id,
            rule: None,
            task: ended.task.clone(),
            version,
        };
        self.record(Body::RunReplanned(Box::new(RunReplanned {
            by,
            correlation: ended.correlation,
            depth: ended.depth,
            facts: ended.facts.clone(),
            of: ended.id,
            plan,
            signal: ended.signal,
            signal_name: ended.signal_name.clone(),
        })));
        self.output.reply = Reply::Planned { run: id };
    }

    /// Denies an ask whose time is over.
    pub(super) fn expire(&mut self, ask: &Id) {
        if let Ok(body) = answered(self.state(), ask, false, BY_DEADLINE.to_owned()) {
            self.record_signed(body);
        }
    }

    /// What follows from an ask that was permitted, in the same step.
    pub(super) fn permit(&mut self, open: &OpenAsk) {
        let runs = self.asked_runs(open);
        if !runs.is_empty() {
            let planned = RunPlanned {
                ask: open.ask.id,
                runs,
            };
            self.record(Body::RunPlanned(Box::new(planned)));
        }
        let Some(emit) = open.ask.emit.clone() else {
            return;
        };
        let Ok(source) = SourceName::new(open.rule.as_str()) else {
            return;
        };
        let mut draft = Draft::new(emit, source, open.ask.facts.clone());
        draft.cause = Some(open.signal);
        draft.correlation = Some(open.correlation);
        let origin = Origin::Rule(open.rule.clone());
        let arrival =
            Arrival::following(draft, origin, open.depth, &open.lineage, open.rule.clone());
        self.accept(arrival);
    }

    fn asked_runs(&self, open: &OpenAsk) -> Vec<Plan> {
        let planned = open.ask.task.as_ref().and_then(|task| {
            let version = self.state().tasks.get(task).copied()?;
            Some(Plan {
                emits: Completions::default(),
                facts: None,
                id: self.next_id(0),
                rule: Some(open.rule.clone()),
                task: task.clone(),
                version,
            })
        });
        planned.into_iter().collect()
    }

    pub(super) fn close_breaker(&mut self, rule: RuleName, by: String) {
        let is_open = self
            .state()
            .rules
            .get(&rule)
            .is_some_and(|m| m.open_until_ms.is_some());
        if is_open {
            let changed = BreakerChanged {
                by,
                open_until_ms: None,
                rule,
            };
            self.record(Body::BreakerChanged(Box::new(changed)));
        } else {
            self.output.reply = Reply::Refused(Refusal::NotFound);
        }
    }
}
