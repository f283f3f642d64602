//! Members, indices and slices of values.

use super::{Flow, Interpreter, Node, Result, Stop, operators::key_of, run};
use crate::condition::{
    budget::Meter,
    builtins::to_int,
    function::Function,
    gotime,
    types::Type,
    value::{Array, ArrayKind, IntKind, MapKind, Value},
};

impl Interpreter<'_> {
    #[inline(never)]
    pub(super) fn member(&mut self, base: &Node, property: &Node, optional: bool) -> Flow<Value> {
        // The checker lets nothing but names of methods pass here.
        let method_known = has_methods(&base.ty);
        let base = self.value(base)?;
        if optional && base.is_nil() {
            return Err(Stop::Chain);
        }
        if method_known && !base.is_nil() && !has_methods(&Type::of(&base)) {
            return Err(run("reflect: Method index out of range").into());
        }
        let property = self.value(property)?;
        Ok(fetch(&base, &property, &mut self.meter)?)
    }

    #[inline(never)]
    pub(super) fn slice(&mut self, base: &Node, from: Option<&Node>, to: Option<&Node>) -> Flow<Value> {
        let base = self.value(base)?;
        let to = match to {
            Some(to) => self.value(to)?,
            None => Value::Int(length(&base)?),
        };
        let from = match from {
            Some(from) => self.value(from)?,
            None => Value::Int(0),
        };
        let (length, from_index, to_index) = match &base {
            Value::String(_) | Value::Array(_) => (length(&base)?, to_int(&from)?, to_int(&to)?),
            _ => return Err(run(format!("cannot slice {}", from.brief())).into()),
        };
        let within = |index: i64| {
            if index < 0 {
                index.saturating_add(length).max(0)
            } else {
                index
            }
        };
        let to = within(to_index).min(length);
        let from = within(from_index).min(to);
        let (from, to) = (
            usize::try_from(from).unwrap_or_default(),
            usize::try_from(to).unwrap_or_default(),
        );
        Ok(match &base {
            Value::String(text) => {
                self.meter.room_for_text(to - from)?;
                Value::String(cut(text, from, to).into())
            }
            Value::Array(array) => {
                self.meter.room_for(to - from)?;
                let items = array.items().get(from..to).unwrap_or_default();
                // Go cannot slice an array in place, and makes it one of its own type; nobody can tell the difference.
                Value::Array(Array::new(array.kind(), items))
            }
            other => other.clone(),
        })
    }
}

fn has_methods(ty: &Type) -> bool {
    matches!(ty, Type::Time | Type::Duration | Type::Location)
}

/// A part of a text by bytes.
fn cut(text: &str, from: usize, to: usize) -> String {
    match text.get(from..to) {
        Some(part) => part.to_owned(),
        None => lossy(text.as_bytes().get(from..to).unwrap_or_default()),
    }
}

/// Bytes as text. Where they are none, there is one replacement character for each byte: Go keeps such bytes, and shows
/// them like that.
pub(in crate::condition) fn lossy(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    loop {
        match std::str::from_utf8(bytes) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => {
                let (valid, broken) = bytes.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                text.push(char::REPLACEMENT_CHARACTER);
                bytes = broken.get(1..).unwrap_or_default();
            }
        }
    }
}

/// Bytes of a text, elements of everything else.
fn length(value: &Value) -> Result<i64> {
    let length = match value {
        Value::String(text) => text.len(),
        Value::Array(array) => array.items().len(),
        Value::Map(map) => map.entries().len(),
        other => return Err(run(format!("invalid argument for len (type {})", other.type_name()))),
    };
    Ok(i64::try_from(length).unwrap_or(i64::MAX))
}

/// `base.property` or `base[property]`: a method, a value of a map, an element of an array or a byte of a text. What a
/// map does not have is nil; what an array does not have is an error.
pub(in crate::condition) fn fetch(base: &Value, property: &Value, meter: &mut Meter) -> Result<Value> {
    if let Value::String(name) = property
        && let Some(method) = gotime::method_of(base, name)
    {
        return Ok(Value::Function(Function::method(base.clone(), method)));
    }
    match base {
        Value::String(text) => {
            let index = position(property, text.len())?;
            Ok(Value::Integer(
                IntKind::Uint8,
                text.as_bytes().get(index).copied().unwrap_or_default().into(),
            ))
        }
        Value::Array(array) => {
            let index = position(property, array.items().len())?;
            Ok(array.items().get(index).cloned().unwrap_or(Value::Nil))
        }
        Value::Map(map) => {
            let found = map.entries().get(&key_of(map, property, meter)?);
            Ok(match (found, map.kind()) {
                (Some(value), _) => value.clone(),
                (None, MapKind::AnyToArray) => Value::Array(Array::absent(ArrayKind::Any)),
                (None, _) => Value::Nil,
            })
        }
        Value::Time(_) if !matches!(property, Value::String(_)) => {
            Err(crate::condition::builtins::unexpected_type(property, "string"))
        }
        other => Err(run(format!(
            "cannot fetch {} from {}",
            property.brief(),
            other.type_name()
        ))),
    }
}

/// The place that an index means, counted from the end if it is negative.
fn position(index: &Value, length: usize) -> Result<usize> {
    let index = to_int(index)?;
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let from_start = if index < 0 { index.wrapping_add(length) } else { index };
    if !(0..length).contains(&from_start) {
        return Err(run(format!(
            "index out of range: {from_start} (array length is {length})"
        )));
    }
    Ok(usize::try_from(from_start).unwrap_or_default())
}
