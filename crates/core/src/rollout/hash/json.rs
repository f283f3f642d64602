//! Go's JSON encoding of a value, by its type.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use super::{
    fields::{self, Field, Type},
    quantity,
};

/// The bytes that Go would write of what it had read from `value`.
pub(super) fn encode(name: &'static str, value: Option<&Value>) -> Vec<u8> {
    let mut out = Vec::new();
    put(&Type::parse(name), value, &mut out);
    out
}

/// What is absent, or null, is as it began.
fn put(of: &Type, value: Option<&Value>, out: &mut Vec<u8>) {
    let value = value.filter(|value| !value.is_null());
    match of {
        Type::Pointer(of) => match value {
            Some(value) => put(of, Some(value), out),
            None => out.extend(b"null"),
        },
        Type::Text => text(value.and_then(Value::as_str).unwrap_or_default(), out),
        Type::Int => out.extend(integer(value).to_string().bytes()),
        Type::Bool => {
            let set = value.and_then(Value::as_bool).unwrap_or_default();
            out.extend(if set { &b"true"[..] } else { b"false" });
        }
        Type::Raw => raw(value.unwrap_or(&Value::Null), out),
        Type::Time => match time(value) {
            Some(time) => text(&time.to_string(), out),
            None => out.extend(b"null"),
        },
        Type::Quantity => text(&amount(value), out),
        Type::IntOrText => match value {
            Some(Value::String(given)) => text(given, out),
            value => out.extend(integer(value).to_string().bytes()),
        },
        Type::List(of) => match value.and_then(Value::as_array) {
            Some(items) => list(items.iter(), out, |item, out| put(of, Some(item), out)),
            None => out.extend(b"null"),
        },
        Type::Map(of) => match value.and_then(Value::as_object) {
            Some(entries) => object(sorted(entries), out, |value, out| put(of, Some(value), out)),
            None => out.extend(b"null"),
        },
        Type::Struct(name) => {
            let given = value.and_then(Value::as_object);
            let fields = fields::of(name).iter().filter_map(|field| {
                let value = given.and_then(|given| given.get(field.name));
                (!is_left_out(field, value)).then_some((field.name, (field, value)))
            });
            object(fields, out, |(field, value), out| put(&field.of, value, out));
        }
    }
}

fn is_left_out(field: &Field, value: Option<&Value>) -> bool {
    let value = value.filter(|value| !value.is_null());
    let empty = match &field.of {
        Type::Pointer(_) | Type::Raw => value.is_none(),
        Type::Text => value.and_then(Value::as_str).is_none_or(str::is_empty),
        Type::Int => integer(value) == 0,
        Type::Bool => value.and_then(Value::as_bool) != Some(true),
        Type::List(_) => value.and_then(Value::as_array).is_none_or(Vec::is_empty),
        Type::Map(_) => value.and_then(Value::as_object).is_none_or(Map::is_empty),
        Type::Time | Type::Quantity | Type::IntOrText | Type::Struct(_) => false,
    };
    let zero = matches!(field.of, Type::Time) && time(value).is_none();
    (field.omit_empty && empty) || (field.omit_zero && zero)
}

fn integer(value: Option<&Value>) -> i64 {
    value.and_then(Value::as_i64).unwrap_or_default()
}

fn time(value: Option<&Value>) -> Option<Timestamp> {
    let time: Timestamp = value?.as_str()?.parse().ok()?;
    Timestamp::from_second(time.as_second() - i64::from(time.subsec_nanosecond() < 0)).ok()
}

fn amount(value: Option<&Value>) -> String {
    let given = match value {
        None => return "0".to_owned(),
        Some(Value::String(given)) => given.clone(),
        Some(Value::Number(given)) => number(given),
        Some(_) => return String::new(),
    };
    quantity::canonical(given.trim()).unwrap_or(given)
}

/// JSON that was read without a type, and is written so.
fn raw(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(given) => text(given, out),
        Value::Number(given) => out.extend(number(given).bytes()),
        Value::Array(items) => list(items.iter(), out, raw),
        Value::Object(entries) => object(sorted(entries), out, raw),
        Value::Null | Value::Bool(_) => out.extend(value.to_string().bytes()),
    }
}

fn sorted(entries: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let sorted: BTreeMap<&str, &Value> = entries.iter().map(|(name, value)| (name.as_str(), value)).collect();
    sorted.into_iter()
}

fn list<T>(items: impl Iterator<Item = T>, out: &mut Vec<u8>, mut put: impl FnMut(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put(item, out);
    }
    out.push(b']');
}

fn object<'a, T>(entries: impl Iterator<Item = (&'a str, T)>, out: &mut Vec<u8>, mut put: impl FnMut(T, &mut Vec<u8>)) {
    out.push(b'{');
    for (at, (name, value)) in entries.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text(name, out);
        out.push(b':');
        put(value, out);
    }
    out.push(b'}');
}

/// As Go writes numbers: with an exponent when they are very small or very large.
fn number(number: &Number) -> String {
    let (false, false, Some(float)) = (number.is_i64(), number.is_u64(), number.as_f64()) else {
        return number.to_string();
    };
    let size = float.abs();
    if size == 0.0 {
        return if float.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    if (1e-6..1e21).contains(&size) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
        _ => text,
    }
}

/// A text between quotes, with what HTML would take for its own written otherwise.
fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut buffer = [0; 4];
    for c in text.chars() {
        match c {
            '"' => out.extend(b"\\\""),
            '\\' => out.extend(b"\\\\"),
            '\n' => out.extend(b"\\n"),
            '\r' => out.extend(b"\\r"),
            '\t' => out.extend(b"\\t"),
            '\u{8}' => out.extend(b"\\b"),
            '\u{c}' => out.extend(b"\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..'\u{20}' => {
                out.extend(format!("\\u{:04x}", u32::from(c)).bytes());
            }
            c => out.extend(c.encode_utf8(&mut buffer).bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_go_writes_it() {
        for (value, written) in [
            (json!({"b": 1, "a": [true, null]}), r#"{"a":[true,null],"b":1}"#),
            (
                json!("<a href=\"\\\">&\u{2028}\u{1}\u{8}\n"),
                r#""\u003ca href=\"\\\"\u003e\u0026\u2028\u0001\b\n""#,
            ),
            (json!(1.0), "1"),
            (json!(1.5), "1.5"),
            (json!(1e20), "100000000000000000000"),
            (json!(1.5e21), "1.5e+21"),
            (json!(1e-7), "1e-7"),
            (json!(0.000_001), "0.000001"),
            (json!(-0.0), "-0"),
            (json!(u64::MAX), "18446744073709551615"),
        ] {
            let mut out = Vec::new();
            raw(&value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }

    #[test]
    fn what_is_absent_is_as_it_began() {
        let written = String::from_utf8(encode("PodTemplateSpec", None)).unwrap();
        assert_eq!(written, r#"{"metadata":{},"spec":{"containers":null}}"#);
        assert_eq!(encode("[]CanaryStep", None), b"null");
    }
}
