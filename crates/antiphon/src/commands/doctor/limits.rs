//! Every limit of the machine, by name and value.

use antiphon_core::limits as core;
use serde::Serialize;

use crate::output::table::Table;

/// One limit.
#[derive(Debug, Serialize)]
pub(super) struct Limit {
    name: &'static str,
    value: u64,
}

macro_rules! limits {
    ($($name:ident)*) => {
        vec![$(Limit {
            name: stringify!($name),
            value: u64::try_from(core::$name).unwrap_or(u64::MAX),
        }),*]
    };
}

/// All limits of `core/limits.rs`, in its order.
pub(super) fn all() -> Vec<Limit> {
    limits![
        NAME_BYTES_MAX
        FACTS_BYTES_MAX
        FACTS_DEPTH_MAX
        FACTS_LIST_MAX
        FACTS_KEYS_MAX
        INTENT_BYTES_MAX
        INTENT_DEPTH_MAX
        INTENT_LIST_MAX
        INTENT_KEYS_MAX
        JSON_DEPTH_MAX
        BODY_BYTES_MAX
        ENVELOPE_BYTES_MAX
        INLINE_OUTPUT_BYTES_MAX
        CASCADE_RECORDS_MAX
        CAUSAL_DEPTH_MAX
        CHAIN_DEPTH_MAX
        RULES_PER_SIGNAL_MAX
        RULES_MAX
        TASKS_MAX
        SLOTS_MAX
        TASK_TIME_MS_MAX
        LOOK_EVERY_MS_MIN
        EXPRESSION_NODES_MAX
        EXPRESSION_BYTES_MAX
        EXPRESSION_WORK_BYTES_MAX
        COMPREHENSION_DEPTH_MAX
        COMPREHENSION_LITERAL_DEPTH_MAX
        ATTEMPTS_MAX
        LIVE_RUNS_MAX
        DEAD_LETTERS_MAX
        REPLAYS_MAX
        DEAD_LETTER_AGE_MS_MAX
        DEDUPE_KEYS_MAX
        DEDUPE_KEY_BYTES_MAX
        EXPECTATIONS_MAX
        SIGNAL_NAMES_MAX
        SELF_FEED_MAX
        BREAKER_OPEN_MS
        WALL_JUMP_MS
        ACROSS_BOOTS_MS_MAX
        PRIORITY_POINT_MS
        PRIORITY_MAX
        SPAWN_BACKOFF_MS
        RUNS_PER_SIGNAL_MAX
        FOLLOWING_FACTS_BYTES_MAX
        RATE_LIMIT_MAX
        LINEAGE_MAX
        BODY_AGE_MS_MIN
        KEY_AGENTS_MAX
        KEYS_REPLACED_MAX
        KEY_AGE_MS_MAX
        KEY_GRACE_MS
    ]
}

/// The limits as a table.
pub(super) fn table(limits: &[Limit]) -> Table {
    let mut table = Table::new(&["LIMIT", "VALUE"]);
    for limit in limits {
        table.row([
            limit.name.to_lowercase().replace('_', " ").into(),
            limit.value.into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_of_the_core_is_left_out() {
        let source = include_str!("../../../../core/src/limits.rs");
        let declared: Vec<&str> = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub const ")?.split(':').next())
            .collect();
        let listed: Vec<&str> = all().iter().map(|limit| limit.name).collect();
        assert_eq!(declared, listed);
    }
}
