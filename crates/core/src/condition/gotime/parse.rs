//! A time out of text.

use jiff::{civil, tz};

use super::{
    MONTHS, Time, WEEKDAYS, Zone,
    layout::{Element, Offset, Padding, first_element},
    quote,
};

/// Reads a time that looks like the layout. Without an offset or a zone of its own the time is in `zone`, or in UTC.
pub(in crate::condition) fn parse(layout: &str, text: &str, zone: Option<&Zone>) -> Result<Time, String> {
    let mut parser = Parser {
        rest: text,
        fields: Fields::default(),
    };
    let mut layout_rest = layout;
    let cannot = |value: &str, element: &str| {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(text),
            quote(layout),
            quote(value),
            quote(element)
        )
    };
    let wrong = |what: &str| format!("parsing time {}: {what}", quote(text));
    while let Some((before, element, spelling, behind)) = first_element(layout_rest) {
        parser.skip(before).map_err(|rest| cannot(rest, before))?;
        let at = parser.rest;
        parser.element(element, behind).map_err(|problem| match problem {
            Problem::Syntax => cannot(at, spelling),
            Problem::Range(what) => wrong(&format!("{what} out of range")),
        })?;
        layout_rest = behind;
    }
    parser.skip(layout_rest).map_err(|rest| cannot(rest, layout_rest))?;
    if !parser.rest.is_empty() {
        return Err(wrong(&format!("extra text: {}", quote(parser.rest))));
    }
    parser.fields.time(zone).map_err(wrong)
}

enum Problem {
    Syntax,
    Range(&'static str),
}

type Parsed<T> = Result<T, Problem>;

struct Parser<'a> {
    rest: &'a str,
    fields: Fields<'a>,
}

#[derive(Default)]
struct Fields<'a> {
    year: i16,
    month: Option<i8>,
    day: Option<i32>,
    year_day: Option<i32>,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    afternoon: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    abbreviation: Option<&'a str>,
}

