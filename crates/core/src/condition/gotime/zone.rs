//! Time zones.

use std::{cmp::Ordering, sync::Arc};

use jiff::{Timestamp, civil, tz};

/// A time zone: UTC, one of the IANA database, or what a time's own text says about it.
#[derive(Clone, Debug)]
pub struct Zone(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Utc,
    /// An offset with the name it came with, if any.
    Fixed(tz::Offset, Arc<str>),
    Iana(tz::TimeZone, Arc<str>),
}

impl Zone {
    pub(in crate::condition) fn utc() -> Self {
        Self(Kind::Utc)
    }

    pub(super) fn fixed(seconds: i32, name: &str) -> Option<Self> {
        Some(Self(Kind::Fixed(tz::Offset::from_seconds(seconds).ok()?, name.into())))
    }

    /// The zone of that name. This program runs in UTC: that is what is local.
    pub(in crate::condition) fn named(name: &str) -> Result<Self, String> {
        if matches!(name, "" | "UTC" | "Local") {
            return Ok(Self::utc());
        }
        if name.contains("..") || name.starts_with(['/', '\\']) {
            return Err("time: invalid location name".to_owned());
        }
        match tz::TimeZone::get(name) {
            // Names are files to Go: upper and lower case are not the same.
            Ok(zone) if zone.iana_name() == Some(name) => Ok(Self(Kind::Iana(zone, name.into()))),
            _ => Err(format!("unknown time zone {name}")),
        }
    }

    pub(in crate::condition) fn name(&self) -> &str {
        match &self.0 {
            Kind::Utc => "UTC",
            Kind::Fixed(_, name) | Kind::Iana(_, name) => name,
        }
    }

    pub(super) fn offset_at(&self, timestamp: Timestamp) -> tz::Offset {
        match &self.0 {
            Kind::Utc => tz::Offset::UTC,
            Kind::Fixed(offset, _) => *offset,
            Kind::Iana(zone, _) => zone.to_offset(timestamp),
        }
    }

    /// The short name in force at that moment; empty if there is none.
    pub(super) fn abbreviation_at(&self, timestamp: Timestamp) -> String {
        match &self.0 {
            Kind::Utc => "UTC".to_owned(),
            Kind::Fixed(_, name) => name.to_string(),
            Kind::Iana(zone, _) => zone.to_offset_info(timestamp).abbreviation().to_owned(),
        }
    }

    pub(super) fn is_dst_at(&self, timestamp: Timestamp) -> bool {
        match &self.0 {
            Kind::Utc | Kind::Fixed(..) => false,
            Kind::Iana(zone, _) => zone.to_offset_info(timestamp).dst().is_dst(),
        }
    }

    /// The moment at which clocks in the zone show that. Where there are two, or none, it is found as Go finds it: with
    /// the offset that is in force when clocks in UTC show it, if that is in force at the moment found.
    pub(super) fn timestamp(&self, civil: civil::DateTime) -> Option<Timestamp> {
        match &self.0 {
            Kind::Utc => tz::Offset::UTC.to_timestamp(civil).ok(),
            Kind::Fixed(offset, _) => offset.to_timestamp(civil).ok(),
            Kind::Iana(zone, _) => {
                let offset = zone.to_offset(tz::Offset::UTC.to_timestamp(civil).ok()?);
                let guess = offset.to_timestamp(civil).ok()?;
                zone.to_offset(guess).to_timestamp(civil).ok()
            }
        }
    }

    /// The offset that a short name stands for in this zone around that moment.
    pub(super) fn offset_named(&self, abbreviation: &str, around: Timestamp) -> Option<tz::Offset> {
        const HALF_A_YEAR: jiff::SignedDuration = jiff::SignedDuration::from_hours(183 * 24);
        let moments = [
            Some(around),
            around.checked_add(HALF_A_YEAR).ok(),
            around.checked_sub(HALF_A_YEAR).ok(),
        ];
        let moment = moments
            .into_iter()
            .flatten()
            .find(|moment| self.abbreviation_at(*moment) == abbreviation)?;
        Some(self.offset_at(moment))
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Zone {}

impl PartialOrd for Zone {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Zone {
    fn cmp(&self, other: &Self) -> Ordering {
        let fixed = |zone: &Self| match &zone.0 {
            Kind::Fixed(offset, _) => Some(offset.seconds()),
            Kind::Utc | Kind::Iana(..) => None,
        };
        self.name()
            .cmp(other.name())
            .then_with(|| fixed(self).cmp(&fixed(other)))
    }
}
