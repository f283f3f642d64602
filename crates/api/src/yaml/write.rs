//! Writing YAML that Go, and this module, read back as what was written. `serde_yaml`'s own writer leaves `yes` and `0x_1`
//! without quotes, since YAML 1.2 has texts there.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value as Json;

use super::{node::Value, outline::Tag, scalar::resolve};

/// `value` as block-style YAML with a line break at its end, in the way of `kubectl`: lists are not indented below their
/// key, texts of several lines are literal blocks. Fails for what JSON cannot express.
pub fn to_string(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let value = serde_json::to_value(value)?;
    let mut text = String::new();
    match &value {
        Json::Object(fields) if !fields.is_empty() => mapping(&mut text, fields, 0, true),
        Json::Array(items) if !items.is_empty() => sequence(&mut text, items, 0, true),
        leaf => scalar(&mut text, leaf, 0),
    }
    Ok(text)
}

/// `inline`: the first key stands where the text ends now, as after a dash.
fn mapping(text: &mut String, fields: &serde_json::Map<String, Json>, indent: usize, inline: bool) {
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 || !inline {
            spaces(text, indent);
        }
        text.push_str(&one_line(key));
        text.push(':');
        match value {
            Json::Object(fields) if !fields.is_empty() => {
                text.push('\n');
                mapping(text, fields, indent + 2, false);
            }
            Json::Array(items) if !items.is_empty() => {
                text.push('\n');
                sequence(text, items, indent, false);
            }
            leaf => {
                text.push(' ');
                scalar(text, leaf, indent + 2);
            }
        }
    }
}

fn sequence(text: &mut String, items: &[Json], indent: usize, inline: bool) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || !inline {
            spaces(text, indent);
        }
        text.push_str("- ");
        match item {
            Json::Object(fields) if !fields.is_empty() => mapping(text, fields, indent + 2, true),
            Json::Array(items) if !items.is_empty() => sequence(text, items, indent + 2, true),
            leaf => scalar(text, leaf, indent + 2),
        }
    }
}

/// A value without parts, and the line break after it. `indent` is that of lines below, should there be any.
fn scalar(text: &mut String, value: &Json, indent: usize) {
    match value {
        Json::String(value) if is_block(value) => block(text, value, indent),
        Json::String(value) => text.push_str(&one_line(value)),
        Json::Object(_) => text.push_str("{}"),
        Json::Array(_) => text.push_str("[]"),
        Json::Null | Json::Bool(_) | Json::Number(_) => text.push_str(&value.to_string()),
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
}

/// Whether a text can be a literal block as it is: several lines, none of which has anything that would be lost.
fn is_block(text: &str) -> bool {
    let body = text.trim_end_matches('\n');
    body.contains('\n')
        && text.len() - body.len() <= 1
        && body.lines().all(|line| !line.ends_with([' ', '\t']))
        && !body.starts_with([' ', '\t', '\n'])
        && body.chars().all(|c| c == '\n' || is_plain_char(c))
}

fn block(text: &mut String, value: &str, indent: usize) {
    text.push_str(if value.ends_with('\n') { "|\n" } else { "|-\n" });
    // At the top a block needs an indentation, too.
    let indent = indent.max(2);
    for line in value.lines() {
        if !line.is_empty() {
            spaces(text, indent);
            text.push_str(line);
        }
        text.push('\n');
    }
}

fn is_plain_char(c: char) -> bool {
    matches!(c, ' '..='~') || (c.is_alphanumeric() && c > '\u{a0}')
}

/// A text on one line: plain where every reader takes it for a text, else in double quotes.
fn one_line(text: &str) -> String {
    let safe_start = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '$' | '(' | '<' | '^');
    let safe = |c: char| is_plain_char(c) && !matches!(c, '#' | '{' | '}' | '[' | ']' | ',' | '"' | '\'' | '`');
    let is_plain = text.starts_with(safe_start)
        && text.chars().all(safe)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && text != "<<"
        && !is_timestamp(text)
        && resolve(Tag::None, true, text) == Ok(Value::String(text.to_owned()));
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// Go reads times as texts, too, but other readers do not.
fn is_timestamp(text: &str) -> bool {
    let start = text.as_bytes().first_chunk::<5>();
    start.is_some_and(|[year @ .., dash]| *dash == b'-' && year.iter().all(u8::is_ascii_digit))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if is_plain_char(c) => quoted.push(c),
            // Writing to a String cannot fail.
            c if u32::from(c) <= 0xffff => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            c => drop(write!(quoted, "\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

fn spaces(text: &mut String, count: usize) {
    text.extend(std::iter::repeat_n(' ', count));
}
