//! Numbers of a metric as Argo reads them (spec 3.1).

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rollcage_api::analysis::Metric;

/// Errors in a row that a metric tolerates when it does not say.
const CONSECUTIVE_ERROR_LIMIT: i64 = 4;

/// The number, or 0 for a text that is none.
pub fn int_value(value: &IntOrString) -> i64 {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    match value {
        IntOrString::Int(number) => i64::from(*number),
        IntOrString::String(text) => text
            .parse()
            .unwrap_or_else(|error: std::num::ParseIntError| match error.kind() {
                PosOverflow => i64::MAX,
                NegOverflow => i64::MIN,
                _ => 0,
            }),
    }
}

fn or_zero(value: Option<&IntOrString>) -> i64 {
    value.map_or(0, int_value)
}

/// Limits of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Measurements wanted; `None` is without end.
    pub count: Option<i64>,
    /// Failures tolerated; -1 is any number.
    pub failure: i64,
    /// Inconclusive measurements tolerated.
    pub inconclusive: i64,
    /// Errors in a row tolerated.
    pub consecutive_error: i64,
    /// Successes in a row that are enough; 0 is off.
    pub consecutive_success: i64,
}

impl Counts {
    /// Of a metric whose arguments are filled in.
    pub fn of(metric: &Metric) -> Self {
        let count = match or_zero(metric.count.as_ref()) {
            0 if metric.interval.is_empty() => Some(1),
            0 => None,
            count => Some(count),
        };
        Self {
            count,
            failure: or_zero(metric.failure_limit.as_ref()),
            inconclusive: or_zero(metric.inconclusive_limit.as_ref()),
            consecutive_error: metric
                .consecutive_error_limit
                .as_ref()
                .map_or(CONSECUTIVE_ERROR_LIMIT, int_value),
            consecutive_success: or_zero(metric.consecutive_success_limit.as_ref()),
        }
    }

    /// Whether as many measurements were taken as were wanted.
    pub fn reached(&self, taken: i32) -> bool {
        self.count.is_some_and(|count| i64::from(taken) >= count)
    }
}

/// What the metric itself says about `count`, for validation.
pub fn written_count(metric: &Metric) -> i64 {
    or_zero(metric.count.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> IntOrString {
        IntOrString::String(text.to_owned())
    }

    #[test]
    fn texts_that_are_no_integers_are_zero() {
        for (written, number) in [
            ("5", 5),
            ("+5", 5),
            ("-1", -1),
            ("", 0),
            ("5.0", 0),
            (" 5", 0),
            ("1_0", 0),
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(int_value(&text(written)), number, "{written:?}");
        }
    }

    #[test]
    fn effective_count() {
        let metric = |count, interval: &str| Metric {
            count,
            interval: interval.to_owned(),
            ..Metric::default()
        };
        for (count, interval, effective) in [
            (None, "", Some(1)),
            (None, "1m", None),
            (Some(text("0")), "", Some(1)),
            (Some(text("nonsense")), "1m", None),
            (Some(IntOrString::Int(3)), "1m", Some(3)),
            (Some(text("7")), "1m", Some(7)),
            (Some(IntOrString::Int(-2)), "1m", Some(-2)),
        ] {
            assert_eq!(
                Counts::of(&metric(count.clone(), interval)).count,
                effective,
                "{count:?} {interval}"
            );
        }
        let negative = Counts::of(&metric(Some(IntOrString::Int(-2)), "1m"));
        assert!(negative.reached(0), "a negative count is reached at once");
    }

    #[test]
    fn limits_and_their_defaults() {
        let counts = Counts::of(&Metric::default());
        assert_eq!(
            (
                counts.failure,
                counts.inconclusive,
                counts.consecutive_error,
                counts.consecutive_success
            ),
            (0, 0, 4, 0)
        );
        let zero = Counts::of(&Metric {
            consecutive_error_limit: Some(text("x")),
            ..Metric::default()
        });
        assert_eq!(zero.consecutive_error, 0);
    }
}
