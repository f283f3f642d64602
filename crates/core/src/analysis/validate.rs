//! Whether a run can be worked on at all (spec 3.1); texts are Argo's.

use std::collections::HashSet;

use rollcage_api::{GoDuration, analysis::Metric, duration::ParseDurationError};

use super::{counts, provider};

/// What is wrong with a run's metrics.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// There are none.
    #[error("no metrics specified")]
    NoMetrics,
    /// One of them is wrong.
    #[error("metrics[{index}]: {reason}")]
    Metric {
        /// Which.
        index: usize,
        /// Why.
        reason: InvalidMetric,
    },
    /// A `dryRun` or `measurementRetention` rule is about no metric.
    #[error("{rules}[{index}]: Rule didn't match any metric name(s)")]
    UnmatchedRule {
        /// The list's name.
        rules: &'static str,
        /// Which rule.
        index: usize,
    },
}

/// What is wrong with a metric.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetric {
    #[error("duplicate name '{0}'")]
    DuplicateName(String),
    #[error("consecutiveSuccessLimit must be >= 0")]
    ConsecutiveSuccessLimit,
    #[error("failureLimit must be >= 0, or -1 to be disabled")]
    FailureLimit,
    #[error("failureLimit and consecutiveSuccessLimit cannot both be disabled")]
    NeverDecided,
    #[error("inconclusiveLimit must be >= 0")]
    InconclusiveLimit,
    #[error("consecutiveErrorLimit must be >= 0")]
    ConsecutiveErrorLimit,
    #[error("count ({count}) must be >= failureLimit + consecutiveSuccessLimit ({failure} + {success}) if both >= 0")]
    CountBelowLimits { count: i64, failure: i64, success: i64 },
    #[error("count must be >= consecutiveSuccessLimit")]
    CountBelowSuccesses,
    #[error("count must be >= inconclusiveLimit")]
    CountBelowInconclusive,
    #[error("interval must be specified when count > 1")]
    NoInterval,
    #[error("invalid interval string: {0}")]
    Interval(ParseDurationError),
    #[error("invalid startDelay string: {0}")]
    InitialDelay(ParseDurationError),
    #[error("no provider specified")]
    NoProvider,
    #[error("multiple providers specified")]
    ManyProviders,
}

/// Checks metrics whose arguments are filled in.
pub fn validate(metrics: &[Metric]) -> Result<(), InvalidSpec> {
    if metrics.is_empty() {
        return Err(InvalidSpec::NoMetrics);
    }
    let mut names = HashSet::new();
    for (index, metric) in metrics.iter().enumerate() {
        let checked = if names.insert(metric.name.as_str()) {
            check(metric)
        } else {
            Err(InvalidMetric::DuplicateName(metric.name.clone()))
        };
        checked.map_err(|reason| InvalidSpec::Metric { index, reason })?;
    }
    Ok(())
}

fn check(metric: &Metric) -> Result<(), InvalidMetric> {
    let limits = counts::Counts::of(metric);
    let (failure, success) = (limits.failure, limits.consecutive_success);
    if success < 0 {
        return Err(InvalidMetric::ConsecutiveSuccessLimit);
    }
    if failure < -1 {
        return Err(InvalidMetric::FailureLimit);
    }
    if success == 0 && failure == -1 {
        return Err(InvalidMetric::NeverDecided);
    }
    if limits.inconclusive < 0 {
        return Err(InvalidMetric::InconclusiveLimit);
    }
    if limits.consecutive_error < 0 {
        return Err(InvalidMetric::ConsecutiveErrorLimit);
    }
    // The written count: an absent one is compared with nothing.
    let count = counts::written_count(metric);
    if count > 0 {
        if failure >= 0 && count < failure.saturating_add(success) {
            return Err(InvalidMetric::CountBelowLimits {
                count,
                failure,
                success,
            });
        }
        if failure < 0 && count < success {
            return Err(InvalidMetric::CountBelowSuccesses);
        }
        if count < limits.inconclusive {
            return Err(InvalidMetric::CountBelowInconclusive);
        }
    }
    if count > 1 && metric.interval.is_empty() {
        return Err(InvalidMetric::NoInterval);
    }
    duration(&metric.interval).map_err(InvalidMetric::Interval)?;
    duration(&metric.initial_delay).map_err(InvalidMetric::InitialDelay)?;
    match metric.provider.plugin.len() + provider::built_in(&metric.provider).count() {
        0 => Err(InvalidMetric::NoProvider),
        1 => Ok(()),
        _ => Err(InvalidMetric::ManyProviders),
    }
}

