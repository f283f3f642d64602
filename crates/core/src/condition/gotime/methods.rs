//! Methods of times, durations, months, weekdays and time zones.

use super::{Result, Time, format, format_duration, month_name, out_of_range, weekday_name};
use crate::condition::{
    number::float,
    types::{Signature, Type},
    value::{IntKind, Value},
};

/// A method of a type.
#[derive(Debug)]
pub(in crate::condition) struct Method {
    receiver: Type,
    name: &'static str,
    /// As the checker sees it: the receiver is the first parameter of the printed type.
    pub(in crate::condition) signature: Signature,
    /// As a value: bound to its receiver.
    pub(in crate::condition) bound: Signature,
    /// Whether a call that the checker knows of is made without reflection, which has other words for a wrong argument.
    pub(in crate::condition) direct: bool,
    /// Called with arguments of the right number and types.
    pub(in crate::condition) call: fn(&Value, &[Value]) -> Result<Value>,
}

impl Type {
    /// The method of that name.
    pub(in crate::condition) fn method(&self, name: &str) -> Option<&'static Method> {
        if !matches!(self, Self::Time | Self::Duration | Self::Integer(_) | Self::Location) {
            return None;
        }
        METHODS
            .iter()
            .find(|method| method.name == name && method.receiver == *self)
    }
}

/// The method of a value.
pub(in crate::condition) fn method_of(value: &Value, name: &str) -> Option<&'static Method> {
    Type::of(value).method(name)
}

macro_rules! method {
    ($receiver:expr, $of:literal, $name:literal, [], $output:literal $returns:expr, $outputs:literal, $call:expr) => {
        method!(@ $receiver, concat!("func(", $of, ") ", $output), concat!("func() ", $output), $name, &[], $returns,
            $outputs, $call)
    };
    ($receiver:expr, $of:literal, $name:literal, [$parameters:literal $types:expr], $output:literal $returns:expr,
        $outputs:literal, $call:expr) => {
        method!(@ $receiver, concat!("func(", $of, ", ", $parameters, ") ", $output),
            concat!("func(", $parameters, ") ", $output), $name, &$types, $returns, $outputs, $call)
    };
    (@ $receiver:expr, $text:expr, $bound:expr, $name:literal, $parameters:expr, $returns:expr, $outputs:literal,
        $call:expr) => {
        Method {
            receiver: $receiver,
            name: $name,
            signature: Signature { text: $text, parameters: $parameters, returns: $returns, outputs: $outputs },
            bound: Signature { text: $bound, parameters: $parameters, returns: $returns, outputs: $outputs },
            direct: !matches!($name.as_bytes(), b"In" | b"AddDate" | b"Compare"),
            call: $call,
        }
    };
}

macro_rules! of_time {
    ($name:literal, $parameters:tt, $output:literal $returns:expr, $call:expr) => {
        of_time!($name, $parameters, $output $returns, 1, $call)
    };
    ($name:literal, $parameters:tt, $output:literal $returns:expr, $outputs:literal, $call:expr) => {
        method!(Type::Time, "time.Time", $name, $parameters, $output $returns, $outputs, |value, arguments| {
            let call: fn(&Time, &[Value]) -> Result<Value> = $call;
            call(time(value)?, arguments)
        })
    };
}

macro_rules! of_duration {
    ($name:literal, $parameters:tt, $output:literal $returns:expr, $call:expr) => {
        method!(Type::Duration, "time.Duration", $name, $parameters, $output $returns, 1, |value, arguments| {
            let call: fn(i64, i64) -> Value = $call;
            Ok(call(nanos(Some(value)), nanos(arguments.first())))
        })
    };
}

const DURATION: [Type; 1] = [Type::Duration];
const TIME: [Type; 1] = [Type::Time];
const MONTH: Type = Type::Integer(IntKind::Month);
const WEEKDAY: Type = Type::Integer(IntKind::Weekday);

