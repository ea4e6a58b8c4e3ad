//! The pack's programs, run for real: Python 3 with the environment that the machine gives them.
//!
//! A machine without `python3` fails these tests: it could not run the pack either.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the helpers of tests are tests"
)]

mod dream;
mod investigate;
mod kills;
mod loops;
mod semantic_dedup;
mod stage;
