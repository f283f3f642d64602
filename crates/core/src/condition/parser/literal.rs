//! Number literals.

use super::{Kind, Result, syntax};
use crate::condition::{
    number::{self, ParseNumberError},
    quote::quote,
};

/// The number that a literal stands for: an int or a float.
pub(super) fn number(text: &str) -> Result<Kind> {
    let text = text.replace('_', "");
    let lower = text.to_lowercase();
    let (what, base) = if lower.starts_with("0x") {
        ("hex", 16)
    } else if lower.contains(['.', 'e']) {
        let value = number::parse_float(&text).map_err(|error| bad("float", "ParseFloat", &text, error))?;
        return Ok(Kind::Float(value));
    } else if lower.starts_with("0b") {
        ("binary", 2)
    } else if lower.starts_with("0o") {
        ("octal", 8)
    } else {
        ("integer", 10)
    };
    let digits = if base == 10 {
        text.as_str()
    } else {
        text.get(2..).unwrap_or_default()
    };
    number::parse_int(digits, base)
        .map(Kind::Int)
        .map_err(|error| bad(what, "ParseInt", &text, error))
}

fn bad(what: &str, function: &str, text: &str, error: ParseNumberError) -> crate::condition::EvalError {
    syntax(format!(
        "invalid {what} literal: strconv.{function}: parsing {}: {error}",
        quote(text)
    ))
}
