//! A JSON list or object as a CEL value: each member becomes a value when it is asked for.
//!
//! Only a comprehension turns the members of one container into values, one level deep, because
//! the evaluator borrows them.

use std::fmt;
use std::sync::OnceLock;

use cel::common::traits::{self, Adder, Container, Indexer, Iterable, Sizer};
use cel::common::types::{CelInt, CelList, CelString, CelUInt, LIST_TYPE, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::{ExecutionError, Value};

use super::equality::are_equal;
use super::scope::Bound;
use crate::json::Kind;

pub(super) struct Lazy<'a> {
    bound: Bound<'a>,
    /// What a comprehension walks: a list's members or an object's keys.
    walked: OnceLock<Vec<Box<dyn Val + 'a>>>,
}

impl<'a> Lazy<'a> {
    pub(super) fn new(bound: Bound<'a>) -> Self {
        Self {
            bound,
            walked: OnceLock::new(),
        }
    }

    fn is_list(&self) -> bool {
        matches!(self.bound, Bound::View(view) if view.kind() == Kind::List)
    }

    fn member(&self, key: &str) -> Option<Bound<'a>> {
        match self.bound {
            Bound::Fields(fields) => fields
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| *value),
            Bound::View(view) => view.get(key).map(Bound::View),
            Bound::Integer(_) | Bound::Null | Bound::Text(_) => None,
        }
    }

    fn at(&self, index: usize) -> Option<Bound<'a>> {
        match self.bound {
            Bound::View(view) => view.at(index).map(Bound::View),
            Bound::Fields(_) | Bound::Integer(_) | Bound::Null | Bound::Text(_) => None,
        }
    }

    fn count(&self) -> usize {
        match self.bound {
            Bound::Fields(fields) => fields.len(),
            Bound::View(view) => view.len(),
            Bound::Integer(_) | Bound::Null | Bound::Text(_) => 0,
        }
    }

    fn walk(&self) -> Vec<Box<dyn Val + 'a>> {
        fn text<'a>(text: impl Into<CelString<'a>>) -> Box<dyn Val + 'a> {
            Box::new(text.into())
        }
        match self.bound {
            Bound::Fields(fields) => fields.iter().map(|(name, _)| text(*name)).collect(),
            Bound::View(view) if view.kind() == Kind::List => view
                .items()
                .map(|item| Bound::View(item).value().into_owned())
                .collect(),
            Bound::View(view) => view.entries().map(|(name, _)| text(name)).collect(),
            Bound::Integer(_) | Bound::Null | Bound::Text(_) => Vec::new(),
        }
    }

    fn lookup(&self, index: &dyn Val) -> Result<Bound<'a>, ExecutionError> {
        if !self.is_list() {
            let Some(key) = index.downcast_ref::<CelString>() else {
                return Err(ExecutionError::no_such_key(index.get_type().name()));
            };
            return self
                .member(key)
                .ok_or_else(|| ExecutionError::no_such_key(key));
        }
        let place = match (
            index.downcast_ref::<CelInt>(),
            index.downcast_ref::<CelUInt>(),
        ) {
            (Some(signed), _) => usize::try_from(*signed.inner()).ok(),
            (None, Some(unsigned)) => usize::try_from(*unsigned.inner()).ok(),
            (None, None) => {
                let types = vec!["list".to_owned(), index.get_type().name().to_owned()];
                return Err(ExecutionError::no_such_overload("_[_]", types));
            }
        };
        place.and_then(|place| self.at(place)).ok_or_else(|| {
            ExecutionError::IndexOutOfBounds(Value::try_from(index).unwrap_or(Value::Null))
        })
    }
}

impl fmt::Debug for Lazy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.bound, f)
    }
}

impl Val for Lazy<'_> {
    fn get_type(&self) -> &Type {
        if self.is_list() {
            &LIST_TYPE
        } else {
            &MAP_TYPE
        }
    }

    /// Only declarations of overloads ask for it, and none is declared for this type.
    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        if self.is_list() { Some(self) } else { None }
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        are_equal(self, other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self::new(self.bound))
    }
}

impl Adder for Lazy<'_> {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let Some(others) = other.as_iterable().filter(|_| is_list(other)) else {
            let types = vec!["list".to_owned(), other.get_type().name().to_owned()];
            return Err(ExecutionError::no_such_overload("_+_", types));
        };
        let mut members: Vec<Box<dyn Val + 'v>> = Vec::with_capacity(self.count());
        let mut own = self.iter();
        while let Some(member) = own.next() {
            members.push(member.clone_as_boxed());
        }
        let mut others = others.iter();
        while let Some(member) = others.next() {
            members.push(member.clone_as_boxed());
        }
        Ok(CowVal::owned(CelList::from(members)))
    }
}

impl Container for Lazy<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        if self.is_list() {
            let places = 0..self.count();
            let mut members = places.filter_map(|place| self.at(place));
            return Ok(members.any(|member| are_equal(member.value().as_ref(), value)));
        }
        let key = value.downcast_ref::<CelString>();
        Ok(key.is_some_and(|key| self.member(key).is_some()))
    }
}

impl Indexer for Lazy<'_> {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.lookup(index).map(Bound::value)
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.lookup(index).map(|member| member.value().into_owned())
    }
}

impl Iterable for Lazy<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Walk {
            members: self.walked.get_or_init(|| self.walk()).iter(),
        })
    }
}

impl Sizer for Lazy<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.count()).unwrap_or(i64::MAX))
    }
}

struct Walk<'b, 'a> {
    members: std::slice::Iter<'b, Box<dyn Val + 'a>>,
}

impl<'b, 'a: 'v, 'v> traits::Iterator<'b, 'v> for Walk<'b, 'a> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        let member: &'b (dyn Val + 'v) = self.members.next()?.as_ref();
        Some(member)
    }
}

/// Whether a value is a CEL list.
pub(super) fn is_list(value: &dyn Val) -> bool {
    *value.get_type() == LIST_TYPE
}

/// Whether a value is a CEL map.
pub(super) fn is_map(value: &dyn Val) -> bool {
    *value.get_type() == MAP_TYPE
}
