//! The product end to end: the real binary on temporary roots, driven from outside as its users,
//! its operators and its enemies do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

mod support;

mod backup;
mod commands;
mod counted;
mod disk;
mod evidence;
mod exclusive;
mod hostile;
mod journeys;
mod keys;
mod recover;
mod retention;
mod stop;
mod witness;
