//! Numbers as Go reads and writes them.

/// Why a text is no number; the message is Go's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseNumberError {
    #[error("invalid syntax")]
    Syntax,
    #[error("value out of range")]
    Range,
}

/// Digits of `base` with an optional sign.
pub(super) fn parse_int(text: &str, base: u32) -> Result<i64, ParseNumberError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(ParseNumberError::Syntax);
    }
    i64::from_str_radix(text, base).map_err(|_| ParseNumberError::Range)
}

/// A decimal or hexadecimal floating-point number, `inf` or `nan`. A number that is too large is an error.
pub(super) fn parse_float(text: &str) -> Result<f64, ParseNumberError> {
    let joined: String;
    let text = if text.contains('_') {
        if !underscores_separate_digits(text) {
            return Err(ParseNumberError::Syntax);
        }
        joined = text.replace('_', "");
        &joined
    } else {
        text
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let value = if let Some(hex) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        let value = parse_hex_float(hex)?;
        if text.starts_with('-') { -value } else { value }
    } else {
        text.parse::<f64>().map_err(|_| ParseNumberError::Syntax)?
    };
    let named = unsigned.starts_with(|c: char| c.is_ascii_alphabetic());
    if named && value.is_nan() && unsigned.len() < text.len() {
        // A signed NaN is none.
        return Err(ParseNumberError::Syntax);
    }
    if value.is_infinite() && !named {
        Err(ParseNumberError::Range)
    } else {
        Ok(value)
    }
}

/// Whether each underscore has a digit before it (the prefix `0x` counts as one) and another one behind it.
fn underscores_separate_digits(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (digits, hex) = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(digits) => (digits, true),
        None => (unsigned, false),
    };
    let mut previous = if hex { '0' } else { '.' };
    for c in digits.chars() {
        let is_digit = c.is_ascii_digit() || (hex && c.is_ascii_hexdigit());
        match (c, is_digit) {
            (_, true) => previous = '0',
            ('_', _) if previous == '0' => previous = '_',
            (_, false) if c == '_' || previous == '_' => return false,
            _ => previous = '.',
        }
    }
    previous != '_'
}

/// `1.8p3` behind `0x`: the exponent is of two, and must be there.
fn parse_hex_float(text: &str) -> Result<f64, ParseNumberError> {
    let (mantissa, exponent) = text.split_once(['p', 'P']).ok_or(ParseNumberError::Syntax)?;
    let exponent = parse_int(exponent, 10).or_else(|error| match error {
        ParseNumberError::Range => Ok(if exponent.starts_with('-') { -100_000 } else { 100_000 }),
        ParseNumberError::Syntax => Err(error),
    })?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(ParseNumberError::Syntax);
    }
    let (mut bits, mut scale): (u128, i64) = (0, 0);
    for (index, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = digit.to_digit(16).ok_or(ParseNumberError::Syntax)?;
        let behind_point = i64::from(index >= whole.len());
        // 28 digits are more than a double holds; of the others only the magnitude counts.
        if bits >> 112 == 0 {
            bits = bits * 16 + u128::from(digit);
            scale -= 4 * behind_point;
        } else {
            bits |= u128::from(digit != 0);
            scale += 4 * (1 - behind_point);
        }
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "rounding to the nearest double is what is wanted"
    )]
    let mantissa = bits as f64;
    let exponent = exponent.saturating_add(scale).clamp(-5000, 5000);
    Ok(scale_by_two(mantissa, exponent))
}

/// `value * 2^exponent`, in steps that neither overflow nor underflow on the way.
fn scale_by_two(mut value: f64, mut exponent: i64) -> f64 {
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-1000, 1000);
        value *= 2f64.powi(i32::try_from(step).unwrap_or_default());
        exponent -= step;
    }
    value
}

/// A float as an int: towards zero, and the smallest int for what does not fit (as on amd64).
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(super) fn truncate(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// An int as a float, rounded to the nearest.
#[expect(clippy::cast_precision_loss, reason = "that is what a conversion to float64 does")]
pub(super) fn float(value: i64) -> f64 {
    value as f64
}

/// The shortest decimal digits that read back as `value`, and the power of ten of the first one. Of two that are as close
/// it is the one that ends even.
fn digits(value: f64) -> (String, i32) {
    let value = value.abs();
    let mut text = format!("{value:e}");
    let length = text
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    let closest = format!("{value:.*e}", length.saturating_sub(1));
    #[expect(clippy::float_cmp, reason = "it must be the same number")]
    if closest.parse::<f64>().is_ok_and(|read| read == value) {
        text = closest;
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text.as_str(), "0"));
    (mantissa.replace('.', ""), exponent.parse().unwrap_or_default())
}

