//! Outputs of attempts that are too large for a record, kept by their SHA-256.

use antiphon_core::id::Digest;

/// Reads evidence, and removes what nothing names any more; the executor writes it before it
/// reports.
pub trait Evidence: Send + Sync {
    /// The bytes kept under `digest`, or `None` when there are none.
    ///
    /// # Errors
    /// The system's error when they cannot be read.
    fn read(&self, digest: &Digest) -> std::io::Result<Option<Vec<u8>>>;

    /// Removes what was written before `before_ms`, ms since 1970 UTC, and is named by no record,
    /// as `is_named` says; gives how many. What is written meanwhile stays. Blocks.
    ///
    /// # Errors
    /// The system's error, or that of `is_named`; what was removed until then is gone.
    fn sweep(
        &self,
        before_ms: i64,
        is_named: &mut dyn FnMut(&Digest) -> std::io::Result<bool>,
    ) -> std::io::Result<u64>;
}
