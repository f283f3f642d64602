//! The host's clock, and times as the contract writes them (RFC 3339, UTC).

use std::{fmt, time::Duration};

use crate::host;

const SECONDS_PER_DAY: i64 = 86_400;

/// A point in time, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self {
        seconds: 0,
        nanoseconds: 0,
    };

    /// The host's clock; virtual where the host's is.
    pub fn now() -> Self {
        let (seconds, nanoseconds) = host::now();
        Self {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            nanoseconds,
        }
    }

    /// Seconds since the Unix epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second.
    pub fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// Reads RFC 3339, with any offset. `None` when it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        if separators.iter().any(|&(at, byte)| bytes.get(at) != Some(&byte)) || !matches!(bytes.get(10)?, b'T' | b't') {
            return None;
        }
        let field = |from: usize, to: usize| -> Option<i64> { digits(text.get(from..to)?) };
        let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
        let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
        if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let rest = text.get(19..)?;
        let (nanoseconds, zone) = match rest.strip_prefix('.') {
            Some(fraction) => {
                let end = fraction.find(|c: char| !c.is_ascii_digit())?;
                (nanoseconds(fraction.get(..end)?)?, fraction.get(end..)?)
            }
            None => (0, rest),
        };
        let seconds = days_since_epoch(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        Some(Self {
            seconds: seconds - offset(zone)?,
            nanoseconds,
        })
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanoseconds = self.nanoseconds + duration.subsec_nanos();
        let carry = i64::from(nanoseconds / 1_000_000_000);
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Self {
            seconds: self.seconds.saturating_add(seconds).saturating_add(carry),
            nanoseconds: nanoseconds % 1_000_000_000,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.seconds.div_euclid(SECONDS_PER_DAY));
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanoseconds != 0 {
            let fraction = format!("{:09}", self.nanoseconds);
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Digits after the point; those beyond nanoseconds are dropped.
fn nanoseconds(fraction: &str) -> Option<u32> {
    if fraction.is_empty() {
        return None;
    }
    let kept = fraction.get(..9).unwrap_or(fraction);
    format!("{kept:0<9}").parse().ok()
}

/// Seconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The reverse of [`days_since_epoch`].
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_jiff_on_every_month_of_ten_thousand_years() {
        let first = jiff::Timestamp::from_second(-62_135_596_800).unwrap().as_second();
        let last = "9999-12-30T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
        let mut seconds = first;
        while seconds < last {
            let ours = Timestamp {
                seconds,
                nanoseconds: 0,
            };
            let theirs = jiff::Timestamp::from_second(seconds).unwrap().to_string();
            assert_eq!(ours.to_string(), theirs);
            assert_eq!(Timestamp::parse(&theirs), Some(ours));
            seconds += 31 * SECONDS_PER_DAY + 3_661;
        }
    }

    #[test]
    fn reads_offsets_and_fractions() {
        let at = |text: &str| Timestamp::parse(text).map(|time| time.to_string());
        assert_eq!(at("2023-08-14T01:30:00+02:30").as_deref(), Some("2023-08-13T23:00:00Z"));
        assert_eq!(
            at("2023-08-13T20:00:00.25-03:00").as_deref(),
            Some("2023-08-13T23:00:00.25Z")
        );
        assert_eq!(
            at("2023-08-13T23:00:00.1234567891Z").as_deref(),
            Some("2023-08-13T23:00:00.123456789Z")
        );
        assert_eq!(at("1969-12-31T23:59:59.5Z").as_deref(), Some("1969-12-31T23:59:59.5Z"));
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "2023-08-14",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-08-14T24:00:00Z",
            "2023-08-14T00:00:00",
            "2023-08-14T00:00:00.Z",
            "2023-08-14T00:00:00.5",
            "2023-08-14T00:00:00+2:00",
            "2023-08-14 00:00:00Z",
            "+023-08-14T00:00:00Z",
            "２023-08-14T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn adds_durations() {
        let time = Timestamp::parse("2024-02-28T23:59:59.9Z").unwrap() + Duration::from_millis(200);
        assert_eq!(time.to_string(), "2024-02-29T00:00:00.1Z");
    }
}
