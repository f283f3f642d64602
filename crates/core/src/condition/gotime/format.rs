//! A time as text.

use std::fmt::Write as _;

use super::{
    MONTHS, Time, WEEKDAYS,
    layout::{Element, Offset, Padding, first_element},
    name,
};

/// Writes a time the way the layout shows it.
pub(super) fn format(time: &Time, layout: &str) -> String {
    let mut text = String::new();
    let mut rest = layout;
    while let Some((before, element, spelling, behind)) = first_element(rest) {
        text.push_str(before);
        // Writing into a String cannot fail.
        let _ = write(time, element, spelling, &mut text);
        rest = behind;
    }
    text.push_str(rest);
    text
}

fn write(time: &Time, element: Element, spelling: &str, text: &mut String) -> std::fmt::Result {
    let civil = time.civil();
    let short = |name: String| name.get(..3).unwrap_or_default().to_owned();
    let month = || name(&MONTHS, i64::from(civil.month()) - 1).unwrap_or_default();
    let weekday = || name(&WEEKDAYS, i64::from(civil.weekday().to_sunday_zero_offset())).unwrap_or_default();
    let hour12 = match civil.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let year = civil.year();
    match element {
        Element::LongMonth => text.push_str(&month()),
        Element::ShortMonth => text.push_str(&short(month())),
        Element::LongWeekday => text.push_str(&weekday()),
        Element::ShortWeekday => text.push_str(&short(weekday())),
        Element::Month { zero } => padded(text, civil.month().into(), zero)?,
        Element::Hour => padded(text, civil.hour().into(), true)?,
        Element::Hour12 { zero } => padded(text, hour12.into(), zero)?,
        Element::Minute { zero } => padded(text, civil.minute().into(), zero)?,
        Element::Second { zero } => padded(text, civil.second().into(), zero)?,
        Element::Day(Padding::Nothing) => write!(text, "{}", civil.day())?,
        Element::Day(Padding::Space) => write!(text, "{:2}", civil.day())?,
        Element::Day(Padding::Zero) => write!(text, "{:02}", civil.day())?,
        Element::YearDay(Padding::Space) => write!(text, "{:3}", civil.day_of_year())?,
        Element::YearDay(_) => write!(text, "{:03}", civil.day_of_year())?,
        Element::LongYear if year < 0 => write!(text, "-{:04}", year.unsigned_abs())?,
        Element::LongYear => write!(text, "{year:04}")?,
        Element::ShortYear => write!(text, "{:02}", year.rem_euclid(100))?,
        Element::HalfDay { upper } => text.push_str(match (civil.hour() >= 12, upper) {
            (true, true) => "PM",
            (true, false) => "pm",
            (false, true) => "AM",
            (false, false) => "am",
        }),
        Element::Abbreviation => {
            let abbreviation = time.zone.abbreviation_at(time.timestamp);
            if abbreviation.is_empty() {
                let digits = Offset {
                    zulu: false,
                    colons: false,
                    minutes: true,
                    seconds: false,
                };
                write_offset(time, digits, text)?;
            } else {
                text.push_str(&abbreviation);
            }
        }
        Element::Offset(offset) => write_offset(time, offset, text)?,
        Element::Fraction(digits) | Element::ShortFraction(digits) => {
            let nanos = format!("{:09}", civil.subsec_nanosecond());
            let mut fraction: String = nanos.chars().chain(std::iter::repeat('0')).take(digits).collect();
            if matches!(element, Element::ShortFraction(_)) {
                fraction.truncate(fraction.trim_end_matches('0').len());
                if fraction.is_empty() {
                    return Ok(());
                }
            }
            text.extend(spelling.chars().next());
            text.push_str(&fraction);
        }
    }
    Ok(())
}

fn padded(text: &mut String, value: i64, zero: bool) -> std::fmt::Result {
    if zero {
        write!(text, "{value:02}")
    } else {
        write!(text, "{value}")
    }
}

fn write_offset(time: &Time, layout: Offset, text: &mut String) -> std::fmt::Result {
    let seconds = time.zone.offset_at(time.timestamp).seconds();
    if layout.zulu && seconds == 0 {
        text.push('Z');
        return Ok(());
    }
    // The sign is that of whole minutes.
    let sign = if seconds / 60 < 0 { '-' } else { '+' };
    let minutes = (seconds / 60).unsigned_abs();
    let colon = if layout.colons { ":" } else { "" };
    write!(text, "{sign}{:02}", minutes / 60)?;
    if layout.minutes {
        write!(text, "{colon}{:02}", minutes % 60)?;
    }
    if layout.seconds {
        write!(text, "{colon}{:02}", (seconds % 60).unsigned_abs())?;
    }
    Ok(())
}
