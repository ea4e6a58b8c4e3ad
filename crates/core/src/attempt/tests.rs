//! The table of attempts, row by row, and that it is total.

use std::collections::BTreeMap;

use super::*;
use crate::name::{AgentName, TaskName};
use crate::report::Output;
use crate::signal::Facts;
use crate::task::{Program, ResourceLimits, Retry};

const PLANNED: Phase = Phase::Planned { due_ms: 0 };
const LEASED: Phase = Phase::Leased {
    deadline_ms: 1_000,
    token: 7,
};

fn stopping(cause: StopCause) -> Phase {
    Phase::Stopping { cause, token: 7 }
}

fn task(result: ResultPolicy, on_lost: Interrupted, on_stop: Interrupted) -> Task {
    Task {
        agent: AgentName::new("LARS").expect("a name"),
        concurrency: 1,
        enabled: true,
        environment: BTreeMap::new(),
        grace_ms: 5_000,
        limits: ResourceLimits::default(),
        lock: None,
        name: TaskName::new("work").expect("a name"),
        on_lost,
        on_stop,
        priority: 5,
        program: Program::Process {
            argv: vec!["true".to_owned()],
        },
        result,
        retry: Retry {
            limit: 2,
            ..Retry::NEVER
        },
        start_within_ms: None,
        timeout_ms: 1_000,
        working_directory: None,
    }
}

fn plain() -> Task {
    task(ResultPolicy::Optional, Interrupted::End, Interrupted::End)
}

fn exited(code: i32) -> Report {
    Report {
        cpu_ms: 0,
        duration_ms: 0,
        executor_stop: None,
        exit: Exit::Code(code),
        exited_before_stop: true,
        memory_kib_max: 0,
        processes_killed: 0,
        result: ResultFile::Absent,
        stderr: Output::empty(),
        stdout: Output::empty(),
    }
}

/// Killed by the first signal to stop.
fn killed() -> Report {
    Report {
        exit: Exit::Signal(15),
        exited_before_stop: false,
        ..exited(0)
    }
}

fn check(phase: Phase, happening: Happening<'_>, task: &Task, expected: Transition) {
    let found = transition(&phase, happening, task);
    assert_eq!(found, expected, "{phase:?} × {happening:?}");
}

#[test]
fn a_planned_run_is_leased_or_cancelled() {
    check(PLANNED, Happening::Slot, &plain(), Transition::Lease);
    check(PLANNED, Happening::Cancelled, &plain(), Transition::Cancel);
    check(PLANNED, Happening::TooLate, &plain(), Transition::Cancel);
    check(LEASED, Happening::TooLate, &plain(), Transition::None);
}

#[test]
fn a_lease_that_could_not_start_now_goes_back_after_a_wait_and_else_fails() {
    let returned = Transition::Return(SPAWN_BACKOFF_MS);
    let later = NotStarted::Later("EAGAIN".to_owned());
    let never = NotStarted::Never("ENOENT".to_owned());
    let failed = Transition::Settle(Outcome::Failed);
    let not_started = |why, expected| {
        check(LEASED, Happening::NotStarted(why), &plain(), expected);
    };
    not_started(&NotStarted::Gate, returned);
    not_started(&later, returned);
    not_started(&never, failed);
}

#[test]
fn a_lease_that_was_stopped_before_it_started_ends_by_its_cause() {
    let cases = [
        (StopCause::Cancelled, Transition::Settle(Outcome::Cancelled)),
        (StopCause::Deadline, Transition::Settle(Outcome::TimedOut)),
        (StopCause::Output, Transition::Return(0)),
        (StopCause::Stopped, Transition::Return(0)),
    ];
    for (cause, expected) in cases {
        let gate = Happening::NotStarted(&NotStarted::Gate);
        check(stopping(cause), gate, &plain(), expected);
        let never = Happening::Recovered(&Fate::NeverStarted);
        check(stopping(cause), never, &plain(), expected);
    }
}

#[test]
fn a_report_of_a_lease_succeeds_with_exit_0_and_a_result_that_is_good_enough() {
    let needs = task(ResultPolicy::Required, Interrupted::End, Interrupted::End);
    let reported = |report: Report, task: &Task, outcome| {
        let expected = Transition::Settle(outcome);
        check(LEASED, Happening::Reported(&report), task, expected);
        // What recovery reads of an exit that was written down is the same.
        let fate = Fate::Reported(Box::new(report));
        check(LEASED, Happening::Recovered(&fate), task, expected);
    };
    let with = |result| Report {
        result,
        ..exited(0)
    };
    let valid = || with(ResultFile::Valid(Facts::empty()));
    let invalid = || with(ResultFile::Invalid("no JSON".to_owned()));
    reported(exited(0), &plain(), Outcome::Succeeded);
    reported(exited(0), &needs, Outcome::Failed);
    reported(valid(), &plain(), Outcome::Succeeded);
    reported(valid(), &needs, Outcome::Succeeded);
    reported(invalid(), &plain(), Outcome::Failed);
    reported(exited(1), &plain(), Outcome::Failed);
    let flood = Report {
        executor_stop: Some(StopCause::Output),
        ..valid()
    };
    reported(flood, &plain(), Outcome::Failed);
}

#[test]
fn the_first_cause_to_stop_wins() {
    let cases = [
        (Happening::Cancelled, StopCause::Cancelled),
        (Happening::Deadline, StopCause::Deadline),
        (Happening::Stopped, StopCause::Stopped),
    ];
    for (happening, cause) in cases {
        check(LEASED, happening, &plain(), Transition::Stop(cause));
        for (other, _) in cases {
            check(stopping(cause), other, &plain(), Transition::None);
        }
    }
}

