//! A policy's source, checked whole and compiled; the first thing that is wrong is the answer.
//!
//! What is wrong is named by a path of configuration keys: the section, the name or the number
//! (from 1) of the entry, the key: `rule.dream.when`, `worker.2.task`. Tasks and monitors are
//! checked in `compile/checks.rs`, the patterns of intents are `compile/pattern.rs`.

mod checks;
mod pattern;

use std::collections::BTreeMap;

pub use pattern::Pattern;

use super::{
    DedupeSource, IntentSource, MonitorKind, Policy, PolicySource, RuleSource, WorkerSource,
};
use crate::expression::{Expression, StateRead};
use crate::json::{Document, JsonLimits};
use crate::limits::{BODY_BYTES_MAX, RULES_MAX, RULES_PER_SIGNAL_MAX, SLOTS_MAX, TASKS_MAX};
use crate::name::{RuleName, SignalName, TaskName};

/// What expressions of rules and workers may name.
const RULE_ROOTS: &[&str] = &["facts", "signal", "state"];
/// What an intent's facts may name.
const INTENT_ROOTS: &[&str] = &["data", "file", "id", "intent", "priority", "type"];
/// The policy stands in the body of `config.applied`, with room for what stands beside it.
const POLICY_LIMITS: JsonLimits = JsonLimits {
    bytes_max: BODY_BYTES_MAX - 8 * 1024,
    ..JsonLimits::BODY
};

/// A mapping of intents, ready to route with.
#[derive(Debug)]
pub struct CompiledIntent {
    /// As configured.
    pub source: IntentSource,
    /// Its facts over `data`, `file`, `id`, `intent`, `priority` and `type`; `None` takes `data`.
    pub facts: Option<Expression>,
    /// Which types it takes.
    pub pattern: Pattern,
}

/// A rule, ready to decide with. Its expressions name `facts`, `signal` and `state`.
#[derive(Debug)]
pub struct CompiledRule {
    /// As configured.
    pub source: RuleSource,
    /// What must hold.
    pub when: Option<Expression>,
    /// The facts of what follows.
    pub facts: Option<Expression>,
    /// The key that fires once.
    pub dedupe_key: Option<Expression>,
    /// What its expressions read of the state, each once.
    pub state_reads: Vec<StateRead>,
}

/// A worker, ready to plan with. Its expression names `facts`, `signal` and `state`.
#[derive(Debug)]
pub struct CompiledWorker {
    /// As configured.
    pub source: WorkerSource,
    /// What must hold.
    pub when: Option<Expression>,
}

/// What a policy answers by the name of a signal or of a task.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The mappings of intents, in configured order.
    pub(super) intents: Vec<CompiledIntent>,
    /// The rules that hear a signal, in configured order.
    pub(super) rules: BTreeMap<SignalName, Vec<CompiledRule>>,
    /// The workers that answer a signal, in configured order.
    pub(super) workers: BTreeMap<SignalName, Vec<CompiledWorker>>,
    /// Which of the source's monitors a signal arms.
    pub(super) armed: BTreeMap<SignalName, Vec<usize>>,
    /// The rules whose dedupe keys a signal clears.
    pub(super) cleared: BTreeMap<SignalName, Vec<RuleName>>,
    /// Where in the source a task stands.
    pub(super) tasks: BTreeMap<TaskName, usize>,
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct PolicyError {
    /// Configuration keys from the section to what is wrong, joined by dots.
    pub path: String,
    /// What is wrong, with line and column within an expression.
    pub message: String,
}

impl PolicyError {
    fn new(path: String, message: impl Into<String>) -> Self {
        Self {
            path,
            message: message.into(),
        }
    }
}

pub(super) fn compile(source: PolicySource) -> Result<Policy, PolicyError> {
    check_sizes(&source)?;
    checks::check_names("task", source.tasks.iter().map(|task| task.name.as_str()))?;
    checks::check_names("rule", source.rules.iter().map(|rule| rule.name.as_str()))?;
    checks::check_names(
        "monitor",
        source.monitors.iter().map(|monitor| monitor.name.as_str()),
    )?;
    source.tasks.iter().try_for_each(checks::check_task)?;
    source.monitors.iter().try_for_each(checks::check_monitor)?;

    let index = index(&source)?;
    // Its numbers and its size must fit the record that carries it.
    Document::from_serialize(&source, &POLICY_LIMITS)
        .map_err(|error| PolicyError::new("policy".to_owned(), error.to_string()))?;
    Ok(Policy::assemble(source, index))
}

fn index(source: &PolicySource) -> Result<Index, PolicyError> {
    let tasks = source.tasks.iter().map(|task| task.name.clone());
    let mut index = Index {
        tasks: tasks.zip(0..).collect(),
        ..Index::default()
    };
    for rule in &source.rules {
        let compiled = compile_rule(rule, &index.tasks)?;
        index
            .rules
            .entry(rule.on.clone())
            .or_default()
            .push(compiled);
        if let Some(until) = rule.dedupe.as_ref().and_then(|dedupe| dedupe.until.clone()) {
            index
                .cleared
                .entry(until)
                .or_default()
                .push(rule.name.clone());
        }
    }
    for (worker, number) in source.workers.iter().zip(1..) {
        let compiled = compile_worker(worker, number, &index.tasks)?;
        index
            .workers
            .entry(worker.on.clone())
            .or_default()
            .push(compiled);
    }
    for (intent, number) in source.intents.iter().zip(1..) {
        index.intents.push(compile_intent(intent, number)?);
    }
    for (monitor, place) in source.monitors.iter().zip(0..) {
        match &monitor.kind {
            MonitorKind::Expect { after, .. } => {
                index.armed.entry(after.clone()).or_default().push(place);
            }
            MonitorKind::Look { .. } => {}
        }
    }
    check_per_signal(
        "rule",
        index.rules.iter().map(|(on, rules)| (on, rules.len())),
    )?;
    check_per_signal(
        "worker",
        index
            .workers
            .iter()
            .map(|(on, workers)| (on, workers.len())),
    )?;
    Ok(index)
}

