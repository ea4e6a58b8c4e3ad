//! Declared files: a file in the data root whose wanted content follows from the state.

/// Writes declared files. A write is atomic and durable: a reader sees the old content or the new
/// one, whole, and after a crash the file holds one of the two.
pub trait Effector: Send + Sync {
    /// Makes `path`, relative to the data root and beneath it, hold `bytes`.
    ///
    /// # Errors
    /// The system's error; the old content stands.
    fn write(&self, path: &str, bytes: &[u8]) -> std::io::Result<()>;

    /// What `path`, relative to the data root and beneath it, holds; `None` when it is not there.
    ///
    /// # Errors
    /// The system's error when it cannot be read, or is beyond [`READ_BYTES_MAX`].
    fn read(&self, path: &str) -> std::io::Result<Option<Vec<u8>>>;
}

/// Bytes that [`Effector::read`] takes at most.
pub const READ_BYTES_MAX: u64 = 1 << 20;
