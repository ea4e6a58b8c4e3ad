//! One value of a document as its tape holds it: what it is, where its text stands, where its
//! members are.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A number with a fraction or an exponent in its canonical form.
    Double,
    /// A number without: within ±(2^53 − 1).
    Integer,
    /// A list.
    List,
    /// `null`.
    Null,
    /// An object.
    Object,
    /// A text.
    Text,
}

/// A value. Offsets are bytes of the document's text; 32 bits hold them because no limit allows
/// more than [`super::parse::BYTES_MAX`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Of a text: whether it holds an escape.
    pub(super) is_escaped: bool,
    /// Where its text begins.
    pub(super) start: u32,
    /// Where its text ends.
    pub(super) end: u32,
    /// Of a container: where its members' block begins on the tape. Of a key that is still being
    /// parsed: where it stands in the source.
    pub(super) first: u32,
    /// Of a container: its members, an object's key and value counted as one.
    pub(super) count: u32,
}

impl Node {
    pub(super) const EMPTY_OBJECT: Self = Self {
        kind: Kind::Object,
        is_escaped: false,
        start: 0,
        end: 2,
        first: 0,
        count: 0,
    };

    pub(super) fn scalar(kind: Kind, start: usize, end: usize) -> Self {
        Self {
            kind,
            is_escaped: false,
            start: narrow(start),
            end: narrow(end),
            first: 0,
            count: 0,
        }
    }

    /// How many nodes its members take on the tape.
    pub(super) fn width(self) -> usize {
        match self.kind {
            Kind::Object => widen(self.count).saturating_mul(2),
            Kind::List => widen(self.count),
            Kind::Boolean | Kind::Double | Kind::Integer | Kind::Null | Kind::Text => 0,
        }
    }

    /// Its bytes in the text that its offsets belong to.
    pub(super) fn range(self) -> std::ops::Range<usize> {
        widen(self.start)..widen(self.end)
    }
}

/// An offset or a count as a node holds it.
pub(super) fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// An offset or a count of a node.
pub(super) fn widen(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
