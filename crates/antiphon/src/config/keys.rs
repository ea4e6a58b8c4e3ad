//! Every key of the configuration: name, kind, default and meaning, once.
//!
//! In: the table. Out: reading a file by it ([`super::table`]), the JSON Schema made of it
//! ([`super::schema`]), the reference for people (`docs/reference/configuration.md`). A key that is
//! not here is refused by the loader.

use antiphon_core::limits::{ATTEMPTS_MAX, PRIORITY_MAX, RATE_LIMIT_MAX, SLOTS_MAX};

use super::key::{Key, Kind, may, must, or};

/// The keys of a configuration file.
pub(crate) const ROOT: &[Key] = &[
    or(
        "slots",
        Kind::Integer(1, SLOTS_MAX as u64),
        "4",
        "Attempts that run at one time.",
    ),
    may(
        "log",
        Kind::Table(LOG),
        "The owner's own log on standard error.",
    ),
    may("disk", Kind::Table(DISK), "Room on the disk."),
    may(
        "retention",
        Kind::Table(RETENTION),
        "How long what records hold is kept.",
    ),
    may(
        "ledger",
        Kind::Table(LEDGER),
        "How much of the log others must vouch for.",
    ),
    may(
        "witness",
        Kind::Tables(WITNESS),
        "Who is asked to cosign the log's checkpoints.",
    ),
    may(
        "intent",
        Kind::Tables(INTENT),
        "How dropped files become signals; the first match counts.",
    ),
    may(
        "monitor",
        Kind::Tables(MONITOR),
        "Looks at the world, and expectations.",
    ),
    may(
        "rule",
        Kind::Tables(RULE),
        "What follows from a signal, in the order considered.",
    ),
    may(
        "worker",
        Kind::Tables(WORKER),
        "Which task answers which signal.",
    ),
    may("task", Kind::Tables(TASK), "Registered units of work."),
];

/// Keys of `[log]`.
pub(crate) const LOG: &[Key] = &[or(
    "level",
    Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
    "info",
    "The least important event that is logged.",
)];

/// Keys of `[disk]`.
pub(crate) const DISK: &[Key] = &[may(
    "reserve",
    Kind::Size,
    "Free room below which signals are refused; the larger of 64 MiB and 5 % when left out.",
)];

/// Keys of `[retention]`.
pub(crate) const RETENTION: &[Key] = &[may(
    "bodies",
    Kind::Duration,
    "The age at which bodies and evidence go, at least 30d; they are kept for ever when left out.",
)];

/// Keys of `[ledger]`.
pub(crate) const LEDGER: &[Key] = &[
    or(
        "cosignatures_required",
        Kind::Integer(0, WITNESSES_MAX),
        "0",
        "Witnesses that must have cosigned a checkpoint.",
    ),
    or(
        "on_missing",
        Kind::Choice(&["alarm", "stop"]),
        "alarm",
        "When they have not for a minute: only say so, or take no signals until they have.",
    ),
];

/// The most witnesses of one log.
const WITNESSES_MAX: u64 = 16;

/// Keys of `[[witness]]`.
pub(crate) const WITNESS: &[Key] = &[
    must("name", Kind::Name, "Its name, for people."),
    must(
        "url",
        Kind::Text,
        "Where it is asked: http://HOST[:PORT][/PREFIX]; TLS is for a proxy on this machine.",
    ),
    must("key", Kind::Text, "Its verifier key."),
];

/// Keys of `[[intent]]`.
pub(crate) const INTENT: &[Key] = &[
    must(
        "match",
        Kind::Text,
        "The type of intent, with `*` for any run of characters.",
    ),
    must("emit", Kind::Name, "The signal that it becomes."),
    may(
        "facts",
        Kind::Expression,
        "The facts, over data, id, type, priority, intent and file; else data.",
    ),
];

/// Keys of `[[monitor]]`.
pub(crate) const MONITOR: &[Key] = &[
    must("name", Kind::Name, "Its name."),
    must(
        "kind",
        Kind::Name,
        "health, command, expect, or a kind that a pack brings.",
    ),
    must("emit", Kind::Name, "The signal that it emits."),
    may(
        "every",
        Kind::Duration,
        "From one look to the next; not for `expect`.",
    ),
    or("timeout", Kind::Duration, "10s", "The longest look."),
    may(
        "command",
        Kind::TextList,
        "Program and arguments, for kind `command`.",
    ),
    may(
        "after",
        Kind::Name,
        "The signal that arms it, for kind `expect`.",
    ),
    may(
        "expect",
        Kind::Names,
        "The signals that meet it, for kind `expect`.",
    ),
    may(
        "within",
        Kind::Duration,
        "The time that it has, for kind `expect`.",
    ),
    may("options", Kind::Free, "Settings of its kind."),
];

