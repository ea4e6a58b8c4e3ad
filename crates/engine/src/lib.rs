//! The engine: one loop that takes inputs, steps the pure machine, seals what it says and lets the
//! effects go.
//!
//! In: the turn and what stands around it: recovery, the key memory, the gate, monitors, views that
//! follow the log, supervision. Out: disks, processes, sockets and clocks, which are behind
//! [`ports`]; deciding, which is `antiphon-core`'s; hashing, which is `antiphon-ledger`'s.
//!
//! The turn is five verbs, a file each under `turn/`: ingest, decide, seal, dispatch, execute.
//! Invariants: one sync per turn; nothing starts, is answered or is deleted before its record is
//! durable; a failed commit is final for the process.

pub mod continuation;
pub mod cosign;
pub mod error;
pub mod fail;
pub mod gate;
pub mod handle;
pub mod health;
pub mod keys;
pub mod monitor;
pub mod notary;
pub mod owner;
pub mod ports;
pub mod probe;
pub mod project;
pub mod read;
pub mod recover;
pub mod registry;
pub mod scrub;
pub mod suspects;
pub mod tiles;
mod turn;

#[cfg(antiphon_plant)]
pub use antiphon_ledger::plant;
