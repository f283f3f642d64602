//! Durations as text.

use rollcage_api::duration::{GoDuration, ParseDurationError};

use super::quote;

/// Nanoseconds out of `1h30m`, with an optional sign.
pub(in crate::condition) fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.starts_with(['-', '+']) {
        return Err(invalid());
    }
    let parsed: GoDuration = unsigned.parse().map_err(|error| match error {
        ParseDurationError::MissingUnit(_) => format!("time: missing unit in duration {}", quote(text)),
        ParseDurationError::UnknownUnit { unit, .. } => {
            format!("time: unknown unit {} in duration {}", quote(&unit), quote(text))
        }
        ParseDurationError::Invalid(_) | ParseDurationError::Negative(_) => invalid(),
    })?;
    let nanos = i64::try_from(parsed.0.as_nanos()).map_err(|_| invalid())?;
    Ok(if text.starts_with('-') { -nanos } else { nanos })
}

/// `1h30m0s`.
pub(in crate::condition) fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    format!(
        "{sign}{}",
        GoDuration(std::time::Duration::from_nanos(nanos.unsigned_abs()))
    )
}
