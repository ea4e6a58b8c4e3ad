//! The engine's doors to the world; adapters implement them and know nothing else.
//!
//! Each port has one conformance suite in `antiphon-testkit` that every implementation passes.

pub mod checkpoints;
pub mod clock;
pub mod effector;
pub mod entropy;
pub mod evidence;
pub mod executor;
pub mod intake;
pub mod signer;
pub mod stop_switch;
pub mod store;
pub mod views;
pub mod witness;
