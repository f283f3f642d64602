//! Equality and order.

use super::{Array, ArrayKind, IntKind, Map, Value};
use crate::condition::{
    budget::Meter,
    error::{Result, run},
    number::float,
};

/// What `<` and its like ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::condition) enum Order {
    Less,
    More,
    LessOrEqual,
    MoreOrEqual,
}

impl Order {
    fn spelling(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::More => ">",
            Self::LessOrEqual => "<=",
            Self::MoreOrEqual => ">=",
        }
    }

    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Less => left < right,
            Self::More => left > right,
            Self::LessOrEqual => left <= right,
            Self::MoreOrEqual => left >= right,
        }
    }
}

/// Whether the order holds between two numbers, texts, times or durations.
pub(in crate::condition) fn ordered(left: &Value, order: Order, right: &Value, meter: &mut Meter) -> Result<bool> {
    if let Some((left, right)) = numbers(left, right) {
        return Ok(match (left, right) {
            (Number::Int(left), Number::Int(right)) => order.holds(&left, &right),
            (left, right) => order.holds(&left.float(), &right.float()),
        });
    }
    match (left, right) {
        (Value::String(left), Value::String(right)) => {
            meter.look_at(left.len().min(right.len()))?;
            Ok(order.holds(left, right))
        }
        (Value::Time(left), Value::Time(right)) => Ok(order.holds(&left.timestamp(), &right.timestamp())),
        (Value::Duration(left), Value::Duration(right)) => Ok(order.holds(left, right)),
        _ => Err(run(format!(
            "invalid operation: {} {} {}",
            left.type_name(),
            order.spelling(),
            right.type_name()
        ))),
    }
}

/// A number of one of the types that arithmetic takes.
#[derive(Clone, Copy, Debug)]
pub(in crate::condition) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub(in crate::condition) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(value) | Value::Integer(IntKind::Int64 | IntKind::Uint8, value) => Some(Self::Int(*value)),
            Value::Float(value) => Some(Self::Float(*value)),
            _ => None,
        }
    }

    pub(in crate::condition) fn float(self) -> f64 {
        match self {
            Self::Int(value) => float(value),
            Self::Float(value) => value,
        }
    }
}

pub(in crate::condition) fn numbers(left: &Value, right: &Value) -> Option<(Number, Number)> {
    Some((Number::of(left)?, Number::of(right)?))
}

/// Whether `==` holds: numbers by value, arrays element by element, and everything else if types and contents are the
/// same.
pub(in crate::condition) fn equal(left: &Value, right: &Value, meter: &mut Meter) -> Result<bool> {
    meter.step()?;
    if let Some((left, right)) = numbers(left, right) {
        #[expect(clippy::float_cmp, reason = "the language compares exactly")]
        return Ok(match (left, right) {
            (Number::Int(left), Number::Int(right)) => left == right,
            (left, right) => left.float() == right.float(),
        });
    }
    match (left, right) {
        (Value::String(left), Value::String(right)) => {
            meter.look_at(left.len().min(right.len()))?;
            Ok(left == right)
        }
        (Value::Time(left), Value::Time(right)) => Ok(left.timestamp() == right.timestamp()),
        (Value::Array(left), Value::Array(right)) if elementwise(left.kind(), right.kind()) => {
            all_pairs(left.items(), right.items(), meter, equal)
        }
        _ if left.is_nil() && right.is_nil() => Ok(true),
        _ => identical(left, right, meter),
    }
}

/// Whether two arrays of those types are compared element by element: the same simple type, or either of them `[]any`.
fn elementwise(left: ArrayKind, right: ArrayKind) -> bool {
    let simple = |kind| !matches!(kind, ArrayKind::Pair | ArrayKind::Pairs);
    simple(left) && simple(right) && (left == right || left == ArrayKind::Any || right == ArrayKind::Any)
}

fn all_pairs(
    left: &[Value],
    right: &[Value],
    meter: &mut Meter,
    same: fn(&Value, &Value, &mut Meter) -> Result<bool>,
) -> Result<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(right) {
        if !same(left, right, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Go's `reflect.DeepEqual`: the same type and the same contents; `1` is not `1.0` here.
fn identical(left: &Value, right: &Value, meter: &mut Meter) -> Result<bool> {
    meter.step()?;
    #[expect(clippy::float_cmp, reason = "the language compares exactly")]
    Ok(match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) | (Value::Duration(left), Value::Duration(right)) => left == right,
        (Value::Integer(kind, left), Value::Integer(other, right)) => kind == other && left == right,
        (Value::Float(left), Value::Float(right)) => left == right,
        (Value::String(left), Value::String(right)) => {
            meter.look_at(left.len().min(right.len()))?;
            left == right
        }
        (Value::Time(left), Value::Time(right)) => left == right,
        (Value::Location(left), Value::Location(right)) => left == right,
        (Value::Array(left), Value::Array(right)) => return identical_arrays(left, right, meter),
        (Value::Map(left), Value::Map(right)) => return identical_maps(left, right, meter),
        _ => false,
    })
}

fn identical_arrays(left: &Array, right: &Array, meter: &mut Meter) -> Result<bool> {
    if left.kind() != right.kind() || left.is_absent() != right.is_absent() {
        return Ok(false);
    }
    if left.is_same(right) && left.kind() != ArrayKind::Pair {
        return Ok(true);
    }
    all_pairs(left.items(), right.items(), meter, identical)
}

fn identical_maps(left: &Map, right: &Map, meter: &mut Meter) -> Result<bool> {
    if left.kind() != right.kind() || left.entries().len() != right.entries().len() {
        return Ok(false);
    }
    if left.is_same(right) {
        return Ok(true);
    }
    for (key, left) in left.entries() {
        match right.entries().get(key) {
            Some(right) if identical(left, right, meter)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}
