//! Every limit of the machine in one place; `doctor` prints them.
//!
//! A limit is here because an unbounded value would make a turn, a record or memory unbounded.

/// Bytes of a name; it must fit a file name with room for a suffix.
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes of a signal's facts in canonical form.
pub const FACTS_BYTES_MAX: usize = 64 * 1024;
/// Nesting of a signal's facts; the outermost object is depth 1.
pub const FACTS_DEPTH_MAX: usize = 16;
/// Members of one list in facts: what a comprehension may visit.
pub const FACTS_LIST_MAX: usize = 256;
/// Keys of all objects of one set of facts together.
pub const FACTS_KEYS_MAX: usize = 1_024;
/// Bytes of a dropped intent.
pub const INTENT_BYTES_MAX: usize = 256 * 1024;
/// Nesting of a dropped intent; the outermost object is depth 1.
pub const INTENT_DEPTH_MAX: usize = 32;
/// Members of one list of a dropped intent.
pub const INTENT_LIST_MAX: usize = 4_096;
/// Keys of all objects of one dropped intent together.
pub const INTENT_KEYS_MAX: usize = 8_192;
/// Nesting of any JSON document, whatever else limits it: what a walk's stack is sized for.
pub const JSON_DEPTH_MAX: usize = 64;
/// Bytes of a record's body.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a record's envelope.
pub const ENVELOPE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of an output or a result that stand in the record; more goes to evidence.
pub const INLINE_OUTPUT_BYTES_MAX: usize = 16 * 1024;
/// Signals of one cascade within a step, at which rules are refused; and records of timers in one
/// step, the rest of which are due in the next.
pub const CASCADE_RECORDS_MAX: usize = 256;
/// Depth of the cascade of one step at which rules are refused; across steps a chain may be longer,
/// and a rule that feeds itself meets its breaker.
pub const CAUSAL_DEPTH_MAX: u32 = 16;
/// Depth of a chain at which rules and workers are refused: a loop that is longer than a lineage
/// ends here.
pub const CHAIN_DEPTH_MAX: u32 = 1_024;
/// Rules for one signal name.
pub const RULES_PER_SIGNAL_MAX: usize = 64;
/// Rules of one policy.
pub const RULES_MAX: usize = 4_096;
/// Tasks of one policy.
pub const TASKS_MAX: usize = 1_024;
/// Attempts that a policy lets run at one time.
pub const SLOTS_MAX: usize = 256;
/// Longest timeout, grace, wait or expectation, ms (30 days).
pub const TASK_TIME_MS_MAX: u64 = 30 * 24 * 3_600 * 1_000;
/// Shortest time from one look of a monitor to the next, ms.
pub const LOOK_EVERY_MS_MIN: u64 = 100;
/// Nodes of one expression's syntax tree.
pub const EXPRESSION_NODES_MAX: usize = 512;
/// Bytes of one expression's source.
pub const EXPRESSION_BYTES_MAX: usize = 4 * 1024;
/// Bytes that one expression may have to move for the largest facts, from its syntax alone: what
/// doubles a value again and again is beyond it.
pub const EXPRESSION_WORK_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Comprehensions inside one another over data that a signal chooses.
pub const COMPREHENSION_DEPTH_MAX: usize = 1;
/// Comprehensions inside one another when the inner one walks a literal list.
pub const COMPREHENSION_LITERAL_DEPTH_MAX: usize = 2;
/// Attempts of one run, the first included.
pub const ATTEMPTS_MAX: u32 = 100;
/// Runs and open asks at one time; at it signals, and rules and workers that would add to them, are
/// refused.
pub const LIVE_RUNS_MAX: usize = 200_000;
/// Dead letters kept; beyond it the oldest is purged with a record.
pub const DEAD_LETTERS_MAX: usize = 100_000;
/// Times that one dead letter may be replayed.
pub const REPLAYS_MAX: u32 = 5;
/// Age after which a dead letter is purged, ms of elapsed time (30 days).
pub const DEAD_LETTER_AGE_MS_MAX: u64 = 30 * 24 * 3_600 * 1_000;
/// Distinct dedupe keys that one rule remembers.
pub const DEDUPE_KEYS_MAX: usize = 10_000;
/// Bytes of a dedupe key as an expression gives it.
pub const DEDUPE_KEY_BYTES_MAX: usize = 512;
/// Expectations armed at one time.
pub const EXPECTATIONS_MAX: usize = 100_000;
/// Signal names whose count and last time are remembered.
pub const SIGNAL_NAMES_MAX: usize = 10_000;
/// A rule that fires itself this often within one chain opens its breaker.
pub const SELF_FEED_MAX: u32 = 3;
/// How long an open breaker stays open, ms of elapsed time.
pub const BREAKER_OPEN_MS: u64 = 60_000;
/// A change of the wall clock against boot time beyond this is a record, ms.
pub const WALL_JUMP_MS: u64 = 60_000;
/// The most that elapsed time advances across a reboot, ms (400 days).
pub const ACROSS_BOOTS_MS_MAX: u64 = 400 * 24 * 3_600 * 1_000;
/// One point of priority is worth this much waiting, ms: work ages instead of starving.
pub const PRIORITY_POINT_MS: u64 = 30_000;
/// Highest priority of a task; 0 is the lowest.
pub const PRIORITY_MAX: u8 = 10;
/// Wait before work that met a closed gate or a full machine is tried again, ms.
pub const SPAWN_BACKOFF_MS: u64 = 1_000;
/// Runs listed by a decision; a signal that would plan more is refused its rest.
pub const RUNS_PER_SIGNAL_MAX: usize = 64;
/// Bytes of facts that the decision on one signal may record for runs and asks, beside the signal's
/// own: a body has room for both.
pub const FOLLOWING_FACTS_BYTES_MAX: usize = 128 * 1024;
/// Firings that the rate of one rule may count.
pub const RATE_LIMIT_MAX: u32 = 1_000;
/// Ancestors that a signal remembers, to notice a rule that feeds itself.
pub const LINEAGE_MAX: usize = 16;
/// The least age at which bodies are pruned, ms of elapsed time (30 days): idempotency keys live as
/// long and are indexed anew from them, and so long a dead letter, a wait or a run may need them.
pub const BODY_AGE_MS_MIN: u64 = 30 * 24 * 3_600 * 1_000;
/// Agents that have keys.
pub const KEY_AGENTS_MAX: usize = 64;
/// Keys that one agent has had before its valid one.
pub const KEYS_REPLACED_MAX: usize = 256;
/// Age at which a key is rotated by the owner that holds it, ms of elapsed time (90 days).
pub const KEY_AGE_MS_MAX: u64 = 90 * 24 * 3_600 * 1_000;
/// How long the log's key still signs checkpoints after it was rotated, ms of elapsed time (24 hours).
pub const KEY_GRACE_MS: u64 = 24 * 3_600 * 1_000;
