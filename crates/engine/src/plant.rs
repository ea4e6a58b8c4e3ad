//! Planted bugs, in builds that ask for them: the suite must catch each.
//!
//! Only with `--cfg antiphon_plant`. The binary names the bug once, at its start.

use std::sync::OnceLock;

static PLANTED: OnceLock<String> = OnceLock::new();

/// Plants the bug of this name; the first call counts.
pub fn plant(name: String) {
    PLANTED.set(name).ok();
}

/// Whether the bug of this name is planted.
#[must_use]
pub fn is(name: &str) -> bool {
    PLANTED.get().is_some_and(|planted| planted == name)
}
