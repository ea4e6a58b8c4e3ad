//! Expressions: what rules, workers and intents say in CEL, checked when they are loaded and
//! evaluated on values that are read lazily.
//!
//! In: source text and the names that it may use; at evaluation a [`Scope`] that binds them.
//! Out: a boolean, a text or facts. CEL is called here and nowhere else.
//!
//! Invariants: whatever was compiled has a bounded cost (`check.rs`, `cost.rs`), so evaluation
//! needs no deadline; the functions are a closed list; every failure of an evaluation, a panic
//! included, is an [`EvaluationError`] and never a `false`. There are no templates: a text that a
//! signal carries is a value and is never read as an expression.
//!
//! Source: the CEL language definition (github.com/google/cel-spec, `langdef.md`).

mod check;
mod cost;
mod equality;
mod lazy;
mod replace;
mod result;
mod scope;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelString};
use cel::common::value::Val;
use cel::{Context, Env, IdedExpr, Value};
use regex::Regex;

pub use scope::{Bound, Scope};

use crate::json::{Document, JsonError, JsonLimits};
use crate::limits::{DEDUPE_KEY_BYTES_MAX, EXPRESSION_BYTES_MAX};
use crate::name::SignalName;
use crate::signal::Facts;

/// A compiled expression. It borrows nothing and may be shared between threads.
pub struct Expression {
    source: Box<str>,
    tree: IdedExpr,
    /// The standard environment and the expression's own patterns.
    context: Context<'static, 'static>,
    state_reads: Box<[StateRead]>,
}

impl Expression {
    /// Compiles `source`, which may use the variables `roots` and no others.
    ///
    /// # Errors
    /// [`ExpressionError`] when it is no CEL, uses a name or a function that is not there, reads
    /// anything else under `state` than [`StateRead`] lists, holds an invalid pattern, or could
    /// cost more than the limits of an expression.
    pub fn compile(source: &str, roots: &[&str]) -> Result<Self, ExpressionError> {
        if source.len() > EXPRESSION_BYTES_MAX {
            let message = format!(
                "it has {} bytes; at most {EXPRESSION_BYTES_MAX} are taken",
                source.len()
            );
            return Err(ExpressionError {
                message,
                line: 1,
                column: 1,
            });
        }
        let parsed = catch_unwind(|| STANDARD.parser().parse_with_source_info(source)).map_err(
            |_panic| {
                let message = "the parser of CEL cannot read it".to_owned();
                ExpressionError {
                    message,
                    line: 1,
                    column: 1,
                }
            },
        )?;
        let (mut tree, places) = parsed.map_err(ExpressionError::from_parser)?;
        let checked = check::check(&mut tree, roots)
            .map_err(|fault| ExpressionError::at(fault, source, &places))?;
        let context = own_context(checked.patterns);
        Ok(Self {
            source: source.into(),
            tree,
            context,
            state_reads: checked.state_reads.into(),
        })
    }

    /// What it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it reads of the state, each once, in the order of its first use.
    #[must_use]
    pub fn state_reads(&self) -> &[StateRead] {
        &self.state_reads
    }

    /// Evaluates it as a condition.
    ///
    /// # Errors
    /// [`EvaluationError`] when it fails, panics, or gives anything but a boolean.
    pub fn bool(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        self.evaluate(scope, |value| match value.downcast_ref::<CelBool>() {
            Some(boolean) => Ok(*boolean.inner()),
            None => Err(EvaluationError::wrong_type("a boolean", value)),
        })
    }

    /// Evaluates it as a text of at most [`DEDUPE_KEY_BYTES_MAX`] bytes: a text is itself, any
    /// other value its canonical JSON.
    ///
    /// # Errors
    /// [`EvaluationError`] when it fails, panics, is too long, or has no JSON form.
    pub fn text(&self, scope: &Scope<'_>) -> Result<String, EvaluationError> {
        let limits = JsonLimits {
            bytes_max: DEDUPE_KEY_BYTES_MAX,
            ..JsonLimits::FACTS
        };
        self.evaluate(scope, |value| match value.downcast_ref::<CelString>() {
            Some(text) if text.len() <= DEDUPE_KEY_BYTES_MAX => Ok(text.inner().to_owned()),
            Some(text) => Err(EvaluationError::Json(JsonError::TooLarge {
                bytes: text.len(),
                bytes_max: DEDUPE_KEY_BYTES_MAX,
            })),
            None => Ok(document(value, &limits)?.text().to_owned()),
        })
    }

