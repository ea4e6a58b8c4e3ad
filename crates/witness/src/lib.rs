//! A witness of logs, and the way to ask one.
//!
//! In: checkpoints of many logs, each with a proof that it extends the last. Out: cosignatures, and
//! refusals that say what the witness has seen. It knows nothing of what a log is for: any log that
//! speaks C2SP may be one of them.
//!
//! Invariants: for each log the size that was cosigned last never gets smaller; checking and keeping
//! are one step; what is answered is on disk; one process at a time is the witness of a folder.
//!
//! Not here: what makes a checkpoint acceptable (`antiphon-ledger`), when a log asks its witnesses
//! (the engine), TLS.
//!
//! Source: C2SP tlog-witness.

mod client;
mod error;
mod logs;
pub mod serve;
mod whole;
mod witness;

pub use client::{Client, ClientError, Prefix, PrefixError, REQUEST_TIMEOUT, Reply};
pub use error::Error;
pub use logs::{Keys, Logs, add};
pub use witness::{NotCosigned, Witness};
