//! Writes gob's integers and lengths. Part of the build script too, which makes the type definitions.

/// An unsigned integer: one byte up to 127, else the count of its bytes, negated, and those.
#[inline]
pub fn uint(out: &mut Vec<u8>, value: u64) {
    if value <= 0x7f {
        out.push(value as u8);
    } else {
        long_uint(out, value);
    }
}

fn long_uint(out: &mut Vec<u8>, value: u64) {
    let skipped = (value.leading_zeros() / 8) as usize;
    let bytes = value.to_be_bytes();
    let significant = bytes.get(skipped..).unwrap_or(&bytes);
    // 8 - skipped bytes follow: their count, negated, is 248 + skipped.
    out.push(0xf8 | (skipped as u8 & 7));
    out.extend_from_slice(significant);
}

/// A signed integer: its sign in the lowest bit.
pub fn int(out: &mut Vec<u8>, value: i64) {
    uint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Bytes or text.
#[inline]
pub fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    uint(out, value.len() as u64);
    out.extend_from_slice(value);
}
