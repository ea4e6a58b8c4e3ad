//! `/tasks`, `/rules`, `/workers`: the policy in force, and the operator's switches over it.

use std::collections::BTreeMap;

use antiphon_core::control::Control;
use antiphon_core::name::{RuleName, TaskName};
use antiphon_core::policy::{PolicySource, RuleSource};
use antiphon_core::task::{Program, Task};
use axum::Json;
use axum::extract::State;

use crate::body::PathPart;
use crate::model;
use crate::problem::Problem;
use crate::routes::Peer;
use crate::state::AppState;

pub(crate) async fn tasks(State(state): State<AppState>) -> Json<Vec<model::TaskInfo>> {
    let overrides: BTreeMap<String, bool> = state
        .handle
        .status()
        .task_overrides
        .iter()
        .cloned()
        .collect();
    let policy = state.policy.borrow().clone();
    let source = policy.source();
    Json(
        source
            .tasks
            .iter()
            .map(|task| task_info(task, source, &overrides))
            .collect(),
    )
}

fn task_info(
    task: &Task,
    source: &PolicySource,
    overrides: &BTreeMap<String, bool>,
) -> model::TaskInfo {
    let overridden = overrides.get(task.name.as_str());
    let answers = source
        .workers
        .iter()
        .filter(|worker| worker.task == task.name);
    model::TaskInfo {
        name: task.name.to_string(),
        agent: task.agent.to_string(),
        program: program(&task.program),
        enabled: *overridden.unwrap_or(&task.enabled),
        overridden: overridden.is_some(),
        timeout_ms: task.timeout_ms,
        start_within_ms: task.start_within_ms,
        retries: task.retry.limit,
        lock: task.lock.as_ref().map(ToString::to_string),
        concurrency: task.concurrency,
        priority: task.priority,
        version: task.version().0.to_string(),
        answers: answers.map(|worker| worker.on.to_string()).collect(),
    }
}

fn program(program: &Program) -> Vec<String> {
    match program {
        Program::Process { argv } => argv.clone(),
        Program::Builtin { arguments, name } => {
            let named = ["builtin".to_owned(), name.clone()];
            named.into_iter().chain(arguments.iter().cloned()).collect()
        }
    }
}

pub(crate) async fn rules(State(state): State<AppState>) -> Json<Vec<model::RuleInfo>> {
    let policy = state.policy.borrow().clone();
    Json(policy.source().rules.iter().map(rule_info).collect())
}

fn rule_info(rule: &RuleSource) -> model::RuleInfo {
    let dedupe = rule.dedupe.as_ref();
    model::RuleInfo {
        name: rule.name.to_string(),
        on: rule.on.to_string(),
        when: rule.when.clone(),
        emit: rule.emit.as_ref().map(ToString::to_string),
        task: rule.task.as_ref().map(ToString::to_string),
        enabled: rule.enabled,
        cooldown_ms: rule.cooldown_ms,
        dedupe_key: dedupe.map(|dedupe| dedupe.key.clone()),
        dedupe_until: dedupe.and_then(|dedupe| dedupe.until.as_ref().map(ToString::to_string)),
        approve: rule.approve.clone(),
    }
}

pub(crate) async fn workers(State(state): State<AppState>) -> Json<Vec<model::WorkerInfo>> {
    let policy = state.policy.borrow().clone();
    let name =
        |name: &Option<antiphon_core::name::SignalName>| name.as_ref().map(ToString::to_string);
    let workers = policy
        .source()
        .workers
        .iter()
        .map(|worker| model::WorkerInfo {
            on: worker.on.to_string(),
            task: worker.task.to_string(),
            when: worker.when.clone(),
            succeeded: name(&worker.emits.succeeded),
            failed: name(&worker.emits.failed),
            timed_out: name(&worker.emits.timed_out),
        });
    Json(workers.collect())
}

pub(crate) async fn enable(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(task): PathPart<TaskName>,
) -> Result<Json<model::Done>, Problem> {
    set(&state, task, Some(true), &peer).await
}

pub(crate) async fn disable(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(task): PathPart<TaskName>,
) -> Result<Json<model::Done>, Problem> {
    set(&state, task, Some(false), &peer).await
}

pub(crate) async fn reset(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(task): PathPart<TaskName>,
) -> Result<Json<model::Done>, Problem> {
    set(&state, task, None, &peer).await
}

async fn set(
    state: &AppState,
    task: TaskName,
    enabled: Option<bool>,
    peer: &Peer,
) -> Result<Json<model::Done>, Problem> {
    let status = state.handle.status();
    let before = status
        .task_overrides
        .iter()
        .find(|(name, _)| name == task.as_str());
    let changed = before.map(|(_, enabled)| *enabled) != enabled;
    state
        .handle
        .control(Control::SetTask {
            task,
            enabled,
            by: peer.name(),
        })
        .await?;
    Ok(Json(model::Done { changed }))
}

pub(crate) async fn close_breaker(
    State(state): State<AppState>,
    peer: Peer,
    PathPart(rule): PathPart<RuleName>,
) -> Result<Json<model::Done>, Problem> {
    state
        .handle
        .control(Control::CloseBreaker {
            rule,
            by: peer.name(),
        })
        .await?;
    Ok(Json(model::Done { changed: true }))
}
