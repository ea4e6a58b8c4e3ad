//! Reading a document: a borrowed value that is asked for what it holds, piece by piece.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use super::Document;
use super::node::{Kind, Node, widen};
use super::text::Key;

/// A value inside a [`Document`]. It costs nothing to copy and nothing to make.
#[derive(Clone, Copy)]
pub struct View<'a> {
    document: &'a Document,
    node: Node,
}

impl<'a> View<'a> {
    pub(super) fn new(document: &'a Document, node: Node) -> Self {
        Self { document, node }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.node.kind
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.node.kind == Kind::Object
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.node.kind == Kind::Null
    }

    /// Its canonical JSON text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.document
            .text
            .get(self.node.range())
            .unwrap_or_default()
    }

    /// A boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        (self.node.kind == Kind::Boolean).then(|| self.text() == "true")
    }

    /// A number that is an integer, however it was written: within ±(2^53 − 1).
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        if self.node.kind == Kind::Integer {
            self.text().parse().ok()
        } else {
            None
        }
    }

    /// A number, integer or not; always finite.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.node.kind {
            Kind::Integer | Kind::Double => self.text().parse().ok(),
            Kind::Boolean | Kind::List | Kind::Null | Kind::Object | Kind::Text => None,
        }
    }

    /// The characters of a text, borrowed unless it holds an escape.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        (self.node.kind == Kind::Text).then(|| self.key(self.node).text())
    }

    /// The value of an object's `key`. Takes log(n) comparisons.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<View<'a>> {
        if self.node.kind != Kind::Object {
            return None;
        }
        let sought = Key {
            inside: key,
            is_escaped: false,
        };
        let (members, _) = self.members().as_chunks::<2>();
        let found = members
            .binary_search_by(|[name, _]| self.order(*name, sought))
            .ok()?;
        members
            .get(found)
            .map(|[_, value]| Self::new(self.document, *value))
    }

    /// The member of a list at `index`, from 0.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<View<'a>> {
        if self.node.kind != Kind::List {
            return None;
        }
        self.members()
            .get(index)
            .map(|node| Self::new(self.document, *node))
    }

    /// How many members a list has, or entries an object; 0 for anything else.
    #[must_use]
    pub fn len(&self) -> usize {
        widen(self.node.count)
    }

    /// Whether [`len`](Self::len) is 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.node.count == 0
    }

    /// The members of a list in order; none for anything else.
    #[must_use]
    pub fn items(&self) -> Items<'a> {
        let is_list = self.node.kind == Kind::List;
        Items {
            document: self.document,
            nodes: if is_list { self.members() } else { &[] }.iter(),
        }
    }

    /// The entries of an object in the order of its keys; none for anything else.
    #[must_use]
    pub fn entries(&self) -> Entries<'a> {
        let is_object = self.node.kind == Kind::Object;
        let (pairs, _) = if is_object { self.members() } else { &[] }.as_chunks::<2>();
        Entries {
            view: *self,
            pairs: pairs.iter(),
        }
    }

    fn members(&self) -> &'a [Node] {
        let first = widen(self.node.first);
        let end = first.saturating_add(self.node.width());
        self.document.tape.get(first..end).unwrap_or_default()
    }

    fn order(&self, name: Node, sought: Key<'_>) -> Ordering {
        self.key(name).order(sought)
    }

    fn key(&self, node: Node) -> Key<'a> {
        let range = node.range();
        let inside = range.start.saturating_add(1)..range.end.saturating_sub(1);
        Key {
            inside: self.document.text.get(inside).unwrap_or_default(),
            is_escaped: node.is_escaped,
        }
    }
}

/// Two views are equal when their values are.
impl PartialEq for View<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for View<'_> {}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The members of a list.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    document: &'a Document,
    nodes: std::slice::Iter<'a, Node>,
}

impl<'a> Iterator for Items<'a> {
    type Item = View<'a>;

    fn next(&mut self) -> Option<View<'a>> {
        self.nodes
            .next()
            .map(|node| View::new(self.document, *node))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.nodes.size_hint()
    }
}

impl ExactSizeIterator for Items<'_> {}

/// The entries of an object.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    view: View<'a>,
    pairs: std::slice::Iter<'a, [Node; 2]>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Cow<'a, str>, View<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let [name, value] = self.pairs.next()?;
        Some((
            self.view.key(*name).text(),
            View::new(self.view.document, *value),
        ))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.pairs.size_hint()
    }
}

impl ExactSizeIterator for Entries<'_> {}
