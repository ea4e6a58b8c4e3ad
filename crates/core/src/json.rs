//! Placeholder for the canonical document.
use std::borrow::Cow;
use serde::{Deserialize, Serialize};
/// Doc
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document { text: Box<str>, value: serde_json::Value }
/// Limits
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits { /// b
 pub bytes_max: usize, /// d
 pub depth_max: usize, /// l
 pub list_max: usize, /// k
 pub keys_max: usize }
impl JsonLimits {
    /// Limits of a signal's facts.
    pub const FACTS: Self = Self { bytes_max: 65536, depth_max: 16, list_max: 256, keys_max: 1024 };
    /// Limits of a dropped intent.
    pub const INTENT: Self = Self { bytes_max: 65536 * 2, depth_max: 32, list_max: 1024, keys_max: 4096 };
}
/// Errors
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError { /// no object
 #[error("not an object")] NotAnObject, /// syntax
 #[error("syntax: {0}")] Syntax(String) }
impl JsonError { /// Stable code.
 #[must_use] pub fn code(&self) -> &'static str { "json.syntax" } }
impl Document {
    /// parse
    /// # Errors
    /// when not JSON
    pub fn parse(bytes: &[u8], _limits: &JsonLimits) -> Result<Self, JsonError> {
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| JsonError::Syntax(e.to_string()))?;
        Ok(Self { text: value.to_string().into(), value })
    }
    /// `{}`
    #[must_use] pub fn empty_object() -> Self { Self { text: "{}".into(), value: serde_json::json!({}) } }
    /// canonical text
    #[must_use] pub fn text(&self) -> &str { &self.text }
    /// root
    #[must_use] pub fn root(&self) -> View<'_> { View { value: &self.value } }
}
/// View
#[derive(Clone, Copy, Debug)]
pub struct View<'a> { value: &'a serde_json::Value }
impl<'a> View<'a> {
    /// o
    #[must_use] pub fn is_object(&self) -> bool { self.value.is_object() }
    /// s
    #[must_use] pub fn as_str(&self) -> Option<Cow<'a, str>> { self.value.as_str().map(Cow::Borrowed) }
    /// i
    #[must_use] pub fn as_i64(&self) -> Option<i64> { self.value.as_i64() }
    /// g
    #[must_use] pub fn get(&self, key: &str) -> Option<View<'a>> { self.value.get(key).map(|value| View { value }) }
}
impl Serialize for Document { fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { self.value.serialize(s) } }
impl<'de> Deserialize<'de> for Document { fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> { let value = serde_json::Value::deserialize(d)?; Ok(Self { text: value.to_string().into(), value }) } }
