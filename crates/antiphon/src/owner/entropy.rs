//! The system's randomness.

use std::io::{Error, ErrorKind};

use antiphon_engine::ports::entropy::Entropy;
use rustix::rand::{GetRandomFlags, getrandom};

/// `getrandom(2)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bytes32(&mut self) -> std::io::Result<[u8; 32]> {
        let mut bytes = [0; 32];
        // Up to 256 bytes come whole or not at all.
        match getrandom(&mut bytes, GetRandomFlags::empty())? {
            32 => Ok(bytes),
            _ => Err(Error::from(ErrorKind::UnexpectedEof)),
        }
    }
}
