//! What the tests of several crates share: one conformance suite per port, and fakes of the ports.
//!
//! A crate's own unit tests see this crate's copy of the engine as another crate; suites run from
//! integration tests.

pub mod conformance;
pub mod fakes;
pub mod fuzz;
pub mod ledger_maker;
