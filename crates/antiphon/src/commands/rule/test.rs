//! `antiphon rule test`: what the rules of the configuration would say of a signal, without effect.
//!
//! A machine in memory, with nothing behind it, is given the configuration and the signal; its
//! records are told and dropped. So the answer is the machine's own, with no memory of earlier
//! firings: no cooldown, no rate, no dedupe key, every `state.count` 0.

use std::sync::Arc;

use antiphon_core::id::Id;
use antiphon_core::input::{Event, Input, Output, Owner};
use antiphon_core::machine::{LOG_FORMAT, Machine};
use antiphon_core::name::{SignalName, SourceName};
use antiphon_core::policy::Policy;
use antiphon_core::record::{Body, FirstKey, LogCreated, SignalAccepted};
use antiphon_core::signal::{Draft, Facts, Origin};
use antiphon_core::state::State;
use antiphon_core::time::{Instant, parse_rfc3339};
use antiphon_http::explain;
use antiphon_http::model::SignalDetail;
use clap::Args;
use serde::Serialize;

use crate::commands::{parse_id, parse_name};
use crate::config::Configuration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::tone::Tone;
use crate::output::{Output as Out, clean};
use crate::wire::{Context, Need};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The signal's name
    #[arg(required_unless_present = "signal", value_parser = parse_name::<SignalName>)]
    name: Option<SignalName>,
    /// What it says: a JSON object
    #[arg(long, value_name = "JSON", conflicts_with = "signal")]
    facts: Option<String>,
    /// Who emits it
    #[arg(long, value_name = "NAME", default_value = "cli", value_parser = parse_name::<SourceName>)]
    source: SourceName,
    /// A signal of the log instead
    #[arg(long, value_name = "ID", value_parser = parse_id, conflicts_with = "name")]
    signal: Option<Id>,
}

/// A signal and what the rules say of it.
#[derive(Debug, Serialize)]
struct Trial {
    /// Its name.
    signal: String,
    /// How many signals lie between it and the one asked about.
    depth: u32,
    /// What it says.
    facts: Facts,
    /// What each rule that hears it says.
    decisions: Vec<Said>,
    /// The tasks that would run.
    tasks: Vec<String>,
}

/// What a rule says.
#[derive(Debug, Serialize)]
struct Said {
    /// The rule, or `worker:SIGNAL>TASK`.
    rule: String,
    /// `fired`, `deferred`, or the code of why not.
    verdict: &'static str,
    /// The verdict in words.
    why: &'static str,
    /// More of why.
    detail: Option<String>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let read = Configuration::load(&context.root, context.config.as_deref())?;
    let (policy, _owner) = read.compile()?;
    let trials = try_signal(policy, draft(context, arguments)?);
    if context.output.is_json() {
        trials
            .iter()
            .try_for_each(|trial| context.output.json(trial))?;
    } else {
        trials
            .iter()
            .try_for_each(|trial| tell(context.output, trial))?;
    }
    Ok(Exit::Done)
}

fn draft(context: &Context, arguments: &Arguments) -> Result<Draft, Failure> {
    let Some(id) = arguments.signal else {
        let facts = arguments.facts.as_deref().unwrap_or("{}");
        let facts = Facts::parse(facts.as_bytes()).map_err(|error| {
            Failure::usage(format!(
                "the facts are no JSON object within the limits: {error}"
            ))
        })?;
        let name = arguments.name.clone();
        let name = name.ok_or_else(|| Failure::usage("the name of a signal is missing"))?;
        return Ok(Draft::new(name, arguments.source.clone(), facts));
    };
    let path = format!("/api/v1/signals/{id}");
    let recorded: SignalDetail = context.talk(Need::Answers, async |mut client| {
        Ok(client.get(&path).await?)
    })?;
    let name = SignalName::new(&recorded.signal);
    let source = SourceName::new(&recorded.source);
    let (Ok(name), Ok(source)) = (name, source) else {
        return Err(Failure::usage(format!(
            "signal {id} has a name that is none"
        )));
    };
    let mut draft = Draft::new(name, source, recorded.facts);
    draft.occurred_ms = parse_rfc3339(&recorded.timestamp);
    Ok(draft)
}

