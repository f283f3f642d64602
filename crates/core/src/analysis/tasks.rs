//! What is due (spec 4.3).
//!
//! An interval is over at its last instant, not after it: with a clock that jumps to wake-up times, "strictly after" would
//! never come. An interval below a second is a second, because the status keeps whole seconds.

use std::time::Duration;

use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, Measurement, Metric};

use super::{RESOLUTION, RETRY, after, counts::Counts, is_terminating, result, validate::duration};

/// One metric that somebody has to be asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Index into the run's metrics.
    pub index: usize,
    /// The metric's name.
    pub name: String,
    /// What to ask.
    pub action: Action,
}

/// What to ask.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A new measurement.
    Run,
    /// To go on with this one.
    Resume(Measurement),
    /// To end this one early.
    Terminate(Measurement),
}

impl Action {
    /// The measurement in flight.
    pub fn in_flight(&self) -> Option<&Measurement> {
        match self {
            Self::Run => None,
            Self::Resume(measurement) | Self::Terminate(measurement) => Some(measurement),
        }
    }

    /// The word that Argo uses in messages.
    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Resume(_) => "resume",
            Self::Terminate(_) => "terminate",
        }
    }
}

/// What is due now, in the order of the metrics (whose arguments are filled in).
pub(super) fn due(run: &AnalysisRun, metrics: &[Metric], now: Timestamp) -> Vec<Task> {
    let terminating = is_terminating(run);
    metrics
        .iter()
        .enumerate()
        .filter_map(|(index, metric)| {
            let action = action(run, metric, terminating, now)?;
            Some(Task {
                index,
                name: metric.name.clone(),
                action,
            })
        })
        .collect()
}

fn action(run: &AnalysisRun, metric: &Metric, terminating: bool, now: Timestamp) -> Option<Action> {
    let result = result(run, &metric.name);
    if result.is_some_and(|result| result.phase.is_completed()) {
        return None;
    }
    let last = result.and_then(|result| result.measurements.last());
    if let Some(last) = last.filter(|last| last.finished_at.is_none()) {
        if terminating {
            return Some(Action::Terminate(last.clone()));
        }
        let early = last.resume_at.is_some_and(|at| at > now);
        return (!early).then(|| Action::Resume(last.clone()));
    }
    if terminating {
        return None;
    }
    let due_at = match last {
        None => first_at(run, metric)?,
        Some(_) if Counts::of(metric).reached(result.map_or(0, |result| result.count)) => return None,
        Some(last) => after(last.finished_at?, pause(metric, last).unwrap_or(RETRY)),
    };
    (due_at <= now).then_some(Action::Run)
}

/// When the first measurement is due. With an initial delay that is never in the run's first pass, which sets the start.
fn first_at(run: &AnalysisRun, metric: &Metric) -> Option<Timestamp> {
    match duration(&metric.initial_delay) {
        Ok(None) => Some(Timestamp::MIN),
        Ok(Some(delay)) => Some(after(run.status.started_at?, delay)),
        Err(_) => None,
    }
}

