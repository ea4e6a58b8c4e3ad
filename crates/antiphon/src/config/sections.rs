//! What each section of the configuration becomes in the core's policy.

use antiphon_core::policy::{
    DedupeSource, IntentSource, MonitorKind, MonitorSource, Rate, RuleSource, WorkerSource,
};
use antiphon_core::run::Completions;
use antiphon_core::signal::Facts;
use antiphon_core::task::{Interrupted, Program, ResourceLimits, ResultPolicy, Retry, Task};

use super::error::ConfigError;
use super::table::Table;

pub(crate) fn intent(table: &Table<'_>) -> Result<IntentSource, ConfigError> {
    Ok(IntentSource {
        pattern: table.must("match", Table::text)?,
        emit: table.must("emit", Table::name)?,
        facts: table.text("facts")?,
    })
}

pub(crate) fn monitor(table: &Table<'_>) -> Result<MonitorSource, ConfigError> {
    let kind = table.must("kind", Table::text)?;
    let (kind, every_ms) = if kind == "expect" {
        (expectation(table)?, 0)
    } else {
        look(table, kind)?
    };
    Ok(MonitorSource {
        name: table.must("name", Table::name)?,
        emit: table.must("emit", Table::name)?,
        every_ms,
        timeout_ms: table.must("timeout", Table::duration_ms)?,
        kind,
    })
}

fn expectation(table: &Table<'_>) -> Result<MonitorKind, ConfigError> {
    for key in ["every", "command", "options", "timeout"] {
        refuse(table, key, "has no meaning for kind expect")?;
    }
    Ok(MonitorKind::Expect {
        after: table.must("after", Table::name)?,
        expect: table.must("expect", Table::names)?,
        within_ms: table.must("within", Table::duration_ms)?,
    })
}

fn look(table: &Table<'_>, kind: String) -> Result<(MonitorKind, u64), ConfigError> {
    for key in ["after", "expect", "within"] {
        refuse(table, key, "is for kind expect only")?;
    }
    let options = if kind == "command" {
        refuse(table, "options", "has no meaning for kind command")?;
        let argv = table.must("command", Table::text_list)?;
        if argv.is_empty() {
            return Err(table.bad("command", "must name a program"));
        }
        let options = serde_json::json!({ "command": argv }).to_string();
        Facts::parse(options.as_bytes())
            .map_err(|error| table.bad("command", format!("is wrong: {error}")))?
    } else {
        refuse(table, "command", "is for kind command only")?;
        table.free("options")?.unwrap_or_else(Facts::empty)
    };
    let every_ms = table.must("every", Table::duration_ms)?;
    if every_ms == 0 {
        return Err(table.bad("every", "must be more than nothing"));
    }
    Ok((MonitorKind::Look { kind, options }, every_ms))
}

pub(crate) fn rule(table: &Table<'_>) -> Result<RuleSource, ConfigError> {
    let dedupe = table.table("dedupe")?.map(|dedupe| {
        Ok::<_, ConfigError>(DedupeSource {
            key: dedupe.must("key", Table::text)?,
            until: dedupe.name("until")?,
        })
    });
    let rate = table.table("rate")?.map(|rate| {
        Ok::<_, ConfigError>(Rate {
            limit: rate.must("limit", Table::integer_u32)?,
            per_ms: rate.must("per", Table::duration_ms)?,
        })
    });
    Ok(RuleSource {
        name: table.must("name", Table::name)?,
        on: table.must("on", Table::name)?,
        when: table.text("when")?,
        emit: table.name("emit")?,
        task: table.name("task")?,
        facts: table.text("facts")?,
        dedupe: dedupe.transpose()?,
        cooldown_ms: table.must("cooldown", Table::duration_ms)?,
        rate: rate.transpose()?,
        approve: table.text("approve")?,
        approve_within_ms: table.must("approve_within", Table::duration_ms)?,
        enabled: table.must("enabled", Table::boolean)?,
    })
}

pub(crate) fn worker(table: &Table<'_>) -> Result<WorkerSource, ConfigError> {
    Ok(WorkerSource {
        on: table.must("on", Table::name)?,
        task: table.must("task", Table::name)?,
        when: table.text("when")?,
        emits: Completions {
            succeeded: table.name("succeeded")?,
            failed: table.name("failed")?,
            timed_out: table.name("timed_out")?,
        },
    })
}

