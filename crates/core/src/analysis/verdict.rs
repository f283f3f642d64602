//! What the measurements so far amount to for one metric (spec 4.5).

use rollcage_api::analysis::{AnalysisPhase, Metric, MetricResult};

use super::counts::Counts;

/// A limit that a metric broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// What the metric is therefore.
    pub phase: AnalysisPhase,
    /// How, as messages say it.
    pub text: String,
}

/// The metric's phase; the first rule that applies decides.
pub(super) fn verdict(metric: &Metric, result: &MetricResult, terminating: bool) -> AnalysisPhase {
    if result.phase.is_completed() {
        return result.phase;
    }
    let Some(last) = result.measurements.last() else {
        return if terminating {
            AnalysisPhase::Successful
        } else {
            AnalysisPhase::Pending
        };
    };
    if !last.phase.is_completed() {
        return AnalysisPhase::Running;
    }
    if let Some(broken) = broken_limit(metric, result) {
        return broken.phase;
    }
    let counts = Counts::of(metric);
    let wants_successes = counts.consecutive_success > 0;
    if wants_successes && i64::from(result.consecutive_success) >= counts.consecutive_success {
        return AnalysisPhase::Successful;
    }
    if counts.reached(result.count) {
        return match (wants_successes, counts.failure >= 0) {
            (true, true) => AnalysisPhase::Inconclusive,
            (true, false) => AnalysisPhase::Failed,
            (false, _) => AnalysisPhase::Successful,
        };
    }
    if terminating {
        AnalysisPhase::Successful
    } else {
        AnalysisPhase::Running
    }
}

/// The limit that decides: of several broken ones an error beats inconclusive, which beats failed.
pub(super) fn broken_limit(metric: &Metric, result: &MetricResult) -> Option<Broken> {
    let counts = Counts::of(metric);
    let mut broken = None;
    let mut check = |phase, name, count: i32, limit_name, limit: i64| {
        if i64::from(count) > limit {
            broken = Some(Broken {
                phase,
                text: format!("{name} ({count}) > {limit_name} ({limit})"),
            });
        }
    };
    if counts.failure >= 0 {
        check(
            AnalysisPhase::Failed,
            "failed",
            result.failed,
            "failureLimit",
            counts.failure,
        );
    }
    check(
        AnalysisPhase::Inconclusive,
        "inconclusive",
        result.inconclusive,
        "inconclusiveLimit",
        counts.inconclusive,
    );
    check(
        AnalysisPhase::Error,
        "consecutiveErrors",
        result.consecutive_error,
        "consecutiveErrorLimit",
        counts.consecutive_error,
    );
    broken
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn merge(base: Value, fields: Value) -> Value {
        let (Value::Object(mut base), Value::Object(fields)) = (base, fields) else {
            panic!("two objects")
        };
        base.extend(fields);
        Value::Object(base)
    }

    fn phase_of(metric: Value, result: Value, terminating: bool) -> AnalysisPhase {
        let metric: Metric = serde_json::from_value(merge(json!({"name": "m"}), metric)).unwrap();
        let result: MetricResult =
            serde_json::from_value(merge(json!({"name": "m", "phase": "Running"}), result)).unwrap();
        verdict(&metric, &result, terminating)
    }

    /// Spec 4.5, first match wins.
    #[test]
    fn metric_rules() {
        use AnalysisPhase::{Error, Failed, Inconclusive, Pending, Running, Successful};
        let done = || json!([{"phase": "Successful"}]);
        for (rule, metric, result, terminating, phase) in [
            (
                "1 sticky",
                json!({}),
                json!({"phase": "Failed", "measurements": done()}),
                false,
                Failed,
            ),
            ("2 none", json!({}), json!({}), false, Pending),
            ("2 none, ending", json!({}), json!({}), true, Successful),
            (
                "3 in flight",
                json!({}),
                json!({"failed": 9, "measurements": [{"phase": "Running"}]}),
                false,
                Running,
            ),
            (
                "3 in flight, ending",
                json!({}),
                json!({"measurements": [{"phase": ""}]}),
                true,
                Running,
            ),
            (
                "4 default failure limit",
                json!({"interval": "1s"}),
                json!({"failed": 1, "measurements": done()}),
                false,
                Failed,
            ),
            (
                "4 failure limit holds",
                json!({"interval": "1s", "failureLimit": 2}),
                json!({"failed": 2, "measurements": done()}),
                false,
                Running,
            ),
            (
                "4 failure limit broken",
                json!({"interval": "1s", "failureLimit": "2"}),
                json!({"failed": 3, "measurements": done()}),
                false,
                Failed,
            ),
            (
                "4 failure limit off",
                json!({"interval": "1s", "failureLimit": -1, "consecutiveSuccessLimit": 9}),
                json!({"failed": 99, "measurements": done()}),
                false,
                Running,
            ),
            (
                "4 inconclusive beats failed",
                json!({"interval": "1s"}),
                json!({"failed": 1, "inconclusive": 1, "measurements": done()}),
                false,
                Inconclusive,
            ),
            (
                "4 error beats both",
                json!({"interval": "1s"}),
                json!({"failed": 1, "inconclusive": 1, "consecutiveError": 5, "measurements": done()}),
                false,
                Error,
            ),
            (
                "4 four errors are tolerated",
                json!({"interval": "1s"}),
                json!({"consecutiveError": 4, "measurements": done()}),
                false,
                Running,
            ),
            (
                "4 no errors tolerated",
                json!({"consecutiveErrorLimit": 0}),
                json!({"consecutiveError": 1, "measurements": done()}),
                false,
                Error,
            ),
            (
                "5 enough successes",
                json!({"interval": "1s", "consecutiveSuccessLimit": 2}),
                json!({"consecutiveSuccess": 2, "measurements": done()}),
                false,
                Successful,
            ),
            (
                "6 count reached",
                json!({}),
                json!({"count": 1, "measurements": done()}),
                false,
                Successful,
            ),
            (
                "6 count reached without the successes",
                json!({"count": 3, "interval": "1s", "consecutiveSuccessLimit": 2}),
                json!({"count": 3, "consecutiveSuccess": 1, "measurements": done()}),
                false,
                Inconclusive,
            ),
            (
                "6 the same with a failure limit",
                json!({"count": 3, "interval": "1s", "failureLimit": 1, "consecutiveSuccessLimit": 2}),
                json!({"count": 3, "measurements": done()}),
                false,
                Inconclusive,
            ),
            (
                "6 the same with failures unlimited",
                json!({"count": 3, "interval": "1s", "failureLimit": -1, "consecutiveSuccessLimit": 2}),
                json!({"count": 3, "measurements": done()}),
                false,
                Failed,
            ),
            (
                "6 errors do not count",
                json!({}),
                json!({"count": 0, "error": 1, "consecutiveError": 1, "measurements": done()}),
                false,
                Running,
            ),
            (
                "7 open end, ending",
                json!({"interval": "1s"}),
                json!({"count": 5, "measurements": done()}),
                true,
                Successful,
            ),
            (
                "8 open end",
                json!({"interval": "1s"}),
                json!({"count": 5, "measurements": done()}),
                false,
                Running,
            ),
        ] {
            assert_eq!(phase_of(metric, result, terminating), phase, "{rule}");
        }
    }
}