#[test]
fn what_was_stopped_ends_by_its_cause_unless_it_had_succeeded_before() {
    let cases = [
        (StopCause::Cancelled, Outcome::Cancelled),
        (StopCause::Deadline, Outcome::TimedOut),
        (StopCause::Output, Outcome::Failed),
        (StopCause::Stopped, Outcome::Cancelled),
    ];
    let too_late = Report {
        exited_before_stop: false,
        ..exited(0)
    };
    for (cause, outcome) in cases {
        for (report, outcome) in [
            (exited(0), Outcome::Succeeded),
            (exited(1), outcome),
            (killed(), outcome),
            (too_late.clone(), outcome),
        ] {
            let expected = Transition::Settle(outcome);
            let (phase, task) = (stopping(cause), plain());
            check(phase, Happening::Reported(&report), &task, expected);
            let fate = Fate::Reported(Box::new(report));
            check(phase, Happening::Recovered(&fate), &task, expected);
        }
    }
}

#[test]
fn what_a_lost_owner_left_is_unknown_unless_its_exit_is_honest() {
    let unknown = Transition::Settle(Outcome::Unknown);
    let killed_with_owner = Fate::Reported(Box::new(killed()));
    let recovered = |phase, fate: &Fate, expected| {
        check(phase, Happening::Recovered(fate), &plain(), expected);
    };
    recovered(LEASED, &killed_with_owner, unknown);
    recovered(LEASED, &Fate::Dead, unknown);
    recovered(LEASED, &Fate::Unproven, unknown);
    recovered(stopping(StopCause::Stopped), &Fate::Dead, unknown);
    recovered(stopping(StopCause::Deadline), &Fate::Unproven, unknown);
    recovered(LEASED, &Fate::NeverStarted, Transition::Return(0));
}

#[test]
fn the_table_is_total_and_what_holds_no_lease_is_never_settled() {
    let report = exited(0);
    let gate = NotStarted::Gate;
    let fate = Fate::Dead;
    let phases = [
        PLANNED,
        LEASED,
        stopping(StopCause::Cancelled),
        stopping(StopCause::Deadline),
        stopping(StopCause::Output),
        stopping(StopCause::Stopped),
    ];
    let happenings = [
        Happening::Slot,
        Happening::Cancelled,
        Happening::Deadline,
        Happening::Stopped,
        Happening::NotStarted(&gate),
        Happening::Reported(&report),
        Happening::Recovered(&fate),
    ];
    for phase in phases {
        for happening in happenings {
            let found = transition(&phase, happening, &plain());
            let is_fitting = match found {
                Transition::None => true,
                Transition::Lease | Transition::Cancel => phase.token().is_none(),
                Transition::Return(_) | Transition::Settle(_) => phase.token().is_some(),
                Transition::Stop(_) => matches!(phase, Phase::Leased { .. }),
            };
            assert!(is_fitting, "{phase:?} × {happening:?}: {found:?}");
            let ends_a_lease = matches!(
                happening,
                Happening::NotStarted(_) | Happening::Reported(_) | Happening::Recovered(_)
            );
            let ended = matches!(found, Transition::Return(_) | Transition::Settle(_));
            let had_one = phase.token().is_some();
            assert_eq!(ended, ends_a_lease && had_one, "{phase:?} × {happening:?}");
        }
    }
}

fn check_again(ending: Ending, task: &Task, expected: bool) {
    assert_eq!(tries_again(&ending, task), expected, "{ending:?}");
}

#[test]
fn a_run_is_tried_again_as_its_task_says_and_while_tries_are_left() {
    let ending = |outcome, attempt| Ending {
        outcome,
        attempt,
        cause: None,
        proven_dead: true,
    };
    let retries = task(
        ResultPolicy::Optional,
        Interrupted::Retry,
        Interrupted::Retry,
    );
    for task in [&plain(), &retries] {
        check_again(ending(Outcome::Succeeded, 1), task, false);
        check_again(ending(Outcome::Failed, 2), task, true);
        check_again(ending(Outcome::Failed, 3), task, false);
        check_again(ending(Outcome::TimedOut, 2), task, true);
        check_again(ending(Outcome::TimedOut, 3), task, false);
        check_again(ending(Outcome::Cancelled, 1), task, false);
    }
    check_again(ending(Outcome::Unknown, 1), &plain(), false);
    check_again(ending(Outcome::Unknown, 2), &retries, true);
    check_again(ending(Outcome::Unknown, 3), &retries, false);
    let unproven = Ending {
        proven_dead: false,
        ..ending(Outcome::Unknown, 1)
    };
    check_again(unproven, &retries, false);
}

#[test]
fn after_a_stop_a_run_goes_on_if_its_task_says_so_and_after_a_cancel_never() {
    let retries = task(
        ResultPolicy::Optional,
        Interrupted::Retry,
        Interrupted::Retry,
    );
    let stopped = |outcome, cause| Ending {
        outcome,
        attempt: 9,
        cause: Some(cause),
        proven_dead: true,
    };
    let by_stop = stopped(Outcome::Cancelled, StopCause::Stopped);
    check_again(by_stop, &retries, true);
    check_again(by_stop, &plain(), false);
    let by_someone = stopped(Outcome::Cancelled, StopCause::Cancelled);
    check_again(by_someone, &retries, false);
    let lost = Ending {
        attempt: 1,
        ..stopped(Outcome::Unknown, StopCause::Cancelled)
    };
    check_again(lost, &retries, false);
}
