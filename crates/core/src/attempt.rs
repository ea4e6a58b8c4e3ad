//! One total table: where a run stands × what happened → what becomes of it.
//!
//! Live work and recovery both go through [`transition`]; nothing else decides the fate of a run.
//! Whether tries are left and how long to wait is decided here too, from the task that the run was
//! planned with. Source: the attempt table of the engine's design (`ARCHITECTURE.md`).

use crate::limits::SPAWN_BACKOFF_MS;
use crate::report::{Exit, Fate, NotStarted, Report, ResultFile, StopCause};
use crate::run::{Outcome, Phase};
use crate::task::{Interrupted, ResultPolicy, Task};

/// What happened to a run.
#[derive(Clone, Copy, Debug)]
pub enum Happening<'a> {
    /// A slot is free and every guard is clear.
    Slot,
    /// Someone cancels it.
    Cancelled,
    /// It has waited longer than its task lets it.
    TooLate,
    /// The time of its attempt is over.
    Deadline,
    /// All work is stopped.
    Stopped,
    /// Its attempt could not be started.
    NotStarted(&'a NotStarted),
    /// Its attempt ended.
    Reported(&'a Report),
    /// Its owner was lost, and recovery found this.
    Recovered(&'a Fate),
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing: the event does not concern it there.
    None,
    /// It gets a lease.
    Lease,
    /// It waits again, the attempt uncounted, for at least this long, ms.
    Return(u64),
    /// Its tree is told to stop.
    Stop(StopCause),
    /// Its attempt ends so.
    Settle(Outcome),
    /// It ends without an attempt.
    Cancel,
}

/// What becomes of a run of `task` in `phase` when `happening` happens.
#[must_use]
pub fn transition(phase: &Phase, happening: Happening<'_>, task: &Task) -> Transition {
    use Happening as H;
    match (phase, happening) {
        (Phase::Planned { .. }, H::Slot) => Transition::Lease,
        (Phase::Planned { .. }, H::Cancelled | H::TooLate) => Transition::Cancel,
        (
            Phase::Planned { .. },
            H::Deadline | H::Stopped | H::NotStarted(_) | H::Reported(_) | H::Recovered(_),
        )
        | (Phase::Leased { .. }, H::Slot | H::TooLate)
        | (
            Phase::Stopping { .. },
            H::Slot | H::Cancelled | H::TooLate | H::Deadline | H::Stopped,
        ) => Transition::None,
        (Phase::Leased { .. }, H::Cancelled) => Transition::Stop(StopCause::Cancelled),
        (Phase::Leased { .. }, H::Deadline) => Transition::Stop(StopCause::Deadline),
        (Phase::Leased { .. }, H::Stopped) => Transition::Stop(StopCause::Stopped),
        (Phase::Leased { .. }, H::NotStarted(why)) => not_started(why),
        (Phase::Stopping { cause, .. }, H::NotStarted(_) | H::Recovered(Fate::NeverStarted)) => {
            never_ran(*cause)
        }
        (Phase::Leased { .. }, H::Reported(report)) => Transition::Settle(reported(report, task)),
        (Phase::Stopping { cause, .. }, H::Reported(report)) => {
            Transition::Settle(stopped(*cause, report, task))
        }
        (Phase::Stopping { cause, .. }, H::Recovered(Fate::Reported(report))) => {
            Transition::Settle(stopped(*cause, report, task))
        }
        (Phase::Leased { .. }, H::Recovered(fate)) => recovered(fate, task),
        (Phase::Stopping { .. }, H::Recovered(Fate::Dead | Fate::Unproven)) => {
            Transition::Settle(Outcome::Unknown)
        }
    }
}

/// How an attempt ended, for the question whether its run is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How it ended.
    pub outcome: Outcome,
    /// Its number, from 1.
    pub attempt: u32,
    /// Why its tree was told to stop, if it was.
    pub cause: Option<StopCause>,
    /// Whether its tree is known to be dead.
    pub proven_dead: bool,
}

/// Whether the run of an attempt that ended so is tried again.
#[must_use]
pub fn tries_again(ending: &Ending, task: &Task) -> bool {
    let has_tries = ending.attempt <= task.retry.limit;
    match ending.outcome {
        Outcome::Succeeded => false,
        Outcome::Failed | Outcome::TimedOut => has_tries,
        Outcome::Unknown => {
            has_tries
                && ending.proven_dead
                && task.on_lost == Interrupted::Retry
                // What someone cancelled does not come back because its owner was lost.
                && ending.cause != Some(StopCause::Cancelled)
        }
        Outcome::Cancelled => {
            ending.cause == Some(StopCause::Stopped) && task.on_stop == Interrupted::Retry
        }
    }
}

fn not_started(why: &NotStarted) -> Transition {
    match why {
        NotStarted::Gate | NotStarted::Later(_) => Transition::Return(SPAWN_BACKOFF_MS),
        NotStarted::Never(_) => Transition::Settle(Outcome::Failed),
    }
}

/// It was told to stop before it could be started.
fn never_ran(cause: StopCause) -> Transition {
    match cause {
        StopCause::Cancelled => Transition::Settle(Outcome::Cancelled),
        StopCause::Deadline => Transition::Settle(Outcome::TimedOut),
        StopCause::Output | StopCause::Stopped => Transition::Return(0),
    }
}

fn reported(report: &Report, task: &Task) -> Outcome {
    if succeeded(report, task) {
        Outcome::Succeeded
    } else {
        Outcome::Failed
    }
}

/// Exit 0 with a valid result, or with none where none is needed, and not stopped by the executor.
fn succeeded(report: &Report, task: &Task) -> bool {
    let result_is_good = match &report.result {
        ResultFile::Valid(_) => true,
        ResultFile::Absent => task.result == ResultPolicy::Optional,
        ResultFile::Invalid(_) => false,
    };
    report.exit == Exit::Code(0) && result_is_good && report.executor_stop.is_none()
}

/// How an attempt ended that had been told to stop.
fn stopped(cause: StopCause, report: &Report, task: &Task) -> Outcome {
    if report.exited_before_stop && succeeded(report, task) {
        return Outcome::Succeeded;
    }
    match cause {
        StopCause::Deadline => Outcome::TimedOut,
        StopCause::Output => Outcome::Failed,
        StopCause::Cancelled | StopCause::Stopped => Outcome::Cancelled,
    }
}

fn recovered(fate: &Fate, task: &Task) -> Transition {
    match fate {
        Fate::Reported(report) if report.exited_before_stop => {
            Transition::Settle(reported(report, task))
        }
        Fate::NeverStarted => Transition::Return(0),
        Fate::Reported(_) | Fate::Dead | Fate::Unproven => Transition::Settle(Outcome::Unknown),
    }
}

#[cfg(test)]
mod tests;
