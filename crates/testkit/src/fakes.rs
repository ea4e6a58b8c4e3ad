//! Stand-ins for the engine's ports that live in memory and do as a test says.
//!
//! Each tells when it was called, so that a test waits for what happens and never for time. Out:
//! what the ports promise on real disks and processes, which their own crates prove.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a poisoned lock or a failed expectation is a failed test"
)]

mod checkpoints;
mod clock;
mod disk;
mod executor;
mod forge;
mod root;
mod signer;
mod views;

pub use checkpoints::{FakeWitness, MemoryCheckpoints, Saved, WitnessManner};
pub use clock::VirtualClock;
pub use disk::{Contents, Disk, Fault, MemoryStore};
pub use executor::{FakeExecutor, Manner, Seen, report};
pub use root::{FixedEntropy, ManualSwitch, MemoryFiles};
pub use signer::{AgentKey, MemoryKeys, presigned};
pub use views::MemoryViews;
