//! The only door to time.

use antiphon_core::time::Instant;

/// Tells the time. Waiting is the runtime's: the engine sleeps until a deadline that it computed
/// from what a clock said, and asks the clock again.
pub trait Clock: Send + Sync {
    /// What the wall and boot clocks say now.
    fn now(&self) -> Instant;
}