/// Gives `draft` to a machine that remembers nothing.
fn try_signal(policy: Policy, draft: Draft) -> Vec<Trial> {
    let at = Instant {
        wall_ms: draft.occurred_ms.unwrap_or_default(),
        boot_ms: 0,
        boot_id: 0,
    };
    // It accepts and decides; without slots it leases nothing.
    let mut machine = Machine::new(State::default(), 0);
    let id = Id::of_log(at.wall_ms, &[0; 32]);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let origin = "rule-test".to_owned();
    machine.create(
        at,
        LogCreated {
            format: LOG_FORMAT,
            id,
            keys: FirstKey::unheld(&origin),
            origin,
            version: version.clone(),
        },
    );
    let owner = Owner {
        epoch: 1,
        pid: 0,
        version,
        leases: false,
    };
    machine.step(Input {
        at,
        event: Event::Started(Box::new(owner)),
    });
    machine.step(Input {
        at,
        event: Event::Configured(Arc::new(policy)),
    });
    let event = Event::Signal {
        draft: Box::new(draft),
        origin: Origin::External,
    };
    let Output { records, .. } = machine.step(Input { at, event });
    let accepted = records.into_iter().filter_map(|record| match record.body {
        Body::SignalAccepted(accepted) => Some(trial(*accepted)),
        _ => None,
    });
    accepted.collect()
}

fn trial(accepted: SignalAccepted) -> Trial {
    Trial {
        signal: accepted.signal.to_string(),
        depth: accepted.depth,
        facts: accepted.facts,
        decisions: accepted
            .decisions
            .into_iter()
            .map(|said| Said {
                rule: said.rule.to_string(),
                verdict: said.verdict.as_str(),
                why: explain(said.verdict),
                detail: said.detail,
            })
            .collect(),
        tasks: accepted
            .runs
            .into_iter()
            .map(|plan| plan.task.to_string())
            .collect(),
    }
}

fn tell(output: Out, trial: &Trial) -> Result<(), Failure> {
    let how = if trial.depth == 0 { "" } else { "then " };
    let name = output.paint(Tone::Name, &trial.signal);
    output.line(&format!("{how}{name} {}", clean(trial.facts.text())))?;
    for said in &trial.decisions {
        let tone = match said.verdict {
            "fired" => Tone::Good,
            "errored" => Tone::Bad,
            _ => Tone::Faint,
        };
        let more = said
            .detail
            .as_ref()
            .map(|detail| format!(" ({})", clean(detail)));
        let why = output.paint(tone, said.why);
        output.line(&format!(
            "  {} {why}{}",
            said.rule,
            more.unwrap_or_default()
        ))?;
    }
    for task in &trial.tasks {
        output.line(&format!("  task {task} would run"))?;
    }
    if trial.decisions.is_empty() && trial.tasks.is_empty() {
        output.line(&output.paint(Tone::Faint, "  no rule and no worker hears it"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const RULES: &str = r#"
        [[rule]]
        name = "first"
        on = "A"
        when = "facts.n > 1"
        emit = "B"
        [[rule]]
        name = "never"
        on = "A"
        when = "facts.n > 100"
        emit = "B"
        [[rule]]
        name = "broken"
        on = "A"
        when = "facts.missing > 1"
        emit = "B"
        [[worker]]
        on = "B"
        task = "work"
        [[task]]
        name = "work"
        command = ["true"]
    "#;

    #[test]
    fn the_machine_itself_says_what_each_rule_says_and_what_follows() {
        let read = Configuration::parse_text(Path::new("a.toml"), RULES).unwrap();
        let (policy, _owner) = read.compile().unwrap();
        let name = SignalName::new("A").unwrap();
        let source = SourceName::new("test").unwrap();
        let trials = try_signal(
            policy,
            Draft::new(name, source, Facts::parse(b"{\"n\":5}").unwrap()),
        );
        let told: Vec<String> = trials
            .iter()
            .map(|trial| {
                let said = trial.decisions.iter();
                let said = said.map(|said| format!(" {}={}", said.rule, said.verdict));
                let tasks = trial.tasks.iter().map(|task| format!(" runs={task}"));
                format!("{}{}", trial.signal, said.chain(tasks).collect::<String>())
            })
            .collect();
        assert_eq!(
            told,
            [
                "A first=fired never=condition_false broken=errored",
                "B runs=work"
            ]
        );
    }
}
