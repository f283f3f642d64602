//! What Go's `%v` prints.

use std::fmt::{self, Formatter, Write};

use super::{Array, IntKind, Map, Value};
use crate::condition::{gotime, number::format_float};

/// Text up to a length.
pub(super) struct Bounded {
    text: String,
    limit: usize,
}

impl Bounded {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            limit,
        }
    }

    pub(super) fn into_inner(self) -> String {
        self.text
    }
}

impl Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = self.limit - self.text.len();
        if part.len() > room {
            self.text.extend(part.get(..part.floor_char_boundary(room)));
            self.limit = self.text.len();
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

pub(super) fn print(value: &Value, f: &mut Formatter<'_>) -> fmt::Result {
    match value {
        Value::Nil => f.write_str("<nil>"),
        Value::Bool(value) => write!(f, "{value}"),
        Value::Integer(IntKind::Month, value) => f.write_str(&gotime::month_name(*value)),
        Value::Integer(IntKind::Weekday, value) => f.write_str(&gotime::weekday_name(*value)),
        Value::Int(value) | Value::Integer(_, value) => write!(f, "{value}"),
        Value::Float(value) => f.write_str(&format_float(*value)),
        Value::String(text) => f.write_str(text),
        Value::Array(array) => print_array(array, f),
        Value::Map(map) => print_map(map, f),
        Value::Time(time) => write!(f, "{time}"),
        Value::Duration(nanos) => f.write_str(&gotime::format_duration(*nanos)),
        Value::Location(zone) => f.write_str(zone.name()),
        // Go prints an address; any text will do.
        Value::Function(_) => f.write_str("0x0"),
    }
}

fn print_array(array: &Array, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("[")?;
    for (index, item) in array.items().iter().enumerate() {
        if index > 0 {
            f.write_str(" ")?;
        }
        print(item, f)?;
    }
    f.write_str("]")
}

fn print_map(map: &Map, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("map[")?;
    for (index, (key, value)) in map.entries().iter().enumerate() {
        if index > 0 {
            f.write_str(" ")?;
        }
        print(&key.clone().into(), f)?;
        f.write_str(":")?;
        print(value, f)?;
    }
    f.write_str("]")
}
