//! What one rule says of one signal: permit, defer, or deny and why.
//!
//! In: the rule, its memory, the signal and the time. Out: planning and emitting what follows,
//! which is [`crate::machine`]'s. The checks go from cheap to dear, and the first denial counts.

use crate::expression::{EvaluationError, Scope};
use crate::id::Id;
use crate::limits::{BREAKER_OPEN_MS, DEDUPE_KEYS_MAX, SELF_FEED_MAX};
use crate::name::RuleName;
use crate::policy::{CompiledRule, RuleSource};
use crate::record::Verdict;
use crate::signal::Facts;
use crate::state::RuleMemory;

/// What a rule said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It fires.
    Permit(Permit),
    /// It does not, and why.
    Deny {
        /// The code.
        verdict: Verdict,
        /// More, for people.
        detail: Option<String>,
    },
    /// It does not, and it must not for a while.
    OpenBreaker {
        /// Elapsed ms until which it is refused.
        until_ms: u64,
    },
}

/// What follows when a rule fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The facts of what follows.
    pub facts: Facts,
    /// The key to remember, when it has a dedupe.
    pub dedupe_key: Option<String>,
}

/// The signal that a rule hears.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// Its facts.
    pub facts: &'a Facts,
    /// The last rules that fired on the way to it.
    pub lineage: &'a [RuleName],
    /// Elapsed ms at which it is decided.
    pub elapsed_ms: u64,
}

/// What `rule`, which remembers `memory`, says of `heard`, with its expressions read in `scope`.
#[must_use]
pub fn decide(
    rule: &CompiledRule,
    memory: Option<&RuleMemory>,
    heard: Heard<'_>,
    scope: &Scope<'_>,
) -> Decision {
    let source = &rule.source;
    if let Some(denial) = deny_by_memory(source, memory, heard) {
        return denial;
    }
    if let Some(when) = &rule.when {
        match when.bool(scope) {
            Ok(true) => {}
            Ok(false) => return deny(Verdict::ConditionFalse, None),
            Err(error) => return errored("when", &error),
        }
    }
    let dedupe_key = match &rule.dedupe_key {
        None => None,
        Some(expression) => match expression.text(scope) {
            Err(error) => return errored("dedupe.key", &error),
            Ok(key) => match remembered(memory, &key) {
                Some(chain) => return deny(Verdict::Duplicate, Some(duplicate(&key, &chain))),
                None if memory.is_some_and(|m| m.dedupe.len() >= DEDUPE_KEYS_MAX) => {
                    return deny(
                        Verdict::Full,
                        Some(format!("{DEDUPE_KEYS_MAX} dedupe keys")),
                    );
                }
                None => Some(key),
            },
        },
    };
    match &rule.facts {
        None => Decision::Permit(Permit {
            facts: heard.facts.clone(),
            dedupe_key,
        }),
        Some(expression) => match expression.facts(scope) {
            Ok(facts) => Decision::Permit(Permit { facts, dedupe_key }),
            Err(error) => errored("facts", &error),
        },
    }
}

/// Whether `name` fed itself too often on the way to a signal with this `lineage`, or is still
/// refused for it.
#[must_use]
pub fn breaker(
    name: &RuleName,
    memory: Option<&RuleMemory>,
    lineage: &[RuleName],
    elapsed_ms: u64,
) -> Option<Decision> {
    if let Some(until_ms) = memory.and_then(|memory| memory.open_until_ms)
        && elapsed_ms < until_ms
    {
        let wait_ms = until_ms.saturating_sub(elapsed_ms);
        return Some(deny(
            Verdict::BreakerOpen,
            Some(format!("for {wait_ms} ms more")),
        ));
    }
    let limit = usize::try_from(SELF_FEED_MAX).unwrap_or(usize::MAX);
    let fed = lineage.iter().filter(|fired| *fired == name).count();
    (fed >= limit).then(|| Decision::OpenBreaker {
        until_ms: elapsed_ms.saturating_add(BREAKER_OPEN_MS),
    })
}

fn deny_by_memory(
    source: &RuleSource,
    memory: Option<&RuleMemory>,
    heard: Heard<'_>,
) -> Option<Decision> {
    if !source.enabled {
        return Some(deny(Verdict::Disabled, None));
    }
    if let Some(decision) = breaker(&source.name, memory, heard.lineage, heard.elapsed_ms) {
        return Some(decision);
    }
    let memory = memory?;
    if let Some(last_ms) = memory.last_fired_ms {
        let quiet_ms = heard.elapsed_ms.saturating_sub(last_ms);
        if quiet_ms < source.cooldown_ms {
            let wait_ms = source.cooldown_ms.saturating_sub(quiet_ms);
            return Some(deny(
                Verdict::Cooldown,
                Some(format!("for {wait_ms} ms more")),
            ));
        }
    }
    let rate = source.rate?;
    let since_ms = heard.elapsed_ms.saturating_sub(rate.per_ms);
    let recent = memory
        .fired
        .iter()
        .filter(|fired_ms| **fired_ms > since_ms)
        .count();
    let limit = usize::try_from(rate.limit).unwrap_or(usize::MAX);
    (recent >= limit).then(|| {
        let detail = format!("{recent} firings in {} ms", rate.per_ms);
        deny(Verdict::RateLimited, Some(detail))
    })
}

fn remembered(memory: Option<&RuleMemory>, key: &str) -> Option<Id> {
    memory.and_then(|memory| memory.dedupe.get(key)).copied()
}

fn duplicate(key: &str, chain: &Id) -> String {
    format!("`{key}` fired in chain {chain} and was not cleared")
}

fn deny(verdict: Verdict, detail: Option<String>) -> Decision {
    Decision::Deny { verdict, detail }
}

fn errored(part: &str, error: &EvaluationError) -> Decision {
    deny(Verdict::Errored, Some(format!("{part}: {error}")))
}
