//! What an expression's variables stand for while it is evaluated.

use std::borrow::Cow;

use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString};
use cel::common::value::CowVal;
use cel::context::VariableResolver;

use super::lazy::Lazy;
use crate::json::{Kind, View};

/// A value that a variable stands for; borrowed, never converted as a whole.
#[derive(Clone, Copy, Debug)]
pub enum Bound<'a> {
    /// Named values, read as an object.
    Fields(&'a [(&'a str, Bound<'a>)]),
    /// An integer.
    Integer(i64),
    /// `null`.
    Null,
    /// A text.
    Text(&'a str),
    /// A JSON value: objects are CEL maps, lists lists, integers ints, other numbers doubles.
    View(View<'a>),
}

impl<'a> From<View<'a>> for Bound<'a> {
    fn from(view: View<'a>) -> Self {
        Self::View(view)
    }
}

impl<'a> From<&'a str> for Bound<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Bound<'_> {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl<'a> Bound<'a> {
    /// The CEL value; `'a` outlives `'v`.
    pub(super) fn value<'b, 'v>(self) -> CowVal<'b, 'v>
    where
        'a: 'v,
    {
        match self {
            Self::Integer(integer) => CowVal::owned(CelInt::from(integer)),
            Self::Null => CowVal::Borrowed(&CelNull),
            Self::Text(text) => CowVal::owned(CelString::from(text)),
            Self::Fields(_) => CowVal::owned(Lazy::new(self)),
            Self::View(view) => match view.kind() {
                Kind::Boolean if view.as_bool() == Some(true) => CowVal::Borrowed(&CelBool::TRUE),
                Kind::Boolean => CowVal::Borrowed(&CelBool::FALSE),
                Kind::Double => CowVal::owned(CelDouble::from(view.as_f64().unwrap_or_default())),
                Kind::Integer => CowVal::owned(CelInt::from(view.as_i64().unwrap_or_default())),
                Kind::Null => CowVal::Borrowed(&CelNull),
                Kind::Text => {
                    let text: Cow<'a, str> = view.as_str().unwrap_or_default();
                    CowVal::owned(CelString::from(text))
                }
                Kind::List | Kind::Object => CowVal::owned(Lazy::new(self)),
            },
        }
    }
}

/// The variables of one evaluation. A name that is not bound makes the expression fail where it
/// is used.
#[derive(Clone, Debug, Default)]
pub struct Scope<'a> {
    variables: Vec<(&'a str, Bound<'a>)>,
}

impl<'a> Scope<'a> {
    /// A scope without variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds `name`; the first binding of a name counts.
    #[must_use]
    pub fn bind(mut self, name: &'a str, value: impl Into<Bound<'a>>) -> Self {
        self.variables.push((name, value.into()));
        self
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let found = self.variables.iter().find(|(name, _)| *name == variable);
        found.map(|(_, bound)| bound.value())
    }
}
