//! Layouts: how Go describes the text of a time, by the example of Mon Jan 2 15:04:05 MST 2006.

/// A part of a layout that stands for a part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    ShortMonth,
    Month {
        zero: bool,
    },
    LongWeekday,
    ShortWeekday,
    Day(Padding),
    YearDay(Padding),
    Hour,
    Hour12 {
        zero: bool,
    },
    Minute {
        zero: bool,
    },
    Second {
        zero: bool,
    },
    LongYear,
    ShortYear,
    /// `PM` or `pm`.
    HalfDay {
        upper: bool,
    },
    /// `MST`.
    Abbreviation,
    Offset(Offset),
    /// `.000`: that many digits.
    Fraction(usize),
    /// `.999`: up to that many digits.
    ShortFraction(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    Nothing,
    Space,
    Zero,
}

/// An offset from UTC in digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    /// `Z` stands for none.
    pub(super) zulu: bool,
    pub(super) colons: bool,
    pub(super) minutes: bool,
    pub(super) seconds: bool,
}

/// Splits a layout at its first element: what is before, the element with its spelling, and what is behind.
pub(super) fn first_element(layout: &str) -> Option<(&str, Element, &str, &str)> {
    for (at, _) in layout.char_indices() {
        let (before, rest) = layout.split_at(at);
        if let Some((skip, element, length)) = element_at(rest) {
            let (skipped, rest) = rest.split_at(skip);
            let (spelling, behind) = rest.split_at(length);
            let before = layout.get(..before.len() + skipped.len()).unwrap_or(before);
            return Some((before, element, spelling, behind));
        }
    }
    None
}

/// The element that a text begins with: how much of the text goes before it, and its length.
fn element_at(text: &str) -> Option<(usize, Element, usize)> {
    const HOURS: Offset = Offset {
        zulu: false,
        colons: false,
        minutes: false,
        seconds: false,
    };
    const MINUTES: Offset = Offset { minutes: true, ..HOURS };
    const SECONDS: Offset = Offset {
        seconds: true,
        ..MINUTES
    };
    const COLONS: Offset = Offset {
        colons: true,
        ..MINUTES
    };
    const SECONDS_COLONS: Offset = Offset {
        colons: true,
        ..SECONDS
    };
    const fn zulu(offset: Offset) -> Element {
        Element::Offset(Offset { zulu: true, ..offset })
    }
    // Longer spellings go before their own beginnings.
    const SPELLINGS: [(&str, Element); 33] = [
        ("January", Element::LongMonth),
        ("Monday", Element::LongWeekday),
        ("MST", Element::Abbreviation),
        ("002", Element::YearDay(Padding::Zero)),
        ("01", Element::Month { zero: true }),
        ("02", Element::Day(Padding::Zero)),
        ("03", Element::Hour12 { zero: true }),
        ("04", Element::Minute { zero: true }),
        ("05", Element::Second { zero: true }),
        ("06", Element::ShortYear),
        ("15", Element::Hour),
        ("1", Element::Month { zero: false }),
        ("2006", Element::LongYear),
        ("2", Element::Day(Padding::Nothing)),
        ("__2", Element::YearDay(Padding::Space)),
        ("_2", Element::Day(Padding::Space)),
        ("3", Element::Hour12 { zero: false }),
        ("4", Element::Minute { zero: false }),
        ("5", Element::Second { zero: false }),
        ("PM", Element::HalfDay { upper: true }),
        ("pm", Element::HalfDay { upper: false }),
        ("-070000", Element::Offset(SECONDS)),
        ("-07:00:00", Element::Offset(SECONDS_COLONS)),
        ("-0700", Element::Offset(MINUTES)),
        ("-07:00", Element::Offset(COLONS)),
        ("-07", Element::Offset(HOURS)),
        ("Z070000", zulu(SECONDS)),
        ("Z07:00:00", zulu(SECONDS_COLONS)),
        ("Z0700", zulu(MINUTES)),
        ("Z07:00", zulu(COLONS)),
        ("Z07", zulu(HOURS)),
        // Not followed by a small letter: `Month` is no month.
        ("Jan", Element::ShortMonth),
        ("Mon", Element::ShortWeekday),
    ];
    // The underscore is a plain character before a year.
    if text.starts_with("_2006") {
        return Some((1, Element::LongYear, 4));
    }
    if let Some(fraction) = fraction_at(text) {
        return Some(fraction);
    }
    let (spelling, element) = SPELLINGS.iter().find(|(spelling, element)| {
        text.strip_prefix(spelling).is_some_and(|behind| {
            let short_name = matches!(element, Element::ShortMonth | Element::ShortWeekday);
            !(short_name && behind.starts_with(|c: char| c.is_ascii_lowercase()))
        })
    })?;
    Some((0, *element, spelling.len()))
}

/// `.000` or `,999`: a point and a run of one digit, not followed by another digit.
fn fraction_at(text: &str) -> Option<(usize, Element, usize)> {
    let digits = text.strip_prefix(['.', ','])?;
    let first = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let behind = digits.trim_start_matches(first);
    if behind.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let count = digits.len() - behind.len();
    let element = if first == '0' {
        Element::Fraction(count)
    } else {
        Element::ShortFraction(count)
    };
    Some((0, element, 1 + count))
}
