//! The engine: one loop that takes inputs, steps the pure machine, seals what it says and lets the
//! effects go.
//!
//! Five verbs, a file each: [`ingest`], [`decide`], [`seal`], [`dispatch`], [`execute`].

pub mod handle;
pub mod ports;
pub mod read;
pub mod registry;
