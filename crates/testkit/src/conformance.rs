//! One suite per port, the same for every implementation.
//!
//! Each takes a constructor, opens what it needs in a temporary directory, is grouped by verb, and
//! panics with the claim that does not hold.

pub mod sample;
pub mod signer;
pub mod store;
pub mod views;
