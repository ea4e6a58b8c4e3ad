//! Bytes into a canonical text and its tape.
//!
//! One pass reads the source: it checks grammar and limits, and lays the members of each closed
//! container on the tape in one block, an object's sorted by key. Nodes point into the source, or
//! behind it into the *spill*, which holds what is not canonical as written (numbers, escapes).
//! A source that is canonical throughout is the text; else a second pass over the tape writes it.
//!
//! Scalars are read in `scalar.rs`, the text is written in `write.rs`. The recursion is at most [`JSON_DEPTH_MAX`] deep.

use std::cmp::Ordering;

use super::node::{Kind, Node, narrow, widen};
use super::pieces::Pieces;
use super::write::Writer;
use super::{JsonError, JsonLimits};
use crate::limits::JSON_DEPTH_MAX;

/// Bytes of a source beyond which no limit goes, so that offsets fit 32 bits whatever the spill
/// adds.
pub(super) const BYTES_MAX: usize = 64 * 1024 * 1024;
/// A source's nodes take about one byte in this many: the first guess of the tape's length.
const BYTES_PER_NODE: usize = 16;

pub(super) fn parse(
    bytes: &[u8],
    limits: &JsonLimits,
) -> Result<(Box<str>, Box<[Node]>), JsonError> {
    let bytes_max = limits.bytes_max.min(BYTES_MAX);
    check_size(bytes.len(), bytes_max)?;
    let source = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    let mut parser = Parser::new(source, limits);
    let root = parser.whole()?;
    check_size(parser.canonical_bytes, bytes_max)?;
    let Parser {
        spill,
        mut tape,
        canonical_bytes,
        is_canonical,
        ..
    } = parser;
    if is_canonical {
        tape.push(root);
        return Ok((source.into(), tape.into()));
    }
    let pieces = Pieces {
        source,
        spill: &spill,
        is_ascii: false,
    };
    let text = Writer::write(pieces, &mut tape, root, canonical_bytes);
    Ok((text.into(), tape.into()))
}

fn check_size(bytes: usize, bytes_max: usize) -> Result<(), JsonError> {
    if bytes > bytes_max {
        Err(JsonError::TooLarge { bytes, bytes_max })
    } else {
        Ok(())
    }
}

