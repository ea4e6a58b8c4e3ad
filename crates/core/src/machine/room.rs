//! Whether there is room for what a rule or a worker was permitted: in the chain, in the step, among
//! the runs that live, and in the record. What has no room does not follow, and the decision says so
//! (`docs/adr/0004-bounds-refuse.md`).

use super::decide::{Decided, Hearing};
use crate::limits::{
    CAUSAL_DEPTH_MAX, CHAIN_DEPTH_MAX, FOLLOWING_FACTS_BYTES_MAX, RUNS_PER_SIGNAL_MAX,
};
use crate::policy::CompiledRule;
use crate::record::Verdict;
use crate::rule::Permit;

/// Why what was permitted does not follow: the code, and more for people.
type NoRoom = (Verdict, &'static str);

/// Why there is no room for what `rule` was permitted; else takes the room of its facts.
pub(super) fn no_room(
    hearing: &Hearing<'_>,
    rule: &CompiledRule,
    permit: &Permit,
    decided: &mut Decided,
) -> Option<NoRoom> {
    let is_live = rule.source.approve.is_some() || rule.source.task.is_some();
    let full = chain_is_full(hearing)
        .or_else(|| step_is_full(hearing, decided))
        .or_else(|| is_live.then(|| runs_are_full(hearing, decided)).flatten());
    if full.is_some() {
        return full;
    }
    let too_large = "its facts would make the record too large";
    (!has_bytes(rule, permit, decided)).then_some((Verdict::Full, too_large))
}

pub(super) fn chain_is_full(hearing: &Hearing<'_>) -> Option<NoRoom> {
    let is_full = hearing.arrival.depth >= CHAIN_DEPTH_MAX;
    is_full.then_some((Verdict::TooDeep, "the chain is as long as it may be"))
}

fn step_is_full(hearing: &Hearing<'_>, decided: &Decided) -> Option<NoRoom> {
    let is_full = hearing.arrival.cascade_depth >= CAUSAL_DEPTH_MAX
        || decided.emissions.len() >= hearing.room;
    let why = "the cascade of this step is as large as it may be";
    is_full.then_some((Verdict::TooDeep, why))
}

pub(super) fn runs_are_full(hearing: &Hearing<'_>, decided: &Decided) -> Option<NoRoom> {
    if decided.runs.len() >= RUNS_PER_SIGNAL_MAX {
        Some((Verdict::Full, "it plans as many runs as one signal may"))
    } else if decided.live >= hearing.live_room {
        Some((Verdict::Full, "as many runs wait as may"))
    } else {
        None
    }
}

/// Whether the facts that this record must hold for the rule find room; takes it if they do.
fn has_bytes(rule: &CompiledRule, permit: &Permit, decided: &mut Decided) -> bool {
    let source = &rule.source;
    let is_held = source.approve.is_some() || (source.task.is_some() && source.facts.is_some());
    let bytes = if is_held {
        permit.facts.text().len()
    } else {
        0
    };
    let bytes = decided.facts_bytes.saturating_add(bytes);
    let has_room = bytes <= FOLLOWING_FACTS_BYTES_MAX;
    if has_room {
        decided.facts_bytes = bytes;
    }
    has_room
}