    /// Evaluates it as facts: an object within the limits of facts.
    ///
    /// # Errors
    /// [`EvaluationError`] when it fails, panics, or gives anything that facts cannot be.
    pub fn facts(&self, scope: &Scope<'_>) -> Result<Facts, EvaluationError> {
        self.evaluate(scope, |value| {
            let document = document(value, &JsonLimits::FACTS)?;
            Facts::from_document(document)
                .map_err(|_not_an_object| EvaluationError::wrong_type("an object", value))
        })
    }

    fn evaluate<T>(
        &self,
        scope: &Scope<'_>,
        take: impl FnOnce(&dyn Val) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        let evaluation = AssertUnwindSafe(|| {
            let mut context = self.context.new_inner_scope();
            context.set_variable_resolver(scope);
            match Value::resolve_val(&self.tree, &context) {
                Ok(value) => take(value.as_ref()),
                Err(error) => Err(EvaluationError::failed(&error)),
            }
        });
        // Nothing outlives the unwinding but the error: the closure only reads what is shared.
        catch_unwind(evaluation).unwrap_or(Err(EvaluationError::Panicked))
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

/// The environment that every expression is parsed and evaluated in: a constant that takes 27 µs
/// to build.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib().with_optional_support(false);
    equality::declare(&mut environment);
    Arc::new(environment)
});

fn own_context(patterns: Vec<Regex>) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(&STANDARD));
    if !patterns.is_empty() {
        replace::declare_patterns(&mut context, patterns);
    }
    context
}

fn document(value: &dyn Val, limits: &JsonLimits) -> Result<Document, EvaluationError> {
    let mut text = Vec::new();
    result::write(value, limits, &mut text)?;
    Document::parse(&text, limits).map_err(EvaluationError::Json)
}

/// Something of the state that an expression reads. The caller binds each in a small document
/// under `state`, and records what it bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateRead {
    /// `state.mode`: what the operator allows, as a word.
    Mode,
    /// `state.count.NAME`: how many signals of this name were accepted.
    Count(SignalName),
    /// `state.last_ms.NAME`: elapsed ms of the last one.
    LastMs(SignalName),
}

/// Why a source is no expression, and where; lines and columns from 1, columns in bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column})")]
pub struct ExpressionError {
    /// What is wrong.
    pub message: String,
    /// The line of the source.
    pub line: usize,
    /// The byte of the line.
    pub column: usize,
}

impl ExpressionError {
    fn from_parser(errors: cel::ParseErrors) -> Self {
        let first = errors.errors.into_iter().next();
        let (message, (line, column)) = first
            .map_or(("it is no CEL".to_owned(), (1, 1)), |error| {
                (error.msg, error.pos)
            });
        let from_one = |place: isize| usize::try_from(place).unwrap_or(1).max(1);
        Self {
            message,
            line: from_one(line),
            column: from_one(column),
        }
    }

    fn at(fault: check::Fault, source: &str, places: &cel::common::ast::SourceInfo) -> Self {
        let start = places.offset_for(fault.node).map_or(0, |(start, _)| start);
        let start = usize::try_from(start).unwrap_or(0);
        let before = source.as_bytes().get(..start).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        let in_line = before
            .iter()
            .rev()
            .take_while(|byte| **byte != b'\n')
            .count();
        Self {
            message: fault.message,
            line,
            column: in_line.saturating_add(1),
        }
    }
}

/// Why an evaluation gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// An operation failed: a key that is not there, a type that does not fit, a division by 0.
    #[error("{message}")]
    Failed {
        /// What CEL says.
        message: String,
    },
    /// The result is no document within the limits.
    #[error("its result is refused: {0}")]
    Json(#[source] JsonError),
    /// The evaluator panicked.
    #[error("the evaluator panicked")]
    Panicked,
    /// The result has another type than the one asked for.
    #[error("{expected} is expected, not a value of type {found}")]
    WrongType {
        /// What is asked for.
        expected: &'static str,
        /// The CEL type of the result, or of a part of it.
        found: String,
    },
}

/// Characters of what CEL says: it may repeat whole values, and what it says is recorded.
const MESSAGE_CHARACTERS_MAX: usize = 400;

impl EvaluationError {
    fn failed(error: &dyn fmt::Display) -> Self {
        let message = error.to_string();
        Self::Failed {
            message: message.chars().take(MESSAGE_CHARACTERS_MAX).collect(),
        }
    }

    fn wrong_type(expected: &'static str, value: &dyn Val) -> Self {
        Self::WrongType {
            expected,
            found: value.get_type().name().to_owned(),
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "expression.failed",
            Self::Json(_) => "expression.result_refused",
            Self::Panicked => "expression.panicked",
            Self::WrongType { .. } => "expression.wrong_type",
        }
    }
}

#[cfg(test)]
mod tests;
