//! Builtins on numbers.

use super::Call;
use crate::condition::{
    budget::Meter,
    error::{Result, run},
    number::float,
    value::{Array, ArrayKind, IntKind, Number, Order, Value, ordered},
};

fn refuse(name: &str, value: &Value) -> crate::condition::EvalError {
    run(format!("invalid argument for {name} (type {})", value.type_name()))
}

pub(super) fn abs(call: &mut Call<'_>) -> Result<Value> {
    match call.value(0) {
        Value::Int(value) => Ok(Value::Int(value.wrapping_abs())),
        Value::Integer(kind @ (IntKind::Int64 | IntKind::Uint8), value) => {
            Ok(Value::Integer(*kind, value.wrapping_abs()))
        }
        // Not the absolute value: of -0.0 nothing is taken away.
        Value::Float(value) if *value < 0.0 => Ok(Value::Float(-value)),
        Value::Float(value) => Ok(Value::Float(*value)),
        other => Err(refuse("abs", other)),
    }
}

pub(super) fn round(call: &mut Call<'_>, name: &str, round: fn(f64) -> f64) -> Result<Value> {
    match Number::of(call.value(0)) {
        Some(Number::Int(value)) => Ok(Value::Float(float(value))),
        Some(Number::Float(value)) => Ok(Value::Float(round(value))),
        None => Err(refuse(name, call.value(0))),
    }
}

/// `max` (what is less gives way) and `min` (what is more does).
pub(super) fn extreme(call: &mut Call<'_>, name: &'static str, gives_way: Order) -> Result<Value> {
    extreme_of(call.arguments, name, gives_way, call.meter)
}

fn extreme_of(arguments: &[Value], name: &'static str, gives_way: Order, meter: &mut Meter) -> Result<Value> {
    let mut best = Value::Nil;
    for argument in arguments {
        meter.step()?;
        match argument {
            Value::Array(array) => {
                if let Some(value) = extreme_in(array, name, gives_way, meter)? {
                    improve(&mut best, value, gives_way, meter)?;
                }
            }
            number if is_numeric(number) => improve(&mut best, number.clone(), gives_way, meter)?,
            only if arguments.len() == 1 => return Ok(only.clone()),
            other => return Err(refuse(name, other)),
        }
    }
    Ok(best)
}

fn extreme_in(array: &Array, name: &'static str, gives_way: Order, meter: &mut Meter) -> Result<Option<Value>> {
    let mut best = Value::Nil;
    for item in array.items() {
        meter.step()?;
        match item {
            Value::Array(inner) => match extreme_in(inner, name, gives_way, meter)? {
                Some(value) => improve(&mut best, value, gives_way, meter)?,
                None if array.kind() == ArrayKind::Any => {}
                None => return Err(refuse(name, &Value::Nil)),
            },
            number if Number::of(number).is_some() => improve(&mut best, number.clone(), gives_way, meter)?,
            other => return Err(refuse(name, other)),
        }
    }
    Ok(Some(best).filter(|best| !matches!(best, Value::Nil)))
}

fn improve(best: &mut Value, value: Value, gives_way: Order, meter: &mut Meter) -> Result<()> {
    if matches!(best, Value::Nil) || ordered(best, gives_way, &value, meter)? {
        *best = value;
    }
    Ok(())
}

/// Everything that is a number to Go's reflection: durations and months too.
fn is_numeric(value: &Value) -> bool {
    matches!(
        value,
        Value::Int(_) | Value::Integer(..) | Value::Float(_) | Value::Duration(_)
    )
}

fn numeric(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) | Value::Integer(_, value) | Value::Duration(value) => Some(float(*value)),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

pub(super) fn mean(call: &mut Call<'_>) -> Result<Value> {
    let (mut count, mut total) = (0, 0.0);
    for argument in call.arguments {
        // Sums of parts are added up, not the parts: that is visible in the last bit.
        let (part_count, part_total) = sum_of(argument, call.meter)?;
        count += part_count;
        total += part_total;
    }
    Ok(Value::Float(if count == 0 { 0.0 } else { total / float(count) }))
}

fn sum_of(value: &Value, meter: &mut Meter) -> Result<(i64, f64)> {
    meter.step()?;
    match value {
        Value::Array(array) => {
            let (mut count, mut total) = (0, 0.0);
            for item in array.items() {
                let (part_count, part_total) = sum_of(item, meter)?;
                count += part_count;
                total += part_total;
            }
            Ok((count, total))
        }
        other => numeric(other)
            .map(|value| (1, value))
            .ok_or_else(|| refuse("mean", other)),
    }
}

pub(super) fn median(call: &mut Call<'_>) -> Result<Value> {
    let mut values = Vec::new();
    for argument in call.arguments {
        numbers_of(argument, &mut values, call.meter)?;
    }
    // NaN goes before everything else.
    values.sort_by(|left: &f64, right: &f64| {
        left.partial_cmp(right)
            .unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
    });
    let middle = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    Ok(Value::Float(match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => at(middle),
        _ => sum_halved(at(middle - 1), at(middle)),
    }))
}

fn numbers_of(value: &Value, values: &mut Vec<f64>, meter: &mut Meter) -> Result<()> {
    meter.step()?;
    match value {
        Value::Array(array) => array
            .items()
            .iter()
            .try_for_each(|item| numbers_of(item, values, meter)),
        other => {
            meter.room_for(1)?;
            values.push(numeric(other).ok_or_else(|| refuse("median", other))?);
            Ok(())
        }
    }
}

/// Overflows to infinity where a midpoint would not, as the original does.
#[expect(clippy::manual_midpoint, reason = "a midpoint is rounded differently")]
fn sum_halved(left: f64, right: f64) -> f64 {
    (left + right) / 2.0
}
