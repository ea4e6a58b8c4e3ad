//! The pack's programs, run for real: Python 3 with the environment that the machine gives them.
//!
//! A machine without `python3` fails these tests: it could not run the pack either.

mod dream;
mod investigate;
mod kills;
mod loops;
mod semantic_dedup;
mod stage;
