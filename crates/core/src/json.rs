//! JSON that comes from outside, made canonical once and read lazily ever after.
//!
//! In: bytes. Out: a [`Document`], which is canonical text (RFC 8785: keys in the order of their
//! UTF-16 code units, numbers as ECMAScript writes them, the shortest escapes) and a tape of
//! nodes that point into it. Facts are parsed once, then hashed, stored and embedded as that
//! text, and read through a [`View`] without another copy.
//!
//! Invariants: `parse(text).text() == text`; equal documents have equal bytes; every number is
//! I-JSON (RFC 7493: a finite double, and an integer only within ±(2^53 − 1)); no key stands
//! twice in an object; nesting is at most [`JSON_DEPTH_MAX`], so no walk over a document can
//! exhaust the stack.
//!
//! The grammar is RFC 8259 to the letter: UTF-8 only, no byte order mark, no comment, no comma
//! too many. A number whose canonical form would be an integer out of range is refused however
//! it is written (`1e20`), a double too small to hold is 0, and -0 is 0.

mod node;
mod parse;
mod pieces;
mod scalar;
mod text;
mod view;
mod write;

use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub use node::Kind;
use node::Node;
pub use view::{Entries, Items, View};

use crate::limits::{
    BODY_BYTES_MAX, FACTS_BYTES_MAX, FACTS_DEPTH_MAX, FACTS_KEYS_MAX, FACTS_LIST_MAX,
    INTENT_BYTES_MAX, INTENT_DEPTH_MAX, INTENT_KEYS_MAX, INTENT_LIST_MAX, JSON_DEPTH_MAX,
};

/// One JSON value in canonical form, parsed. Two documents are equal when their texts are.
#[derive(Clone)]
pub struct Document {
    text: Box<str>,
    /// The members of each container in one block, objects as key, value, key, value; the root
    /// stands last.
    tape: Box<[Node]>,
}

impl Document {
    /// Parses `bytes` as one JSON value.
    ///
    /// # Errors
    /// [`JsonError`] for the first thing that is no JSON, no I-JSON, or beyond `limits`.
    pub fn parse(bytes: &[u8], limits: &JsonLimits) -> Result<Self, JsonError> {
        let (text, tape) = parse::parse(bytes, limits)?;
        Ok(Self { text, tape })
    }

    /// The canonical form of a Rust value. NaN and the infinities become `null`, as `serde_json`
    /// writes them.
    ///
    /// # Errors
    /// [`JsonError::NotSerializable`] for a map whose keys are no strings, and every error of
    /// [`Document::parse`].
    pub fn from_serialize<T: Serialize + ?Sized>(
        value: &T,
        limits: &JsonLimits,
    ) -> Result<Self, JsonError> {
        let bytes = serde_json::to_vec(value).map_err(|error| JsonError::NotSerializable {
            message: error.to_string(),
        })?;
        Self::parse(&bytes, limits)
    }

    /// The object `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self {
            text: "{}".into(),
            tape: Box::new([Node::EMPTY_OBJECT]),
        }
    }

    /// The canonical text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole value.
    #[must_use]
    pub fn root(&self) -> View<'_> {
        View::new(
            self,
            self.tape.last().copied().unwrap_or(Node::EMPTY_OBJECT),
        )
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Document {}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How `serde_json` recognises text that it is to embed as it stands. Its own `RawValue` parses
/// the text again before it does so, which costs as much as the rest of a record's encoding; a
/// test holds the two together.
const VERBATIM: &str = "$serde_json::private::RawValue";

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut verbatim = serializer.serialize_struct(VERBATIM, 1)?;
        verbatim.serialize_field(VERBATIM, &*self.text)?;
        verbatim.end()
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Box<RawValue>>::deserialize(deserializer)?;
        Self::parse(text.get().as_bytes(), &JsonLimits::BODY).map_err(serde::de::Error::custom)
    }
}

