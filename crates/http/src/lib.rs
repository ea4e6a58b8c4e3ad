//! The HTTP face: `/api/v1` over a Unix socket or an in-memory stream, and the client of it.
//!
//! In: requests, as JSON ([`model`]). Out: problem details with stable codes ([`problem`]), signals
//! as server-sent events. The engine is reached through its `Handle`, queries through `Views` and
//! the log. The command line is a client of this router and of nothing else: one path, not two.
//!
//! Invariants: a signal is answered 202 only when it is durable; a client reads what it wrote; who
//! asks is what the connection knows, never what the request says; every body, list, wait and
//! number of connections has a limit.
//!
//! Not here: TCP, tokens and roles, the dashboard.

mod body;
pub mod client;
mod custody;
mod draft;
pub mod model;
mod present;
pub mod problem;
mod routes;
pub mod serve;
mod state;
mod why;

pub use custody::{Custody, CustodyError};
pub use present::explain;
pub use routes::{LIMIT_MAX, Peer, router};
pub use state::{AppState, LogPool};