impl<'a> Parser<'a> {
    /// Takes what the layout has between its elements: any number of spaces for any number of them, everything else as it
    /// is. The error is what was left.
    fn skip(&mut self, mut prefix: &str) -> Result<(), &'a str> {
        while let Some(c) = prefix.chars().next() {
            if c == ' ' {
                if !self.rest.is_empty() && !self.rest.starts_with(' ') {
                    return Err(self.rest);
                }
                prefix = prefix.trim_start_matches(' ');
                self.rest = self.rest.trim_start_matches(' ');
                continue;
            }
            self.rest = self.rest.strip_prefix(c).ok_or(self.rest)?;
            prefix = prefix.strip_prefix(c).unwrap_or_default();
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Parsed<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Problem::Syntax)?;
        self.rest = rest;
        Ok(taken)
    }

    fn starts_with_digit(&self) -> bool {
        self.rest.starts_with(|c: char| c.is_ascii_digit())
    }

    fn digits_ahead(&self) -> usize {
        self.rest.bytes().take_while(u8::is_ascii_digit).count()
    }

    fn number(&mut self, length: usize) -> Parsed<i32> {
        let digits = self.take(length)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Problem::Syntax);
        }
        digits.parse().map_err(|_| Problem::Syntax)
    }

    /// One or two digits; two if `fixed`.
    fn two_digits(&mut self, fixed: bool) -> Parsed<i32> {
        match self.digits_ahead() {
            0 => Err(Problem::Syntax),
            1 if fixed => Err(Problem::Syntax),
            1 => self.number(1),
            _ => self.number(2),
        }
    }

    fn two_digits_below(&mut self, fixed: bool, limit: i32, what: &'static str) -> Parsed<i8> {
        let number = self.two_digits(fixed)?;
        i8::try_from(number)
            .ok()
            .filter(|_| number < limit)
            .ok_or(Problem::Range(what))
    }

    fn name(&mut self, names: &[&str], length: Option<usize>) -> Parsed<usize> {
        for (index, name) in names.iter().enumerate() {
            let name = length.map_or(*name, |length| name.get(..length).unwrap_or(name));
            if self
                .rest
                .get(..name.len())
                .is_some_and(|text| text.eq_ignore_ascii_case(name))
            {
                self.take(name.len())?;
                return Ok(index);
            }
        }
        Err(Problem::Syntax)
    }

    fn month(&mut self, index: usize) {
        self.fields.month = i8::try_from(index + 1).ok();
    }

    fn element(&mut self, element: Element, behind: &str) -> Parsed<()> {
        match element {
            Element::ShortYear => {
                // Signs are digits here, to the original.
                let year: i32 = self.take(2)?.parse().map_err(|_| Problem::Syntax)?;
                self.fields.year = i16::try_from(if year >= 69 { year + 1900 } else { year + 2000 }).unwrap_or(0);
            }
            Element::LongYear => {
                self.fields.year = i16::try_from(self.number(4)?).map_err(|_| Problem::Syntax)?;
            }
            Element::LongMonth => {
                let index = self.name(&MONTHS, None)?;
                self.month(index);
            }
            Element::ShortMonth => {
                let index = self.name(&MONTHS, Some(3))?;
                self.month(index);
            }
            Element::Month { zero } => {
                let month = self.two_digits(zero)?;
                let month = i8::try_from(month).ok().filter(|month| (1..=12).contains(month));
                self.fields.month = Some(month.ok_or(Problem::Range("month"))?);
            }
            Element::LongWeekday => drop(self.name(&WEEKDAYS, None)?),
            Element::ShortWeekday => drop(self.name(&WEEKDAYS, Some(3))?),
            Element::Day(padding) => {
                if padding == Padding::Space {
                    self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
                }
                self.fields.day = Some(self.two_digits(padding == Padding::Zero)?);
            }
            Element::YearDay(padding) => self.year_day(padding)?,
            Element::Hour => self.fields.hour = self.two_digits_below(false, 24, "hour")?,
            Element::Hour12 { zero } => self.fields.hour = self.two_digits_below(zero, 13, "hour")?,
            Element::Minute { zero } => self.fields.minute = self.two_digits_below(zero, 60, "minute")?,
            Element::Second { zero } => {
                self.fields.second = self.two_digits_below(zero, 60, "second")?;
                // A fraction may follow even if the layout has none.
                let fraction_next = matches!(
                    first_element(behind),
                    Some(("", Element::Fraction(_) | Element::ShortFraction(_), ..))
                );
                if !fraction_next {
                    self.optional_fraction()?;
                }
            }
            Element::HalfDay { upper } => {
                self.fields.afternoon = Some(match (self.take(2)?, upper) {
                    ("PM", true) | ("pm", false) => true,
                    ("AM", true) | ("am", false) => false,
                    _ => return Err(Problem::Syntax),
                });
            }
            Element::Abbreviation => self.abbreviation()?,
            Element::Offset(offset) => self.offset(offset)?,
            Element::Fraction(digits) => self.fraction(digits)?,
            Element::ShortFraction(_) => self.optional_fraction()?,
        }
        Ok(())
    }

    fn year_day(&mut self, padding: Padding) -> Parsed<()> {
        if padding == Padding::Space {
            for _ in 0..2 {
                self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
            }
        }
        let digits = self.digits_ahead().min(3);
        if digits == 0 || (padding == Padding::Zero && digits != 3) {
            return Err(Problem::Syntax);
        }
        self.fields.year_day = Some(self.number(digits)?);
        Ok(())
    }

    fn optional_fraction(&mut self) -> Parsed<()> {
        let mut ahead = Self {
            rest: self.rest,
            fields: Fields::default(),
        };
        if ahead.take(1).is_ok_and(|point| matches!(point, "." | ",")) && ahead.starts_with_digit() {
            self.fraction(ahead.digits_ahead())?;
        }
        Ok(())
    }

    /// A point and that many digits, of which nine count.
    fn fraction(&mut self, digits: usize) -> Parsed<()> {
        let text = self.take(1 + digits)?;
        let digits = text.strip_prefix(['.', ',']).ok_or(Problem::Syntax)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Problem::Syntax);
        }
        let nine: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
        self.fields.nanos = nine.parse().map_err(|_| Problem::Syntax)?;
        Ok(())
    }

    fn offset(&mut self, layout: Offset) -> Parsed<()> {
        if layout.zulu && self.rest.starts_with('Z') {
            self.take(1)?;
            self.fields.utc = true;
            return Ok(());
        }
        let sign = match self.take(1)? {
            "+" => 1,
            "-" => -1,
            _ => return Err(Problem::Syntax),
        };
        let hours = self.two_digits(true)?;
        let (mut minutes, mut seconds) = (0, 0);
        for (wanted, part) in [(layout.minutes, &mut minutes), (layout.seconds, &mut seconds)] {
            if !wanted {
                continue;
            }
            if layout.colons && self.take(1)? != ":" {
                return Err(Problem::Syntax);
            }
            *part = self.two_digits(true)?;
        }
        for (value, limit, what) in [
            (hours, 24, "time zone offset hour"),
            (minutes, 60, "time zone offset minute"),
            (seconds, 60, "time zone offset second"),
        ] {
            if value > limit {
                return Err(Problem::Range(what));
            }
        }
        self.fields.offset = Some(sign * ((hours * 60 + minutes) * 60 + seconds));
        Ok(())
    }

    fn abbreviation(&mut self) -> Parsed<()> {
        if self.rest.starts_with("UTC") {
            self.take(3)?;
            self.fields.utc = true;
            return Ok(());
        }
        let length = abbreviation_length(self.rest).ok_or(Problem::Syntax)?;
        self.fields.abbreviation = Some(self.take(length)?);
        Ok(())
    }
}

