//! A CEL value as JSON text, which a document then makes canonical.

use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString, CelUInt};
use cel::common::value::Val;

use super::EvaluationError;
use super::lazy::{is_list, is_map};
use crate::json::{JsonError, JsonLimits};

/// Writes `value`; stops once the text is longer than any within `limits` could be.
///
/// # Errors
/// [`EvaluationError::WrongType`] for what JSON does not hold: bytes, NaN and the infinities, and
/// maps whose keys are no texts.
pub(super) fn write(
    value: &dyn Val,
    limits: &JsonLimits,
    out: &mut Vec<u8>,
) -> Result<(), EvaluationError> {
    write_at(value, limits, 0, out)
}

fn write_at(
    value: &dyn Val,
    limits: &JsonLimits,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), EvaluationError> {
    if depth > limits.depth_max {
        return Err(EvaluationError::Json(JsonError::TooDeep {
            at: out.len(),
            depth_max: limits.depth_max,
        }));
    }
    if out.len() > limits.bytes_max {
        let (bytes, bytes_max) = (out.len(), limits.bytes_max);
        return Err(EvaluationError::Json(JsonError::TooLarge {
            bytes,
            bytes_max,
        }));
    }
    if let Some(text) = value.downcast_ref::<CelString>() {
        write_scalar(text.inner(), out)
    } else if let Some(integer) = value.downcast_ref::<CelInt>() {
        write_scalar(integer.inner(), out)
    } else if let Some(boolean) = value.downcast_ref::<CelBool>() {
        write_scalar(boolean.inner(), out)
    } else if let Some(double) = value.downcast_ref::<CelDouble>() {
        write_double(*double.inner(), out)
    } else if let Some(unsigned) = value.downcast_ref::<CelUInt>() {
        write_scalar(unsigned.inner(), out)
    } else if value.downcast_ref::<CelNull>().is_some() {
        write_scalar(&(), out)
    } else if is_list(value) || is_map(value) {
        write_members(value, limits, depth, out)
    } else {
        Err(EvaluationError::wrong_type("a JSON value", value))
    }
}

fn write_members(
    value: &dyn Val,
    limits: &JsonLimits,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), EvaluationError> {
    let Some(members) = value.as_iterable() else {
        return Err(EvaluationError::wrong_type("a JSON value", value));
    };
    let inside = depth.saturating_add(1);
    let of_map = value.as_indexer().filter(|_| is_map(value));
    out.push(if of_map.is_some() { b'{' } else { b'[' });
    let mut members = members.iter();
    let mut is_first = true;
    while let Some(member) = members.next() {
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        match of_map {
            None => write_at(member, limits, inside, out)?,
            Some(map) => {
                let Some(name) = member.downcast_ref::<CelString>() else {
                    return Err(EvaluationError::wrong_type("a text as key", member));
                };
                write_scalar(name.inner(), out)?;
                out.push(b':');
                let entry = map
                    .get(member)
                    .map_err(|error| EvaluationError::failed(&error))?;
                write_at(entry.as_ref(), limits, inside, out)?;
            }
        }
    }
    out.push(if of_map.is_some() { b'}' } else { b']' });
    Ok(())
}

fn write_double(double: f64, out: &mut Vec<u8>) -> Result<(), EvaluationError> {
    if !double.is_finite() {
        let found = double.to_string();
        return Err(EvaluationError::WrongType {
            expected: "a finite number",
            found,
        });
    }
    write_scalar(&double, out)
}

fn write_scalar<T: serde::Serialize + ?Sized>(
    scalar: &T,
    out: &mut Vec<u8>,
) -> Result<(), EvaluationError> {
    serde_json::to_writer(out, scalar).map_err(|error| EvaluationError::failed(&error))
}
