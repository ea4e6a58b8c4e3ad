//! The KLoROS pack, event-driven part: two loops that close.
//!
//! Curiosity: intent → investigation → deduplication and integration → module discovered.
//! Promotions: detected → D-REAM → winner deployed → acknowledged → silence.
//!
//! In: the pack's configuration (`antiphon.toml`), its programs (`programs/`, Python 3 standard
//! library), the orchestrator's own part in Rust ([`builtins`], [`looks`]), and what a new root and
//! the demo start with. Out: deciding, running, recording; the engine does that. The pack knows the
//! data root only by what it is given, and reads and writes beneath it only ([`paths`]).

pub mod builtins;
pub mod capabilities;
pub mod demo;
pub mod environment;
pub mod error;
pub mod journal;
pub mod looks;
pub mod paths;
pub mod promotion;
mod starter;

use antiphon_engine::registry::{Pack, Registry};

pub use error::Error;

/// The pack's configuration, as `antiphon.toml` of a new root.
pub const CONFIGURATION: &str = include_str!("../antiphon.toml");

/// Adds the pack and everything that it brings.
pub fn register(registry: &mut Registry) {
    registry.builtin("kloros.integrate", builtins::integrate::integrate);
    registry.builtin("kloros.deploy", builtins::deploy::deploy);
    registry.builtin("kloros.acknowledge", builtins::acknowledge::acknowledge);
    registry.look("promotions", looks::promotions::look);
    registry.look("modules", looks::modules::look);
    registry.pack(Pack {
        name: "kloros",
        about: "KLoROS: curiosity becomes capabilities, promotions become deployed winners",
        configuration: CONFIGURATION,
        files: starter::FILES,
    });
}
