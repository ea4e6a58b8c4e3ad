//! What tasks and monitors must be: names once, times and numbers within bounds, texts that a
//! process can be given.

use std::collections::BTreeSet;

use super::PolicyError;
use crate::limits::{ATTEMPTS_MAX, LOOK_EVERY_MS_MIN, PRIORITY_MAX, TASK_TIME_MS_MAX};
use crate::policy::{MonitorKind, MonitorSource};
use crate::task::{Program, Task};

/// What the engine itself puts into the environment of every task.
const OWN_ENVIRONMENT: &str = "ANTIPHON_";

pub(super) fn check_names<'a>(
    section: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    for (name, number) in names.zip(1_usize..) {
        if !seen.insert(name) {
            let path = format!("{section}.{number}.name");
            return Err(PolicyError::new(
                path,
                format!("`{name}` is the name of another {section}"),
            ));
        }
    }
    Ok(())
}

pub(super) fn check_task(task: &Task) -> Result<(), PolicyError> {
    let wrong = |key: &str, message: String| {
        Err(PolicyError::new(
            format!("task.{}.{key}", task.name),
            message,
        ))
    };
    if task.timeout_ms == 0 || task.timeout_ms > TASK_TIME_MS_MAX {
        return wrong(
            "timeout",
            "it must be more than nothing and at most 30 days".to_owned(),
        );
    }
    if task
        .start_within_ms
        .is_some_and(|ms| ms == 0 || ms > TASK_TIME_MS_MAX)
    {
        return wrong(
            "start_within",
            "it must be more than nothing and at most 30 days".to_owned(),
        );
    }
    if task.grace_ms > TASK_TIME_MS_MAX {
        return wrong("grace", "it must be at most 30 days".to_owned());
    }
    if task.concurrency == 0 {
        return wrong(
            "concurrency",
            "it must be at least 1; `enabled` turns a task off".to_owned(),
        );
    }
    if task.priority > PRIORITY_MAX {
        return wrong("priority", format!("it must be 0 to {PRIORITY_MAX}"));
    }
    if task.retry.limit >= ATTEMPTS_MAX {
        let most = ATTEMPTS_MAX.saturating_sub(1);
        return wrong("retry.limit", format!("it must be at most {most}"));
    }
    if task.retry.factor_permille < 1_000 {
        return wrong("retry.factor", "it must be at least 1".to_owned());
    }
    if task.retry.backoff_ms.max(task.retry.wait_ms_max) > TASK_TIME_MS_MAX {
        return wrong("retry", "its waits must be at most 30 days".to_owned());
    }
    if let Some((key, message)) = wrong_program(&task.program) {
        return wrong(key, message.to_owned());
    }
    if task
        .working_directory
        .as_ref()
        .is_some_and(|path| path.is_empty() || path.contains('\0'))
    {
        return wrong(
            "working_directory",
            "it must be a path without a NUL".to_owned(),
        );
    }
    for (name, value) in &task.environment {
        if let Some(message) = wrong_variable(name, value) {
            return wrong(
                "environment",
                format!("`{}` {message}", name.escape_debug()),
            );
        }
    }
    Ok(())
}

fn wrong_program(program: &Program) -> Option<(&'static str, &'static str)> {
    let (key, first, all) = match program {
        Program::Process { argv } => ("command", argv.first(), argv),
        Program::Builtin { name, arguments } => ("builtin", Some(name), arguments),
    };
    if first.is_none_or(String::is_empty) {
        return Some((key, "it must name a program"));
    }
    let has_nul = first.into_iter().chain(all).any(|text| text.contains('\0'));
    has_nul.then_some((key, "it must not hold a NUL"))
}

fn wrong_variable(name: &str, value: &str) -> Option<&'static str> {
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name
            .bytes()
            .next()
            .is_some_and(|byte| !byte.is_ascii_digit());
    if !is_name {
        return Some("is not the name of a variable: letters, digits and _, no digit first");
    }
    if name.starts_with(OWN_ENVIRONMENT) {
        return Some("is set by the engine itself");
    }
    value.contains('\0').then_some("has a value with a NUL")
}

pub(super) fn check_monitor(monitor: &MonitorSource) -> Result<(), PolicyError> {
    let wrong = |key: &str, message: &str| {
        Err(PolicyError::new(
            format!("monitor.{}.{key}", monitor.name),
            message,
        ))
    };
    match &monitor.kind {
        MonitorKind::Expect {
            expect, within_ms, ..
        } => {
            if *within_ms == 0 || *within_ms > TASK_TIME_MS_MAX {
                return wrong("within", "it must be more than nothing and at most 30 days");
            }
            if expect.is_empty() {
                return wrong("expect", "it must name a signal");
            }
        }
        MonitorKind::Look { kind, .. } => {
            if kind.is_empty() {
                return wrong("kind", "it must name a kind");
            }
            if monitor.every_ms < LOOK_EVERY_MS_MIN {
                return wrong("every", "it must be at least 100 ms");
            }
            if monitor.timeout_ms == 0 || monitor.timeout_ms > TASK_TIME_MS_MAX {
                return wrong(
                    "timeout",
                    "it must be more than nothing and at most 30 days",
                );
            }
        }
    }
    Ok(())
}
