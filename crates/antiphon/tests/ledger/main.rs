//! `antiphon ledger` on logs that are made by hand: what is verified, proven, exported, compared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

mod export;
mod forks;
mod live;
mod place;
mod runs;
mod trust;
