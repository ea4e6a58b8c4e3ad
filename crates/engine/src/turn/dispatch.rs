//! The fourth verb: once a batch is durable, answers who waited and lets its effects go.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use antiphon_core::id::Id;
use antiphon_core::input::{Effect, Event};
use antiphon_core::report::{NotStarted, StopCause};

use super::Turn;
use super::seal::Held;
use crate::fail;

/// Launches under way, each with the stop that came before its process, if one did: the executor
/// does not know its token yet.
#[derive(Debug, Default)]
pub(crate) struct Starting(Mutex<BTreeMap<u64, Option<StopCause>>>);

impl Starting {
    fn begin(&self, token: u64) {
        self.lock().insert(token, None);
    }

    /// Keeps a stop for a launch under way; says whether there is one. The first cause wins.
    fn keeps(&self, token: u64, cause: StopCause) -> bool {
        let mut starting = self.lock();
        let kept = starting.get_mut(&token);
        kept.map(|stop| stop.get_or_insert(cause)).is_some()
    }

    fn is_stopped(&self, token: u64) -> bool {
        self.lock().get(&token).is_some_and(Option::is_some)
    }

    /// The launch is over; gives the stop that came meanwhile.
    fn end(&self, token: u64) -> Option<StopCause> {
        self.lock().remove(&token).flatten()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Option<StopCause>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
            policy,
            is_control: _,
            status,
            records: _,
            keys: _,
        } = held;
        if let Some(guards) = guards {
            self.gate.follow(guards);
        }
        if let Some(policy) = policy {
            self.policies.send_replace(policy);
            self.board.notes.set_reload_error(None);
        }
        for _stop in 0..stops {
            self.gate.recorded();
        }
        self.board.letters_seq = letters_seq.unwrap_or(self.board.letters_seq);
        self.board.is_stale = status.is_none();
        if let Some(status) = status {
            self.board.show(status, self.clock.now().boot_ms);
        }
        for effect in effects {
            match effect {
                Effect::Launch { token, run } => self.launch(token, &run),
                Effect::Stop { token, cause } => {
                    if !self.starting.keeps(token, cause) {
                        self.executor.stop(token, cause);
                    }
                }
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
    }

    /// Starts the attempt that holds `token`, unless its lease is gone or the gate is closed.
    fn launch(&mut self, token: u64, run: &Id) {
        let Some(launch) = self.launch_of(token, run) else {
            return;
        };
        let gate = self.gate.clone();
        let executor = self.executor.clone();
        let outcomes = self.outcomes.clone();
        let starting = self.starting.clone();
        starting.begin(token);
        self.spawns.spawn(async move {
            let started = match gate.pass().await {
                #[cfg(antiphon_plant)]
                Some(_pass) if crate::plant::is("queue_outlives_a_stop") => {
                    executor.launch(launch).await
                }
                Some(_pass) if !starting.is_stopped(token) => match fail::step("dispatch.spawn") {
                    Ok(()) => executor.launch(launch).await,
                    Err(failed) => Err(NotStarted::Later(failed.to_string())),
                },
                Some(_) | None => Err(NotStarted::Gate),
            };
            match (started, starting.end(token)) {
                (Ok(()), None) => {}
                (Ok(()), Some(cause)) => executor.stop(token, cause),
                // The loop is gone when nobody listens: the next owner recovers the lease.
                (Err(why), _) => {
                    outcomes.send(Event::NotStarted { token, why }).await.ok();
                }
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
