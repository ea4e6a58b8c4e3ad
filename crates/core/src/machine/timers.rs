//! What is due happens: waits end, deadlines pass, expectations fail, asks and letters expire.

use super::Step;
use super::accept::Arrival;
use super::index::Timer;
use crate::id::Id;
use crate::json::{Document, JsonLimits};
use crate::limits::CASCADE_RECORDS_MAX;
use crate::signal::{Draft, Facts, Origin};

impl Step<'_> {
    /// Runs timers that are due, in order of their times, up to a step's worth; the rest is due at
    /// once in the next step.
    pub(super) fn run_timers(&mut self) {
        let mut aged = Vec::new();
        while self.output.records.len().saturating_add(aged.len()) < CASCADE_RECORDS_MAX {
            let Some(timer) = self.machine.index.pop_due(self.elapsed_ms) else {
                break;
            };
            match timer {
                Timer::Due(run) => {
                    let super::Machine { state, index, .. } = &mut *self.machine;
                    index.make_ready(state, &run);
                }
                Timer::TooLate(run) => self.too_late(&run),
                Timer::Deadline(run) => self.deadline(&run),
                Timer::Expectation { chain, id } => self.not_met(&chain, &id),
                Timer::Ask(ask) => self.expire(&ask),
                Timer::Letter(letter) => aged.push(letter),
            }
        }
        if !aged.is_empty() {
            self.purge_aged(&aged);
        }
        self.output.reply = crate::input::Reply::Done;
    }

    fn not_met(&mut self, chain: &Id, id: &Id) {
        let armed = self.state().expectations.get(chain).into_iter().flatten();
        let Some(expectation) = armed.into_iter().find(|e| e.id == *id).cloned() else {
            return;
        };
        let facts = serde_json::json!({
            "after": expectation.signal_name,
            "after_id": expectation.signal,
            "correlation": chain,
            "expected": expectation.expect,
            "monitor": expectation.monitor,
        });
        let facts = Document::from_serialize(&facts, &JsonLimits::FACTS)
            .and_then(Facts::from_document)
            .unwrap_or_else(|_error| Facts::empty());
        let Ok(source) = crate::name::SourceName::new(expectation.monitor.as_str()) else {
            return;
        };
        let mut draft = Draft::new(expectation.emit, source, facts);
        draft.cause = Some(expectation.signal);
        draft.correlation = Some(*chain);
        let origin = Origin::Expectation(expectation.monitor);
        let mut arrival = Arrival::first(draft, origin);
        arrival.depth = expectation.depth.saturating_add(1);
        arrival.meets.push(*id);
        self.accept(arrival);
    }
}