/// An absent duration is `None`.
pub(super) fn duration(text: &str) -> Result<Option<std::time::Duration>, ParseDurationError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<GoDuration>().map(|duration| Some(duration.0))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(fields: Value) -> String {
        let mut metric = json!({"name": "m", "provider": {"plugin": {"a/b": {}}}});
        json_patch_merge(&mut metric, fields);
        let metric = serde_json::from_value(metric).unwrap();
        validate(&[metric]).map_or_else(|error| error.to_string(), |()| "valid".to_owned())
    }

    fn json_patch_merge(into: &mut Value, fields: Value) {
        if let (Value::Object(into), Value::Object(fields)) = (into, fields) {
            into.extend(fields);
        }
    }

    /// Spec 3.1, every text.
    #[test]
    fn a_metric_s_mistakes() {
        for (fields, expected) in [
            (json!({}), "valid"),
            (
                json!({"consecutiveSuccessLimit": -1}),
                "metrics[0]: consecutiveSuccessLimit must be >= 0",
            ),
            (
                json!({"failureLimit": -2}),
                "metrics[0]: failureLimit must be >= 0, or -1 to be disabled",
            ),
            (
                json!({"failureLimit": -1}),
                "metrics[0]: failureLimit and consecutiveSuccessLimit cannot both be disabled",
            ),
            (json!({"failureLimit": "-1", "consecutiveSuccessLimit": "2"}), "valid"),
            (
                json!({"inconclusiveLimit": -1}),
                "metrics[0]: inconclusiveLimit must be >= 0",
            ),
            (
                json!({"consecutiveErrorLimit": -1}),
                "metrics[0]: consecutiveErrorLimit must be >= 0",
            ),
            (json!({"count": 1, "consecutiveErrorLimit": 9}), "valid"),
            (
                json!({"count": 3, "interval": "1s", "failureLimit": 2, "consecutiveSuccessLimit": 2}),
                "metrics[0]: count (3) must be >= failureLimit + consecutiveSuccessLimit (2 + 2) if both >= 0",
            ),
            (
                json!({"count": 1, "failureLimit": -1, "consecutiveSuccessLimit": 2}),
                "metrics[0]: count must be >= consecutiveSuccessLimit",
            ),
            (
                json!({"count": 1, "inconclusiveLimit": 2}),
                "metrics[0]: count must be >= inconclusiveLimit",
            ),
            (json!({"failureLimit": 5, "interval": "1s"}), "valid"),
            (
                json!({"count": 2}),
                "metrics[0]: interval must be specified when count > 1",
            ),
            (json!({"count": -1}), "valid"),
            (json!({"count": "two"}), "valid"),
            (
                json!({"interval": "5"}),
                r#"metrics[0]: invalid interval string: time: missing unit in duration "5""#,
            ),
            (
                json!({"initialDelay": "x"}),
                r#"metrics[0]: invalid startDelay string: time: invalid duration "x""#,
            ),
            (json!({"provider": {}}), "metrics[0]: no provider specified"),
            (json!({"provider": {"web": null}}), "metrics[0]: no provider specified"),
            (
                json!({"provider": {"unheardOf": {}}}),
                "metrics[0]: no provider specified",
            ),
            (json!({"provider": {"web": {}}}), "valid"),
            (
                json!({"provider": {"web": {}, "job": {}}}),
                "metrics[0]: multiple providers specified",
            ),
            (
                json!({"provider": {"plugin": {"a/b": {}, "c/d": {}}}}),
                "metrics[0]: multiple providers specified",
            ),
            (
                json!({"provider": {"web": {}, "plugin": {"a/b": {}}}}),
                "metrics[0]: multiple providers specified",
            ),
        ] {
            assert_eq!(message(fields.clone()), expected, "{fields}");
        }
    }

    #[test]
    fn a_run_s_mistakes() {
        assert_eq!(validate(&[]).unwrap_err().to_string(), "no metrics specified");
        let metric: Metric = serde_json::from_value(json!({"name": "m", "provider": {"web": {}}})).unwrap();
        assert_eq!(
            validate(&[metric.clone(), metric]).unwrap_err().to_string(),
            "metrics[1]: duplicate name 'm'"
        );
    }
}
