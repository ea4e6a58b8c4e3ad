//! The passphrase that key files are sealed with, and what is derived from it.
//!
//! In: its bytes, from whoever may read descriptors and credentials. Out: where it comes from, which
//! is the binary's. Deriving is slow and large on purpose, so each salt is derived once: the files of
//! one room share a salt, and an owner that starts pays once. Everything here is wiped when dropped
//! and never shown. Source: RFC 9106.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::error::Error;

/// Bytes of a passphrase.
pub const PASSPHRASE_BYTES_MAX: usize = 1_024;
/// Bytes of a salt.
pub(super) const SALT_BYTES: usize = 16;
/// Bytes of a derived key.
const DERIVED_BYTES: usize = 32;

/// What deriving costs; what a file asks for is bounded by [`Cost::is_bearable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

impl Cost {
    /// What new files ask for: the second recommendation of RFC 9106.
    pub(super) const USUAL: Self = Self {
        memory_kib: 64 << 10,
        passes: 3,
        lanes: 4,
    };

    /// A file may have been planted: it must not take the machine's memory or time.
    pub(super) fn is_bearable(self) -> bool {
        self.memory_kib <= 256 << 10
            && (1..=16).contains(&self.passes)
            && (1..=16).contains(&self.lanes)
    }
}

/// A passphrase; a clone is the same one.
#[derive(Clone)]
pub struct Passphrase(Arc<Inner>);

struct Inner {
    text: Zeroizing<Vec<u8>>,
    derived: Mutex<Vec<Derived>>,
}

/// What follows from a passphrase for one salt and cost.
#[derive(Clone)]
pub(super) struct Derived {
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) cost: Cost,
    pub(super) key: Zeroizing<[u8; DERIVED_BYTES]>,
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Passphrase").finish_non_exhaustive()
    }
}

impl Passphrase {
    /// The passphrase that `text` is, without the line break at its end.
    ///
    /// # Errors
    /// [`Error::Passphrase`] when it is empty, or longer than [`PASSPHRASE_BYTES_MAX`].
    pub fn new(mut text: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        while matches!(text.last(), Some(b'\n' | b'\r')) {
            text.pop();
        }
        if text.is_empty() || text.len() > PASSPHRASE_BYTES_MAX {
            return Err(Error::Passphrase {
                what: "it must have 1 to 1024 bytes",
            });
        }
        Ok(Self(Arc::new(Inner {
            text,
            derived: Mutex::new(Vec::new()),
        })))
    }

    /// What was derived already for new files, if anything was.
    pub(super) fn usual(&self) -> Option<Derived> {
        let derived = self
            .0
            .derived
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        derived
            .iter()
            .find(|derived| derived.cost == Cost::USUAL)
            .cloned()
    }

    /// What follows for this salt and cost, which must be bearable.
    pub(super) fn derive(&self, salt: [u8; SALT_BYTES], cost: Cost) -> Result<Derived, Error> {
        let mut known = self
            .0
            .derived
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let same = |derived: &&Derived| derived.salt == salt && derived.cost == cost;
        if let Some(derived) = known.iter().find(same) {
            return Ok(derived.clone());
        }
        let mut key = Zeroizing::new([0; DERIVED_BYTES]);
        let params = Params::new(
            cost.memory_kib,
            cost.passes,
            cost.lanes,
            Some(DERIVED_BYTES),
        );
        let derive = params.and_then(|params| {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password_into(&self.0.text, &salt, key.as_mut_slice())
        });
        derive.map_err(|_refused| Error::Passphrase {
            what: "it cannot be derived at that cost",
        })?;
        let derived = Derived { salt, cost, key };
        known.push(derived.clone());
        Ok(derived)
    }
}
