//! Planted bugs, in builds that ask for them: the suite must catch each.
//!
//! Only with `--cfg antiphon_plant`; the variable `ANTIPHON_PLANT` names the one that is awake. They
//! stand here because every crate with bugs can see this one.

use std::sync::OnceLock;

static AWAKE: OnceLock<Option<String>> = OnceLock::new();

/// Whether the bug of this name is planted.
#[must_use]
pub fn is(name: &str) -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "no build that ships has this module"
    )]
    let awake = AWAKE.get_or_init(|| std::env::var("ANTIPHON_PLANT").ok());
    awake.as_deref() == Some(name)
}