fn check_sizes(source: &PolicySource) -> Result<(), PolicyError> {
    let check = |path: &str, count: usize, most: usize| {
        if count <= most {
            return Ok(());
        }
        Err(PolicyError::new(
            path.to_owned(),
            format!("{count} are more than {most}"),
        ))
    };
    check("rule", source.rules.len(), RULES_MAX)?;
    check("worker", source.workers.len(), RULES_MAX)?;
    check("intent", source.intents.len(), RULES_MAX)?;
    check("monitor", source.monitors.len(), RULES_MAX)?;
    check("task", source.tasks.len(), TASKS_MAX)?;
    check(
        "slots",
        usize::try_from(source.slots).unwrap_or(usize::MAX),
        SLOTS_MAX,
    )
}

fn check_per_signal<'a>(
    section: &str,
    mut counts: impl Iterator<Item = (&'a SignalName, usize)>,
) -> Result<(), PolicyError> {
    match counts.find(|(_, count)| *count > RULES_PER_SIGNAL_MAX) {
        None => Ok(()),
        Some((on, count)) => Err(PolicyError::new(
            section.to_owned(),
            format!("{count} on the signal `{on}` are more than {RULES_PER_SIGNAL_MAX}"),
        )),
    }
}

fn compile_rule(
    rule: &RuleSource,
    tasks: &BTreeMap<TaskName, usize>,
) -> Result<CompiledRule, PolicyError> {
    let path = |key: &str| format!("rule.{}.{key}", rule.name);
    if rule.name.worker().is_some() {
        return Err(PolicyError::new(path("name"), "it is a worker's name"));
    }
    if rule.emit.is_none() && rule.task.is_none() {
        let message = "it must emit a signal or start a task";
        return Err(PolicyError::new(format!("rule.{}", rule.name), message));
    }
    if let Some(task) = &rule.task {
        check_task_is_there(task, tasks, path("task"))?;
    }
    if rule.approve.as_ref().is_some_and(String::is_empty) {
        return Err(PolicyError::new(path("approve"), "it names no role"));
    }
    if rule.approve.is_some() && rule.approve_within_ms == 0 {
        return Err(PolicyError::new(
            path("approve_within"),
            "it must be more than nothing",
        ));
    }
    if rule
        .rate
        .is_some_and(|rate| rate.limit == 0 || rate.per_ms == 0)
    {
        return Err(PolicyError::new(
            path("rate"),
            "limit and per must be more than nothing",
        ));
    }
    let when = expression(rule.when.as_deref(), RULE_ROOTS, || path("when"))?;
    let facts = expression(rule.facts.as_deref(), RULE_ROOTS, || path("facts"))?;
    let key = rule
        .dedupe
        .as_ref()
        .map(|DedupeSource { key, .. }| key.as_str());
    let dedupe_key = expression(key, RULE_ROOTS, || path("dedupe.key"))?;
    let mut state_reads = Vec::new();
    for read in [&when, &facts, &dedupe_key]
        .into_iter()
        .flatten()
        .flat_map(Expression::state_reads)
    {
        if !state_reads.contains(read) {
            state_reads.push(read.clone());
        }
    }
    Ok(CompiledRule {
        source: rule.clone(),
        when,
        facts,
        dedupe_key,
        state_reads,
    })
}

fn compile_worker(
    worker: &WorkerSource,
    number: usize,
    tasks: &BTreeMap<TaskName, usize>,
) -> Result<CompiledWorker, PolicyError> {
    check_task_is_there(&worker.task, tasks, format!("worker.{number}.task"))?;
    let when = expression(worker.when.as_deref(), RULE_ROOTS, || {
        format!("worker.{number}.when")
    })?;
    Ok(CompiledWorker {
        source: worker.clone(),
        when,
    })
}

fn compile_intent(intent: &IntentSource, number: usize) -> Result<CompiledIntent, PolicyError> {
    if intent.pattern.is_empty() {
        return Err(PolicyError::new(
            format!("intent.{number}.match"),
            "it matches no type",
        ));
    }
    let facts = expression(intent.facts.as_deref(), INTENT_ROOTS, || {
        format!("intent.{number}.facts")
    })?;
    let pattern = Pattern::new(&intent.pattern);
    Ok(CompiledIntent {
        source: intent.clone(),
        facts,
        pattern,
    })
}

fn expression(
    source: Option<&str>,
    roots: &[&str],
    path: impl Fn() -> String,
) -> Result<Option<Expression>, PolicyError> {
    let compiled = source.map(|source| Expression::compile(source, roots));
    compiled
        .transpose()
        .map_err(|error| PolicyError::new(path(), error.to_string()))
}

fn check_task_is_there(
    task: &TaskName,
    tasks: &BTreeMap<TaskName, usize>,
    path: String,
) -> Result<(), PolicyError> {
    if tasks.contains_key(task) {
        return Ok(());
    }
    let known = tasks.keys().map(TaskName::as_str);
    let meant = nearest(task.as_str(), known);
    let hint = meant.map_or(String::new(), |meant| format!(" (did you mean `{meant}`?)"));
    Err(PolicyError::new(
        path,
        format!("there is no task `{task}`{hint}"),
    ))
}

/// The one of `known` that needs the fewest changes to become `text`.
pub(crate) fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.min_by_key(|known| strsim::damerau_levenshtein(text, known))
}

#[cfg(test)]
mod tests;
