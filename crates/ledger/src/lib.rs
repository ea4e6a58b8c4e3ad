//! The commitment over a log, and all that an outsider needs to check it.
//!
//! A log is a chain of records. Each record is an *envelope*, which is public, and a *body*, which
//! may be pruned; the envelope's hash is a leaf of a Merkle tree (RFC 6962). A *checkpoint* is the
//! signed head of that tree; *witnesses* cosign it. So a few hundred bytes show that a record
//! stands in the log, that the log only grew, and who has seen so, to somebody who trusts neither
//! its operator nor its database.
//!
//! In: bytes, keys, times. Out: values, verdicts, bytes. No clock, disk, network, randomness,
//! threads or async, and no other crate of Antiphon: a verifier can use this crate alone.
//!
//! | to… | there is |
//! |---|---|
//! | check one record by a file | [`tlog_proof`], and the example `check_record` |
//! | read a checkpoint, and who has signed it | [`note`], [`checkpoint`], [`cosignature`], [`key`] |
//! | show that a log only grew | [`proof`] |
//! | read the files of a log | [`tile`], [`envelope`] |
//! | judge a whole log by what is trusted | [`trust`], [`audit`], [`exported`] |
//! | judge an evidence bundle, or the proof of a fork | [`bundle`], [`fork`] |
//! | walk the chain and the tree alone | [`verify`] |
//! | be a witness, or ask one | [`witness`] |
//! | write a log | [`tree`], [`hash`] |
//!
//! ```
//! use antiphon_ledger::{hash::leaf_hash, key::VerifierKey, tlog_proof::TlogProof};
//!
//! // What the verifier has from somebody he trusts.
//! let log: VerifierKey = "example.com/log+9be5d3c6+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c".parse()?;
//!
//! // What he was handed: an entry, and a file that shows where it stands.
//! let entry = b"second";
//! let proof = TlogProof::parse("\
//! c2sp.org/tlog-proof@v1
//! index 1
//! oa8DAjHKL9IOzzDFKUuvj2kyHQm7FqxTiFzNF6OFKA0=
//!
//! example.com/log
//! 2
//! OuW/pX/6dp2WNKhvOiYoaqaf1Q6gWF+AYfkCrV8DJ/c=
//!
//! — example.com/log m+XTxvQRlCWK48rNHQTcrp27SrVfvN0iR/UXW0hAUnkrhIrzNIIwr7FerXCcHl57XZYMp56TXD/1yOlgCd0pPAak/gM=
//! ".as_bytes())?;
//!
//! assert!(proof.note().verified_by(&log), "the log has signed this checkpoint");
//! assert_eq!(proof.checkpoint().origin(), "example.com/log", "for itself");
//! proof.verify(&leaf_hash(entry))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: what a record means (`antiphon-core`), where bytes are stored (the engine's `Store`
//! port and its implementations), who numbers records (the machine), who holds secrets.
//!
//! Invariants: everything is accepted only in the one form in which it is written; the leaf of a
//! record is the hash of its envelope and the `prev` of the next; a tree that grew and one that was
//! restored from tiles are equal; a proof that was changed by a bit shows nothing.
//!
//! The exact bytes are in `docs/reference/log-format.md` and `docs/reference/ledger.md`. Notes,
//! checkpoints, tiles, proofs, cosignatures and the speech with witnesses are those of C2SP.
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

pub mod audit;
pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod envelope;
pub mod exported;
pub mod fork;
pub mod hash;
pub mod key;
pub mod keyring;
pub mod note;
mod partial;
#[cfg(antiphon_plant)]
pub mod plant;
pub mod proof;
pub mod signature;
mod text;
pub mod tile;
pub mod tlog_proof;
pub mod tree;
pub mod trust;
pub mod verify;
pub mod witness;

pub use hash::Hash;
pub use tree::TreeHead;
