//! Builtins on arrays.

use super::{Call, as_text, to_int};
use crate::condition::{
    budget::Meter,
    error::{Result, run},
    interpreter::fetch,
    value::{Array, ArrayKind, Order, Value, equal, ordered},
};

/// The array that an argument is; `verb` for the error.
fn items<'a>(call: &Call<'a>, index: usize, verb: &str) -> Result<&'a Array> {
    match call.value(index) {
        Value::Array(array) => Ok(array),
        other => Err(run(format!("cannot {verb} {}", other.kind_name()))),
    }
}

/// Characters of a text, elements of everything else.
pub(super) fn len(call: &mut Call<'_>) -> Result<Value> {
    let length = match call.value(0) {
        Value::String(text) => {
            call.meter.look_at(text.len())?;
            text.chars().count()
        }
        Value::Array(array) => array.items().len(),
        Value::Map(map) => map.entries().len(),
        other => return Err(run(format!("invalid argument for len (type {})", other.type_name()))),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// `first` and `last`: what has no such element gives nil.
pub(super) fn end(call: &mut Call<'_>, index: i64) -> Result<Value> {
    match fetch(call.value(0), &Value::Int(index), call.meter) {
        Err(crate::condition::EvalError::Run(_)) => Ok(Value::Nil),
        other => other,
    }
}

pub(super) fn take(call: &mut Call<'_>) -> Result<Value> {
    let array = items(call, 0, "take from")?;
    let count = match call.value(1) {
        Value::Int(count) | Value::Integer(_, count) | Value::Duration(count) => *count,
        other => return Err(run(format!("cannot take {} elements", other.kind_name()))),
    };
    let Ok(count) = usize::try_from(count) else {
        return Err(run("reflect.Value.Slice: slice index out of bounds"));
    };
    let taken = array.items().get(..count.min(array.items().len())).unwrap_or_default();
    call.meter.room_for(taken.len())?;
    call.meter.array(array.kind(), taken)
}

pub(super) fn reverse(call: &mut Call<'_>) -> Result<Value> {
    let array = items(call, 0, "reverse")?;
    call.meter.room_for(array.items().len())?;
    call.meter.elements(array.items().len())?;
    call.meter
        .array(ArrayKind::Any, array.items().iter().rev().cloned().collect::<Vec<_>>())
}

pub(super) fn uniq(call: &mut Call<'_>) -> Result<Value> {
    let array = items(call, 0, "uniq")?;
    let mut unique: Vec<Value> = Vec::new();
    'items: for item in array.items() {
        for known in &unique {
            if equal(item, known, call.meter)? {
                continue 'items;
            }
        }
        call.meter.room_for(1)?;
        unique.push(item.clone());
    }
    call.meter.array(ArrayKind::Any, unique)
}

pub(super) fn concat(call: &mut Call<'_>) -> Result<Value> {
    let mut all = Vec::new();
    for index in 0..call.arguments.len() {
        let array = items(call, index, "concat")?;
        call.meter.room_for(array.items().len())?;
        call.meter.elements(array.items().len())?;
        all.extend_from_slice(array.items());
    }
    if all.is_empty() {
        return Ok(Value::Array(Array::absent(ArrayKind::Any)));
    }
    call.meter.array(ArrayKind::Any, all)
}

pub(super) fn flatten(call: &mut Call<'_>) -> Result<Value> {
    let array = items(call, 0, "flatten")?;
    let mut flat = Vec::new();
    flatten_into(array, &mut flat, call.meter)?;
    call.meter.elements(flat.len())?;
    call.meter.array(ArrayKind::Any, flat)
}

fn flatten_into(array: &Array, flat: &mut Vec<Value>, meter: &mut Meter) -> Result<()> {
    for item in array.items() {
        meter.step()?;
        match item {
            Value::Array(inner) => flatten_into(inner, flat, meter)?,
            other => {
                meter.room_for(1)?;
                flat.push(other.clone());
            }
        }
    }
    Ok(())
}

pub(super) fn sort(call: &mut Call<'_>) -> Result<Value> {
    let descending = match call.arguments.get(1) {
        None => false,
        Some(Value::String(order)) if &**order == "asc" => false,
        Some(Value::String(order)) if &**order == "desc" => true,
        Some(Value::String(order)) => {
            return Err(run(format!("invalid order {order}, expected asc or desc")));
        }
        Some(other) => {
            return Err(run(format!(
                "sort order argument must be a string (got {})",
                other.type_name()
            )));
        }
    };
    // What cannot be sorted sorts to nothing.
    let items = match call.value(0) {
        Value::Array(array) if !matches!(array.kind(), ArrayKind::Uint8 | ArrayKind::Pair | ArrayKind::Pairs) => {
            array.items()
        }
        _ => return Ok(Value::Array(Array::absent(ArrayKind::Any))),
    };
    call.meter.room_for(items.len())?;
    call.meter.elements(items.len())?;
    let meter = &mut *call.meter;
    let sorted = sorted_by(items.to_vec(), &mut |left, right| {
        meter.step()?;
        let (left, right) = if descending { (right, left) } else { (left, right) };
        ordered(left, Order::Less, right, meter)
    })?;
    call.meter.array(ArrayKind::Any, sorted)
}

/// Sorts by a question that can fail, and that need not make sense (nothing is less than NaN). Up to a dozen elements end
/// up as the original's insertion sort leaves them; more are sorted stably, where the original promises no order of
/// equals.
pub(in crate::condition) fn sorted_by<T>(
    mut items: Vec<T>,
    less: &mut dyn FnMut(&T, &T) -> Result<bool>,
) -> Result<Vec<T>> {
    if items.len() <= 12 {
        for end in 1..items.len() {
            for at in (1..=end).rev() {
                let (Some(right), Some(left)) = (items.get(at), items.get(at - 1)) else {
                    break;
                };
                if !less(right, left)? {
                    break;
                }
                items.swap(at, at - 1);
            }
        }
        return Ok(items);
    }
    let right = items.split_off(items.len() / 2);
    let left = sorted_by(items, less)?;
    let right = sorted_by(right, less)?;
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
        let next = if less(r, l)? { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

/// The texts of an array that may hold something else.
pub(super) fn texts<'a>(call: &Call<'a>) -> Result<Vec<&'a str>> {
    match call.value(0) {
        Value::Array(array) if matches!(array.kind(), ArrayKind::Any | ArrayKind::String) => array
            .items()
            .iter()
            .map(|item| as_text(item).map(|text| &**text))
            .collect(),
        Value::Nil => Err(run("invalid argument for join (type %!s(<nil>))")),
        other => Err(run(format!("invalid argument for join (type {})", other.type_name()))),
    }
}

/// A count that a builtin takes as an int.
pub(super) fn count(call: &Call<'_>, index: usize) -> Result<i64> {
    to_int(call.value(index))
}
