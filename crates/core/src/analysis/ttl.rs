//! When a finished run is deleted (spec 4.10). Argo looks only when something else wakes it; here the time is a timer.

use jiff::{SignedDuration, Timestamp};
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun};

/// When the run is to be deleted: the first instant at which more whole seconds have passed than its strategy allows.
pub fn delete_at(run: &AnalysisRun) -> Option<Timestamp> {
    let strategy = run.spec.ttl_strategy.as_ref()?;
    let completed = run.status.completed_at?;
    let specific = match run.status.phase {
        AnalysisPhase::Successful => strategy.seconds_after_success,
        AnalysisPhase::Failed => strategy.seconds_after_failure,
        AnalysisPhase::Error | AnalysisPhase::Inconclusive => None,
        AnalysisPhase::Unset | AnalysisPhase::Pending | AnalysisPhase::Running => return None,
    };
    let seconds = i64::from(specific.or(strategy.seconds_after_completion)?) + 1;
    completed.checked_add(SignedDuration::from_secs(seconds)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(phase: &str, strategy: Value, completed: Value) -> Option<String> {
        let run: AnalysisRun = serde_json::from_value(json!({
            "spec": {"metrics": [], "ttlStrategy": strategy},
            "status": {"phase": phase, "completedAt": completed}
        }))
        .unwrap();
        delete_at(&run).map(|at| at.to_string())
    }

    #[test]
    fn the_most_specific_time_that_is_set_counts() {
        let all = || json!({"secondsAfterCompletion": 10, "secondsAfterFailure": 20, "secondsAfterSuccess": 30});
        let completed = || json!("2026-01-01T00:00:00Z");
        for (phase, strategy, seconds) in [
            ("Successful", all(), Some(31)),
            ("Failed", all(), Some(21)),
            ("Error", all(), Some(11)),
            ("Inconclusive", all(), Some(11)),
            ("Running", all(), None),
            ("Error", json!({"secondsAfterFailure": 20}), None),
            ("Successful", json!({"secondsAfterFailure": 20}), None),
            ("Successful", json!({"secondsAfterCompletion": 0}), Some(1)),
            ("Successful", json!(null), None),
        ] {
            let expected = seconds.map(|seconds| format!("2026-01-01T00:00:{seconds:02}Z"));
            assert_eq!(at(phase, strategy.clone(), completed()), expected, "{phase} {strategy}");
        }
        assert_eq!(
            at("Failed", all(), json!(null)),
            None,
            "without a time there is nothing to count from"
        );
    }
}
