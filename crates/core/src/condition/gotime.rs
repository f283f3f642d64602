//! Times, durations and time zones as Go has them.

mod duration;
mod format;
mod layout;
mod methods;
mod parse;
mod zone;

use std::fmt;

use jiff::{SignedDuration, Timestamp, civil};

use super::error::{Result, run};

pub(super) use duration::{format_duration, parse_duration};
pub(super) use methods::{Method, method_of};
pub(super) use parse::parse;
pub use zone::Zone;

/// A moment, seen from a time zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    timestamp: Timestamp,
    zone: Zone,
}

impl Time {
    pub(super) fn new(timestamp: Timestamp, zone: Zone) -> Self {
        Self { timestamp, zone }
    }

    /// The moment.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    pub(super) fn in_zone(&self, zone: Zone) -> Self {
        Self {
            timestamp: self.timestamp,
            zone,
        }
    }

    /// What a clock and a calendar in the zone show.
    pub(super) fn civil(&self) -> civil::DateTime {
        self.zone.offset_at(self.timestamp).to_datetime(self.timestamp)
    }

    pub(super) fn plus(&self, nanos: i64) -> Result<Self> {
        let moved = self.timestamp.checked_add(SignedDuration::from_nanos(nanos));
        Ok(Self {
            timestamp: moved.map_err(|_| out_of_range())?,
            zone: self.zone.clone(),
        })
    }

    /// Nanoseconds since another moment, at most as many as a duration holds.
    pub(super) fn since(&self, other: &Self) -> i64 {
        let nanos = self.timestamp.as_nanosecond() - other.timestamp.as_nanosecond();
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    /// The same zone's moment for another date and time of day.
    fn with_civil(&self, civil: civil::DateTime) -> Result<Self> {
        let timestamp = self.zone.timestamp(civil).ok_or_else(out_of_range)?;
        Ok(Self {
            timestamp,
            zone: self.zone.clone(),
        })
    }
}

/// Go's times reach further than the calendar used here, which ends with the years -9999 and 9999.
fn out_of_range() -> super::EvalError {
    run("time out of range")
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format::format(self, "2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// January is 1.
pub(super) fn month_name(month: i64) -> String {
    name(&MONTHS, month.wrapping_sub(1)).unwrap_or_else(|| format!("%!Month({month})"))
}

/// Sunday is 0.
pub(super) fn weekday_name(weekday: i64) -> String {
    name(&WEEKDAYS, weekday).unwrap_or_else(|| format!("%!Weekday({weekday})"))
}

fn name(names: &[&str], index: i64) -> Option<String> {
    usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index))
        .map(|name| (*name).to_owned())
}

/// As RFC 3339 with nanoseconds, which is what JSON has.
pub(super) fn rfc3339(time: &Time) -> String {
    format::format(time, "2006-01-02T15:04:05.999999999Z07:00")
}

/// A text in the quotes of Go's time package, which knows but one escape.
fn quote(text: &str) -> String {
    use fmt::Write as _;
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(byte));
            }
            b' '..=b'~' | 0x7f => quoted.push(char::from(byte)),
            // Writing into a String cannot fail.
            _ => drop(write!(quoted, "\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}