/// How long after `last` the next measurement is due; `None` when nothing asks for one.
pub(super) fn pause(metric: &Metric, last: &Measurement) -> Option<Duration> {
    if last.phase == AnalysisPhase::Error {
        return Some(RETRY);
    }
    duration(&metric.interval)
        .ok()
        .flatten()
        .map(|interval| interval.max(RESOLUTION))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn names(run: Value, now: &str) -> Vec<String> {
        let run: AnalysisRun = serde_json::from_value(run).unwrap();
        due(&run, &run.spec.metrics, now.parse().unwrap())
            .into_iter()
            .map(|task| format!("{} {}", task.action.verb(), task.name))
            .collect()
    }

    fn one(metric: Value, result: Value, now: &str) -> Vec<String> {
        let mut run = json!({
            "spec": {"metrics": [{"name": "m"}]},
            "status": {"startedAt": "2026-01-01T00:00:00Z"}
        });
        if let Value::Object(fields) = metric {
            run["spec"]["metrics"][0].as_object_mut().unwrap().extend(fields);
        }
        if let Value::Object(fields) = result {
            run["status"]["metricResults"] = json!([{"name": "m", "phase": "Running"}]);
            run["status"]["metricResults"][0]
                .as_object_mut()
                .unwrap()
                .extend(fields);
        }
        names(run, now)
    }

    fn finished(phase: &str) -> Value {
        json!([{"phase": phase, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:01:00Z"}])
    }

    /// Spec 4.3, rule by rule.
    #[test]
    fn rules() {
        for (why, metric, result, now, due) in [
            (
                "never measured",
                json!({}),
                json!(null),
                "2026-01-01T00:00:00Z",
                &["run m"][..],
            ),
            (
                "before the initial delay",
                json!({"initialDelay": "1m"}),
                json!(null),
                "2026-01-01T00:00:59Z",
                &[],
            ),
            (
                "after the initial delay",
                json!({"initialDelay": "1m"}),
                json!(null),
                "2026-01-01T00:01:00Z",
                &["run m"],
            ),
            (
                "an empty result is no measurement",
                json!({}),
                json!({}),
                "2026-01-01T00:00:00Z",
                &["run m"],
            ),
            (
                "completed",
                json!({}),
                json!({"phase": "Successful"}),
                "2026-01-01T09:00:00Z",
                &[],
            ),
            (
                "count reached",
                json!({"count": 2, "interval": "1s"}),
                json!({"count": 2, "measurements": finished("Successful")}),
                "2026-01-01T09:00:00Z",
                &[],
            ),
            (
                "interval not over",
                json!({"interval": "5m"}),
                json!({"count": 1, "measurements": finished("Successful")}),
                "2026-01-01T00:05:59Z",
                &[],
            ),
            (
                "interval over",
                json!({"interval": "5m"}),
                json!({"count": 1, "measurements": finished("Successful")}),
                "2026-01-01T00:06:00Z",
                &["run m"],
            ),
            (
                "an error waits 10 s whatever the interval",
                json!({"interval": "5m"}),
                json!({"error": 1, "measurements": finished("Error")}),
                "2026-01-01T00:01:10Z",
                &["run m"],
            ),
            (
                "an error before 10 s",
                json!({}),
                json!({"error": 1, "measurements": finished("Error")}),
                "2026-01-01T00:01:09Z",
                &[],
            ),
            (
                "no interval, count not reached: 10 s",
                json!({"count": 3}),
                json!({"count": 1, "measurements": finished("Successful")}),
                "2026-01-01T00:01:10Z",
                &["run m"],
            ),
            (
                "an interval below a second is a second",
                json!({"interval": "1ms"}),
                json!({"count": 1, "measurements": finished("Successful")}),
                "2026-01-01T00:01:00.9Z",
                &[],
            ),
            (
                "in flight",
                json!({}),
                json!({"measurements": [{"phase": "Running"}]}),
                "2026-01-01T00:00:00Z",
                &["resume m"],
            ),
            (
                "in flight, too early",
                json!({}),
                json!({"measurements": [{"phase": "Running", "resumeAt": "2026-01-01T00:00:01Z"}]}),
                "2026-01-01T00:00:00Z",
                &[],
            ),
            (
                "in flight, at its time",
                json!({}),
                json!({"measurements": [{"phase": "Running", "resumeAt": "2026-01-01T00:00:01Z"}]}),
                "2026-01-01T00:00:01Z",
                &["resume m"],
            ),
        ] {
            assert_eq!(one(metric, result, now), due, "{why}");
        }
    }

    #[test]
    fn on_the_first_pass_an_initial_delay_waits() {
        let run = json!({"spec": {"metrics": [{"name": "m", "initialDelay": "0s"}, {"name": "n"}]}});
        assert_eq!(names(run, "2026-01-01T00:00:00Z"), ["run n"]);
    }

    /// Spec 4.3: terminating.
    #[test]
    fn a_run_that_ends_early_only_terminates() {
        let in_flight = json!([{"phase": "Running", "resumeAt": "2030-01-01T00:00:00Z"}]);
        for (why, spec, other, due) in [
            (
                "asked to",
                json!({"terminate": true}),
                json!({"phase": "Running"}),
                &["terminate b"][..],
            ),
            (
                "a sibling failed",
                json!({}),
                json!({"phase": "Failed"}),
                &["terminate b"],
            ),
            (
                "a sibling had errors",
                json!({}),
                json!({"phase": "Error"}),
                &["terminate b"],
            ),
            (
                "a sibling is inconclusive",
                json!({}),
                json!({"phase": "Inconclusive"}),
                &["terminate b"],
            ),
            (
                "a dry run failed",
                json!({}),
                json!({"phase": "Failed", "dryRun": true}),
                &["run c"],
            ),
            (
                "a sibling succeeded",
                json!({}),
                json!({"phase": "Successful"}),
                &["run c"],
            ),
        ] {
            let mut run = json!({
                "spec": {"metrics": [{"name": "a", "initialDelay": "1h"}, {"name": "b"}, {"name": "c"}]},
                "status": {
                    "startedAt": "2026-01-01T00:00:00Z",
                    "metricResults": [{"name": "a"}, {"name": "b", "phase": "Running", "measurements": in_flight}]
                }
            });
            run["spec"]
                .as_object_mut()
                .unwrap()
                .extend(spec.as_object().unwrap().clone());
            run["status"]["metricResults"][0]
                .as_object_mut()
                .unwrap()
                .extend(other.as_object().unwrap().clone());
            assert_eq!(names(run, "2026-01-01T00:00:00Z"), due, "{why}");
        }
    }
}
