//! Numbers of a table, within the bounds of their kind.

use toml::Spanned;
use toml::de::DeValue;

use super::{Table, what};
use crate::config::error::ConfigError;
use crate::config::key::Kind;

impl Table<'_> {
    /// The whole number at `name`, within the bounds of its kind.
    pub(crate) fn integer(&self, name: &'static str) -> Result<Option<u64>, ConfigError> {
        let number = match self.entry(name).map(Spanned::get_ref) {
            Some(DeValue::Integer(number)) => {
                u64::from_str_radix(number.as_str(), number.radix()).ok()
            }
            Some(other) => {
                return Err(self.bad(name, format!("must be a number, not {}", what(other))));
            }
            None => return Ok(self.default(name).and_then(|text| text.parse().ok())),
        };
        let (low, high) = match self.kind(name) {
            Some(Kind::Integer(low, high)) => (low, high),
            _ => (0, u64::MAX),
        };
        match number {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(self.bad(name, format!("must be a whole number from {low} to {high}"))),
        }
    }

    /// The whole number at `name`, when the bounds of its kind fit 32 bits.
    pub(crate) fn integer_u32(&self, name: &'static str) -> Result<Option<u32>, ConfigError> {
        let number = self.integer(name)?;
        let narrow = |number| u32::try_from(number).ok();
        number
            .map(|number| narrow(number).ok_or_else(|| self.bad(name, "is too large")))
            .transpose()
    }

    /// The number at `name`, within the bounds of its kind.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<f64>, ConfigError> {
        let text = match self.entry(name).map(Spanned::get_ref) {
            Some(DeValue::Float(number)) => number.as_str(),
            Some(DeValue::Integer(number)) => number.as_str(),
            Some(other) => {
                return Err(self.bad(name, format!("must be a number, not {}", what(other))));
            }
            None => return Ok(self.default(name).and_then(|text| text.parse().ok())),
        };
        let (low, high) = match self.kind(name) {
            Some(Kind::Number(low, high)) => (low, high),
            _ => (f64::MIN, f64::MAX),
        };
        match text.parse::<f64>() {
            Ok(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(self.bad(name, format!("must be a number from {low} to {high}"))),
        }
    }
}
