//! What a key of the configuration is: its name, the kind of its value, its default, its meaning.

/// What a key's value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A name: letters, digits and `_ - . :`.
    Name,
    /// A CEL expression.
    Expression,
    /// A duration, such as `60s`.
    Duration,
    /// A size, such as `64MiB`.
    Size,
    /// A whole number within these bounds.
    Integer(u64, u64),
    /// A number within these bounds.
    Number(f64, f64),
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    TextList,
    /// A name or a list of names.
    Names,
    /// A table of texts.
    TextMap,
    /// A table that is handed on as it is.
    Free,
    /// A table with these keys.
    Table(&'static [Key]),
    /// An array of tables with these keys.
    Tables(&'static [Key]),
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// What its value may be.
    pub(crate) kind: Kind,
    /// What stands when it is left out.
    pub(crate) absent: Absent,
    /// What it means, for people.
    pub(crate) about: &'static str,
}

/// What stands when a key is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Nothing: it must be there.
    Refused,
    /// Nothing, and that has a meaning of its own.
    Unset,
    /// This, as it would be written.
    Default(&'static str),
}

pub(super) const fn must(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key {
        name,
        kind,
        absent: Absent::Refused,
        about,
    }
}

pub(super) const fn may(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key {
        name,
        kind,
        absent: Absent::Unset,
        about,
    }
}

pub(super) const fn or(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key {
        name,
        kind,
        absent: Absent::Default(default),
        about,
    }
}
