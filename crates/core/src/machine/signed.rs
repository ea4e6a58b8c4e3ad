//! What is signed: bodies made of the state and the request alone, before anything changes.
//!
//! Whoever signs before it is recorded must know the body: [`Machine::preview`] and the step make it by
//! the same functions, so that they cannot differ. Invariant: nothing else records a signed kind.

use super::{EVALUATOR, Machine, Step};
use crate::control::{Control, Refusal};
use crate::guard::{Guards, Mode, Switch};
use crate::id::Id;
use crate::input::{Event, Reply};
use crate::policy::Policy;
use crate::record::{
    AskAnswered, BY_FILES, Body, ConfigApplied, GuardChanged, RawDocument, TaskChanged, is_program,
};
use crate::state::State;

impl Machine {
    /// The body of the signed record that `event` makes if it is the next one; `None` when it makes
    /// none, because nothing changes or what changes is not signed.
    ///
    /// # Errors
    /// [`Refusal`]: what the step would refuse it for.
    pub fn preview(&self, event: &Event) -> Result<Option<Body>, Refusal> {
        match event {
            Event::Control(control) => of_control(&self.state, control),
            Event::Configured(policy) => of_policy(&self.state, policy),
            Event::Started(_)
            | Event::Signal { .. }
            | Event::Intent(_)
            | Event::Malformed { .. }
            | Event::Reported { .. }
            | Event::NotStarted { .. }
            | Event::Recovered { .. }
            | Event::OwnerGoing
            | Event::Tick
            | Event::SnapshotWritten { .. } => Ok(None),
        }
    }
}

impl Step<'_> {
    /// Records what is signed, with what follows from it.
    pub(super) fn record_signed(&mut self, body: Body) {
        if let Body::AskAnswered(answered) = &body {
            let open = self.state().asks.get(&answered.ask).cloned();
            let open = open.filter(|_open| answered.permit);
            self.record(body);
            if let Some(open) = open {
                self.permit(&open);
            }
            self.output.reply = Reply::Changed { count: 1 };
        } else if let Body::GuardChanged(changed) = &body {
            let kills = changed.guards.kill_work();
            self.record(body);
            if kills {
                self.stop_all();
            }
        } else {
            self.record(body);
        }
    }
}

pub(super) fn of_policy(state: &State, policy: &Policy) -> Result<Option<Body>, Refusal> {
    if state.policy == Some(policy.digest()) {
        return Ok(None);
    }
    let text = serde_json::value::RawValue::from_string(policy.text().to_owned())
        .map_err(|_not_json| Refusal::Guarded)?;
    Ok(Some(Body::ConfigApplied(Box::new(ConfigApplied {
        digest: policy.digest(),
        evaluator: EVALUATOR.to_owned(),
        policy: Box::new(RawDocument(text)),
        replaces: state.changes.policy_seq,
    }))))
}

pub(super) fn of_control(state: &State, control: &Control) -> Result<Option<Body>, Refusal> {
    match control {
        Control::SetMode { mode, by, reason } => {
            let by = person(by)?;
            mode_set(state, *mode, by, reason)
        }
        Control::SwitchSeen {
            switch,
            maintenance,
        } => Ok(switch_seen(state, *switch, *maintenance)),
        Control::Answer { ask, permit, by } => {
            let by = person(by)?;
            answered(state, ask, *permit, by).map(Some)
        }
        Control::SetTask { task, enabled, by } => {
            if !state.tasks.contains_key(task) {
                return Err(Refusal::NoSuchTask);
            }
            let is_so = state.overrides.get(task) == enabled.as_ref();
            let changed = TaskChanged {
                by: person(by)?,
                enabled: *enabled,
                replaces: state.changes.tasks_seq,
                task: task.clone(),
            };
            Ok((!is_so).then(|| Body::TaskChanged(Box::new(changed))))
        }
        Control::RegisterKey(body) => {
            state.keys.check_registered(body)?;
            Ok(Some(Body::KeyRegistered(body.clone())))
        }
        Control::RotateKey(body) => {
            state.keys.check_rotated(body)?;
            Ok(Some(Body::KeyRotated(body.clone())))
        }
        Control::RevokeKey(body) => {
            state.keys.check_revoked(state.next_seq, body)?;
            Ok(Some(Body::KeyRevoked(body.clone())))
        }
        Control::Cancel { .. }
        | Control::RetryRun { .. }
        | Control::ReplayLetter { .. }
        | Control::PurgeLetters { .. }
        | Control::CloseBreaker { .. } => Ok(None),
    }
}

/// Permits or denies an ask.
pub(super) fn answered(state: &State, ask: &Id, permit: bool, by: String) -> Result<Body, Refusal> {
    let open = state.asks.get(ask).ok_or(Refusal::NotFound)?;
    Ok(Body::AskAnswered(Box::new(AskAnswered {
        ask: *ask,
        by,
        permit,
        rule: open.rule.clone(),
    })))
}

fn mode_set(state: &State, mode: Mode, by: String, reason: &str) -> Result<Option<Body>, Refusal> {
    let guards = Guards {
        mode,
        ..state.guards
    };
    if mode == Mode::Normal && guards.switch != Switch::Clear {
        return Err(Refusal::SwitchEngaged);
    }
    Ok(guards_changed(state, guards, by, reason))
}

fn switch_seen(state: &State, switch: Switch, maintenance: bool) -> Option<Body> {
    // A killswitch outlives its file: only `stop resume` lets work go on.
    let mode = if switch == Switch::Clear {
        state.guards.mode
    } else {
        Mode::Kill
    };
    let guards = Guards {
        maintenance,
        mode,
        switch,
    };
    guards_changed(state, guards, BY_FILES.to_owned(), "")
}

fn guards_changed(state: &State, guards: Guards, by: String, reason: &str) -> Option<Body> {
    let changed = GuardChanged {
        by,
        guards,
        reason: reason.to_owned(),
        replaces: state.changes.guards_seq,
    };
    (guards != state.guards).then(|| Body::GuardChanged(Box::new(changed)))
}

/// Who acts, who is not the program itself.
fn person(by: &str) -> Result<String, Refusal> {
    if is_program(by) {
        Err(Refusal::ReservedName)
    } else {
        Ok(by.to_owned())
    }
}
