//! Which packs this program brings: the one place that names them.

use antiphon_engine::registry::Registry;

/// Everything that the packs register.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::default();
    antiphon_kloros::register(&mut registry);
    registry
}
