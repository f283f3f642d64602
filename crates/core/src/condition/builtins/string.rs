//! Builtins on texts.

use super::{
    Call,
    array::{count, texts},
};
use crate::condition::{
    error::{Budget, Result, run},
    value::{Array, ArrayKind, Value},
};

fn built(call: &mut Call<'_>, text: &str) -> Result<Value> {
    call.meter.room_for_text(text.len())?;
    Ok(text.into())
}

pub(super) fn trim(call: &mut Call<'_>) -> Result<Value> {
    let text = call.text(0)?;
    call.meter.look_at(text.len())?;
    if call.arguments.len() < 2 {
        return built(call, text.trim());
    }
    let set = call.text(1)?;
    call.meter.steps(set.len() / 16 * (1 + text.len() / 16))?;
    built(call, text.trim_matches(|c| set.contains(c)))
}

/// A space where the second argument is missing.
fn affix<'a>(call: &Call<'a>) -> Result<&'a str> {
    if call.arguments.len() < 2 {
        Ok(" ")
    } else {
        call.text(1).map(|text| &**text)
    }
}

pub(super) fn trim_prefix(call: &mut Call<'_>) -> Result<Value> {
    let (affix, text) = (affix(call)?, call.text(0)?);
    built(call, text.strip_prefix(affix).unwrap_or(text))
}

pub(super) fn trim_suffix(call: &mut Call<'_>) -> Result<Value> {
    let (affix, text) = (affix(call)?, call.text(0)?);
    built(call, text.strip_suffix(affix).unwrap_or(text))
}

/// Character by character, as Go does it: a character that has no single counterpart stays.
pub(super) fn change_case(call: &mut Call<'_>, mapped: fn(char) -> Option<char>) -> Result<Value> {
    let text = call.text(0)?;
    call.meter.room_for_text(text.len().saturating_mul(2))?;
    Ok(text.chars().map(|c| mapped(c).unwrap_or(c)).collect::<String>().into())
}

pub(super) fn upper(c: char) -> Option<char> {
    let mut mapped = c.to_uppercase();
    mapped.next().filter(|_| mapped.next().is_none())
}

pub(super) fn lower(c: char) -> Option<char> {
    // Only one character has a lower case of two, and Go takes the first of them.
    c.to_lowercase().next()
}

pub(super) fn split(call: &mut Call<'_>, keep: bool) -> Result<Value> {
    let (text, separator) = (call.text(0)?, call.text(1)?);
    let limit = if call.arguments.len() > 2 { count(call, 2)? } else { -1 };
    if limit == 0 {
        return Ok(Value::Array(Array::absent(ArrayKind::String)));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    call.meter.room_for_text(text.len())?;
    let mut parts: Vec<Value> = Vec::new();
    let mut rest: &str = text;
    while parts.len() < limit - 1 {
        let end = if separator.is_empty() {
            match rest.chars().next() {
                // The last character is the rest.
                Some(first) if first.len_utf8() < rest.len() => first.len_utf8(),
                _ => break,
            }
        } else {
            match rest.find(&**separator) {
                Some(end) => end,
                None => break,
            }
        };
        let (part, after) = rest.split_at(end + separator.len());
        let part = if keep { part } else { part.get(..end).unwrap_or(part) };
        call.meter.room_for(1)?;
        parts.push(part.into());
        rest = after;
    }
    if !(separator.is_empty() && text.is_empty()) {
        parts.push(rest.into());
    }
    call.meter.array(ArrayKind::String, parts)
}

pub(super) fn replace(call: &mut Call<'_>) -> Result<Value> {
    let (text, old, new) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let limit = if call.arguments.len() > 3 { count(call, 3)? } else { -1 };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    call.meter.look_at(text.len().saturating_mul(2))?;
    let places = text.matches(&**old).take(limit).count();
    call.meter.steps(places)?;
    call.meter
        .room_for_text(text.len().saturating_add(places.saturating_mul(new.len())))?;
    Ok(text.replacen(&**old, new, limit).into())
}

pub(super) fn repeat(call: &mut Call<'_>) -> Result<Value> {
    let (text, times) = (call.text(0)?, count(call, 1)?);
    let Ok(times) = usize::try_from(times) else {
        return Err(run(format!(
            "invalid argument for repeat (expected positive integer, got {times})"
        )));
    };
    if times > 1_000_000 {
        return Err(Budget::Memory.into());
    }
    let size = text.len().saturating_mul(times);
    call.meter.elements(size)?;
    call.meter.room_for_text(size)?;
    Ok(text.repeat(times).into())
}

pub(super) fn join(call: &mut Call<'_>) -> Result<Value> {
    let glue: &str = if call.arguments.len() > 1 { call.text(1)? } else { "" };
    let texts = texts(call)?;
    call.meter.steps(texts.len())?;
    let size = texts
        .iter()
        .map(|text| text.len() + glue.len())
        .fold(0, usize::saturating_add);
    call.meter.room_for_text(size)?;
    Ok(texts.join(glue).into())
}

pub(super) fn position(call: &mut Call<'_>, find: fn(&str, &str) -> Option<usize>) -> Result<Value> {
    let (text, part) = (call.text(0)?, call.text(1)?);
    call.meter.look_at(text.len())?;
    let found = find(text, part).and_then(|at| i64::try_from(at).ok());
    Ok(Value::Int(found.unwrap_or(-1)))
}

pub(super) fn test(call: &mut Call<'_>, holds: fn(&str, &str) -> bool) -> Result<Value> {
    let (text, part) = (call.text(0)?, call.text(1)?);
    call.meter.look_at(part.len())?;
    Ok(Value::Bool(holds(text, part)))
}
