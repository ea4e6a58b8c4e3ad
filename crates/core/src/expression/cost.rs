//! The most that an expression can have to move, from its syntax tree alone.
//!
//! The measure is bytes: of texts compared, searched and joined, and of values copied, plus a flat
//! price for each node evaluated. Facts weigh their limit, lists have their limit of members, and
//! the members of a list weigh together what the list weighs; so the size of a value is a sum of
//! a constant and a multiple of each comprehension variable's size. What doubles a value again
//! and again, or joins large texts inside a comprehension many times over, exceeds any bound and
//! is refused; walking facts, however large, is not.
//!
//! It is an estimate for the worst facts, right within a small factor: an object of more keys
//! than a list has members costs that many times more to walk.

use cel::IdedExpr;
use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};

use crate::limits::{FACTS_BYTES_MAX, FACTS_LIST_MAX};

/// Bytes that evaluating one node is worth.
const NODE: u64 = 64;
/// A pattern looks at each byte of a text this often, at most in the usual case.
const PATTERN_FACTOR: u64 = 16;

/// Bytes: a constant, and so many for each byte of the outer and the inner variable.
#[derive(Clone, Copy, Default)]
struct Bytes([u64; 3]);

impl Bytes {
    fn constant(bytes: u64) -> Self {
        Self([bytes, 0, 0])
    }

