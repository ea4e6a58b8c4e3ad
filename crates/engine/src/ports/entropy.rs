//! The only door to randomness.

/// Gives random bytes, fit for salts and ids of logs.
pub trait Entropy: Send {
    /// 32 bytes that nobody can guess.
    ///
    /// # Errors
    /// The system's error when it has none to give.
    fn bytes32(&mut self) -> std::io::Result<[u8; 32]>;
}
