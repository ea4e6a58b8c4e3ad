//! The log and the views of one root in SQLite: the default [`Store`] and [`Views`].
//!
//! In: `antiphon.db` (the log: [`SqliteStore`], [`open_reader`]), `views.db` (what queries read:
//! [`open_views`]), `antiphon.lock` (who owns the root); copies of a log ([`copy_log`]). Out: what a
//! record means (core), how it is hashed (ledger), when it is appended (engine).
//!
//! Invariants: a commit of the log is one sync, and it is durable when `append` returns; after a
//! failed commit the store never touches its file again; `views.db` holds nothing that the log
//! does not, and is made anew whenever it does not fit.
//! Source: `docs/adr/0002-turn-per-row.md`.
//!
//! [`Store`]: antiphon_engine::ports::store::Store
//! [`Views`]: antiphon_engine::ports::views::Views

mod connection;
mod copy;
mod error;
mod held;
mod keys;
mod lock;
mod migration;
mod root;
mod store;
mod views;

pub use copy::{Extent, copy_log};
pub use error::Error;
pub use held::HeldRoot;
pub use root::UNFINISHED;
pub use store::{SqliteStore, open_reader};
pub use views::{OpenViews, open_views};
