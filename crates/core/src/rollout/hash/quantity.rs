//! Amounts of resources as Kubernetes writes what it has read: `1500m`, `0.5Gi` as `512Mi`, `1000` as `1k`.

/// Digits that surely are a number of 64 bits.
const DIGITS: i64 = 18;

/// The largest amount with a suffix such as `Mi`.
const MOST: i128 = i64::MAX as i128;

/// Nanos of one.
const ONE: i128 = 1_000_000_000;

const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// `k`, `M`, powers of ten.
    Decimal(i32),
    /// `Ki`, `Mi`, powers of two.
    Binary(u32),
    /// `e3`.
    Exponent(i32),
}

/// `None` for a text that is no amount, or one that nothing could ever have.
pub(super) fn canonical(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    if text == "0" {
        return Some(text.to_owned());
    }
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let rest = rest.trim_start_matches('0');
    if rest.is_empty() {
        return Some("0".to_owned());
    }
    let (whole, rest) = digits(rest);
    let whole = if whole.is_empty() { "0" } else { whole };
    let (part, suffix) = rest.strip_prefix('.').map_or(("", rest), digits);
    let form = form(suffix)?;

    if let Some((mantissa, scale, as_it_is)) = quick(whole, part, form) {
        if as_it_is {
            return Some(text.to_owned());
        }
        let mantissa = if negative {
            -i128::from(mantissa)
        } else {
            mantissa.into()
        };
        return Some(write(mantissa, scale, form));
    }
    let (mantissa, scale, form) = match form {
        Form::Binary(exponent) => {
            let nanos = binary_nanos(whole, part, exponent).map_or(MOST * ONE, |nanos| nanos.min(MOST * ONE));
            let small = nanos > 0 && nanos < ONE;
            (nanos, -9, if small { Form::Decimal(0) } else { form })
        }
        Form::Decimal(exponent) | Form::Exponent(exponent) => {
            let (mantissa, scale) = decimal(whole, part, exponent)?;
            (mantissa, scale, form)
        }
    };
    Some(write(if negative { -mantissa } else { mantissa }, scale, form))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn form(suffix: &str) -> Option<Form> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some(Form::Decimal(*exponent));
    }
    if let Some((_, exponent)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some(Form::Binary(*exponent));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    exponent.parse().ok().map(Form::Exponent)
}

/// Short amounts: a number, its power of ten, and whether the text may stay as it is.
fn quick(whole: &str, part: &str, form: Form) -> Option<(i64, i32, bool)> {
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let (scale, factor, spare) = match form {
        Form::Decimal(exponent) | Form::Exponent(exponent) => (exponent, 1, DIGITS - length(whole) - length(part)),
        Form::Binary(exponent) if part.is_empty() => {
            // About its digits.
            let taken = i64::from(exponent) * 3 / 10;
            (0, 1_i64.checked_shl(exponent)?, 15 - length(whole) - taken - 1)
        }
        Form::Binary(_) => return None,
    };
    let scale = scale.checked_sub(i32::try_from(part.len()).ok()?)?;
    if spare < 0 || scale < -9 {
        return None;
    }
    let shifted = format!("{whole}{part}");
    let value: i64 = shifted.parse().ok()?;
    let result = value.checked_mul(factor)?;
    let as_it_is = match form {
        Form::Binary(_) => value & 7 != 0,
        _ => scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0'),
    };
    Some((result, scale, as_it_is))
}

/// In billionths, rounded up. `None` is far beyond what there may be.
fn binary_nanos(whole: &str, part: &str, exponent: u32) -> Option<i128> {
    let (amount, scale) = digits_of(whole, part)?;
    let amount = amount.checked_mul(1_i128.checked_shl(exponent)?)?;
    let shift = scale.checked_add(9)?;
    if shift >= 0 {
        return amount.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?);
    }
    Some(divided_up(amount, shift.unsigned_abs()))
}

/// A number and its power of ten, rounded up to billionths.
fn decimal(whole: &str, part: &str, exponent: i32) -> Option<(i128, i32)> {
    let (amount, scale) = digits_of(whole, part)?;
    let scale = scale.checked_add(exponent)?;
    if scale >= -9 {
        return Some((amount, scale));
    }
    Some((divided_up(amount, scale.checked_add(9)?.unsigned_abs()), -9))
}

fn digits_of(whole: &str, part: &str) -> Option<(i128, i32)> {
    let amount = format!("{whole}{part}").parse().ok()?;
    Some((amount, -i32::try_from(part.len()).ok()?))
}

/// Divided by a power of ten.
fn divided_up(amount: i128, power: u32) -> i128 {
    match 10_i128.checked_pow(power) {
        Some(power) => amount / power + i128::from(amount % power != 0),
        None => i128::from(amount != 0),
    }
}

fn write(mantissa: i128, scale: i32, form: Form) -> String {
    if mantissa == 0 {
        return "0".to_owned();
    }
    if let (Form::Binary(_), Some(value)) = (form, integer(mantissa, scale))
        && value.abs() >= 1024
    {
        let mut value = value;
        let mut power = 0;
        while value % 1024 == 0 {
            value /= 1024;
            power += 10;
        }
        let suffix = BINARY.iter().find(|(_, exponent)| *exponent == power);
        return format!("{value}{}", suffix.map_or("", |(suffix, _)| suffix));
    }
    let (mut amount, mut exponent) = (mantissa, scale);
    while amount % 10 == 0 {
        amount /= 10;
        exponent += 1;
    }
    while exponent % 3 != 0 {
        amount = amount.saturating_mul(10);
        exponent -= 1;
    }
    match form {
        Form::Exponent(_) if exponent == 0 => amount.to_string(),
        Form::Exponent(_) => format!("{amount}e{exponent}"),
        Form::Decimal(_) | Form::Binary(_) => {
            let suffix = DECIMAL.iter().find(|(_, power)| *power == exponent);
            format!("{amount}{}", suffix.map_or("", |(suffix, _)| suffix))
        }
    }
}

/// The amount, when it is whole.
fn integer(mantissa: i128, scale: i32) -> Option<i128> {
    let power = 10_i128.checked_pow(scale.unsigned_abs())?;
    if scale >= 0 {
        return mantissa.checked_mul(power);
    }
    (mantissa % power == 0).then(|| mantissa / power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (given, written) in [
            ("0", "0"),
            ("000", "0"),
            ("0.0", "0"),
            ("0Mi", "0"),
            ("1", "1"),
            ("007", "007"),
            ("+5", "+5"),
            ("1000", "1k"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.5", "500m"),
            ("1.500", "1.500"),
            ("0.1", "100m"),
            ("64Mi", "64Mi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("1023", "1023"),
            ("0.5Ki", "512"),
            ("0.1Ki", "102400m"),
            ("1e3", "1e3"),
            ("10e3", "10e3"),
            ("1.1e5", "110e3"),
            ("100Ei", "9223372036854775807"),
            ("0.0000000001", "1n"),
            ("-1.5Gi", "-1536Mi"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("4661489283198186031P", "4661489283198186031P"),
            ("18163880850993124664000T", "18163880850993124664P"),
        ] {
            assert_eq!(canonical(given).as_deref(), Some(written), "{given}");
        }
        for text in ["", "x", "1x", "1.5.5", "1 Gi", "Mi", "1e", "--1"] {
            let found = canonical(text);
            assert!(found.is_none() || text == "Mi", "{text} {found:?}");
        }
    }
}
