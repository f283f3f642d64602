//! Builtins on times.

use super::{Call, as_text};
use crate::condition::{
    error::{Result, run},
    gotime::{self, Time, Zone},
    value::Value,
};

pub(super) fn now(call: &mut Call<'_>) -> Result<Value> {
    let now = Time::new(call.environment.now(), Zone::utc());
    match call.value(0) {
        Value::Location(zone) => Ok(Value::Time(now.in_zone(zone.clone()))),
        _ if call.arguments.is_empty() => Ok(Value::Time(now)),
        _ => Err(run(format!(
            "invalid number of arguments (expected 0, got {})",
            call.arguments.len()
        ))),
    }
}

pub(super) fn duration(call: &mut Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    call.meter.look_at(text.len())?;
    gotime::parse_duration(text).map(Value::Duration).map_err(run)
}

pub(super) fn timezone(call: &mut Call<'_>) -> Result<Value> {
    Zone::named(call.text(0)?).map(Value::Location).map_err(run)
}

/// The layouts that are tried where none is given.
const LAYOUTS: [&str; 7] = [
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
];

pub(super) fn date(call: &mut Call<'_>) -> Result<Value> {
    let (zone, rest) = match call.arguments {
        [Value::Location(zone), rest @ ..] => (Some(zone.clone()), rest),
        all => (None, all),
    };
    let Some(text) = rest.first() else {
        return Err(run("runtime error: index out of range [0] with length 0"));
    };
    let text = as_text(text)?;
    call.meter.steps(text.len())?;
    let (layout, zone) = match rest {
        [_, layout] => (as_text(layout)?, zone),
        [_, layout, zone] => (as_text(layout)?, Some(Zone::named(as_text(zone)?).map_err(run)?)),
        _ => {
            let parsed = LAYOUTS
                .iter()
                .find_map(|layout| gotime::parse(layout, text, zone.as_ref()).ok());
            return parsed
                .map(Value::Time)
                .ok_or_else(|| run(format!("invalid date {}", Value::String(text.clone()).brief())));
        }
    };
    call.meter.steps(layout.len())?;
    gotime::parse(layout, text, zone.as_ref()).map(Value::Time).map_err(run)
}
