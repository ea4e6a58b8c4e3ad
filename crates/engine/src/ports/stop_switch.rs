//! The switch that stops all work, asked at every spawn.

use antiphon_core::guard::Switch;

/// What the root's guard files say. Asking takes one system call or two, never waits and never fails:
/// what cannot be asked counts as engaged.
pub trait StopSwitch: Send + Sync {
    /// Whether work may start.
    fn state(&self) -> Switch;

    /// Whether `maintenance_mode` is there.
    fn maintenance(&self) -> bool;
}
