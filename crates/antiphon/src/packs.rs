//! Which packs this program brings: the one place that names them.

use antiphon_engine::registry::{Pack, Registry};

use crate::failure::Failure;

/// The pack that the demonstration and the benchmarks run.
pub(crate) const DEMONSTRATED: &str = "kloros";

/// Everything that the packs register.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::default();
    antiphon_kloros::register(&mut registry);
    registry
}

/// The pack of this name.
///
/// # Errors
/// [`Failure::Usage`], which names the packs that there are.
pub(crate) fn pack<'a>(registry: &'a Registry, name: &str) -> Result<&'a Pack, Failure> {
    let packs = registry.packs();
    packs.iter().find(|pack| pack.name == name).ok_or_else(|| {
        let known: Vec<&str> = packs.iter().map(|pack| pack.name).collect();
        Failure::Usage {
            message: format!("there is no pack `{name}`"),
            hint: Some(format!("the packs are {}", known.join(", "))),
        }
    })
}