/// Keys of `[[rule]]`.
pub(crate) const RULE: &[Key] = &[
    must("name", Kind::Name, "Its name."),
    must("on", Kind::Name, "The signal that it hears."),
    may(
        "when",
        Kind::Expression,
        "What must hold; always, when left out.",
    ),
    may("emit", Kind::Name, "The signal that it emits."),
    may("task", Kind::Name, "The task that it starts."),
    may(
        "facts",
        Kind::Expression,
        "The facts of what follows; the signal's own when left out.",
    ),
    may("dedupe", Kind::Table(DEDUPE), "Fire once per key."),
    or(
        "cooldown",
        Kind::Duration,
        "0s",
        "Quiet time after a firing.",
    ),
    may("rate", Kind::Table(RATE), "At most so many firings."),
    may(
        "approve",
        Kind::Name,
        "Ask this role before anything follows.",
    ),
    or(
        "approve_within",
        Kind::Duration,
        "24h",
        "An ask that is older counts as denied.",
    ),
    or(
        "enabled",
        Kind::Boolean,
        "true",
        "Whether it is considered.",
    ),
];

/// Keys of a rule's `dedupe`.
pub(crate) const DEDUPE: &[Key] = &[
    must("key", Kind::Expression, "The key that fires once."),
    may(
        "until",
        Kind::Name,
        "The signal that clears it; never, when left out.",
    ),
];

/// Keys of a rule's `rate`.
pub(crate) const RATE: &[Key] = &[
    must("limit", Kind::Integer(1, RATE_LIMIT_MAX as u64), "Firings."),
    must("per", Kind::Duration, "In this time."),
];

/// Keys of `[[worker]]`.
pub(crate) const WORKER: &[Key] = &[
    must("on", Kind::Name, "The signal that it answers."),
    must(
        "task",
        Kind::Name,
        "The task that runs, with the signal's facts.",
    ),
    may(
        "when",
        Kind::Expression,
        "What must hold; always, when left out.",
    ),
    may("succeeded", Kind::Name, "The signal after success."),
    may("failed", Kind::Name, "The signal after failure."),
    may(
        "timed_out",
        Kind::Name,
        "The signal after its time was over.",
    ),
];

/// Keys of `[[task]]`.
pub(crate) const TASK: &[Key] = &[
    must("name", Kind::Name, "Its name."),
    or("agent", Kind::Name, "SYSTEM", "The identity that acts."),
    may(
        "command",
        Kind::TextList,
        "Program and arguments, without a shell.",
    ),
    may(
        "builtin",
        Kind::Name,
        "A pack's built-in, instead of a command.",
    ),
    may("arguments", Kind::TextList, "Arguments of the built-in."),
    or(
        "timeout",
        Kind::Duration,
        "10m",
        "The longest run of one attempt.",
    ),
    may(
        "start_within",
        Kind::Duration,
        "A run that has waited so long for its first attempt is cancelled; never, when left out.",
    ),
    or(
        "grace",
        Kind::Duration,
        "5s",
        "From the signal to stop until the tree is killed.",
    ),
    may(
        "retry",
        Kind::Table(RETRY),
        "When a failed attempt is tried again; never, when left out.",
    ),
    may("lock", Kind::Name, "A lock that it holds while it runs."),
    or(
        "concurrency",
        Kind::Integer(1, 1_024),
        "4",
        "Attempts of it that run at one time.",
    ),
    or(
        "priority",
        Kind::Integer(0, PRIORITY_MAX as u64),
        "5",
        "Higher goes first; waiting makes up for it.",
    ),
    may(
        "environment",
        Kind::TextMap,
        "Environment beyond the plain one.",
    ),
    or(
        "on_lost",
        Kind::Choice(INTERRUPTED),
        "end",
        "When its owner died and its tree is dead.",
    ),
    or(
        "on_stop",
        Kind::Choice(INTERRUPTED),
        "end",
        "When a stop ended it.",
    ),
    or(
        "result",
        Kind::Choice(&["optional", "required"]),
        "optional",
        "Whether exit 0 needs one.",
    ),
    may("limits", Kind::Table(LIMITS), "What its processes may use."),
    may(
        "working_directory",
        Kind::Text,
        "Where it runs; the data root when left out.",
    ),
    or(
        "enabled",
        Kind::Boolean,
        "true",
        "Whether it may start at all.",
    ),
];

const INTERRUPTED: &[&str] = &["end", "retry"];

/// Keys of a task's `retry`.
pub(crate) const RETRY: &[Key] = &[
    must(
        "limit",
        Kind::Integer(0, ATTEMPTS_MAX as u64 - 1),
        "Attempts after the first.",
    ),
    or(
        "backoff",
        Kind::Duration,
        "1s",
        "The wait before the second attempt.",
    ),
    or(
        "factor",
        Kind::Number(1.0, 100.0),
        "2.0",
        "The wait grows by this.",
    ),
    or("max", Kind::Duration, "1m", "The longest wait."),
];

/// Keys of a task's `limits`.
pub(crate) const LIMITS: &[Key] = &[
    may("memory", Kind::Size, "Address space of one process."),
    may(
        "cpu",
        Kind::Duration,
        "CPU time of one process, in whole seconds.",
    ),
    may(
        "files",
        Kind::Integer(3, 1_048_576),
        "Open descriptors of one process.",
    ),
    may("file_size", Kind::Size, "One file that it writes."),
    may(
        "output",
        Kind::Size,
        "Standard output and standard error each.",
    ),
];
