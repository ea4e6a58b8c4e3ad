//! The story of the demo: a line for each step, then what was measured.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, Instant};

use antiphon_core::id::Id;
use antiphon_core::record::{Body, Evidence, RunSettled, SignalAccepted, Verdict};
use antiphon_core::signal::Origin;
use antiphon_engine::read::Records;
use antiphon_kloros::demo;
use antiphon_ledger::audit::Audit;
use antiphon_ledger::hash::hex;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::output::tone::Tone;

/// The signal that closes the loop of modules, once for each.
const DISCOVERED: &str = "Q_MODULE_DISCOVERED";
/// The signal that closes the loop of promotions.
const ACKNOWLEDGED: &str = "Q_PROMOTIONS_ACKNOWLEDGED";

/// What has been told, and what was measured on the way.
pub(super) struct Story {
    output: Output,
    started: Instant,
    bar: ProgressBar,
    next_seq: u64,
    running: BTreeMap<Id, String>,
    figures: Figures,
    /// Elapsed ms of signals that planned runs, until the run is leased.
    planned_ms: BTreeMap<Id, u64>,
}

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
struct Figures {
    records: u64,
    signals: u64,
    decisions: u64,
    runs_succeeded: u64,
    runs_failed: u64,
    dead_letters: u64,
    modules_discovered: usize,
    promotions_acknowledged: usize,
    work_s: f64,
    story_s: f64,
    plan_to_lease_ms_max: u64,
}

/// The summary as a program reads it.
#[derive(Debug, Serialize)]
struct Summary {
    #[serde(flatten)]
    figures: Figures,
    verified: bool,
    root: String,
    verify_s: f64,
}

