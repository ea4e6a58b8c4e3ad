//! The advisory monitors of the pack: what they see of the files beneath the root.
//!
//! A look changes nothing and invents nothing: it speaks when something is there, and is silent
//! otherwise.

pub mod modules;
pub mod promotions;

use antiphon_core::signal::Facts;
use antiphon_engine::registry::LookError;

use crate::error::Error;

impl From<Error> for LookError {
    fn from(error: Error) -> Self {
        LookError {
            message: format!("{}: {error}", error.code()),
        }
    }
}

fn facts(value: &serde_json::Value) -> Result<Facts, Error> {
    Facts::parse(value.to_string().as_bytes())
        .map_err(|error| Error::malformed("facts", error.to_string()))
}
