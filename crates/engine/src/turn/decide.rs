//! The second verb: steps one input and stages what the machine says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use antiphon_core::id::Id;
use antiphon_core::input::{Event, Input, Output, Reply};
use antiphon_core::record::Body;
use antiphon_core::signal::Key;
use tokio::sync::oneshot;

use super::Turn;
use super::seal::Attested;
use crate::error::EngineError;
use crate::fail;
use crate::handle::{Answered, SubmitError};

impl Turn {
    /// Steps an input that nobody waits for.
    pub(crate) fn step_own(&mut self, event: Event) -> Result<(), EngineError> {
        self.step(event, None, None)
    }

    /// Stages what the machine said without an input.
    pub(crate) fn stage_own(&mut self, output: Output) -> Result<(), EngineError> {
        self.stage(output, None, None)
    }

    /// Steps `event` and stages its records, signed as they were attested, its effects and answer.
    ///
    /// # Errors
    /// [`EngineError::Bug`] when the machine panicked: the inputs of this batch are suspects.
    pub(super) fn step(
        &mut self,
        event: Event,
        answer: Option<oneshot::Sender<Result<Answered, SubmitError>>>,
        attested: Option<&Attested>,
    ) -> Result<(), EngineError> {
        let input = Input {
            at: self.clock.now(),
            event,
        };
        self.staged.remember(&input.event);
        let policy = match &input.event {
            Event::Configured(policy) => Some(policy.clone()),
            _ => None,
        };
        let machine = &mut self.machine;
        let stepped = catch_unwind(AssertUnwindSafe(|| machine.step(input)));
        match stepped {
            Ok(output) => {
                fail::step("decide.stepped")?;
                if policy.is_some() && output.reply == Reply::Done {
                    self.staged.held.policy = policy;
                }
                self.stage(output, answer, attested)
            }
            Err(panic) => {
                self.suspects.strike(self.staged.events());
                Err(EngineError::Bug(panic_text(panic.as_ref())))
            }
        }
    }

    fn stage(
        &mut self,
        output: Output,
        answer: Option<oneshot::Sender<Result<Answered, SubmitError>>>,
        attested: Option<&Attested>,
    ) -> Result<(), EngineError> {
        self.staged.inputs = self.staged.inputs.saturating_add(1);
        for record in &output.records {
            if let Some((key, id)) = key_of(&record.body) {
                self.keys.note(key, id, record.seq);
            }
            self.sealer.seal(record, attested, &mut self.staged)?;
            if changes_keys(&record.body) {
                let keys = self.sealer.signing.follow(&self.machine.state().keys);
                self.staged.held.keys = Some(keys);
            }
        }
        let is_recorded = |attested: &Attested| {
            let bodies = output.records.iter().map(|record| &record.body);
            bodies.into_iter().any(|body| attested.is_of(body))
        };
        let is_refused = matches!(output.reply, Reply::Refused(_));
        if !is_refused && !attested.is_none_or(is_recorded) {
            let text = "what was signed is not what was recorded";
            return Err(EngineError::Bug(text.to_owned()));
        }
        self.staged.held.records.extend(output.records);
        self.staged.effects(output.effects);
        if let Some(answer) = answer {
            if output.reply == Reply::Full {
                self.board.refusals = self.board.refusals.saturating_add(1);
            }
            self.staged
                .answer(answer, Ok(Answered::Machine(output.reply)));
        }
        Ok(())
    }
}

/// Whether a record changes which keys are valid. None of its step is signed after it.
fn changes_keys(body: &Body) -> bool {
    matches!(
        body,
        Body::LogCreated(_) | Body::KeyRegistered(_) | Body::KeyRotated(_) | Body::KeyRevoked(_)
    )
}

/// The idempotency key that a record brings into the log, and what it became.
pub(crate) fn key_of(body: &Body) -> Option<(Key, Id)> {
    match body {
        Body::SignalAccepted(body) => Some((body.key?, body.id)),
        Body::LetterParked(body) => Some((body.key?, body.id)),
        _ => None,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
