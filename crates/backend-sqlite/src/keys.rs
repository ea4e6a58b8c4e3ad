//! The index of idempotency keys: sorted runs behind Bloom filters, and a tail.
//!
//! Keys are chosen by clients and are random: in a B-tree each would dirty a page of its own. So
//! they are collected as they come (the *tail*); when enough are there they are sorted into a *run*
//! of one-page chunks with a Bloom filter and the first hash of each chunk (its *fence*); runs of
//! one size are merged so that their number stays small; a run whose newest key is older than keys
//! live is dropped whole.
//!
//! In: [`build`] writes inside the builder's transaction; [`index`] answers from memory and touches
//! the disk only where a filter says yes. Out: which keys are in flight, which the turn knows.
//!
//! Invariant: in every state of the file a key of a record below `complete_to` is in the tail or in
//! exactly one run, unless it is older than [`build::KEY_AGE_MS_MIN`].

mod bloom;
pub(crate) mod build;
pub(crate) mod entry;
pub(crate) mod index;
#[cfg(test)]
mod tests;
