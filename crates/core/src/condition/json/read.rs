//! Values out of JSON, with Go's errors.

use std::collections::BTreeMap;

use crate::condition::{
    error::{Budget, EvalError, Result, run},
    limits::Limits,
    number::parse_float,
    quote::quote,
    value::{Array, ArrayKind, Key, Map, MapKind, Value},
};

/// The value of a JSON text: every number is a float, and of a key that comes twice the last value counts.
pub(in crate::condition) fn read(text: &str) -> Result<Value> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        number: None,
    };
    let value = reader.value()?;
    reader.space();
    match reader.peek() {
        Some(c) => Err(unexpected(c, "after top-level value")),
        None => match reader.number {
            // Found only when all else is right.
            Some(error) => Err(error),
            None => Ok(value),
        },
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The first number that does not fit.
    number: Option<EvalError>,
}

fn unexpected(byte: u8, place: &str) -> EvalError {
    let c = char::from(byte);
    let shown = match c {
        '\'' => r"'\''".to_owned(),
        '"' => r#"'"'"#.to_owned(),
        c => {
            let quoted = quote(c.encode_utf8(&mut [0; 4]));
            format!("'{}'", quoted.trim_matches('"'))
        }
    };
    run(format!("invalid character {shown} {place}"))
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8> {
        let byte = self.peek().ok_or_else(|| run("unexpected end of JSON input"))?;
        self.at += 1;
        Ok(byte)
    }

    /// The next byte where there must be one: the end counts as a space there.
    fn inner(&mut self) -> u8 {
        self.next().unwrap_or(b' ')
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Value> {
        self.space();
        match self.next()? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => Ok(self.string()?.into()),
            b't' => self.literal("true", Value::Bool(true)),
            b'f' => self.literal("false", Value::Bool(false)),
            b'n' => self.literal("null", Value::Nil),
            first @ (b'-' | b'0'..=b'9') => self.number(first),
            other => Err(unexpected(other, "looking for beginning of value")),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Value>) -> Result<Value> {
        self.depth += 1;
        if self.depth > Limits::DEFAULT.value_depth {
            return Err(Budget::ValueDepth(Limits::DEFAULT.value_depth).into());
        }
        let value = inner(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value> {
        let mut entries = BTreeMap::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(Map::new(MapKind::StringToAny, entries)));
        }
        loop {
            self.space();
            match self.next()? {
                b'"' => {}
                other => return Err(unexpected(other, "looking for beginning of object key string")),
            }
            let key = Key::String(self.string()?.into());
            self.space();
            match self.next()? {
                b':' => {}
                other => return Err(unexpected(other, "after object key")),
            }
            entries.insert(key, self.value()?);
            self.space();
            match self.next()? {
                b',' => {}
                b'}' => return Ok(Value::Map(Map::new(MapKind::StringToAny, entries))),
                other => return Err(unexpected(other, "after object key:value pair")),
            }
        }
    }

    fn array(&mut self) -> Result<Value> {
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(Array::new(ArrayKind::Any, items)));
        }
        loop {
            items.push(self.value()?);
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Ok(Value::Array(Array::new(ArrayKind::Any, items))),
                other => return Err(unexpected(other, "after array element")),
            }
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value> {
        for expected in word.bytes().skip(1) {
            let byte = self.inner();
            if byte != expected {
                let place = format!("in literal {word} (expecting '{}')", char::from(expected));
                return Err(unexpected(byte, &place));
            }
        }
        Ok(value)
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn digit(&mut self, place: &str) -> Result<u8> {
        match self.inner() {
            byte if byte.is_ascii_digit() => Ok(byte),
            other => Err(unexpected(other, place)),
        }
    }

    fn number(&mut self, first: u8) -> Result<Value> {
        let start = self.at - 1;
        let whole = if first == b'-' {
            self.digit("in numeric literal")?
        } else {
            first
        };
        if whole != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digit("after decimal point in numeric literal")?;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit("in exponent of numeric literal")?;
            self.digits();
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        Ok(Value::Float(parse_float(text).unwrap_or_else(|_| {
            self.number.get_or_insert_with(|| {
                run(format!(
                    "json: cannot unmarshal number {text} into Go value of type float64"
                ))
            });
            0.0
        })))
    }

    /// The text up to the closing quote.
    fn string(&mut self) -> Result<String> {
        let mut text = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            text.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.next()? {
                b'"' => return Ok(text),
                b'\\' => text.push(self.escape()?),
                other => return Err(unexpected(other, "in string literal")),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        Ok(match self.inner() {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            byte @ (b'\\' | b'/' | b'"') => char::from(byte),
            b'u' => return self.unicode_escape(),
            other => return Err(unexpected(other, "in string escape code")),
        })
    }

    /// Half of a pair without the other one becomes the replacement character.
    fn unicode_escape(&mut self) -> Result<char> {
        let high = self.hex()?;
        if (0xD800..0xDC00).contains(&high) && self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u")) {
            let start = self.at;
            self.at += 2;
            let low = self.hex()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = start;
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let byte = self.inner();
            let digit = char::from(byte).to_digit(16);
            code = code * 16 + digit.ok_or_else(|| unexpected(byte, "in \\u hexadecimal character escape"))?;
        }
        Ok(code)
    }
}