static METHODS: &[Method] = &[
    of_time!("Year", [], "int" Type::Int, |t, _| int(t.civil().year())),
    of_time!("Month", [], "time.Month" MONTH, |t, _| Ok(Value::Integer(IntKind::Month, t.civil().month().into()))),
    of_time!("Day", [], "int" Type::Int, |t, _| int(t.civil().day())),
    of_time!("Hour", [], "int" Type::Int, |t, _| int(t.civil().hour())),
    of_time!("Minute", [], "int" Type::Int, |t, _| int(t.civil().minute())),
    of_time!("Second", [], "int" Type::Int, |t, _| int(t.civil().second())),
    of_time!("Nanosecond", [], "int" Type::Int, |t, _| int(t.civil().subsec_nanosecond())),
    of_time!("YearDay", [], "int" Type::Int, |t, _| int(t.civil().day_of_year())),
    of_time!("Weekday", [], "time.Weekday" WEEKDAY, |t, _| {
        Ok(Value::Integer(IntKind::Weekday, t.civil().weekday().to_sunday_zero_offset().into()))
    }),
    // Of two values the first.
    of_time!("ISOWeek", [], "(int, int)" Type::Int, 2, |t, _| int(t.civil().date().iso_week_date().year())),
    of_time!("Zone", [], "(string, int)" Type::String, 2, |t, _| Ok(t.zone.abbreviation_at(t.timestamp).into())),
    of_time!("Date", [], "(int, time.Month, int)" Type::Int, 3, |t, _| int(t.civil().year())),
    of_time!("Clock", [], "(int, int, int)" Type::Int, 3, |t, _| int(t.civil().hour())),
    of_time!("Unix", [], "int64" Type::INT64, |t, _| Ok(int64(t.timestamp.as_second()))),
    of_time!("UnixMilli", [], "int64" Type::INT64, |t, _| Ok(int64(t.timestamp.as_millisecond()))),
    of_time!("UnixMicro", [], "int64" Type::INT64, |t, _| Ok(int64(t.timestamp.as_microsecond()))),
    of_time!("UnixNano", [], "int64" Type::INT64, |t, _| Ok(int64(unix_nanos(t)))),
    of_time!("IsZero", [], "bool" Type::Bool, |t, _| Ok(Value::Bool(since_zero(t) == 0))),
    of_time!("IsDST", [], "bool" Type::Bool, |t, _| Ok(Value::Bool(t.zone.is_dst_at(t.timestamp)))),
    of_time!("UTC", [], "time.Time" Type::Time, |t, _| Ok(Value::Time(t.in_zone(super::Zone::utc())))),
    of_time!("Local", [], "time.Time" Type::Time, |t, _| Ok(Value::Time(t.in_zone(super::Zone::utc())))),
    of_time!("Location", [], "*time.Location" Type::Location, |t, _| Ok(Value::Location(t.zone.clone()))),
    of_time!("String", [], "string" Type::String, |t, _| Ok(t.to_string().into())),
    of_time!("In", ["*time.Location" [Type::Location]], "time.Time" Type::Time, |t, arguments| match arguments {
        [Value::Location(zone)] => Ok(Value::Time(t.in_zone(zone.clone()))),
        _ => Err(crate::condition::error::run("time: missing Location in call to Time.In")),
    }),
    of_time!("Format", ["string" [Type::String]], "string" Type::String, |t, arguments| match arguments {
        [Value::String(layout)] => Ok(format::format(t, layout).into()),
        _ => Ok("".into()),
    }),
    of_time!("Add", ["time.Duration" DURATION], "time.Time" Type::Time, |t, arguments| {
        t.plus(nanos(arguments.first())).map(Value::Time)
    }),
    of_time!("Round", ["time.Duration" DURATION], "time.Time" Type::Time, |t, arguments| {
        let unit = nanos(arguments.first());
        if unit <= 0 { Ok(Value::Time(t.clone())) } else { t.plus(rounding(since_zero(t), unit)).map(Value::Time) }
    }),
    of_time!("Truncate", ["time.Duration" DURATION], "time.Time" Type::Time, |t, arguments| {
        let unit = nanos(arguments.first());
        if unit <= 0 { Ok(Value::Time(t.clone())) } else { t.plus(-excess(since_zero(t), unit)).map(Value::Time) }
    }),
    of_time!("AddDate", ["int, int, int" [Type::Int, Type::Int, Type::Int]], "time.Time" Type::Time, |t, arguments| {
        match arguments {
            [Value::Int(years), Value::Int(months), Value::Int(days)] => {
                add_date(t, *years, *months, *days).map(Value::Time)
            }
            _ => Ok(Value::Time(t.clone())),
        }
    }),
    of_time!("Sub", ["time.Time" TIME], "time.Duration" Type::Duration, |t, arguments| {
        Ok(Value::Duration(t.since(other(arguments)?)))
    }),
    of_time!("Before", ["time.Time" TIME], "bool" Type::Bool, |t, arguments| {
        Ok(Value::Bool(t.timestamp < other(arguments)?.timestamp))
    }),
    of_time!("After", ["time.Time" TIME], "bool" Type::Bool, |t, arguments| {
        Ok(Value::Bool(t.timestamp > other(arguments)?.timestamp))
    }),
    of_time!("Equal", ["time.Time" TIME], "bool" Type::Bool, |t, arguments| {
        Ok(Value::Bool(t.timestamp == other(arguments)?.timestamp))
    }),
    of_time!("Compare", ["time.Time" TIME], "int" Type::Int, |t, arguments| {
        int(t.timestamp.cmp(&other(arguments)?.timestamp) as i8)
    }),
    of_duration!("Hours", [], "float64" Type::Float, |d, _| Value::Float(in_units(d, 3_600_000_000_000))),
    of_duration!("Minutes", [], "float64" Type::Float, |d, _| Value::Float(in_units(d, 60_000_000_000))),
    of_duration!("Seconds", [], "float64" Type::Float, |d, _| Value::Float(in_units(d, 1_000_000_000))),
    of_duration!("Milliseconds", [], "int64" Type::INT64, |d, _| int64(d / 1_000_000)),
    of_duration!("Microseconds", [], "int64" Type::INT64, |d, _| int64(d / 1_000)),
    of_duration!("Nanoseconds", [], "int64" Type::INT64, |d, _| int64(d)),
    of_duration!("Abs", [], "time.Duration" Type::Duration, |d, _| Value::Duration(d.saturating_abs())),
    of_duration!("String", [], "string" Type::String, |d, _| format_duration(d).into()),
    of_duration!("Round", ["time.Duration" DURATION], "time.Duration" Type::Duration, |d, unit| {
        if unit <= 0 {
            return Value::Duration(d);
        }
        // Half goes away from zero, and what does not fit to the nearest that does.
        let rest = d.unsigned_abs() % unit.unsigned_abs();
        let up = u128::from(rest) * 2 >= u128::from(unit.unsigned_abs());
        let whole = i128::from(d.unsigned_abs() - rest) + if up { i128::from(unit) } else { 0 };
        let signed = if d < 0 { -whole } else { whole };
        Value::Duration(i64::try_from(signed).unwrap_or(if d < 0 { i64::MIN } else { i64::MAX }))
    }),
    of_duration!("Truncate", ["time.Duration" DURATION], "time.Duration" Type::Duration, |d, unit| {
        Value::Duration(if unit <= 0 { d } else { d - d % unit })
    }),
    method!(MONTH, "time.Month", "String", [], "string" Type::String, 1, |value, _| Ok(match value {
        Value::Integer(_, month) => month_name(*month).into(),
        _ => "".into(),
    })),
    method!(WEEKDAY, "time.Weekday", "String", [], "string" Type::String, 1, |value, _| Ok(match value {
        Value::Integer(_, weekday) => weekday_name(*weekday).into(),
        _ => "".into(),
    })),
    method!(Type::Location, "*time.Location", "String", [], "string" Type::String, 1, |value, _| Ok(match value {
        Value::Location(zone) => zone.name().into(),
        _ => "".into(),
    })),
];