/// How much of a document is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// Bytes, both as given and in canonical form.
    pub bytes_max: usize,
    /// Nesting; an outermost object or list is depth 1. Above [`JSON_DEPTH_MAX`] it is that.
    pub depth_max: usize,
    /// Members of one list.
    pub list_max: usize,
    /// Keys of all objects together.
    pub keys_max: usize,
}

impl JsonLimits {
    /// Limits of a signal's facts.
    pub const FACTS: Self = Self {
        bytes_max: FACTS_BYTES_MAX,
        depth_max: FACTS_DEPTH_MAX,
        list_max: FACTS_LIST_MAX,
        keys_max: FACTS_KEYS_MAX,
    };

    /// Limits of a dropped intent.
    pub const INTENT: Self = Self {
        bytes_max: INTENT_BYTES_MAX,
        depth_max: INTENT_DEPTH_MAX,
        list_max: INTENT_LIST_MAX,
        keys_max: INTENT_KEYS_MAX,
    };

    /// Limits of what a record's body embeds: only its bytes and the stack bound it.
    pub const BODY: Self = Self {
        bytes_max: BODY_BYTES_MAX,
        depth_max: JSON_DEPTH_MAX,
        list_max: BODY_BYTES_MAX,
        keys_max: BODY_BYTES_MAX,
    };
}

/// Why bytes are no document. Every `at` is an offset into the bytes as given, from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// A key stands twice in one object.
    #[error("the key {key} at byte {at} stands there before")]
    DuplicateKey {
        /// Where it stands again.
        at: usize,
        /// The key as canonical JSON text, cut to 64 characters.
        key: String,
    },
    /// A list has too many members.
    #[error("a list has more than {list_max} members at byte {at}")]
    ListTooLong {
        /// Where the first member too many begins.
        at: usize,
        /// The limit.
        list_max: usize,
    },
    /// The value is no object where one is asked for.
    #[error("a JSON object is expected")]
    NotAnObject,
    /// A Rust value has no JSON form.
    #[error("not serialisable as JSON: {message}")]
    NotSerializable {
        /// What `serde_json` says.
        message: String,
    },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// The first bad byte.
        at: usize,
    },
    /// A number that I-JSON does not hold.
    #[error("the number at byte {at} is beyond ±(2^53 − 1) or the range of a double")]
    NumberRange {
        /// Where it begins.
        at: usize,
    },
    /// Half of a surrogate pair.
    #[error("the escape at byte {at} is half of a surrogate pair")]
    Surrogate {
        /// Where the escape begins.
        at: usize,
    },
    /// The grammar is not met.
    #[error("{expected} is expected at byte {at}")]
    Syntax {
        /// Where it is not met.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// Containers inside one another beyond the limit.
    #[error("nested deeper than {depth_max} at byte {at}")]
    TooDeep {
        /// Where the container too many begins.
        at: usize,
        /// The limit.
        depth_max: usize,
    },
    /// More bytes than the limit, as given or in canonical form.
    #[error("{bytes} bytes are more than {bytes_max}")]
    TooLarge {
        /// How many.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// More keys than the limit.
    #[error("more than {keys_max} keys at byte {at}")]
    TooManyKeys {
        /// Where the first key too many begins.
        at: usize,
        /// The limit.
        keys_max: usize,
    },
}

impl JsonError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DuplicateKey { .. } => "json.duplicate_key",
            Self::ListTooLong { .. } => "json.list_too_long",
            Self::NotAnObject => "json.not_an_object",
            Self::NotSerializable { .. } => "json.not_serializable",
            Self::NotUtf8 { .. } => "json.not_utf8",
            Self::NumberRange { .. } => "json.number_range",
            Self::Surrogate { .. } => "json.surrogate",
            Self::Syntax { .. } => "json.syntax",
            Self::TooDeep { .. } => "json.too_deep",
            Self::TooLarge { .. } => "json.too_large",
            Self::TooManyKeys { .. } => "json.too_many_keys",
        }
    }
}

#[cfg(test)]
mod tests;
