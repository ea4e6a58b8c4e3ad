//! The machine as a whole: journeys as text, bytes that are frozen, properties, and rows of the
//! fault table (`docs/reference/faults.md`) that the machine itself holds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test"
)]

mod fixture;
mod frozen;
mod journeys;
mod kept;
mod keys;
mod properties;
mod rows;
mod transcript;
mod world;