    fn of(bytes: usize) -> Self {
        Self::constant(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    fn plus(self, other: Self) -> Self {
        let mut sum = self;
        for (bytes, more) in sum.0.iter_mut().zip(other.0) {
            *bytes = bytes.saturating_add(more);
        }
        sum
    }

    fn times(self, factor: u64) -> Self {
        Self(self.0.map(|bytes| bytes.saturating_mul(factor)))
    }

    /// At the largest facts.
    fn worst(self) -> u64 {
        let [constant, outer, inner] = self.0;
        let facts = u64::try_from(FACTS_BYTES_MAX).unwrap_or(u64::MAX);
        constant.saturating_add(outer.saturating_add(inner).saturating_mul(facts))
    }

    fn larger(self, other: Self) -> Self {
        if self.worst() >= other.worst() {
            self
        } else {
            other
        }
    }

    fn smaller(self, other: Self) -> Self {
        if self.worst() <= other.worst() {
            self
        } else {
            other
        }
    }

    /// Takes the variable of `place` out: summed over the members of `range`.
    fn summed(self, place: usize, range: &Size) -> Self {
        let mut rest = self;
        let per_byte = rest.0.get_mut(place).map_or(0, std::mem::take);
        rest.times(range.length).plus(range.bytes.times(per_byte))
    }
}

/// The size of a value: its bytes, its members if it is a list, and those of the longest list
/// inside it.
#[derive(Clone, Copy, Default)]
struct Size {
    bytes: Bytes,
    length: u64,
    inside: u64,
}

impl Size {
    const SCALAR: Self = Self {
        bytes: Bytes([NODE, 0, 0]),
        length: 0,
        inside: 0,
    };

    /// A value that comes from outside, weighing `bytes`.
    fn data(bytes: Bytes) -> Self {
        let length = u64::try_from(FACTS_LIST_MAX).unwrap_or(u64::MAX);
        Self {
            bytes,
            length,
            inside: length,
        }
    }

    fn joined(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.plus(other.bytes),
            length: self.length.saturating_add(other.length),
            inside: self.inside.max(other.inside),
        }
    }
}

/// The bytes that evaluating `tree` moves at the largest facts.
pub(super) fn worst_bytes(tree: &IdedExpr) -> u64 {
    let mut meter = Meter::default();
    meter.size(tree);
    meter.work.worst()
}

#[derive(Default)]
struct Meter<'e> {
    /// What was evaluated so far in the present comprehension, or outside all.
    work: Bytes,
    /// The comprehension variables in scope, outermost first, and the longest list in each.
    variables: Vec<(&'e str, u64)>,
}

impl<'e> Meter<'e> {
    fn size(&mut self, node: &'e IdedExpr) -> Size {
        self.work = self.work.plus(Bytes::constant(NODE));
        match &node.expr {
            Expr::Literal(LiteralValue::String(text)) => Size {
                bytes: Bytes::of(text.len()).plus(Size::SCALAR.bytes),
                ..Size::SCALAR
            },
            Expr::Literal(_) | Expr::Unspecified | Expr::Struct(_) => Size::SCALAR,
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => {
                let operand = self.size(&select.operand);
                if select.test {
                    Size::SCALAR
                } else {
                    member_of(operand)
                }
            }
            Expr::List(list) => self.literal(list.elements.iter()),
            Expr::Map(map) => {
                self.literal(map.entries.iter().flat_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => [&entry.key, &entry.value],
                    EntryExpr::StructField(field) => [&field.value, &field.value],
                }))
            }
            Expr::Call(call) => {
                let arguments: Vec<Size> = call
                    .target
                    .iter()
                    .map(|target| &**target)
                    .chain(&call.args)
                    .map(|argument| self.size(argument))
                    .collect();
                self.call(&call.func_name, &arguments)
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn variable(&self, name: &str) -> Size {
        if name.starts_with('@') {
            return Size::default();
        }
        let place = self
            .variables
            .iter()
            .rposition(|(variable, _)| *variable == name);
        match place.and_then(|place| self.variables.get(place).map(|variable| (place, variable))) {
            Some((0, (_, inside))) => Size {
                bytes: Bytes([0, 1, 0]),
                length: *inside,
                inside: *inside,
            },
            Some((_, (_, inside))) => Size {
                bytes: Bytes([0, 0, 1]),
                length: *inside,
                inside: *inside,
            },
            None => Size::data(Bytes::of(FACTS_BYTES_MAX)),
        }
    }

    fn literal(&mut self, members: impl Iterator<Item = &'e IdedExpr>) -> Size {
        let mut size = Size::SCALAR;
        for member in members {
            let member = self.size(member);
            size.bytes = size.bytes.plus(member.bytes);
            size.length = size.length.saturating_add(1);
            size.inside = size.inside.max(member.length).max(member.inside);
        }
        self.work = self.work.plus(size.bytes);
        size
    }

    fn call(&mut self, name: &str, arguments: &[Size]) -> Size {
        let all = arguments
            .iter()
            .fold(Size::default(), |sum, size| sum.joined(*size));
        let (work, result) = match (name, arguments) {
            (
                operators::LOGICAL_AND
                | operators::LOGICAL_OR
                | operators::LOGICAL_NOT
                | operators::NOT_STRICTLY_FALSE,
                _,
            ) => (Bytes::default(), Size::SCALAR),
            (operators::CONDITIONAL, [_, yes, no]) => {
                let length = yes.length.max(no.length);
                let inside = yes.inside.max(no.inside);
                (
                    Bytes::default(),
                    Size {
                        bytes: yes.bytes.larger(no.bytes),
                        length,
                        inside,
                    },
                )
            }
            (operators::INDEX, [container, _]) => (Bytes::default(), member_of(*container)),
            (
                operators::EQUALS
                | operators::NOT_EQUALS
                | operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS
                | "startsWith"
                | "endsWith",
                [left, right],
            ) => (left.bytes.smaller(right.bytes), Size::SCALAR),
            (operators::IN | "contains" | "size", _) => (all.bytes, Size::SCALAR),
            ("matches", [text, _]) => (text.bytes.times(PATTERN_FACTOR), Size::SCALAR),
            _ => (all.bytes, all),
        };
        self.work = self.work.plus(work);
        result
    }

    fn comprehension(&mut self, node: &'e ComprehensionExpr) -> Size {
        let range = self.size(&node.iter_range);
        let start = self.size(&node.accu_init);
        let outer = std::mem::take(&mut self.work);
        // The third of several nested ones is refused elsewhere; it shares the second's place.
        let place = self.variables.len().min(1).saturating_add(1);
        self.variables.push((&node.iter_var, range.inside));
        self.size(&node.loop_cond);
        let step = self.size(&node.loop_step);
        self.variables.pop();
        let per_member = std::mem::take(&mut self.work).plus(step.bytes);
        // Each member is bound by a copy.
        let bound = range.bytes;
        self.work = outer.plus(bound).plus(per_member.summed(place, &range));
        self.size(&node.result);
        Size {
            bytes: start.bytes.plus(step.bytes.summed(place, &range)),
            length: start
                .length
                .saturating_add(step.length.saturating_mul(range.length)),
            inside: step.inside,
        }
    }
}

/// A member of a container: at most as large as all of it.
fn member_of(container: Size) -> Size {
    Size {
        length: container.inside,
        ..container
    }
}
