//! The data root on disk: its rooms, joined by the root's descriptor.
//!
//! In: the root itself ([`root`]), the stop switch ([`stop_switch`]), the intent inbox ([`inbox`]),
//! declared files ([`effector`]), the newest checkpoint ([`checkpoints`]), dead letters as the seeds write them ([`letters`]) and the
//! structured log ([`structured_log`]). Out: what an intent means (the machine's), the log and its
//! views (`antiphon-backend-sqlite`), evidence and `run/` (`antiphon-executor`).
//!
//! Invariants: nothing in the inbox is read through a link, and nothing outside the root is read,
//! moved or removed; no file leaves the inbox before its record is durable; what cannot be asked
//! counts as stopped; nothing here polls, unless the system refuses to wake it.

mod atomic;
pub mod checkpoints;
mod directory_watch;
pub mod effector;
pub mod error;
mod identity;
pub mod inbox;
pub mod keys;
pub mod letters;
pub mod root;
pub mod signer;
pub mod stop_switch;
pub mod structured_log;

pub use checkpoints::FileCheckpoints;
pub use effector::FileEffector;
pub use error::Error;
pub use inbox::{Inbox, InboxOptions};
pub use keys::Keys;
pub use root::Root;
pub use signer::KeySigner;
pub use stop_switch::{FileStopSwitch, SwitchWatch};
pub use structured_log::{StructuredLog, StructuredWriter};
