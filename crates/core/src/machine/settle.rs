//! The end of an attempt, and what follows from it.

use super::Step;
use super::accept::Arrival;
use super::park::Unprocessed;
use crate::attempt::{Ending, Happening, Transition, transition, tries_again};
use crate::id::Id;
use crate::json::{Document, JsonLimits};
use crate::name::RuleName;
use crate::record::{Body, Evidence, Next, Payload, ReportRefused, Returned, RunSettled};
use crate::report::{Exit, Fate, NotStarted, Report, ResultFile, StopCause};
use crate::retry;
use crate::run::{Outcome, Phase, Run};
use crate::signal::{Draft, Facts, Origin};

/// How an attempt ended, before it is recorded.
struct End {
    outcome: Outcome,
    evidence: Evidence,
    reason: Option<String>,
}

impl Step<'_> {
    pub(super) fn reported(&mut self, token: u64, report: Box<Report>) {
        match self.find(token, Happening::Reported(&report)) {
            Some((run, Transition::Settle(outcome))) => {
                let reason = reason(outcome, &report);
                let evidence = Evidence::Report(report);
                self.settle(
                    run,
                    token,
                    &End {
                        outcome,
                        evidence,
                        reason,
                    },
                );
            }
            _ => self.refuse(token, format!("a report: {}", exit_text(report.exit))),
        }
    }

    pub(super) fn not_started(&mut self, token: u64, why: &NotStarted) {
        match self.find(token, Happening::NotStarted(why)) {
            Some((run, Transition::Return(wait_ms))) => {
                self.give_back(run, token, wait_ms, Returned::NotStarted(why.clone()));
            }
            Some((run, Transition::Settle(outcome))) => {
                let text = not_started_text(why);
                let evidence = Evidence::NotStarted(text.to_owned());
                let reason = Some(format!("it could not be started: {text}"));
                self.settle(
                    run,
                    token,
                    &End {
                        outcome,
                        evidence,
                        reason,
                    },
                );
            }
            _ => self.refuse(
                token,
                format!("it was not started: {}", not_started_text(why)),
            ),
        }
    }

    pub(super) fn recovered(&mut self, token: u64, fate: Fate) {
        match self.find(token, Happening::Recovered(&fate)) {
            Some((run, Transition::Return(wait_ms))) => {
                self.give_back(run, token, wait_ms, Returned::OwnerLost);
            }
            Some((run, Transition::Settle(outcome))) => {
                let (evidence, reason) = found(outcome, fate);
                let end = End {
                    outcome,
                    evidence,
                    reason,
                };
                self.settle(run, token, &end);
            }
            _ => self.refuse(token, "a recovery of a lease that is not live".to_owned()),
        }
    }

    fn find(&self, token: u64, happening: Happening<'_>) -> Option<(Id, Transition)> {
        let id = self.machine.index.run_of(token)?;
        let run = self.state().runs.get(&id)?;
        let task = self.state().task_of(run)?;
        Some((id, transition(&run.phase, happening, task)))
    }

    fn refuse(&mut self, token: u64, what: String) {
        self.record(Body::ReportRefused(Box::new(ReportRefused { token, what })));
    }

    fn settle(&mut self, id: Id, token: u64, end: &End) {
        let Some(run) = self.state().runs.get(&id).cloned() else {
            return;
        };
        let next = self.next_of(&run, end);
        self.record(Body::RunSettled(Box::new(RunSettled {
            attempt: run.attempt,
            evidence: end.evidence.clone(),
            next,
            outcome: end.outcome,
            reason: end.reason.clone(),
            run: id,
            task: run.plan.task.clone(),
            token,
        })));
        if next == Next::Ended {
            self.park_run(&run, end);
            self.complete(&run, end);
        }
    }

    fn next_of(&self, run: &Run, end: &End) -> Next {
        let Some(task) = self.state().task_of(run) else {
            return Next::Ended;
        };
        let ending = Ending {
            outcome: end.outcome,
            attempt: run.attempt,
            cause: match run.phase {
                Phase::Stopping { cause, .. } => Some(cause),
                Phase::Planned { .. } | Phase::Leased { .. } => None,
            },
            proven_dead: end.evidence != Evidence::OwnerLost { proven_dead: false },
        };
        if !tries_again(&ending, task) {
            return Next::Ended;
        }
        let wait_ms = match end.outcome {
            Outcome::Cancelled => 0,
            Outcome::Succeeded | Outcome::Failed | Outcome::TimedOut | Outcome::Unknown => {
                retry::wait_ms(&task.retry, &run.plan.id, run.attempt.saturating_add(1))
            }
        };
        Next::Planned {
            due_ms: self.elapsed_ms.saturating_add(wait_ms),
        }
    }

    fn park_run(&mut self, run: &Run, end: &End) {
        let code = match end.outcome {
            Outcome::Succeeded | Outcome::Cancelled => return,
            Outcome::Failed => "run.failed",
            Outcome::TimedOut => "run.timed_out",
            Outcome::Unknown => "run.unknown",
        };
        let payload = Payload::Run {
            correlation: run.correlation,
            facts: run.facts.clone(),
            run: run.plan.id,
            signal: run.signal,
            signal_name: run.signal_name.clone(),
        };
        self.park(Unprocessed {
            subject: format!("task:{}", run.plan.task),
            code: code.to_owned(),
            error: end.reason.clone().unwrap_or_default(),
            payload,
            key: None,
            replays: run.replays,
        });
    }

    fn complete(&mut self, run: &Run, end: &End) {
        let emits = &run.plan.emits;
        let name = match end.outcome {
            Outcome::Succeeded => emits.succeeded.clone(),
            Outcome::Failed => emits.failed.clone(),
            Outcome::TimedOut => emits.timed_out.clone(),
            Outcome::Cancelled | Outcome::Unknown => None,
        };
        let Some(name) = name else {
            return;
        };
        let worker = || RuleName::of_worker(&run.signal_name, &run.plan.task);
        let fired = run.plan.rule.clone().unwrap_or_else(worker);
        let Ok(source) = crate::name::SourceName::new(run.plan.task.as_str()) else {
            return;
        };
        let mut draft = Draft::new(name, source, completion_facts(run, end));
        draft.cause = Some(run.signal);
        draft.correlation = Some(run.correlation);
        let origin = Origin::Task(run.plan.task.clone());
        self.accept(Arrival::following(
            draft,
            origin,
            run.depth,
            &run.lineage,
            fired,
        ));
    }
}

