//! The floors: the least that a program with the same promise has to do, without Antiphon.

pub(super) mod group_commit;
pub(super) mod inotify;
pub(super) mod sha256;
pub(super) mod spawn;
pub(super) mod sync;
