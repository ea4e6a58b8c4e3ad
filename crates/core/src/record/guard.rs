//! Bodies about what may stop work: guards, and tasks that are turned on and off.

use serde::{Deserialize, Serialize};

use crate::guard::Guards;
use crate::name::TaskName;

/// Body of `guard.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardChanged {
    /// Who changed it; `files` for the stop switch.
    pub by: String,
    /// All guards from now on.
    pub guards: Guards,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The record that it replaces: the last of its kind, 0 for the first.
    pub replaces: u64,
}

/// Body of `task.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskChanged {
    /// Who changed it.
    pub by: String,
    /// The setting; `None` goes back to the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The record that it replaces: the last of its kind, 0 for the first.
    pub replaces: u64,
    /// The task.
    pub task: TaskName,
}
