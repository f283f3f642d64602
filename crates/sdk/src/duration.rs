//! Durations as Argo's objects write them: `30s`, `1h30m`, `1.5s`.

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// Nanoseconds of a duration in Go's notation, with Go's error texts.
///
/// ```
/// assert_eq!(rollcage_sdk::duration::parse("1m30s"), Ok(90_000_000_000));
/// assert_eq!(rollcage_sdk::duration::parse("5"), Err("time: missing unit in duration \"5\"".to_owned()));
/// ```
pub fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        if name.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let unit = unit(name).ok_or_else(|| format!("time: unknown unit {name:?} in duration {text:?}"))?;
        let part = nanoseconds(whole, fraction, unit).ok_or_else(invalid)?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = after;
    }
    let total = i64::try_from(total).map_err(|_| invalid())?;
    Ok(if negative { -total } else { total })
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => NANOSECOND,
        // Both the micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return None,
    })
}

fn nanoseconds(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Digits beyond 18 are less than a nanosecond of any unit.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let places = u32::try_from(fraction.len()).ok()?;
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let fraction = u64::try_from(fraction * u128::from(unit) / 10u128.pow(places)).ok()?;
    whole.checked_mul(unit)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_go_does() {
        let cases: [(&str, Result<i64, &str>); 20] = [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("1ns", Ok(1)),
            ("1us", Ok(1_000)),
            ("1\u{b5}s", Ok(1_000)),
            ("1\u{3bc}s", Ok(1_000)),
            ("1.5s", Ok(1_500_000_000)),
            (".5s", Ok(500_000_000)),
            ("5.s", Ok(5_000_000_000)),
            ("1h15m30.918s", Ok(4_530_918_000_000)),
            ("-2m", Ok(-120_000_000_000)),
            ("0.3333333333333333333h", Ok(1_200_000_000_000 - 1)),
            ("", Err("time: invalid duration \"\"")),
            ("3", Err("time: missing unit in duration \"3\"")),
            ("??", Err("time: invalid duration \"??\"")),
            ("1d", Err("time: unknown unit \"d\" in duration \"1d\"")),
            ("1m 30s", Err("time: unknown unit \"m \" in duration \"1m 30s\"")),
            (".s", Err("time: invalid duration \".s\"")),
            ("-", Err("time: invalid duration \"-\"")),
            (
                "10000000000000000000ns",
                Err("time: invalid duration \"10000000000000000000ns\""),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected.map_err(str::to_owned), "{text}");
        }
    }
}
