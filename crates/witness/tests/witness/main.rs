//! A real witness over TCP, asked by a log that tells the truth, and by others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

mod log;
mod races;
mod service;
mod statuses;

use log::Log;
use service::Service;
