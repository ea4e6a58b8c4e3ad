//! What packs bring: built-in tasks, looks for monitors, and starter files.
//!
//! A pack is a crate with one `register(&mut Registry)`. It depends on the core and on this
//! module, on no adapter. Only the binary knows packs.

use std::collections::BTreeMap;
use std::path::Path;

use antiphon_core::signal::Facts;

/// A built-in task: a function that runs in a process of its own (`antiphon __builtin NAME`),
/// killable and limited like any other.
pub type Builtin = fn(&BuiltinCall<'_>) -> BuiltinEnd;

/// What a built-in is given.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinCall<'a> {
    /// The data root.
    pub root: &'a Path,
    /// Arguments as configured.
    pub arguments: &'a [String],
    /// The facts of the signal that it answers.
    pub facts: &'a Facts,
    /// Its run's id, for idempotent writing.
    pub run_id: &'a str,
    /// Wall time when it was started, ms since 1970 UTC.
    pub now_ms: i64,
}

/// How a built-in ends. The binary writes `result` to the result file, `note` to standard error,
/// and exits with 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltinEnd {
    /// Whether it did its work.
    pub succeeded: bool,
    /// Its result, which becomes the facts of the completion signal.
    pub result: Facts,
    /// A line for people.
    pub note: String,
}

/// A look at the world.
pub type Look = fn(&LookCall<'_>) -> Result<Vec<Observation>, LookError>;

/// What a look is given.
#[derive(Clone, Copy, Debug)]
pub struct LookCall<'a> {
    /// The data root.
    pub root: &'a Path,
    /// The monitor's own settings.
    pub options: &'a Facts,
    /// Wall time, ms since 1970 UTC.
    pub now_ms: i64,
}

/// Why a look saw nothing.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LookError {
    /// What is wrong, for people.
    pub message: String,
}

/// Something that a look saw. Nothing seen is an empty list, never an observation that all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it is about: the same identity seen again is the same thing still there.
    pub identity: String,
    /// When it is worth a signal.
    pub repeat: Repeat,
    /// The facts of that signal.
    pub facts: Facts,
}

/// When an observation becomes a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// When its identity was not seen by the look before.
    OnChange,
    /// Once for each identity, restarts included.
    Once,
}

/// A file that `init` and `demo` write below a new root.
#[derive(Clone, Copy, Debug)]
pub struct StarterFile {
    /// Where, relative to the root.
    pub path: &'static str,
    /// What it holds.
    pub content: &'static [u8],
}

/// A pack.
#[derive(Debug)]
pub struct Pack {
    /// Its name: `kloros`.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Its configuration, as `antiphon.toml` of a new root.
    pub configuration: &'static str,
    /// Its programs and whatever else a new root needs.
    pub files: &'static [StarterFile],
}

/// Everything that packs registered.
#[derive(Debug, Default)]
pub struct Registry {
    builtins: BTreeMap<&'static str, Builtin>,
    looks: BTreeMap<&'static str, Look>,
    packs: Vec<Pack>,
}

impl Registry {
    /// Adds a pack.
    pub fn pack(&mut self, pack: Pack) {
        self.packs.push(pack);
    }

    /// Adds a built-in task; `name` is `PACK.TASK`.
    pub fn builtin(&mut self, name: &'static str, builtin: Builtin) {
        self.builtins.insert(name, builtin);
    }

    /// Adds a kind of monitor.
    pub fn look(&mut self, kind: &'static str, look: Look) {
        self.looks.insert(kind, look);
    }

    /// The built-in task of this name.
    #[must_use]
    pub fn find_builtin(&self, name: &str) -> Option<Builtin> {
        self.builtins.get(name).copied()
    }

    /// The look of this kind.
    #[must_use]
    pub fn find_look(&self, kind: &str) -> Option<Look> {
        self.looks.get(kind).copied()
    }

    /// All packs, in the order in which they were registered.
    #[must_use]
    pub fn packs(&self) -> &[Pack] {
        &self.packs
    }

    /// The names of all built-in tasks.
    pub fn builtin_names(&self) -> impl Iterator<Item = &'static str> {
        self.builtins.keys().copied()
    }

    /// The names of all kinds of looks.
    pub fn look_kinds(&self) -> impl Iterator<Item = &'static str> {
        self.looks.keys().copied()
    }
}
