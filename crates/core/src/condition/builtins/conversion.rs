//! Builtins that turn values into others.

use base64::Engine as _;

use super::Call;
use crate::condition::{
    error::{Budget, Result, run},
    interpreter::lossy,
    json,
    number::{self, float as as_float, truncate},
    value::{IntKind, Value},
};

pub(super) fn type_of(call: &Call<'_>) -> Value {
    let name = match call.value(0) {
        Value::Nil => "nil",
        Value::Int(_) | Value::Integer(IntKind::Int64, _) => "int",
        Value::Integer(IntKind::Uint8, _) => "uint",
        Value::Float(_) => "float",
        Value::Array(_) => "array",
        Value::Map(_) => "map",
        Value::Function(_) => "func",
        // Builtins look through pointers.
        Value::Location(_) => "time.Location",
        other => other.type_name(),
    };
    name.into()
}

pub(super) fn int(call: &mut Call<'_>) -> Result<Value> {
    match call.value(0) {
        Value::Int(value) | Value::Integer(_, value) | Value::Duration(value) => Ok(Value::Int(*value)),
        Value::Float(value) => Ok(Value::Int(truncate(*value))),
        Value::String(text) => match number::parse_int(text, 10) {
            Ok(value) => Ok(Value::Int(value)),
            Err(_) => Err(run(format!("invalid operation: int({})", call.value(0).brief()))),
        },
        Value::Nil => Err(run("reflect: call of reflect.Value.Type on zero Value")),
        other => Err(run(format!("invalid operation: int({})", other.type_name()))),
    }
}

pub(super) fn float(call: &mut Call<'_>) -> Result<Value> {
    match call.value(0) {
        Value::Int(value) | Value::Integer(IntKind::Int64 | IntKind::Uint8, value) => {
            Ok(Value::Float(as_float(*value)))
        }
        Value::Float(value) => Ok(Value::Float(*value)),
        Value::String(text) => match number::parse_float(text) {
            Ok(value) => Ok(Value::Float(value)),
            Err(_) => Err(run(format!("invalid operation: float({})", call.value(0).brief()))),
        },
        other => Err(run(format!("invalid operation: float({})", other.type_name()))),
    }
}

pub(super) fn string(call: &mut Call<'_>) -> Result<Value> {
    let text = call.value(0).text(call.meter.longest_text()).ok_or(Budget::Memory)?;
    call.meter.room_for_text(text.len())?;
    Ok(text.into())
}

pub(super) fn to_json(call: &mut Call<'_>) -> Result<Value> {
    let text = json::write(call.value(0), call.meter.longest_text())?;
    call.meter.room_for_text(text.len())?;
    Ok(text.into())
}

pub(super) fn from_json(call: &mut Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    // Every element takes two bytes of text at least.
    call.meter.room_for(text.len() / 2 + 1)?;
    call.meter.shallow(json::read(text)?)
}

pub(super) fn to_base64(call: &mut Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    call.meter.room_for_text(text.len().saturating_mul(2))?;
    Ok(base64::engine::general_purpose::STANDARD.encode(text.as_bytes()).into())
}

/// What is not UTF-8 becomes replacement characters.
pub(super) fn from_base64(call: &mut Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    call.meter.room_for_text(text.len())?;
    match decode(text.as_bytes()) {
        Ok(bytes) => Ok(lossy(&bytes).into()),
        Err(at) => Err(run(format!("illegal base64 data at input byte {at}"))),
    }
}

/// Bytes out of base64 with padding. Ends of lines do not count, nor do the bits behind the last byte. The error is the
/// place that Go names, which a library for base64 does not know.
fn decode(text: &[u8]) -> std::result::Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut rest = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    let (mut bits, mut digits) = (0u32, 0usize);
    while let Some((at, byte)) = rest.next() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                let (at, second) = if digits == 2 {
                    rest.next().map(|(at, byte)| (at - 1, byte)).ok_or(text.len())?
                } else {
                    (at, byte)
                };
                if digits < 2 || *second != b'=' {
                    return Err(at);
                }
                let last = (bits << (6 * (4 - digits))).to_be_bytes();
                bytes.extend(last.iter().skip(1).take(digits - 1));
                return rest.next().map_or(Ok(bytes), |(behind, _)| Err(behind));
            }
            _ => return Err(at),
        };
        bits = bits << 6 | u32::from(value);
        digits += 1;
        if digits == 4 {
            bytes.extend(bits.to_be_bytes().iter().skip(1));
            (bits, digits) = (0, 0);
        }
    }
    if digits == 0 {
        Ok(bytes)
    } else {
        Err(text.len() - digits)
    }
}
