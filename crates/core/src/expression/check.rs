//! The walk over a syntax tree that admits an expression: its bounds, its names and what it reads
//! of the state. What it costs is weighed in `cost.rs`; patterns are compiled in `replace.rs`.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};
use regex::Regex;

use super::StateRead;
use super::cost::worst_bytes;
use super::replace::replace;
use crate::limits::{
    COMPREHENSION_DEPTH_MAX, COMPREHENSION_LITERAL_DEPTH_MAX, EXPRESSION_NODES_MAX,
    EXPRESSION_WORK_BYTES_MAX,
};
use crate::name::SignalName;

/// The functions that a source may call, with the number of their arguments, the one before the
/// dot included. Macros (`has all exists exists_one map filter`) are gone when the tree is walked.
const FUNCTIONS: [(&str, usize); 10] = [
    ("bool", 1),
    ("contains", 2),
    ("double", 1),
    ("endsWith", 2),
    ("int", 1),
    ("matches", 2),
    ("size", 1),
    ("startsWith", 2),
    ("string", 1),
    ("uint", 1),
];

/// What the operators and macros are called in the tree.
const OPERATORS: [&str; 18] = [
    operators::ADD,
    operators::CONDITIONAL,
    operators::DIVIDE,
    operators::EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::IN,
    operators::INDEX,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::LOGICAL_AND,
    operators::LOGICAL_NOT,
    operators::LOGICAL_OR,
    operators::MODULO,
    operators::MULTIPLY,
    operators::NEGATE,
    operators::NOT_EQUALS,
    operators::SUBSTRACT,
];

/// The root whose reads are recorded.
const STATE: &str = "state";

/// What is wrong, and at which node of the tree.
pub(super) struct Fault {
    pub(super) node: u64,
    pub(super) message: String,
}

/// What the walk found.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) patterns: Vec<Regex>,
    pub(super) state_reads: Vec<StateRead>,
}

/// Admits `tree` and prepares it for evaluation.
pub(super) fn check(tree: &mut IdedExpr, roots: &[&str]) -> Result<Checked, Fault> {
    let mut walk = Walk {
        roots,
        variables: Vec::new(),
        nodes: 0,
        checked: Checked::default(),
    };
    walk.node(tree)?;
    let bytes = worst_bytes(tree);
    if bytes > EXPRESSION_WORK_BYTES_MAX {
        let message = format!(
            "it could move {} MiB for the largest facts; at most {} MiB are allowed",
            bytes >> 20,
            EXPRESSION_WORK_BYTES_MAX >> 20
        );
        return Err(Fault {
            node: tree.id,
            message,
        });
    }
    walk.checked.patterns = replace(tree)?;
    Ok(walk.checked)
}

struct Walk<'r> {
    roots: &'r [&'r str],
    /// The comprehension variables in scope.
    variables: Vec<String>,
    nodes: usize,
    checked: Checked,
}

