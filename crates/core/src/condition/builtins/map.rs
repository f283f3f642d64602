//! Builtins on maps. Go's order of keys is a different one each time; here it is that of the keys.

use std::collections::BTreeMap;

use super::Call;
use crate::condition::{
    error::{Result, run},
    interpreter::{fetch, unhashable},
    value::{Array, ArrayKind, Key, Map, MapKind, Value},
};

/// As an index, but nil for what is not there.
pub(super) fn get(call: &mut Call<'_>) -> Result<Value> {
    let (base, property) = (call.value(0), call.value(1));
    match base {
        Value::String(_) | Value::Array(_) => {
            super::to_int(property)?;
            match fetch(base, property, call.meter) {
                Err(crate::condition::EvalError::Run(_)) => Ok(Value::Nil),
                other => other,
            }
        }
        Value::Map(map) => {
            let key = crate::condition::interpreter::key_of(map, property, call.meter)?;
            Ok(map.entries().get(&key).cloned().unwrap_or(Value::Nil))
        }
        _ => match fetch(base, property, call.meter) {
            Ok(method @ Value::Function(_)) => Ok(method),
            _ => Ok(Value::Nil),
        },
    }
}

fn entries<'a>(call: &mut Call<'a>, problem: impl Fn(&str) -> String) -> Result<&'a BTreeMap<Key, Value>> {
    match call.value(0) {
        Value::Map(map) => {
            call.meter.room_for(map.entries().len())?;
            Ok(map.entries())
        }
        other => Err(run(problem(other.kind_name()))),
    }
}

pub(super) fn keys(call: &mut Call<'_>) -> Result<Value> {
    let entries = entries(call, |kind| format!("cannot get keys from {kind}"))?;
    call.meter.array(
        ArrayKind::Any,
        entries.keys().cloned().map(Value::from).collect::<Vec<_>>(),
    )
}

pub(super) fn values(call: &mut Call<'_>) -> Result<Value> {
    let entries = entries(call, |kind| format!("cannot get values from {kind}"))?;
    call.meter
        .array(ArrayKind::Any, entries.values().cloned().collect::<Vec<_>>())
}

pub(super) fn to_pairs(call: &mut Call<'_>) -> Result<Value> {
    let entries = entries(call, |kind| format!("cannot transform {kind} to pairs"))?;
    call.meter.room_for(entries.len().saturating_mul(2))?;
    let pair =
        |(key, value): (&Key, &Value)| Value::Array(Array::new(ArrayKind::Pair, [key.clone().into(), value.clone()]));
    call.meter
        .array(ArrayKind::Pairs, entries.iter().map(pair).collect::<Vec<_>>())
}

pub(super) fn from_pairs(call: &mut Call<'_>) -> Result<Value> {
    let Value::Array(pairs) = call.value(0) else {
        // Go prints what is no text as a mistake in the format.
        let shown = match call.value(0) {
            other @ (Value::Bool(_) | Value::Int(_) | Value::Integer(..) | Value::Float(_)) => {
                format!("%!s({}={other})", other.type_name())
            }
            other => other.brief(),
        };
        return Err(run(format!("cannot transform {shown} from pairs")));
    };
    let mut entries = BTreeMap::new();
    for (nth, pair) in pairs.items().iter().enumerate() {
        call.meter.room_for(1)?;
        let Value::Array(array) = pair else {
            return Err(run(format!("invalid pair {}", pair.brief())));
        };
        let [key, value] = array.items() else {
            return Err(run(format!("invalid pair length {}", pair.brief())));
        };
        if let Value::String(text) = key {
            call.meter.steps(text.len() / 4)?;
        }
        entries.insert(Key::of(key, nth).ok_or_else(|| unhashable(key, false))?, value.clone());
    }
    call.meter.shallow(Value::Map(Map::new(MapKind::AnyToAny, entries)))
}
