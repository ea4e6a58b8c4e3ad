//! The pure heart of Antiphon: what a signal, a rule, a run and a record are, and the one
//! machine that turns inputs into records.
//!
//! In: types, the machine's `step` and `apply`, limits, expressions, the codec of record bodies.
//! Out: clocks, disks, networks, randomness, environment and threads; they reach the machine
//! only as values inside an [`input::Input`]. Hashing a log into a tree is `antiphon-ledger`;
//! the loop that drives the machine is `antiphon-engine`.
//!
//! Invariants: `step` changes state only through `apply`; replay applies, it never decides;
//! refusal and failure are values.
#![warn(
    clippy::wildcard_enum_match_arm,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic
)]

pub mod attempt;
pub mod control;
pub mod expression;
pub mod guard;
mod hex;
pub mod id;
pub mod input;
pub mod intent;
pub mod json;
pub mod key;
pub mod limits;
pub mod machine;
pub mod name;
pub mod policy;
pub mod record;
pub mod report;
pub mod retry;
pub mod rule;
pub mod run;
pub mod signal;
pub mod state;
pub mod task;
pub mod time;