impl Walk<'_> {
    fn node(&mut self, node: &IdedExpr) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > EXPRESSION_NODES_MAX {
            let message = format!("it has more than {EXPRESSION_NODES_MAX} nodes");
            return Err(Fault {
                node: node.id,
                message,
            });
        }
        if let Some(read) = self.state_read(node)? {
            if !self.checked.state_reads.contains(&read) {
                self.checked.state_reads.push(read);
            }
            return Ok(());
        }
        match &node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name, node.id),
            Expr::Select(select) => self.node(&select.operand),
            Expr::List(list) => list
                .elements
                .iter()
                .try_for_each(|member| self.node(member)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.node(&entry.key)?;
                    self.node(&entry.value)
                }
                EntryExpr::StructField(_) => Err(no_messages(entry.id)),
            }),
            Expr::Call(call) => self.call(call, node.id),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, node.id),
            Expr::Struct(_) | Expr::Unspecified => Err(no_messages(node.id)),
        }
    }

    fn name(&self, name: &str, node: u64) -> Result<(), Fault> {
        let is_own = name.starts_with('@') || self.variables.iter().any(|own| own == name);
        if name == STATE && self.roots.contains(&STATE) {
            let message = "of the state only `state.mode`, `state.count.NAME` and \
                           `state.last_ms.NAME` can be read"
                .to_owned();
            return Err(Fault { node, message });
        }
        if is_own || self.roots.contains(&name) {
            return Ok(());
        }
        let message = format!(
            "`{name}` is no variable here; there are {}",
            self.roots.join(", ")
        );
        Err(Fault { node, message })
    }

    fn call(&mut self, call: &CallExpr, node: u64) -> Result<(), Fault> {
        let name = call.func_name.as_str();
        let arguments = call.args.len().saturating_add(call.target.iter().len());
        let is_operator = OPERATORS.contains(&name) || name == operators::NOT_STRICTLY_FALSE;
        if !is_operator {
            let names = || FUNCTIONS.map(|(name, _)| name).join(", ");
            let message = match FUNCTIONS.iter().find(|(known, _)| *known == name) {
                None => format!("`{name}` is no function here; there are {}", names()),
                Some((_, expected)) if *expected != arguments => {
                    format!("`{name}` takes {expected} arguments, not {arguments}")
                }
                Some(_) => String::new(),
            };
            if !message.is_empty() {
                return Err(Fault { node, message });
            }
        }
        if let Some(target) = &call.target {
            self.node(target)?;
        }
        call.args
            .iter()
            .try_for_each(|argument| self.node(argument))
    }

    fn comprehension(&mut self, node: &ComprehensionExpr, id: u64) -> Result<(), Fault> {
        self.node(&node.iter_range)?;
        self.node(&node.accu_init)?;
        let depth = self.variables.len().saturating_add(1);
        let is_literal = matches!(node.iter_range.expr, Expr::List(_));
        let depth_max = if is_literal {
            COMPREHENSION_LITERAL_DEPTH_MAX
        } else {
            COMPREHENSION_DEPTH_MAX
        };
        if depth > depth_max {
            let message = format!(
                "comprehensions inside one another: at most {COMPREHENSION_DEPTH_MAX}, or \
                 {COMPREHENSION_LITERAL_DEPTH_MAX} when the inner one walks a list that is \
                 written out"
            );
            return Err(Fault { node: id, message });
        }
        if self.roots.contains(&node.iter_var.as_str()) {
            let message = format!("`{}` is a variable already", node.iter_var);
            return Err(Fault { node: id, message });
        }
        self.variables.push(node.iter_var.clone());
        self.node(&node.loop_cond)?;
        self.node(&node.loop_step)?;
        self.variables.pop();
        self.node(&node.result)
    }

    /// What `node` reads of the state, if it is such a read as a whole.
    fn state_read(&self, node: &IdedExpr) -> Result<Option<StateRead>, Fault> {
        let Some((path, key)) = step(node).filter(|_| self.roots.contains(&STATE)) else {
            return Ok(None);
        };
        if is_state(path) {
            return Ok((key == "mode").then_some(StateRead::Mode));
        }
        let read = match step(path) {
            Some((root, "count")) if is_state(root) => StateRead::Count,
            Some((root, "last_ms")) if is_state(root) => StateRead::LastMs,
            _ => return Ok(None),
        };
        match SignalName::new(key) {
            Ok(name) => Ok(Some(read(name))),
            Err(error) => Err(Fault {
                node: node.id,
                message: error.to_string(),
            }),
        }
    }
}

/// A selection by a name that is written out, `path.name` or `path["name"]`.
fn step(node: &IdedExpr) -> Option<(&IdedExpr, &str)> {
    if let Expr::Select(select) = &node.expr {
        return Some((&select.operand, &select.field));
    }
    if let Expr::Call(call) = &node.expr
        && call.func_name == operators::INDEX
        && let [path, key] = call.args.as_slice()
        && let Expr::Literal(LiteralValue::String(key)) = &key.expr
    {
        return Some((path, key.inner()));
    }
    None
}

fn is_state(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Ident(root) if root == STATE)
}

fn no_messages(node: u64) -> Fault {
    Fault {
        node,
        message: "there are no message types to construct".to_owned(),
    }
}
