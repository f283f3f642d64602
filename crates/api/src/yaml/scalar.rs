//! What Go's `yaml.v2` reads in a scalar, and how it writes a number that has to become a text.

use std::borrow::Cow;

use super::{node::Value, outline::Tag};

/// The value of a scalar, or why Go refuses it.
pub(super) fn resolve(tag: Tag, implicit: bool, text: &str) -> Result<Value, String> {
    let found = match tag {
        Tag::None if implicit => return Ok(plain(text)),
        Tag::None | Tag::Str | Tag::Merge | Tag::Other => return Ok(Value::String(text.to_owned())),
        Tag::Binary => return binary(text),
        Tag::Bool | Tag::Int | Tag::Float | Tag::Null => plain(text),
    };
    match (tag, found) {
        (Tag::Bool, found @ Value::Bool(_))
        | (Tag::Int, found @ (Value::Int(_) | Value::Unsigned(_)))
        | (Tag::Float, found @ Value::Float(_))
        | (Tag::Null, found @ Value::Null) => Ok(found),
        #[expect(
            clippy::cast_precision_loss,
            reason = "that is what Go does with a number that was tagged as float"
        )]
        (Tag::Float, Value::Int(int)) => Ok(Value::Float(int as f64)),
        (_, found) => Err(format!("{text:?} is {}, not what its tag says", found.what())),
    }
}

fn plain(text: &str) -> Value {
    let Some(first) = text.bytes().next() else {
        return Value::Null;
    };
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        "~" | "null" | "Null" | "NULL" => return Value::Null,
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match first {
        b'.' => float(&without_separators(text)),
        b'+' | b'-' | b'0'..=b'9' => {
            let digits = text.replace('_', "");
            integer(&digits)
                .or_else(|| float(&digits))
                .or_else(|| signed_after_prefix(&digits))
        }
        _ => None,
    };
    number.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// `strconv.ParseInt(text, 0, 64)`, then `strconv.ParseUint(text, 0, 64)`.
fn integer(text: &str) -> Option<Value> {
    let (signed, negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, true, text.get(1..)?),
        b'+' => (true, false, text.get(1..)?),
        _ => (false, false, text),
    };
    let lower = rest.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', _, ..] => (16, lower.get(2..)?),
        [b'0', b'o', _, ..] => (8, lower.get(2..)?),
        [b'0', b'b', _, ..] => (2, lower.get(2..)?),
        [b'0', _, ..] => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Value::Int);
    }
    match i64::try_from(magnitude) {
        Ok(int) => Some(Value::Int(int)),
        Err(_) if signed => None,
        Err(_) => Some(Value::Unsigned(magnitude)),
    }
}

/// Go's float parser takes `_` between two digits, and only there. Whole numbers have lost theirs before.
fn without_separators(text: &str) -> Cow<'_, str> {
    let digit = |index: usize| text.as_bytes().get(index).is_some_and(u8::is_ascii_digit);
    let separates = |index: usize| index > 0 && digit(index - 1) && digit(index + 1);
    if text.contains('_') && text.match_indices('_').all(|(index, _)| separates(index)) {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// Go looks once more at what follows `0b`, and takes a sign there.
fn signed_after_prefix(text: &str) -> Option<Value> {
    let bits = text.strip_prefix("0b")?;
    i64::from_str_radix(bits, 2).ok().map(Value::Int)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, and not beyond the largest float.
fn float(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let shaped = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    let value: f64 = shaped.then(|| text.parse().ok()).flatten()?;
    value.is_finite().then_some(Value::Float(value))
}

/// `!!binary`: the bytes behind the base64, which have to be text to be a JSON string.
fn binary(text: &str) -> Result<Value, String> {
    // Go's decoder skips line breaks, and nothing else.
    let compact: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, compact)
        .map_err(|error| format!("!!binary value is no base64: {error}"))?;
    String::from_utf8(bytes)
        .map(Value::String)
        .map_err(|_| "!!binary value is no text, and JSON has only text".to_owned())
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`, by which the library turns numbers into texts and keys.
pub(super) fn float_text(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the library rounds to 32 bits, too")]
    let value = value as f32;
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // Asked for the shortest form, Go decides as if six digits had been asked for.
    if (-4..6).contains(&exponent) {
        format!("{value}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    }
}
