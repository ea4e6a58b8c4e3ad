//! Equality and membership between values of CEL's own types and lazy ones.
//!
//! The evaluator compares lists and maps only with its own kind, so a literal on the left of a
//! lazy value would silently be unequal to it. The checker therefore replaces `==`, `!=` and `in`
//! by the functions declared here wherever a container may stand on both sides.

use cel::common::traits::{Indexer, Iterable};
use cel::common::types::{CelBool, DYN_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};

use super::lazy::{is_list, is_map};

/// The name of deep equality; no source can spell it.
pub(super) const EQUAL: &str = "@equal";
/// The name of membership by deep equality.
pub(super) const CONTAINED: &str = "@contained";

pub(super) fn declare(environment: &mut Env) {
    let both = || vec![DYN_TYPE, DYN_TYPE];
    // Only a second declaration of a name fails, and no library declares these.
    environment
        .add_overload(EQUAL, EQUAL, both(), equal)
        .unwrap_or_default();
    environment
        .add_overload(CONTAINED, CONTAINED, both(), contained)
        .unwrap_or_default();
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the signature that the evaluator declares functions by"
)]
fn equal<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [left, right] = arguments.as_slice() else {
        return Err(ExecutionError::invalid_argument_count(2, arguments.len()));
    };
    Ok(boolean(are_equal(left.as_ref(), right.as_ref())))
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the signature that the evaluator declares functions by"
)]
fn contained<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [value, container] = arguments.as_slice() else {
        return Err(ExecutionError::invalid_argument_count(2, arguments.len()));
    };
    let (value, container) = (value.as_ref(), container.as_ref());
    if let Some(members) = container.as_iterable().filter(|_| is_list(container)) {
        let mut members = members.iter();
        while let Some(member) = members.next() {
            if are_equal(member, value) {
                return Ok(boolean(true));
            }
        }
        return Ok(boolean(false));
    }
    if let Some(container) = container.as_container() {
        return container.contains(value).map(boolean);
    }
    let types = [value, container].map(|value| value.get_type().name().to_owned());
    Err(ExecutionError::no_such_overload("_in_", types.to_vec()))
}

/// A boolean that costs no allocation.
pub(super) fn boolean<'b, 'v>(value: bool) -> CowVal<'b, 'v> {
    CowVal::Borrowed(if value {
        &CelBool::TRUE
    } else {
        &CelBool::FALSE
    })
}

/// Whether two values are equal, whatever types hold them. As deep as the values, which both a
/// document's depth and the parser's bound.
pub(super) fn are_equal(left: &dyn Val, right: &dyn Val) -> bool {
    match (left.as_iterable(), right.as_iterable()) {
        (Some(members), Some(others)) if is_list(left) && is_list(right) => {
            have_equal_members(members, others)
        }
        (Some(keys), Some(_)) if is_map(left) && is_map(right) => {
            let same_size = match (left.as_sizer(), right.as_sizer()) {
                (Some(left), Some(right)) => left.size() == right.size(),
                _ => false,
            };
            let indexers = left.as_indexer().zip(right.as_indexer());
            same_size && indexers.is_some_and(|(left, right)| have_equal_entries(keys, left, right))
        }
        (Some(_), _) | (_, Some(_)) => false,
        (None, None) => left.equals(right),
    }
}

fn have_equal_members(left: &dyn Iterable, right: &dyn Iterable) -> bool {
    let (mut left, mut right) = (left.iter(), right.iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(left), Some(right)) if are_equal(left, right) => {}
            _ => return false,
        }
    }
}

fn have_equal_entries(keys: &dyn Iterable, left: &dyn Indexer, right: &dyn Indexer) -> bool {
    let mut keys = keys.iter();
    while let Some(key) = keys.next() {
        let is_same = match (left.get(key), right.get(key)) {
            (Ok(left), Ok(right)) => are_equal(left.as_ref(), right.as_ref()),
            _ => false,
        };
        if !is_same {
            return false;
        }
    }
    true
}