/// How long the abbreviation of a zone is that a text begins with: three to five letters, `GMT+3`, or `+03`.
fn abbreviation_length(text: &str) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(behind) = text.strip_prefix("GMT") {
        return Some(3 + signed_hours(behind));
    }
    if text.starts_with(['+', '-']) {
        return Some(signed_hours(text)).filter(|length| *length > 0);
    }
    let letters = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    match letters {
        3 => Some(3),
        4 if text.get(3..4) == Some("T") || text.starts_with("WITA") => Some(4),
        5 if text.get(4..5) == Some("T") => Some(5),
        _ => None,
    }
}

/// The length of a sign with hours up to 23 behind it, or 0.
fn signed_hours(text: &str) -> usize {
    let Some(digits) = text.strip_prefix(['+', '-']) else {
        return 0;
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let hours = digits.get(..count).and_then(|digits| digits.parse::<u8>().ok());
    if hours.is_some_and(|hours| hours <= 23) {
        1 + count
    } else {
        0
    }
}

impl Fields<'_> {
    fn time(&self, zone: Option<&Zone>) -> Result<Time, &'static str> {
        let (month, day) = self.date()?;
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let civil = i8::try_from(day)
            .ok()
            .and_then(|day| {
                civil::DateTime::new(self.year, month, day, hour, self.minute, self.second, self.nanos).ok()
            })
            .ok_or("day out of range")?;
        self.in_zone(civil, zone).ok_or("time out of range")
    }

    fn in_zone(&self, civil: civil::DateTime, zone: Option<&Zone>) -> Option<Time> {
        let utc = Zone::utc();
        let local = zone.unwrap_or(&utc);
        if self.utc {
            return Some(Time::new(utc.timestamp(civil)?, utc));
        }
        if let Some(seconds) = self.offset {
            let offset = tz::Offset::from_seconds(seconds).ok()?;
            let timestamp = offset.to_timestamp(civil).ok()?;
            let name = self.abbreviation.unwrap_or_default();
            let same =
                local.offset_at(timestamp) == offset && (name.is_empty() || local.abbreviation_at(timestamp) == name);
            let zone = if same {
                local.clone()
            } else {
                Zone::fixed(seconds, name)?
            };
            return Some(Time::new(timestamp, zone));
        }
        if let Some(name) = self.abbreviation {
            let as_utc = utc.timestamp(civil)?;
            if let Some(offset) = local.offset_named(name, as_utc) {
                return Some(Time::new(offset.to_timestamp(civil).ok()?, local.clone()));
            }
            // A made-up zone without an offset, unless the name tells one.
            let hours: i32 = name
                .strip_prefix("GMT")
                .and_then(|hours| hours.parse().ok())
                .unwrap_or(0);
            // Even then it only changes how the time is shown.
            return Some(Time::new(as_utc, Zone::fixed(hours * 3600, name)?));
        }
        Some(Time::new(local.timestamp(civil)?, local.clone()))
    }

    fn date(&self) -> Result<(i8, i32), &'static str> {
        let Some(year_day) = self.year_day else {
            return Ok((self.month.unwrap_or(1), self.day.unwrap_or(1)));
        };
        let date = civil::Date::new(self.year, 1, 1)
            .ok()
            .filter(|first| (1..=i32::from(first.days_in_year())).contains(&year_day))
            .and_then(|first| first.checked_add(jiff::Span::new().days(year_day - 1)).ok())
            .ok_or("day-of-year out of range")?;
        let (month, day) = (date.month(), i32::from(date.day()));
        if self.month.is_some_and(|own| own != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|own| own != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }
}
