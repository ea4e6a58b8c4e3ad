//! The fourth verb: once a batch is durable, answers who waited and lets its effects go.

use antiphon_core::id::Id;
use antiphon_core::input::{Effect, Event};
use antiphon_core::report::NotStarted;

use super::Turn;
use super::seal::Held;
use crate::fail;

impl Turn {
    /// Lets go what waited for a batch that is durable now.
    pub(super) fn release(&mut self, held: Held) {
        let Held {
            answers,
            effects,
            ended,
            guards,
            stops,
            letters_seq,
        } = held;
        if let Some(guards) = guards {
            self.gate.follow(guards);
        }
        for _stop in 0..stops {
            self.gate.recorded();
        }
        for effect in effects {
            match effect {
                Effect::Launch { token, run } => self.launch(token, &run),
                Effect::Stop { token, cause } => self.executor.stop(token, cause),
            }
        }
        for waiting in answers {
            if fail::step("dispatch.answer").is_err() {
                continue;
            }
            // Whoever asked and left does not need the answer.
            waiting.sender.send(waiting.answer).ok();
        }
        for token in ended {
            if fail::step("dispatch.forget").is_ok() {
                self.executor.forget(token);
            }
        }
        self.board.letters_seq = letters_seq.unwrap_or(self.board.letters_seq);
        self.board.is_stale = true;
    }

    /// Starts the attempt that holds `token`, unless its lease is gone or the gate is closed.
    fn launch(&mut self, token: u64, run: &Id) {
        let Some(launch) = self.launch_of(token, run) else {
            return;
        };
        let gate = self.gate.clone();
        let executor = self.executor.clone();
        let outcomes = self.outcomes.clone();
        self.spawns.spawn(async move {
            let started = match gate.pass().await {
                Some(_pass) => match fail::step("dispatch.spawn") {
                    Ok(()) => executor.launch(launch).await,
                    Err(failed) => Err(NotStarted::Later(failed.to_string())),
                },
                None => Err(NotStarted::Gate),
            };
            if let Err(why) = started {
                // The loop is gone when nobody listens: the next owner recovers the lease.
                outcomes.send(Event::NotStarted { token, why }).await.ok();
            }
        });
    }

    /// A planted bug: effects leave before their commit.
    #[cfg(antiphon_plant)]
    pub(super) fn release_early(&mut self, held: Held) -> Held {
        let mut later = held;
        let effects = std::mem::take(&mut later.effects);
        self.release(Held {
            effects,
            ..Held::default()
        });
        later
    }
}
