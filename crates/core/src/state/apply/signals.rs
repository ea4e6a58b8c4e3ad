//! An accepted signal: what it clears, meets, arms and plans, and what its rules remember.

use super::runs::PlanContext;
use crate::limits::SIGNAL_NAMES_MAX;
use crate::record::{Armed, Cleared, Record, RuleVerdict, SignalAccepted, Verdict};
use crate::signal::Origin;
use crate::state::{Expectation, OpenAsk, SignalMemory, State};

impl State {
    pub(super) fn signal_accepted(
        &mut self,
        record: &Record,
        body: &SignalAccepted,
    ) -> Result<(), &'static str> {
        self.count_signal(record, body);
        for cleared in &body.clears {
            self.clear(cleared);
        }
        for verdict in &body.decisions {
            self.remember(record, body, verdict);
        }
        if !body.meets.is_empty() {
            self.meet(body);
        }
        for armed in &body.arms {
            self.arm(body, armed);
        }
        let replays = self.count_replay(&body.origin);
        if body.runs.is_empty() {
            return Ok(());
        }
        let context = PlanContext::of_signal(body, replays);
        body.runs
            .iter()
            .try_for_each(|plan| self.plan(record, plan, &context))
    }

    fn count_signal(&mut self, record: &Record, body: &SignalAccepted) {
        if let Some(memory) = self.signals.get_mut(&body.signal) {
            memory.count = memory.count.saturating_add(1);
            memory.last_ms = record.elapsed_ms;
        } else if self.signals.len() < SIGNAL_NAMES_MAX {
            let memory = SignalMemory {
                count: 1,
                last_ms: record.elapsed_ms,
            };
            self.signals.insert(body.signal.clone(), memory);
        }
    }

    /// How often what the signal replays has been replayed now; 0 when it replays nothing.
    fn count_replay(&mut self, origin: &Origin) -> u32 {
        if let Origin::Replay(letter) = origin
            && let Some(letter) = self.letters.get_mut(letter)
        {
            letter.replays = letter.replays.saturating_add(1);
            letter.replays
        } else {
            0
        }
    }

    fn clear(&mut self, cleared: &Cleared) {
        if let Some(memory) = self.rules.get_mut(&cleared.rule) {
            match cleared.correlation {
                Some(chain) => memory.dedupe.retain(|_key, fired_in| *fired_in != chain),
                None => memory.dedupe.clear(),
            }
        }
    }

    fn remember(&mut self, record: &Record, body: &SignalAccepted, verdict: &RuleVerdict) {
        if !matches!(verdict.verdict, Verdict::Fired | Verdict::Deferred) {
            return;
        }
        let memory = self.rules.entry(verdict.rule.clone()).or_default();
        memory.last_fired_ms = Some(record.elapsed_ms);
        if verdict.remember > 0 {
            memory.fired.push_back(record.elapsed_ms);
            let keep = usize::try_from(verdict.remember).unwrap_or(usize::MAX);
            while memory.fired.len() > keep {
                memory.fired.pop_front();
            }
        }
        if let Some(key) = &verdict.dedupe_key {
            memory.dedupe.insert(key.clone(), body.correlation);
        }
        if let Some(ask) = &verdict.ask {
            let open = OpenAsk {
                ask: (**ask).clone(),
                correlation: body.correlation,
                depth: body.depth,
                lineage: body.lineage.clone(),
                rule: verdict.rule.clone(),
                signal: body.id,
                signal_name: body.signal.clone(),
            };
            self.asks.insert(ask.id, open);
        }
    }

    fn meet(&mut self, body: &SignalAccepted) {
        if let Some(armed) = self.expectations.get_mut(&body.correlation) {
            armed.retain(|expectation| !body.meets.contains(&expectation.id));
            if armed.is_empty() {
                self.expectations.remove(&body.correlation);
            }
        }
    }

    fn arm(&mut self, body: &SignalAccepted, armed: &Armed) {
        self.expectations
            .entry(body.correlation)
            .or_default()
            .push(Expectation {
                deadline_ms: armed.deadline_ms,
                depth: body.depth,
                emit: armed.emit.clone(),
                expect: armed.expect.clone(),
                id: armed.id,
                monitor: armed.monitor.clone(),
                signal: body.id,
                signal_name: body.signal.clone(),
            });
    }
}
