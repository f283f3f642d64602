//! Builtins on bits.

use super::{Builtin, Call};
use crate::condition::{
    error::{Result, run},
    value::{IntKind, Value},
};

pub(super) fn call(function: Builtin, call: &mut Call<'_>) -> Result<Value> {
    let name = function.name();
    let x = int(call.value(0), name)?;
    if function == Builtin::BitNot {
        return Ok(Value::Int(!x));
    }
    let y = int(call.value(1), name)?;
    Ok(Value::Int(match function {
        Builtin::BitAnd => x & y,
        Builtin::BitOr => x | y,
        Builtin::BitXor => x ^ y,
        Builtin::BitNand => x & !y,
        Builtin::BitShl => shift(y)?.and_then(|by| x.checked_shl(by)).unwrap_or(0),
        Builtin::BitShr => shift(y)?.and_then(|by| x.checked_shr(by)).unwrap_or(x >> 63),
        _ => shift(y)?
            .and_then(|by| x.cast_unsigned().checked_shr(by))
            .unwrap_or(0)
            .cast_signed(),
    }))
}

fn int(value: &Value, name: &str) -> Result<i64> {
    match value {
        Value::Int(value) | Value::Integer(IntKind::Int64 | IntKind::Uint8, value) => Ok(*value),
        other => {
            let type_name = other.type_name();
            Err(run(format!(
                "cannot use {type_name} as argument (type int) to call {name}"
            )))
        }
    }
}

/// By how much to shift; nothing if that is beyond every bit.
fn shift(count: i64) -> Result<Option<u32>> {
    if count < 0 {
        return Err(run(format!(
            "invalid operation: negative shift count {count} (type int)"
        )));
    }
    Ok(u32::try_from(count).ok())
}
