//! Outputs of attempts that are too large for a record, kept by their SHA-256.

use antiphon_core::id::Digest;

/// Reads evidence; the executor writes it before it reports.
pub trait Evidence: Send + Sync {
    /// The bytes kept under `digest`, or `None` when there are none.
    ///
    /// # Errors
    /// The system's error when they cannot be read.
    fn read(&self, digest: &Digest) -> std::io::Result<Option<Vec<u8>>>;
}
