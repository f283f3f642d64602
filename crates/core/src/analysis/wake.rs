//! When the run has to be looked at again (spec 4.9).
//!
//! Every change of the object brings another look by itself, our own writes included. What has no timer, such as a
//! measurement in flight without a time to resume, is looked at as often as Argo looks at everything.

use std::time::Duration;

use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisRun, Metric};

use super::{Patience, after, counts::Counts, is_terminating, result, tasks::pause, ttl, validate::duration};

/// How often Argo looks at every object, whether or not anything happened (spec 4.1).
const RESYNC: Duration = Duration::from_mins(15);

/// The earliest time at which something may be due; in the past means now.
pub(super) fn next(
    run: &AnalysisRun,
    metrics: &[Metric],
    waits: &[(&str, &Patience)],
    now: Timestamp,
) -> Option<Timestamp> {
    if run.status.phase.is_completed() {
        return ttl::delete_at(run);
    }
    if is_terminating(run) {
        // A metric just ended the run: its siblings in flight are to be terminated.
        return Some(now);
    }
    metrics
        .iter()
        .filter_map(|metric| {
            let patience = waits.iter().find(|(name, _)| *name == metric.name);
            match patience {
                Some((_, patience)) => Some(patience.look_again.map_or(patience.until, |at| at.min(patience.until))),
                None => of_metric(run, metric),
            }
        })
        .min()
        .or_else(|| Some(after(now, RESYNC)))
}

fn of_metric(run: &AnalysisRun, metric: &Metric) -> Option<Timestamp> {
    let result = result(run, &metric.name);
    if result.is_some_and(|result| result.phase.is_completed()) {
        return None;
    }
    let Some(last) = result.and_then(|result| result.measurements.last()) else {
        let delay = duration(&metric.initial_delay).ok().flatten()?;
        return Some(after(run.status.started_at?, delay));
    };
    let Some(finished) = last.finished_at else {
        return last.resume_at;
    };
    if Counts::of(metric).reached(result.map_or(0, |result| result.count)) {
        return None;
    }
    Some(after(finished, pause(metric, last)?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wake(metrics: Value, results: Value) -> Option<String> {
        let run: AnalysisRun = serde_json::from_value(json!({
            "spec": {"metrics": metrics},
            "status": {"phase": "Running", "startedAt": "2026-01-01T00:00:00Z", "metricResults": results}
        }))
        .unwrap();
        let now = "2026-01-01T00:30:00Z".parse().unwrap();
        next(&run, &run.spec.metrics, &[], now).map(|at| at.strftime("%H:%M:%S").to_string())
    }

    fn last(phase: &str) -> Value {
        json!([{"phase": phase, "finishedAt": "2026-01-01T00:10:00Z"}])
    }

    /// Spec 4.9, rule by rule.
    #[test]
    fn rules() {
        const RESYNCED: Option<&str> = Some("00:45:00");
        for (rule, metric, result, at) in [
            ("never measured", json!({}), json!(null), RESYNCED),
            (
                "initial delay",
                json!({"initialDelay": "2m"}),
                json!(null),
                Some("00:02:00"),
            ),
            (
                "in flight",
                json!({}),
                json!({"measurements": [{"phase": "Running"}]}),
                RESYNCED,
            ),
            (
                "in flight with a time",
                json!({}),
                json!({"measurements": [{"phase": "Running", "resumeAt": "2026-01-01T00:11:00Z"}]}),
                Some("00:11:00"),
            ),
            (
                "count reached",
                json!({"count": 1, "interval": "1m"}),
                json!({"count": 1, "measurements": last("Successful")}),
                RESYNCED,
            ),
            (
                "last was an error",
                json!({"interval": "1m"}),
                json!({"measurements": last("Error")}),
                Some("00:10:10"),
            ),
            (
                "interval",
                json!({"interval": "1m"}),
                json!({"count": 1, "measurements": last("Failed")}),
                Some("00:11:00"),
            ),
            (
                "no interval",
                json!({"count": 2}),
                json!({"count": 1, "measurements": last("Failed")}),
                RESYNCED,
            ),
            (
                "completed",
                json!({"interval": "1m"}),
                json!({"phase": "Successful", "measurements": last("Failed")}),
                RESYNCED,
            ),
        ] {
            let mut metrics = json!([{"name": "m"}]);
            metrics[0]
                .as_object_mut()
                .unwrap()
                .extend(metric.as_object().unwrap().clone());
            let results = result.as_object().map_or(json!([]), |fields| {
                let mut result = json!([{"name": "m", "phase": "Running"}]);
                result[0].as_object_mut().unwrap().extend(fields.clone());
                result
            });
            assert_eq!(wake(metrics, results).as_deref(), at, "{rule}");
        }
    }

    #[test]
    fn the_earliest_of_all_metrics() {
        let metrics = json!([{"name": "a", "initialDelay": "1h"}, {"name": "b", "interval": "1m"}, {"name": "c", "interval": "30s"}]);
        let results = json!([
            {"name": "b", "phase": "Running", "measurements": last("Successful")},
            {"name": "c", "phase": "Running", "measurements": last("Successful")}
        ]);
        assert_eq!(wake(metrics, results).as_deref(), Some("00:10:30"));
    }

    #[test]
    fn a_run_that_a_metric_just_ended_goes_on_at_once() {
        let metrics = json!([{"name": "a"}, {"name": "b"}]);
        let results = json!([{"name": "a", "phase": "Failed"}, {"name": "b", "measurements": [{"phase": "Running"}]}]);
        assert_eq!(wake(metrics, results).as_deref(), Some("00:30:00"));
    }
}
