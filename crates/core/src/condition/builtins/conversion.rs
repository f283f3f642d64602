//! Builtins that turn values into others.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::Call;
use crate::condition::{
    error::{Budget, Result, run},
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
    // Bits behind the end are not looked at.
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
    );
    let text = call.text(0)?;
    call.meter.room_for_text(text.len())?;
    let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    match LENIENT.decode(&packed) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned().into()),
        Err(error) => {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => packed.len(),
            };
            Err(run(format!("illegal base64 data at input byte {at}")))
        }
    }
}