/// What is known of an attempt whose owner was lost, and why it did not succeed.
fn found(outcome: Outcome, fate: Fate) -> (Evidence, Option<String>) {
    let lost = |proven_dead| {
        let why = "its owner was lost and its outcome cannot be known";
        (Evidence::OwnerLost { proven_dead }, Some(why.to_owned()))
    };
    match fate {
        Fate::Reported(report) if outcome != Outcome::Unknown => {
            let reason = reason(outcome, &report);
            (Evidence::Report(report), reason)
        }
        Fate::NeverStarted => {
            let why = "its owner was lost before it was started";
            (Evidence::NotStarted(why.to_owned()), Some(why.to_owned()))
        }
        Fate::Reported(_) | Fate::Dead => lost(true),
        Fate::Unproven => lost(false),
    }
}

/// The result, if there is one; else what is known.
fn completion_facts(run: &Run, end: &End) -> Facts {
    let exit_code = match &end.evidence {
        Evidence::Report(report) => match (&report.result, report.exit) {
            (ResultFile::Valid(facts), _) => return facts.clone(),
            (ResultFile::Absent | ResultFile::Invalid(_), Exit::Code(code)) => Some(code),
            (ResultFile::Absent | ResultFile::Invalid(_), Exit::Signal(_)) => None,
        },
        Evidence::NotStarted(_) | Evidence::OwnerLost { .. } => None,
    };
    let facts = serde_json::json!({
        "attempt": run.attempt,
        "error": end.reason,
        "exit_code": exit_code,
        "outcome": end.outcome.as_str(),
        "run": run.plan.id,
        "task": run.plan.task,
    });
    Document::from_serialize(&facts, &JsonLimits::FACTS)
        .and_then(Facts::from_document)
        .unwrap_or_else(|_error| Facts::empty())
}

fn reason(outcome: Outcome, report: &Report) -> Option<String> {
    if outcome == Outcome::Succeeded {
        return None;
    }
    let exit = exit_text(report.exit);
    let more = match (&report.result, report.executor_stop) {
        (_, Some(StopCause::Output)) => "it wrote more than it may".to_owned(),
        (ResultFile::Invalid(why), _) => format!("its result is not usable: {why}"),
        (ResultFile::Absent, _) if report.exit == Exit::Code(0) => {
            "its task needs a result and it gave none".to_owned()
        }
        (ResultFile::Absent | ResultFile::Valid(_), _) => last_line(&report.stderr.text),
    };
    Some(if more.is_empty() {
        exit
    } else {
        format!("{exit}: {more}")
    })
}

fn exit_text(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("it exited with {code}"),
        Exit::Signal(signal) => format!("signal {signal} ended it"),
    }
}

fn not_started_text(why: &NotStarted) -> &str {
    match why {
        NotStarted::Never(text) | NotStarted::Later(text) => text,
        NotStarted::Gate => "the gate was closed",
    }
}

/// The last line that is not empty, cut to a length that suits a table.
fn last_line(text: &str) -> String {
    let line = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    line.trim().chars().take(400).collect()
}
