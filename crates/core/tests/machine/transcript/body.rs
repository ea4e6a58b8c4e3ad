//! Each kind of body as lines: the first stands beside the record's number.

use std::fmt::Write as _;

use antiphon_core::record::{
    AskAnswered, Body, Evidence, LetterParked, Next, Payload, Returned, RunPlanned, RunReplanned,
    RunSettled, SignalAccepted, Verdict,
};
use antiphon_core::report::NotStarted;
use antiphon_core::run::Plan;
use antiphon_core::signal::Origin;

use super::{Transcript, ended, seconds};

impl Transcript {
    pub(super) fn body(&mut self, body: &Body) -> Vec<String> {
        let line = match body {
            Body::SignalAccepted(body) => return self.accepted(body),
            Body::AskAnswered(body) => self.answered(body),
            Body::RunPlanned(body) => return self.plans(body),
            Body::RunReplanned(body) => return self.replanned(body),
            Body::RunSettled(body) => self.settled(body),
            Body::LetterParked(body) => self.parked(body),
            Body::BreakerChanged(body) => match body.open_until_ms {
                Some(until_ms) => {
                    format!(
                        "{} open until {} by {}",
                        body.rule,
                        seconds(until_ms),
                        body.by
                    )
                }
                None => format!("{} closed by {}", body.rule, body.by),
            },
            Body::ClockJumped(body) => format!("by {} ms", body.by_ms),
            Body::ConfigApplied(body) => self.policy(&body.digest),
            Body::GuardChanged(body) => {
                let (mode, switch) = (body.guards.mode.as_str(), body.guards.switch);
                let maintenance = body.guards.maintenance;
                format!(
                    "mode {mode}, switch {switch:?}, maintenance {maintenance}, by {}",
                    body.by
                )
            }
            Body::LettersPurged(body) => format!("{} by {}", self.all(&body.letters), body.by),
            Body::ReportRefused(body) => format!("token {}: {}", body.token, body.what),
            Body::RunCancelled(body) => {
                format!("{} of {} by {}", self.id(&body.run), body.task, body.by)
            }
            Body::RunLeased(body) => format!(
                "{} of {}, attempt {}, until {}",
                self.id(&body.run),
                body.task,
                body.attempt,
                seconds(body.deadline_ms)
            ),
            Body::RunReturned(body) => {
                let why = match &body.why {
                    Returned::NotStarted(NotStarted::Gate) => "the gate was closed".to_owned(),
                    Returned::NotStarted(NotStarted::Later(error) | NotStarted::Never(error)) => {
                        error.clone()
                    }
                    Returned::OwnerLost => "its owner was lost before it started".to_owned(),
                };
                let due = seconds(body.due_ms);
                format!(
                    "{} token {}, due {due}: {why}",
                    self.id(&body.run),
                    body.token
                )
            }
            Body::RunStopping(body) => {
                let by = body.by.as_ref().map(|by| format!(" by {by}"));
                let by = by.unwrap_or_default();
                format!(
                    "{} token {}: {:?}{by}",
                    self.id(&body.run),
                    body.token,
                    body.cause
                )
            }
            other => without_names(other),
        };
        vec![line]
    }

    fn accepted(&mut self, body: &SignalAccepted) -> Vec<String> {
        let name = self.name('s', &body.id);
        let from = match &body.origin {
            Origin::External => format!("from {}", body.source),
            Origin::Rule(rule) => format!("from rule {rule}"),
            Origin::Task(task) => format!("from task {task}"),
            Origin::Monitor(monitor) => format!("from monitor {monitor}"),
            Origin::Expectation(monitor) => format!("from expectation {monitor}"),
            Origin::Replay(letter) => format!("replays {}", self.id(letter)),
        };
        let cause = body
            .cause
            .map(|cause| format!(" because of {}", self.id(&cause)));
        let cause = cause.unwrap_or_default();
        let chain = self.id(&body.correlation);
        let (signal, depth) = (&body.signal, body.depth);
        let mut lines = vec![
            format!("{name} {signal} {from}{cause}, chain {chain}, depth {depth}"),
            format!("facts {}", self.shortened(body.facts.text())),
        ];
        lines.extend(
            body.state
                .iter()
                .map(|state| format!("state {}", state.text())),
        );
        for said in &body.decisions {
            let mut line = format!("rule {}: {}", said.rule, said.verdict.as_str());
            if let Some(detail) = &said.detail {
                write!(line, " ({})", self.shortened(detail)).unwrap();
            }
            if let Some(key) = &said.dedupe_key {
                write!(line, ", key {key}").unwrap();
            }
            if let Some(ask) = &said.ask {
                let asked = self.name('a', &ask.id);
                let until = seconds(ask.deadline_ms);
                write!(line, ", {asked} asks {} until {until}", ask.asks).unwrap();
            }
            assert!(said.ask.is_some() == (said.verdict == Verdict::Deferred));
            lines.push(line);
        }
        for cleared in &body.clears {
            let chain = cleared
                .correlation
                .map(|chain| format!(" of chain {}", self.id(&chain)));
            let whose = chain.unwrap_or_else(|| ", all".to_owned());
            lines.push(format!("clears keys of {}{whose}", cleared.rule));
        }
        if !body.meets.is_empty() {
            lines.push(format!("meets {}", self.all(&body.meets)));
        }
        for armed in &body.arms {
            let name = self.name('e', &armed.id);
            let until = seconds(armed.deadline_ms);
            lines.push(format!("arms {name} of {} until {until}", armed.monitor));
        }
        lines.extend(body.runs.iter().map(|plan| self.planned(plan)));
        lines
    }