pub(super) struct Parser<'a> {
    pub(super) source: &'a str,
    /// Whether the source is ASCII: then keys are ordered as their bytes are.
    is_ascii: bool,
    limits: JsonLimits,
    /// The next byte to read.
    pub(super) at: usize,
    /// Canonical forms that differ from what the source says.
    pub(super) spill: String,
    /// The members of the containers that are still open.
    pending: Vec<Node>,
    /// The members of the closed ones, each container's in one block.
    tape: Vec<Node>,
    /// Keys so far.
    keys: usize,
    /// Bytes of the canonical text of what is closed.
    pub(super) canonical_bytes: usize,
    /// Whether the source so far is its own canonical text.
    pub(super) is_canonical: bool,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, limits: &JsonLimits) -> Self {
        let nodes = source
            .len()
            .checked_div(BYTES_PER_NODE)
            .unwrap_or(0)
            .saturating_add(2);
        Self {
            source,
            is_ascii: source.is_ascii(),
            limits: *limits,
            at: 0,
            spill: String::new(),
            pending: Vec::with_capacity(nodes),
            tape: Vec::with_capacity(nodes),
            keys: 0,
            canonical_bytes: 0,
            is_canonical: true,
        }
    }

    fn whole(&mut self) -> Result<Node, JsonError> {
        self.skip_blank();
        let root = self.value(0)?;
        self.skip_blank();
        if self.at == self.source.len() {
            Ok(root)
        } else {
            Err(self.expected("the end"))
        }
    }

    /// A value inside `depth` containers.
    pub(super) fn value(&mut self, depth: usize) -> Result<Node, JsonError> {
        match self.peek() {
            Some(b'"') => self.text(),
            Some(b'{') => self.object(depth.saturating_add(1)),
            Some(b'[') => self.list(depth.saturating_add(1)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Kind::Boolean),
            Some(b'f') => self.word("false", Kind::Boolean),
            Some(b'n') => self.word("null", Kind::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node, JsonError> {
        let start = self.open(depth)?;
        let base = self.pending.len();
        let mut previous: Option<Node> = None;
        let mut is_sorted = true;
        self.skip_blank();
        let mut is_open = !self.take(b'}');
        while is_open {
            self.skip_blank();
            let name = self.name()?;
            match previous.map(|previous| self.pieces().order(previous, name)) {
                None | Some(Ordering::Less) => {}
                Some(Ordering::Equal) => return Err(self.duplicate(name)),
                Some(Ordering::Greater) => is_sorted = false,
            }
            previous = Some(name);
            self.skip_blank();
            if !self.take(b':') {
                return Err(self.expected("`:`"));
            }
            self.skip_blank();
            let value = self.value(depth)?;
            self.pending.push(name);
            self.pending.push(value);
            self.skip_blank();
            is_open = self.take(b',');
            if !is_open && !self.take(b'}') {
                return Err(self.expected("`,` or `}`"));
            }
        }
        if !is_sorted {
            self.sort(base)?;
        }
        Ok(self.close(Kind::Object, start, base))
    }

    fn list(&mut self, depth: usize) -> Result<Node, JsonError> {
        let start = self.open(depth)?;
        let base = self.pending.len();
        self.skip_blank();
        let mut is_open = !self.take(b']');
        while is_open {
            self.skip_blank();
            if self.pending.len().saturating_sub(base) >= self.limits.list_max {
                return Err(JsonError::ListTooLong {
                    at: self.at,
                    list_max: self.limits.list_max,
                });
            }
            let value = self.value(depth)?;
            self.pending.push(value);
            self.skip_blank();
            is_open = self.take(b',');
            if !is_open && !self.take(b']') {
                return Err(self.expected("`,` or `]`"));
            }
        }
        Ok(self.close(Kind::List, start, base))
    }

    fn open(&mut self, depth: usize) -> Result<usize, JsonError> {
        let depth_max = self.limits.depth_max.min(JSON_DEPTH_MAX);
        if depth > depth_max {
            return Err(JsonError::TooDeep {
                at: self.at,
                depth_max,
            });
        }
        let start = self.at;
        self.skip(1);
        Ok(start)
    }

    /// Moves the members from `base` on to the tape and makes their container's node.
    fn close(&mut self, kind: Kind, start: usize, base: usize) -> Node {
        let members = self.pending.get(base..).unwrap_or_default();
        let first = self.tape.len();
        self.tape.extend_from_slice(members);
        let count = match kind {
            Kind::Object => members.len() >> 1,
            Kind::List | Kind::Boolean | Kind::Double | Kind::Integer | Kind::Null | Kind::Text => {
                members.len()
            }
        };
        // Two brackets, a comma between members, a colon within each of an object.
        let marks = members.len().max(1).saturating_add(1);
        self.canonical_bytes = self.canonical_bytes.saturating_add(marks);
        self.pending.truncate(base);
        let node = Node::scalar(kind, start, self.at);
        Node {
            first: narrow(first),
            count: narrow(count),
            ..node
        }
    }

    /// A key; until its object is closed it remembers where it stands.
    fn name(&mut self) -> Result<Node, JsonError> {
        let at = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key"));
        }
        if self.keys >= self.limits.keys_max {
            return Err(JsonError::TooManyKeys {
                at,
                keys_max: self.limits.keys_max,
            });
        }
        self.keys = self.keys.saturating_add(1);
        Ok(Node {
            first: narrow(at),
            ..self.text()?
        })
    }

    /// Lays the entries from `base` on in the order of their keys.
    fn sort(&mut self, base: usize) -> Result<(), JsonError> {
        self.is_canonical = false;
        let sorted = self
            .pieces()
            .sorted(self.pending.get(base..).unwrap_or_default());
        match sorted {
            Ok(members) => {
                self.pending.truncate(base);
                self.pending.extend_from_slice(members.as_flattened());
                Ok(())
            }
            Err(twin) => Err(self.duplicate(twin)),
        }
    }

    fn pieces(&self) -> Pieces<'_> {
        let is_ascii = self.is_ascii && self.spill.is_ascii();
        Pieces {
            source: self.source,
            spill: &self.spill,
            is_ascii,
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        if is_there {
            self.skip(1);
        }
        is_there
    }

    fn skip_blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.skip(1);
            self.is_canonical = false;
        }
    }

    pub(super) fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax {
            at: self.at,
            expected,
        }
    }

    fn duplicate(&self, name: Node) -> JsonError {
        let key = self.pieces().get(name).chars().take(64).collect();
        JsonError::DuplicateKey {
            at: widen(name.first),
            key,
        }
    }
}
