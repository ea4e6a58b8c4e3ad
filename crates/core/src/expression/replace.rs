//! What the evaluator would do badly, replaced in the syntax tree: patterns are compiled once, when
//! the expression is, and equality of containers is our own.

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::common::types::{CelInt, CelString};
use cel::common::value::CowVal;
use cel::{Context, ExecutionError, FunctionContext, IdedExpr};
use regex::Regex;

use super::check::Fault;
use super::equality::{CONTAINED, EQUAL, boolean};

/// The compiled patterns' function; no source can spell it.
const MATCHES: &str = "@matches";

/// Replaces patterns and equalities in `tree`, and gives the compiled patterns.
pub(super) fn replace(tree: &mut IdedExpr) -> Result<Vec<Regex>, Fault> {
    let mut patterns = Vec::new();
    replace_in(tree, &mut patterns)?;
    Ok(patterns)
}

/// Gives `context` the function that the patterns were replaced by.
pub(super) fn declare_patterns(context: &mut Context<'static, 'static>, patterns: Vec<Regex>) {
    type Function = Box<
        dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError>
            + Send
            + Sync,
    >;
    let function: Function = Box::new(move |call| {
        let [text, index] = call.args.as_slice() else {
            return Err(ExecutionError::invalid_argument_count(2, call.args.len()));
        };
        let pattern = index
            .downcast_ref::<CelInt>()
            .and_then(|index| usize::try_from(*index.inner()).ok())
            .and_then(|index| patterns.get(index));
        if let (Some(text), Some(pattern)) = (text.downcast_ref::<CelString>(), pattern) {
            return Ok(boolean(pattern.is_match(text.inner())));
        }
        let types = vec![text.get_type().name().to_owned(), "string".to_owned()];
        Err(ExecutionError::no_such_member_overload("matches", types))
    });
    // Only the name of a standard function is refused.
    context.add_function(MATCHES, function).unwrap_or_default();
}

/// Innermost first.
fn replace_in(node: &mut IdedExpr, patterns: &mut Vec<Regex>) -> Result<(), Fault> {
    match &mut node.expr {
        Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => Ok(()),
        Expr::Select(select) => replace_in(&mut select.operand, patterns),
        Expr::List(list) => list
            .elements
            .iter_mut()
            .try_for_each(|member| replace_in(member, patterns)),
        Expr::Map(map) => map
            .entries
            .iter_mut()
            .try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => {
                    replace_in(&mut entry.key, patterns)?;
                    replace_in(&mut entry.value, patterns)
                }
                EntryExpr::StructField(field) => replace_in(&mut field.value, patterns),
            }),
        Expr::Comprehension(comprehension) => {
            replace_in(&mut comprehension.iter_range, patterns)?;
            replace_in(&mut comprehension.accu_init, patterns)?;
            replace_in(&mut comprehension.loop_cond, patterns)?;
            replace_in(&mut comprehension.loop_step, patterns)?;
            replace_in(&mut comprehension.result, patterns)
        }
        Expr::Call(call) => {
            if let Some(target) = &mut call.target {
                replace_in(target, patterns)?;
            }
            call.args
                .iter_mut()
                .try_for_each(|argument| replace_in(argument, patterns))?;
            if call.func_name == "matches" {
                return compile_pattern(call, patterns, node.id);
            }
            replace_equality(node);
            Ok(())
        }
    }
}

fn compile_pattern(call: &mut CallExpr, patterns: &mut Vec<Regex>, node: u64) -> Result<(), Fault> {
    if let Some(target) = call.target.take() {
        call.args.insert(0, *target);
    }
    let Some(Expr::Literal(LiteralValue::String(pattern))) =
        call.args.last().map(|argument| &argument.expr)
    else {
        let message = "the pattern of `matches` must be a text that is written out".to_owned();
        return Err(Fault { node, message });
    };
    let compiled = Regex::new(pattern.inner()).map_err(|error| {
        // Its last line says what is wrong, the others draw the place.
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        Fault {
            node,
            message: format!("the pattern of `matches` is not usable: {reason}"),
        }
    })?;
    let index = i64::try_from(patterns.len()).unwrap_or(i64::MAX);
    patterns.push(compiled);
    if let Some(argument) = call.args.last_mut() {
        argument.expr = Expr::Literal(LiteralValue::Int(CelInt::from(index)));
    }
    MATCHES.clone_into(&mut call.func_name);
    Ok(())
}

/// Replaces `==`, `!=` and `in` unless one side cannot hold a container.
fn replace_equality(node: &mut IdedExpr) {
    let Expr::Call(call) = &mut node.expr else {
        return;
    };
    let [left, right] = call.args.as_slice() else {
        return;
    };
    match call.func_name.as_str() {
        operators::EQUALS if !is_scalar(left) && !is_scalar(right) => {
            EQUAL.clone_into(&mut call.func_name);
        }
        operators::NOT_EQUALS if !is_scalar(left) && !is_scalar(right) => {
            EQUAL.clone_into(&mut call.func_name);
            let equal = IdedExpr {
                id: node.id,
                expr: std::mem::take(&mut node.expr),
            };
            node.expr = Expr::Call(CallExpr {
                func_name: operators::LOGICAL_NOT.to_owned(),
                target: None,
                args: vec![equal],
            });
        }
        operators::IN if !is_scalar(left) && !holds_scalars(right) => {
            CONTAINED.clone_into(&mut call.func_name);
        }
        _ => {}
    }
}

fn is_scalar(node: &IdedExpr) -> bool {
    matches!(node.expr, Expr::Literal(_))
}

fn holds_scalars(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::List(list) if list.elements.iter().all(is_scalar))
}