fn time(value: &Value) -> Result<&Time> {
    match value {
        Value::Time(time) => Ok(time),
        other => Err(crate::condition::builtins::unexpected_type(other, "time.Time")),
    }
}

fn other(arguments: &[Value]) -> Result<&Time> {
    time(arguments.first().unwrap_or(&Value::Nil))
}

fn nanos(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::Duration(nanos)) => *nanos,
        _ => 0,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "methods give results")]
fn int(value: impl Into<i64>) -> Result<Value> {
    Ok(Value::Int(value.into()))
}

fn int64(value: i64) -> Value {
    Value::Integer(IntKind::Int64, value)
}

/// Whole units and the rest are divided apart, which is visible in the last bit.
fn in_units(nanos: i64, unit: i64) -> f64 {
    float(nanos / unit) + float(nanos % unit) / float(unit)
}

/// Nanoseconds since 1970, cut to what fits.
#[expect(clippy::cast_possible_truncation, reason = "Go's overflows likewise")]
fn unix_nanos(time: &Time) -> i64 {
    time.timestamp.as_nanosecond() as i64
}

/// Nanoseconds since the start of year 1, from where times are rounded.
fn since_zero(time: &Time) -> i128 {
    const SECONDS_TO_1970: i128 = 62_135_596_800;
    time.timestamp.as_nanosecond() + SECONDS_TO_1970 * 1_000_000_000
}

fn excess(nanos: i128, unit: i64) -> i64 {
    i64::try_from(nanos.rem_euclid(unit.into())).unwrap_or_default()
}

fn rounding(nanos: i128, unit: i64) -> i64 {
    let excess = excess(nanos, unit);
    if excess < unit - excess { -excess } else { unit - excess }
}

/// The same time of day on another date; days and months that do not exist run over into the next ones.
fn add_date(time: &Time, years: i64, months: i64, days: i64) -> Result<Time> {
    let civil = time.civil();
    let month = i64::from(civil.month() - 1)
        .checked_add(months)
        .and_then(|month| month.checked_add(years.checked_add(civil.year().into())?.checked_mul(12)?))
        .ok_or_else(out_of_range)?;
    let (year, month) = (
        i16::try_from(month.div_euclid(12)).ok(),
        i8::try_from(month.rem_euclid(12) + 1).ok(),
    );
    let (Some(year), Some(month)) = (year, month) else {
        return Err(out_of_range());
    };
    let days = i64::from(civil.day() - 1).checked_add(days).ok_or_else(out_of_range)?;
    let date = jiff::civil::Date::new(year, month, 1)
        .ok()
        .zip(jiff::Span::new().try_days(days).ok())
        .and_then(|(first, days)| first.checked_add(days).ok())
        .ok_or_else(out_of_range)?;
    time.with_civil(date.to_datetime(civil.time()))
}
