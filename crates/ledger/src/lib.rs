//! The commitment over a log: what its bytes hash to, and whether they are the ones written.
//!
//! In: the record envelope, the hashes of leaves, nodes and bodies, the Merkle tree with its tiles,
//! and the verifier of a whole log. Bytes come in and values go out: no clock, disk, network,
//! randomness, threads or async, and no other crate of Antiphon, so that an outside verifier can
//! use this crate alone.
//!
//! Not here: what a record means (`antiphon-core`), where bytes are stored (the engine's `Store`
//! port and its implementations), who numbers records (the machine).
//!
//! Invariants: an envelope is accepted only in the one form in which it is written; the leaf of a
//! record is the hash of its envelope and the `prev` of the next; a tree that grew and one that was
//! restored from tiles are equal.
//!
//! The exact bytes are in `docs/reference/log-format.md`.
#![warn(
    clippy::wildcard_enum_match_arm,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        reason = "tests count small numbers that they choose themselves"
    )
)]

pub mod checkpoint;
pub mod cosignature;
pub mod envelope;
pub mod hash;
pub mod key;
pub mod note;
pub mod proof;
pub mod signature;
mod text;
pub mod tile;
pub mod tlog_proof;
pub mod tree;
pub mod verify;
pub mod witness;

pub use hash::Hash;
pub use tree::TreeHead;