/// As `%v` prints a float64: shortest form, an exponent below 1e-4 and from 1e6 on. `.0` is not written.
pub(super) fn format_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let (digits, exponent) = digits(value);
    if value != 0.0 && !(-4..6).contains(&exponent) {
        return scientific(value, &digits, exponent, 2);
    }
    plain(value, &digits, exponent)
}

/// As `encoding/json` writes a float64: an exponent below 1e-6 and from 1e21 on, without leading zeros.
pub(super) fn format_json_float(value: f64) -> String {
    let (digits, exponent) = digits(value);
    if value != 0.0 && !(1e-6..1e21).contains(&value.abs()) {
        // Only negative exponents of two digits lose their zero.
        return scientific(value, &digits, exponent, if exponent < 0 { 1 } else { 2 });
    }
    plain(value, &digits, exponent)
}

fn sign(value: f64) -> &'static str {
    if value.is_sign_negative() { "-" } else { "" }
}

fn scientific(value: f64, digits: &str, exponent: i32, width: usize) -> String {
    let (first, rest) = digits.split_at(1.min(digits.len()));
    let point = if rest.is_empty() { "" } else { "." };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    let sign = sign(value);
    format!(
        "{sign}{first}{point}{rest}e{exponent_sign}{:0width$}",
        exponent.unsigned_abs()
    )
}

fn plain(value: f64, digits: &str, exponent: i32) -> String {
    let sign = sign(value);
    let Ok(whole) = usize::try_from(exponent) else {
        let zeros = "0".repeat(usize::try_from(-1 - exponent).unwrap_or_default());
        return format!("{sign}0.{zeros}{digits}");
    };
    match digits.split_at_checked(whole + 1) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{digits:0<width$}", width = whole + 1),
    }
}

/// `base` to the power of `exponent`, whole exponents by repeated squaring of the mantissa as Go does it (the last bit of
/// the outcome depends on that).
#[expect(clippy::float_cmp, reason = "one is a special case, what is close to it is none")]
pub(super) fn power(base: f64, exponent: f64) -> f64 {
    let special = base == 0.0 || !base.is_finite() || !exponent.is_finite() || base == 1.0;
    if special || exponent.abs() >= 9.223_372_036_854_776e18 || exponent.fract() != 0.0 {
        return match exponent {
            0.5 => base.sqrt(),
            -0.5 => 1.0 / base.sqrt(),
            _ if special || exponent.fract() == 0.0 || base < 0.0 => base.powf(exponent),
            _ => fractional_power(base, exponent),
        };
    }
    whole_power(base, exponent, 1.0)
}

fn fractional_power(base: f64, exponent: f64) -> f64 {
    let (mut whole, mut fraction) = (exponent.abs().trunc(), exponent.abs().fract());
    if whole >= 9.223_372_036_854_776e18 {
        return base.powf(exponent);
    }
    if fraction > 0.5 {
        fraction -= 1.0;
        whole += 1.0;
    }
    whole_power(base, whole.copysign(exponent), (fraction * base.ln()).exp())
}

/// `base^exponent` times `start` (to the power of the exponent's sign).
fn whole_power(base: f64, exponent: f64, start: f64) -> f64 {
    let (mut square, mut square_exponent) = split(base);
    let (mut product, mut product_exponent) = (start, 0i64);
    let mut count = truncate(exponent.abs());
    while count != 0 {
        if square_exponent.abs() > 1 << 12 {
            // Beyond what a double holds, in one direction or the other.
            product_exponent += square_exponent;
            break;
        }
        if count & 1 == 1 {
            product *= square;
            product_exponent += square_exponent;
        }
        square *= square;
        square_exponent <<= 1;
        if square.abs() < 0.5 {
            square += square;
            square_exponent -= 1;
        }
        count >>= 1;
    }
    if exponent < 0.0 {
        product = 1.0 / product;
        product_exponent = -product_exponent;
    }
    scale_by_two(product, product_exponent)
}

/// Mantissa in [0.5, 1) and exponent of two.
fn split(value: f64) -> (f64, i64) {
    let (value, shift) = if value.abs() < f64::MIN_POSITIVE {
        (value * 2f64.powi(54), -54)
    } else {
        (value, 0)
    };
    let bits = value.to_bits();
    let exponent = i64::try_from((bits >> 52) & 0x7ff).unwrap_or_default() - 1022;
    (f64::from_bits((bits & !(0x7ff << 52)) | (1022 << 52)), exponent + shift)
}