pub(crate) fn task(table: &Table<'_>) -> Result<Task, ConfigError> {
    let retry = table
        .table("retry")?
        .map(|retry| self::retry(&retry))
        .transpose()?;
    let limits = table
        .table("limits")?
        .map(|limits| self::limits(&limits))
        .transpose()?;
    let priority = table.must("priority", Table::integer)?;
    Ok(Task {
        name: table.must("name", Table::name)?,
        agent: table.must("agent", Table::name)?,
        program: program(table)?,
        timeout_ms: table.must("timeout", Table::duration_ms)?,
        start_within_ms: table.duration_ms("start_within")?,
        grace_ms: table.must("grace", Table::duration_ms)?,
        retry: retry.unwrap_or(Retry::NEVER),
        lock: table.name("lock")?,
        concurrency: table.must("concurrency", Table::integer_u32)?,
        priority: u8::try_from(priority).unwrap_or(antiphon_core::limits::PRIORITY_MAX),
        environment: table.text_map("environment")?.unwrap_or_default(),
        on_lost: interrupted(table, "on_lost")?,
        on_stop: interrupted(table, "on_stop")?,
        result: match table.must("result", Table::choice)? {
            "required" => ResultPolicy::Required,
            _ => ResultPolicy::Optional,
        },
        limits: limits.unwrap_or_default(),
        working_directory: table.text("working_directory")?,
        enabled: table.must("enabled", Table::boolean)?,
    })
}

fn program(table: &Table<'_>) -> Result<Program, ConfigError> {
    match (table.text_list("command")?, table.text("builtin")?) {
        (Some(argv), None) => {
            refuse(
                table,
                "arguments",
                "is for a built-in; a command names its own",
            )?;
            if argv.first().is_none_or(String::is_empty) {
                return Err(table.bad("command", "must name a program"));
            }
            Ok(Program::Process { argv })
        }
        (None, Some(name)) => {
            let arguments = table.text_list("arguments")?.unwrap_or_default();
            Ok(Program::Builtin { arguments, name })
        }
        (Some(_), Some(_)) => Err(table.bad("builtin", "cannot stand beside a command")),
        (None, None) => Err(table.bad("command", "or `builtin` is missing in [[task]]")),
    }
}

fn retry(table: &Table<'_>) -> Result<Retry, ConfigError> {
    Ok(Retry {
        limit: table.must("limit", Table::integer_u32)?,
        backoff_ms: table.must("backoff", Table::duration_ms)?,
        factor_permille: permille(table.must("factor", Table::number)?),
        wait_ms_max: table.must("max", Table::duration_ms)?,
    })
}

/// Thousandths of a factor, which its kind holds between 1 and 100.
fn permille(factor: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1,000 and 100,000"
    )]
    let thousandths = (factor.clamp(1.0, 100.0) * 1_000.0).round() as u32;
    thousandths
}

fn limits(table: &Table<'_>) -> Result<ResourceLimits, ConfigError> {
    let cpu_ms = table.duration_ms("cpu")?;
    if cpu_ms.is_some_and(|cpu_ms| cpu_ms == 0 || cpu_ms % 1_000 != 0) {
        return Err(table.bad("cpu", "must be whole seconds"));
    }
    Ok(ResourceLimits {
        memory_bytes: table.size_bytes("memory")?,
        cpu_seconds: cpu_ms.map(|cpu_ms| cpu_ms / 1_000),
        open_files: table.integer("files")?,
        file_bytes: table.size_bytes("file_size")?,
        output_bytes: table.size_bytes("output")?,
    })
}

fn interrupted(table: &Table<'_>, key: &'static str) -> Result<Interrupted, ConfigError> {
    Ok(match table.must(key, Table::choice)? {
        "retry" => Interrupted::Retry,
        _ => Interrupted::End,
    })
}

fn refuse(table: &Table<'_>, key: &str, message: &str) -> Result<(), ConfigError> {
    if table.has(key) {
        Err(table.bad(key, message))
    } else {
        Ok(())
    }
}
