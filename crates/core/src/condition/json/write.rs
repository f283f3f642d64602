//! Values as JSON.

use std::fmt::Write as _;

use crate::condition::{
    error::{Budget, Result, run},
    gotime,
    number::format_json_float,
    value::{Array, ArrayKind, Key, Map, MapKind, Value},
};

/// The value as JSON, indented by two spaces, of at most `limit` bytes.
pub(in crate::condition) fn write(value: &Value, limit: usize) -> Result<String> {
    let mut writer = Writer {
        text: String::new(),
        limit,
        indent: 0,
    };
    writer.value(value)?;
    Ok(writer.text)
}

struct Writer {
    text: String,
    limit: usize,
    indent: usize,
}

impl Writer {
    fn push(&mut self, text: &str) -> Result<()> {
        if self.text.len() + text.len() > self.limit {
            return Err(Budget::Memory.into());
        }
        self.text.push_str(text);
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Nil => self.push("null"),
            Value::Bool(value) => self.push(if *value { "true" } else { "false" }),
            Value::Int(value) | Value::Integer(_, value) | Value::Duration(value) => self.push(&value.to_string()),
            Value::Float(value) if value.is_finite() => self.push(&format_json_float(*value)),
            Value::Float(_) => Err(run(format!("json: unsupported value: {}", value.brief()))),
            Value::String(text) => self.string(text),
            Value::Array(array) => self.array(array),
            Value::Map(map) => self.map(map),
            Value::Time(time) => self.string(&gotime::rfc3339(time)),
            Value::Location(_) => self.push("{}"),
            Value::Function(_) => Err(run(format!("json: unsupported type: {}", value.type_name()))),
        }
    }

    /// Between quotes, with what is special to HTML escaped too.
    fn string(&mut self, text: &str) -> Result<()> {
        let mut quoted = String::with_capacity(text.len() + 2);
        quoted.push('"');
        for c in text.chars() {
            match c {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                '\u{8}' => quoted.push_str("\\b"),
                '\u{c}' => quoted.push_str("\\f"),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                    // Writing into a String cannot fail.
                    let _ = write!(quoted, "\\u{:04x}", u32::from(c));
                }
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        self.push(&quoted)
    }

    fn array(&mut self, array: &Array) -> Result<()> {
        if array.is_absent() {
            return self.push("null");
        }
        if array.kind() == ArrayKind::Uint8 {
            return self.bytes(array);
        }
        if array.items().is_empty() {
            return self.push("[]");
        }
        self.push("[")?;
        self.indent += 1;
        for (index, item) in array.items().iter().enumerate() {
            self.line(index > 0)?;
            self.value(item)?;
        }
        self.indent -= 1;
        self.line(false)?;
        self.push("]")
    }

    fn bytes(&mut self, array: &Array) -> Result<()> {
        use base64::Engine as _;
        let byte = |item: &Value| match item {
            Value::Integer(_, byte) => u8::try_from(*byte).ok(),
            _ => None,
        };
        let bytes: Vec<u8> = array.items().iter().filter_map(byte).collect();
        self.string(&base64::engine::general_purpose::STANDARD.encode(bytes))
    }

    fn map(&mut self, map: &Map) -> Result<()> {
        if map.kind() != MapKind::StringToAny {
            return Err(run(format!("json: unsupported type: {}", map.kind().go_name())));
        }
        if map.entries().is_empty() {
            return self.push("{}");
        }
        self.push("{")?;
        self.indent += 1;
        for (index, (key, value)) in map.entries().iter().enumerate() {
            self.line(index > 0)?;
            if let Key::String(name) = key {
                self.string(name)?;
            }
            self.push(": ")?;
            self.value(value)?;
        }
        self.indent -= 1;
        self.line(false)?;
        self.push("}")
    }

    fn line(&mut self, comma: bool) -> Result<()> {
        self.push(if comma { ",\n" } else { "\n" })?;
        self.push(&"  ".repeat(self.indent))
    }
}
