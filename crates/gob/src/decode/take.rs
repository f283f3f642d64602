//! Reads gob's integers and lengths.

use crate::DecodeError;

/// The unread rest of a message.
pub(super) type Bytes<'d> = &'d [u8];

fn cut_off() -> DecodeError {
    DecodeError::value("unexpected end of the message")
}

/// An unsigned integer, also one that is longer than it needs to be.
pub(super) fn uint(from: &mut Bytes<'_>) -> Result<u64, DecodeError> {
    let (first, rest) = from.split_first().ok_or_else(cut_off)?;
    if *first <= 0x7f {
        *from = rest;
        return Ok(u64::from(*first));
    }
    let count = 256 - usize::from(*first);
    if count > 8 {
        return Err(DecodeError::value("encoded unsigned integer out of range"));
    }
    let (bytes, rest) = rest.split_at_checked(count).ok_or_else(cut_off)?;
    *from = rest;
    Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// How many bytes the unsigned integer in front has.
pub(crate) fn uint_len(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(first) if *first > 0x7f => 257 - usize::from(*first),
        _ => 1,
    }
}

/// A signed integer.
pub(super) fn int(from: &mut Bytes<'_>) -> Result<i64, DecodeError> {
    let value = uint(from)?;
    let half = (value >> 1).cast_signed();
    Ok(if value & 1 == 1 { !half } else { half })
}

/// A number of a type.
pub(super) fn id(from: &mut Bytes<'_>) -> Result<i32, DecodeError> {
    i32::try_from(int(from)?).map_err(|_| DecodeError::value("a type's number out of range"))
}

/// Bytes or text.
pub(super) fn bytes<'d>(from: &mut Bytes<'d>) -> Result<Bytes<'d>, DecodeError> {
    let length = uint(from)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (bytes, rest) = from
        .split_at_checked(length)
        .ok_or_else(|| DecodeError::value(format!("a length of {length} exceeds the {} bytes left", from.len())))?;
    *from = rest;
    Ok(bytes)
}

/// How many elements follow. Each has a byte at least, or nothing is left.
pub(super) fn count(from: &mut Bytes<'_>) -> Result<usize, DecodeError> {
    let count = uint(from)?;
    usize::try_from(count)
        .ok()
        .filter(|count| *count <= from.len())
        .ok_or_else(|| DecodeError::value(format!("{count} elements exceed the {} bytes left", from.len())))
}

/// Makes sure that an element of a slice has a byte at least, as Go does.
pub(super) fn element(from: &Bytes<'_>) -> Result<(), DecodeError> {
    if from.is_empty() {
        return Err(DecodeError::value("decoding array or slice: length exceeds input size"));
    }
    Ok(())
}

/// The next field of a struct behind `before` (-1 at first); none at its end, or at the message's.
pub(super) fn field(from: &mut Bytes<'_>, before: i64, fields: usize) -> Result<Option<usize>, DecodeError> {
    if from.is_empty() {
        return Ok(None);
    }
    let step = uint(from)?;
    if step == 0 {
        return Ok(None);
    }
    i64::try_from(step)
        .ok()
        .and_then(|step| before.checked_add(step))
        .and_then(|field| usize::try_from(field).ok())
        .filter(|field| *field < fields)
        .map(Some)
        .ok_or_else(|| DecodeError::value("field numbers out of bounds"))
}
