//! `time.Time` as Go marshals it: version, seconds since the year 1, nanoseconds, minutes east of Greenwich.

use jiff::Timestamp;

/// Seconds from the year 1 to 1970.
const TO_1970: i64 = 62_135_596_800;
/// Go's zero time.
pub(crate) const ZERO: [u8; LENGTH] = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const LENGTH: usize = 15;

/// Reads a time. The zone is dropped: it is a moment.
pub(crate) fn read(bytes: &[u8]) -> Result<Timestamp, &'static str> {
    let (version, rest) = bytes.split_first().ok_or("Time.UnmarshalBinary: no data")?;
    let wanted = match version {
        1 => LENGTH,
        // A byte more for the seconds of a historic zone.
        2 => LENGTH + 1,
        _ => return Err("Time.UnmarshalBinary: unsupported version"),
    };
    if bytes.len() != wanted {
        return Err("Time.UnmarshalBinary: invalid length");
    }
    let invalid = "Time.UnmarshalBinary: invalid length";
    let (seconds, rest) = rest.split_first_chunk().ok_or(invalid)?;
    let (nanoseconds, _) = rest.split_first_chunk().ok_or(invalid)?;
    let nanoseconds = i32::from_be_bytes(*nanoseconds);
    if !(0..1_000_000_000).contains(&nanoseconds) {
        return Err("a time with more than a second of nanoseconds");
    }
    i64::from_be_bytes(*seconds)
        .checked_sub(TO_1970)
        .and_then(|seconds| Timestamp::new(seconds, nanoseconds).ok())
        .ok_or("a time outside the years that RFC 3339 can write")
}

/// Writes a time as a controller in a container with no zone of its own does: at offset 0.
pub(crate) fn write(time: Timestamp) -> [u8; LENGTH] {
    // jiff counts down from a second below zero, Go up from the one before.
    let before = i64::from(time.subsec_nanosecond() < 0);
    let nanoseconds = time.subsec_nanosecond() + if before == 1 { 1_000_000_000 } else { 0 };
    bytes(time.as_second() - before, nanoseconds)
}

/// The same of nanoseconds since 1970.
pub(crate) fn write_nanoseconds(nanoseconds: i128) -> Option<[u8; LENGTH]> {
    const SECOND: i64 = 1_000_000_000;
    // Dividing 128 bits takes its time, and today's times have 64.
    let Ok(short) = i64::try_from(nanoseconds) else {
        return Timestamp::from_nanosecond(nanoseconds).ok().map(write);
    };
    let rest = i32::try_from(short.rem_euclid(SECOND)).ok()?;
    Some(bytes(short.div_euclid(SECOND), rest))
}

fn bytes(second: i64, nanoseconds: i32) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[0] = 1;
    bytes[1..9].copy_from_slice(&(second + TO_1970).to_be_bytes());
    bytes[9..13].copy_from_slice(&nanoseconds.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g19_times_of_both_versions_with_any_zone() {
        let bytes = |version: u8, offset: [u8; 2], more: &[u8]| {
            let mut all = vec![version];
            all.extend([0, 0, 0, 0x0e, 0xdd, 0x25, 0x74, 0x25, 0, 0, 0, 6]);
            all.extend(offset);
            all.extend(more);
            all
        };
        let wanted: Timestamp = "2024-01-02T03:04:05.000000006Z".parse().unwrap();
        for offset in [[0xff, 0xff], [0, 0], [1, 0x4a]] {
            assert_eq!(read(&bytes(1, offset, &[])), Ok(wanted));
            assert_eq!(read(&bytes(2, offset, &[17])), Ok(wanted));
        }
        assert_eq!(write(wanted).to_vec(), bytes(1, [0, 0], &[]));
        assert_eq!(
            read(&ZERO).map(|time| time.to_string()),
            Ok("0001-01-01T00:00:00Z".to_owned())
        );
        for (bytes, error) in [
            (vec![], "no data"),
            (ZERO.split_at(14).0.to_vec(), "invalid length"),
            (bytes(1, [0, 0], &[0, 0]), "invalid length"),
            (bytes(3, [0, 0], &[]), "unsupported version"),
        ] {
            assert!(read(&bytes).is_err_and(|why| why.ends_with(error)), "{error}");
        }
        let mut late = ZERO;
        late[1] = 0x7f;
        assert!(read(&late).is_err());
        let mut odd = ZERO;
        odd[9] = 0x7f;
        assert!(read(&odd).is_err());
    }

    #[test]
    fn before_1970_as_well() {
        for text in [
            "1969-12-31T23:59:59.5Z",
            "0001-01-01T00:00:00Z",
            "1883-01-01T00:00:00.000000001Z",
            "9999-12-30T22:00:00.5Z",
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(read(&write(time)), Ok(time), "{text}");
            assert_eq!(write_nanoseconds(time.as_nanosecond()), Some(write(time)), "{text}");
        }
    }
}