impl Story {
    pub(super) fn new(output: Output, started: Instant) -> Self {
        let is_live = std::io::stderr().is_terminal() && !output.is_json();
        let bar = if is_live {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        Self {
            output,
            started,
            bar,
            next_seq: 0,
            running: BTreeMap::new(),
            figures: Figures::default(),
            planned_ms: BTreeMap::new(),
        }
    }

    pub(super) fn begin(&self, root: &Path) -> Result<(), Failure> {
        self.say(
            Tone::Faint,
            &format!("a root for this demo: {}", root.display()),
        )
    }

    pub(super) fn dropped(&self, file: &demo::Drop) -> Result<(), Failure> {
        self.say(
            Tone::Plain,
            &format!("dropped   {} ({})", file.path, file.about),
        )
    }

    /// Whether both loops have closed.
    pub(super) fn is_closed(&self, modules: usize) -> bool {
        self.figures.modules_discovered >= modules && self.figures.promotions_acknowledged > 0
    }

    /// Tells every record that was not told yet.
    pub(super) fn read_to_end(&mut self, records: &mut Records) -> Result<(), Failure> {
        while let Some(projected) = records.record(self.next_seq)? {
            self.next_seq = self.next_seq.saturating_add(1);
            self.figures.records = self.figures.records.saturating_add(1);
            if let Some(record) = projected.record {
                self.record(record.elapsed_ms, &record.body)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, elapsed_ms: u64, body: &Body) -> Result<(), Failure> {
        match body {
            Body::SignalAccepted(body) => self.signal(elapsed_ms, body),
            Body::RunLeased(body) => {
                if let Some(planned_ms) = self.planned_ms.remove(&body.run) {
                    let waited_ms = elapsed_ms.saturating_sub(planned_ms);
                    let longest = &mut self.figures.plan_to_lease_ms_max;
                    *longest = (*longest).max(waited_ms);
                }
                self.running.insert(body.run, body.task.to_string());
                self.say(
                    Tone::Name,
                    &format!("starts    {} as {}", body.task, body.agent),
                )
            }
            Body::RunSettled(body) => self.settled(body),
            Body::LetterParked(body) => {
                self.figures.dead_letters = self.figures.dead_letters.saturating_add(1);
                let text = format!("parked    {}: {} ({})", body.subject, body.error, body.code);
                self.say(Tone::Warn, &text)
            }
            _ => Ok(()),
        }
    }

    fn signal(&mut self, elapsed_ms: u64, body: &SignalAccepted) -> Result<(), Failure> {
        self.figures.signals = self.figures.signals.saturating_add(1);
        match body.signal.as_str() {
            DISCOVERED => self.figures.modules_discovered += 1,
            ACKNOWLEDGED => self.figures.promotions_acknowledged += 1,
            _ => {}
        }
        for plan in &body.runs {
            self.planned_ms.insert(plan.id, elapsed_ms);
        }
        let from = match &body.origin {
            Origin::External => "from outside".to_owned(),
            Origin::Rule(rule) => format!("by rule {rule}"),
            Origin::Task(task) => format!("by task {task}"),
            Origin::Monitor(monitor) => format!("seen by monitor {monitor}"),
            Origin::Expectation(monitor) => format!("expected by {monitor}, and did not come"),
            Origin::Replay(letter) => format!("replayed from {letter}"),
        };
        self.say(Tone::Good, &format!("hears     {} {from}", body.signal))?;
        for said in &body.decisions {
            self.figures.decisions = self.figures.decisions.saturating_add(1);
            let why = said.detail.as_deref().map(|text| format!(": {text}"));
            let text = format!(
                "decides   {} {}{}",
                said.rule,
                said.verdict.as_str(),
                why.unwrap_or_default()
            );
            let tone = match said.verdict {
                Verdict::Fired => Tone::Plain,
                _ => Tone::Faint,
            };
            self.say(tone, &text)?;
        }
        Ok(())
    }

    fn settled(&mut self, body: &RunSettled) -> Result<(), Failure> {
        self.running.remove(&body.run);
        let mut took = String::new();
        if let Evidence::Report(report) = &body.evidence {
            let duration = Duration::from_millis(report.duration_ms);
            self.figures.work_s += duration.as_secs_f64();
            took = format!(" in {:.2} s", duration.as_secs_f64());
        }
        let tone = if body.reason.is_none() {
            self.figures.runs_succeeded = self.figures.runs_succeeded.saturating_add(1);
            Tone::Name
        } else {
            self.figures.runs_failed = self.figures.runs_failed.saturating_add(1);
            Tone::Bad
        };
        let reason = body.reason.as_deref().map(|text| format!(": {text}"));
        let text = format!(
            "ends      {} {}{took}{}",
            body.task,
            body.outcome.as_str(),
            reason.unwrap_or_default()
        );
        self.say(tone, &text)
    }

    /// Shows that work goes on, on a terminal.
    pub(super) fn progress(&self) {
        let names: Vec<&str> = self.running.values().map(String::as_str).collect();
        if names.is_empty() {
            self.bar.set_message("waiting for the monitors");
        } else {
            let seconds = self.started.elapsed().as_secs();
            self.bar
                .set_message(format!("{} at work, {seconds} s", names.join(", ")));
        }
        self.bar.tick();
    }

    /// A line of the story, with the time since it began.
    pub(super) fn say(&self, tone: Tone, text: &str) -> Result<(), Failure> {
        if self.output.is_json() {
            return Ok(());
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let line = format!("{seconds:7.3} s  {}", self.output.paint(tone, text));
        self.bar.suspend(|| self.output.line(&line))
    }

    /// What was measured, and that the log verifies.
    pub(super) fn summary(mut self, audit: &Audit, verify: Duration) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        self.figures.story_s = self.started.elapsed().as_secs_f64();
        let summary = Summary {
            figures: self.figures,
            verified: audit.is_intact(),
            root: hex(&audit.root),
            verify_s: verify.as_secs_f64(),
        };
        self.output.one(&summary, |summary| {
            let figures = &summary.figures;
            let verdict = if summary.verified {
                self.output.paint(Tone::Good, "verifies")
            } else {
                self.output.paint(Tone::Bad, "does not verify")
            };
            format!(
                "\n{} modules discovered, {} sets of promotions acknowledged, {} dead letters\n\
                 {} signals, {} decisions, {} runs succeeded, {} failed: {:.1} s of work in {:.1} s\n\
                 longest wait from plan to lease {} ms\n\
                 the log of {} records {verdict} in {:.1} ms\nroot {}\n",
                figures.modules_discovered,
                figures.promotions_acknowledged,
                figures.dead_letters,
                figures.signals,
                figures.decisions,
                figures.runs_succeeded,
                figures.runs_failed,
                figures.work_s,
                figures.story_s,
                figures.plan_to_lease_ms_max,
                figures.records,
                summary.verify_s * 1_000.0,
                summary.root,
            )
        })
    }
}
