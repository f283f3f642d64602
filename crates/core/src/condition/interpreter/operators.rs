//! Operators on values.

use std::{collections::BTreeSet, sync::Arc};

use super::{Action, Flow, Interpreter, Node, Result, run};
use crate::condition::{
    budget::Meter,
    builtins::{as_text, to_int, unexpected_type},
    number,
    types::Type,
    value::{ArrayKind, IntKind, Key, Map, MapKind, Number, Order, Value, equal, numbers, ordered},
};

/// The type that both operands of an `==` are known to be of, if the comparison then takes no other.
pub(super) fn strict_equality(left: &Type, right: &Type) -> Option<&'static str> {
    match (left, right) {
        (Type::Int, Type::Int) => Some("int"),
        (Type::String, Type::String) => Some("string"),
        _ => None,
    }
}

impl Interpreter<'_> {
    pub(super) fn operate(
        &mut self,
        action: Action,
        left: &Value,
        right: &Value,
        strict: Option<&'static str>,
    ) -> Result<Value> {
        let order = |order| (order, left, right);
        let (order, left, right) = match action {
            Action::Equal => return Ok(Value::Bool(self.equals(left, right, strict)?)),
            Action::NotEqual => return Ok(Value::Bool(!self.equals(left, right, strict)?)),
            Action::Less => order(Order::Less),
            Action::More => order(Order::More),
            Action::LessOrEqual => order(Order::LessOrEqual),
            Action::MoreOrEqual => order(Order::MoreOrEqual),
            Action::In => return self.contains(left, right).map(Value::Bool),
            Action::Matches => return self.matches(left, right).map(Value::Bool),
            Action::Contains => return self.search(left, right, |text, part| text.contains(part)),
            Action::StartsWith => return self.search(left, right, |text, part| text.starts_with(part)),
            Action::EndsWith => return self.search(left, right, |text, part| text.ends_with(part)),
            Action::Range => return self.range(left, right),
            Action::Add => return self.add(left, right),
            Action::Subtract => return subtract(left, right),
            Action::Multiply => return multiply(left, right),
            Action::Divide => return divide(left, right),
            Action::Modulo => return modulo(left, right),
            Action::Power => return power(left, right),
            // Evaluated before, for they do not always need their right side.
            Action::Or | Action::And | Action::Coalesce => return Ok(right.clone()),
        };
        ordered(left, order, right, &mut self.meter).map(Value::Bool)
    }

    fn equals(&mut self, left: &Value, right: &Value, strict: Option<&'static str>) -> Result<bool> {
        if let Some(wanted) = strict {
            for value in [left, right] {
                if value.type_name() != wanted {
                    return Err(unexpected_type(value, wanted));
                }
            }
        }
        equal(left, right, &mut self.meter)
    }

    fn contains(&mut self, needle: &Value, hay: &Value) -> Result<bool> {
        match hay {
            Value::Nil => Ok(false),
            Value::Array(array) => {
                for item in array.items() {
                    if equal(item, needle, &mut self.meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Map(map) => Ok(map.entries().contains_key(&key_of(map, needle, &mut self.meter)?)),
            Value::Time(_) | Value::Location(_) => match needle {
                Value::String(_) => Ok(false),
                other => Err(run(format!(
                    "cannot use {} as field name of {}",
                    other.type_name(),
                    hay.type_name().trim_start_matches('*')
                ))),
            },
            other => Err(run(format!("operator \"in\" not defined on {}", other.type_name()))),
        }
    }

    pub(super) fn in_strings(&mut self, left: &Node, set: &Arc<BTreeSet<Arc<str>>>) -> Flow<Value> {
        let value = self.value(left)?;
        Ok(Value::Bool(set.contains(&text_key(&value, &mut self.meter)?)))
    }

    pub(super) fn in_range(&mut self, left: &Node, from: i64, to: i64) -> Flow<Value> {
        let value = self.value(left)?;
        let within = ordered(&value, Order::MoreOrEqual, &Value::Int(from), &mut self.meter)?
            && ordered(&value, Order::LessOrEqual, &Value::Int(to), &mut self.meter)?;
        Ok(Value::Bool(within))
    }

    pub(super) fn total(&mut self, nodes: &[Node]) -> Flow<Value> {
        let mut values = Vec::with_capacity(nodes.len());
        for node in nodes {
            values.push(self.value(node)?);
        }
        let mut total = values.pop().unwrap_or(Value::Nil);
        while let Some(value) = values.pop() {
            total = self.add(&value, &total)?;
        }
        Ok(total)
    }

    fn matches(&mut self, text: &Value, pattern: &Value) -> Result<bool> {
        if text.is_nil() || pattern.is_nil() {
            return Ok(false);
        }
        let bytes: Vec<u8>;
        let hay = match text {
            Value::String(text) => text.as_bytes(),
            Value::Array(array) if array.kind() == ArrayKind::Uint8 => {
                self.meter.room_for_text(array.items().len())?;
                bytes = array.items().iter().map(byte).collect();
                &bytes
            }
            // The pattern's type is asked for first.
            other => {
                return Err(as_text(pattern)
                    .err()
                    .unwrap_or_else(|| unexpected_type(other, "[]uint8")));
            }
        };
        let pattern = as_text(pattern)?;
        let pattern = self.patterns.get(pattern, &mut self.meter)?;
        pattern.is_found_in(hay, &mut self.meter)
    }

    fn search(&mut self, text: &Value, part: &Value, found: fn(&str, &str) -> bool) -> Result<Value> {
        if text.is_nil() || part.is_nil() {
            return Ok(Value::Bool(false));
        }
        let (part, text) = (as_text(part), as_text(text)?);
        self.meter.look_at(text.len())?;
        Ok(Value::Bool(found(text, part?)))
    }

    fn range(&mut self, left: &Value, right: &Value) -> Result<Value> {
        let (from, to) = (to_int(left)?, to_int(right)?);
        let size = to.wrapping_sub(from).wrapping_add(1).max(0);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        self.meter.elements(size)?;
        self.meter.room_for(size)?;
        let items: Vec<_> = (from..).take(size).map(Value::Int).collect();
        self.meter.array(ArrayKind::Int, items)
    }

    fn add(&mut self, left: &Value, right: &Value) -> Result<Value> {
        if let Some(pair) = numbers(left, right) {
            return Ok(arithmetic(pair, i64::wrapping_add, |a, b| a + b));
        }
        match (left, right) {
            (Value::String(left), Value::String(right)) => {
                self.meter.room_for_text(left.len().saturating_add(right.len()))?;
                Ok([&**left, &**right].concat().into())
            }
            (Value::Time(time), Value::Duration(nanos)) | (Value::Duration(nanos), Value::Time(time)) => {
                time.plus(*nanos).map(Value::Time)
            }
            (Value::Duration(left), Value::Duration(right)) => Ok(Value::Duration(left.wrapping_add(*right))),
            _ => Err(undefined(left, "+", right)),
        }
    }
}

/// The key that a map would hold a value by.
pub(in crate::condition) fn key_of(map: &Map, value: &Value, meter: &mut Meter) -> Result<Key> {
    if map.kind() == MapKind::StringToAny {
        return Ok(Key::String(text_key(value, meter)?));
    }
    if let Value::String(text) = value {
        // It is compared with several others.
        meter.steps(text.len() / 8)?;
    }
    Key::of(value, usize::MAX).ok_or_else(|| unhashable(value, map.entries().is_empty()))
}

/// The same for a map with texts as keys.
fn text_key(value: &Value, meter: &mut Meter) -> Result<Arc<str>> {
    match value {
        Value::String(text) => {
            meter.steps(text.len() / 8)?;
            Ok(Arc::clone(text))
        }
        // Nil stands for the empty key.
        Value::Nil => Ok("".into()),
        other => Err(run(format!(
            "reflect.Value.MapIndex: value of type {} is not assignable to type string",
            other.type_name()
        ))),
    }
}

/// A map without entries has its own words for a value that can be no key.
pub(in crate::condition) fn unhashable(value: &Value, empty: bool) -> crate::condition::EvalError {
    let name = value.type_name();
    run(if empty {
        format!("hash of unhashable type: {name}")
    } else {
        format!("runtime error: hash of unhashable type {name}")
    })
}

fn byte(value: &Value) -> u8 {
    match value {
        Value::Integer(IntKind::Uint8, value) => u8::try_from(*value).unwrap_or_default(),
        _ => 0,
    }
}

fn undefined(left: &Value, operator: &str, right: &Value) -> crate::condition::EvalError {
    run(format!(
        "invalid operation: {} {operator} {}",
        left.type_name(),
        right.type_name()
    ))
}

fn arithmetic((left, right): (Number, Number), ints: fn(i64, i64) -> i64, floats: fn(f64, f64) -> f64) -> Value {
    match (left, right) {
        (Number::Int(left), Number::Int(right)) => Value::Int(ints(left, right)),
        (left, right) => Value::Float(floats(left.float(), right.float())),
    }
}

pub(super) fn negate(value: &Value) -> Result<Value> {
    match value {
        Value::Int(value) => Ok(Value::Int(value.wrapping_neg())),
        Value::Integer(IntKind::Int64, value) => Ok(Value::Integer(IntKind::Int64, value.wrapping_neg())),
        Value::Integer(IntKind::Uint8, value) => Ok(Value::Integer(IntKind::Uint8, value.wrapping_neg() & 0xff)),
        Value::Float(value) => Ok(Value::Float(-value)),
        other => Err(run(format!("invalid operation: - {}", other.type_name()))),
    }
}

fn subtract(left: &Value, right: &Value) -> Result<Value> {
    if let Some(pair) = numbers(left, right) {
        return Ok(arithmetic(pair, i64::wrapping_sub, |a, b| a - b));
    }
    match (left, right) {
        (Value::Time(left), Value::Time(right)) => Ok(Value::Duration(left.since(right))),
        (Value::Time(time), Value::Duration(nanos)) => time.plus(nanos.wrapping_neg()).map(Value::Time),
        (Value::Duration(left), Value::Duration(right)) => Ok(Value::Duration(left.wrapping_sub(*right))),
        _ => Err(undefined(left, "-", right)),
    }
}

fn multiply(left: &Value, right: &Value) -> Result<Value> {
    let number = |value: &Value| match value {
        Value::Duration(nanos) => Some(Number::Int(*nanos)),
        other => Number::of(other),
    };
    let (Some(l), Some(r)) = (number(left), number(right)) else {
        return Err(undefined(left, "*", right));
    };
    let product = arithmetic((l, r), i64::wrapping_mul, |a, b| a * b);
    let of_duration = matches!(left, Value::Duration(_)) || matches!(right, Value::Duration(_));
    Ok(match product {
        // A duration times a float is a float.
        Value::Int(nanos) if of_duration => Value::Duration(nanos),
        other => other,
    })
}

fn divide(left: &Value, right: &Value) -> Result<Value> {
    match numbers(left, right) {
        Some((left, right)) => Ok(Value::Float(left.float() / right.float())),
        None => Err(undefined(left, "/", right)),
    }
}

fn modulo(left: &Value, right: &Value) -> Result<Value> {
    match numbers(left, right) {
        Some((Number::Int(_), Number::Int(0))) => Err(run("runtime error: integer divide by zero")),
        Some((Number::Int(left), Number::Int(right))) => Ok(Value::Int(left.wrapping_rem(right))),
        _ => Err(undefined(left, "%", right)),
    }
}

fn power(left: &Value, right: &Value) -> Result<Value> {
    let float = |value: &Value| {
        Number::of(value)
            .map(Number::float)
            .ok_or_else(|| run(format!("invalid operation: float({})", value.type_name())))
    };
    Ok(Value::Float(number::power(float(left)?, float(right)?)))
}
