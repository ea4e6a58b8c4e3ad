//! The engine over fakes of its ports: what is durable before what, what ends it, and what a start
//! makes of what an end left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

mod checkpoints;
mod commit;
mod continuation;
mod disk_full;
mod drain;
mod gate;
mod keys;
mod monitors;
mod policy;
mod prune;
mod read;
mod recovery;
mod replay;
mod ring;
mod rotation;
mod signatures;
mod status;
mod support;
mod suspects;
mod timers;
mod witnesses;