    fn planned(&mut self, plan: &Plan) -> String {
        let run = self.name('r', &plan.id);
        let rule = plan.rule.as_ref().map(|rule| format!(" for rule {rule}"));
        let facts = plan
            .facts
            .as_ref()
            .map(|facts| format!(" with {}", facts.text()));
        let (rule, facts) = (rule.unwrap_or_default(), facts.unwrap_or_default());
        format!("plans {run} of {}{rule}{facts}", plan.task)
    }

    fn answered(&mut self, body: &AskAnswered) -> String {
        let verb = if body.permit { "permitted" } else { "denied" };
        let ask = self.id(&body.ask);
        format!("{ask} of {} {verb} by {}", body.rule, body.by)
    }

    fn plans(&mut self, body: &RunPlanned) -> Vec<String> {
        let mut lines = vec![format!("for {}", self.id(&body.ask))];
        lines.extend(body.runs.iter().map(|plan| self.planned(plan)));
        lines
    }

    fn replanned(&mut self, body: &RunReplanned) -> Vec<String> {
        vec![
            format!("{} by {}", self.id(&body.of), body.by),
            self.planned(&body.plan),
        ]
    }

    fn settled(&mut self, body: &RunSettled) -> String {
        let next = match body.next {
            Next::Ended => "ended".to_owned(),
            Next::Planned { due_ms } => format!("again at {}", seconds(due_ms)),
        };
        let known = match &body.evidence {
            Evidence::Report(report) => ended(report),
            Evidence::NotStarted(_) => "not started".to_owned(),
            Evidence::OwnerLost { proven_dead: true } => "owner lost, tree dead".to_owned(),
            Evidence::OwnerLost { proven_dead: false } => "owner lost".to_owned(),
        };
        let reason = body
            .reason
            .as_ref()
            .map(|why| format!(" ({why})"))
            .unwrap_or_default();
        let run = self.id(&body.run);
        let (token, attempt, outcome) = (body.token, body.attempt, body.outcome.as_str());
        format!("{run} token {token}, attempt {attempt} {outcome}{reason}: {known}; {next}")
    }

    fn parked(&mut self, body: &LetterParked) -> String {
        let name = self.name('l', &body.id);
        let about = match &body.payload {
            Payload::Bytes { excerpt, .. } => format!("bytes {excerpt:?}"),
            Payload::Document(facts) => format!("document {}", facts.text()),
            Payload::Run { run, .. } => format!("run {}", self.id(run)),
            Payload::Signal { signal, .. } => format!("signal {}", self.id(signal)),
        };
        let (code, subject, error) = (&body.code, &body.subject, &body.error);
        format!("{name} {code} at {subject}: {error}; {about}")
    }

    /// `text` with every id that has a short name replaced by it.
    fn shortened(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (id, name)| {
            text.replace(&id.to_string(), name)
        })
    }
}

/// A body that names nothing that the transcript has a short name for.
fn without_names(body: &Body) -> String {
    match body {
        Body::LogCreated(body) => format!("format {}", body.format),
        Body::OwnerStarted(body) => format!("epoch {}", body.epoch),
        Body::SnapshotTaken(body) => format!("after {}", body.at_seq),
        Body::TaskChanged(body) => format!("{} {:?} by {}", body.task, body.enabled, body.by),
        Body::KeyRegistered(body) => format!("{} {} by {}", body.agent, body.key.id(), body.by),
        Body::KeyRevoked(body) => format!(
            "{} {} from {}, now {} by {}",
            body.agent,
            body.of,
            body.from_seq.unwrap_or_default(),
            body.key.id(),
            body.by
        ),
        Body::KeyRotated(body) => format!(
            "{} {}, now {} by {}",
            body.agent,
            body.of,
            body.key.id(),
            body.by
        ),
        Body::LogCut(body) => {
            format!("epoch {} after {} by {}", body.epoch, body.size, body.by)
        }
        Body::LogRestored(body) => {
            format!("epoch {} after {} by {}", body.epoch, body.size, body.by)
        }
        other => unreachable!("{} is told above", other.kind()),
    }
}
