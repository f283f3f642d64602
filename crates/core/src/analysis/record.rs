//! What a try leaves in the status (spec 4.4): the measurement itself, its counters, and nothing secret.
//!
//! Beyond Argo: values and metadata are masked too; a measurement whose call failed keeps when it began and what it had
//! noted; what could make the object too large for the API server is cut; a measurement in flight is resumed at most once
//! a second.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, AnalysisRunStatus, Measurement, MetricResult};

use super::{Action, Patience, RESOLUTION, after, result, stored, stored_up};
use crate::{CallError, PluginId, secret::Masker};

/// Bytes of a measured value that are kept; ten measurements of some metrics still fit into an object.
const VALUE: usize = 16 << 10;
/// Bytes of a message that are kept.
pub(super) const MESSAGE: usize = 4 << 10;
/// Bytes of metadata that a measurement may have: a part of it would be no use to the plugin.
const METADATA: usize = 64 << 10;

/// What came of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The metric.
    pub metric: String,
    /// What was to be asked.
    pub action: Action,
    /// The plugin, when the metric has one.
    pub plugin: Option<PluginId>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of one task.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A measurement, good or bad.
    Taken(Taken),
    /// Nothing: the plugin is not there.
    Waits(Patience),
}

/// A measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// As [`answered`] or [`failed`] made it.
    pub measurement: Measurement,
    /// What the provider says of the metric, asked after the first measurement.
    pub metadata: Option<BTreeMap<String, String>>,
    /// The plugin was not there, since then, and its time is over.
    pub absent_since: Option<Timestamp>,
}

/// The measurement out of a plugin's answer. `speaks_for_itself`: the plugin is in a built-in provider's place, whose
/// messages Argo does not introduce.
pub fn answered(
    action: &Action,
    answer: Result<Measurement, CallError>,
    speaks_for_itself: bool,
    began: Timestamp,
    ended: Timestamp,
) -> Measurement {
    let introduce = |message: &str| {
        if speaks_for_itself {
            message.to_owned()
        } else {
            format!("failed to {} via plugin: {message}", action.verb())
        }
    };
    let mut measurement = match answer {
        Ok(measurement) => measurement,
        Err(CallError::Plugin(error)) => return failed(action, introduce(&error.message), began, ended),
        Err(CallError::Fault(fault)) => return failed(action, fault.to_string(), began, ended),
    };
    let size = size(&measurement.metadata);
    if size > METADATA {
        let message = format!("the measurement's metadata has {size} bytes, {METADATA} are allowed");
        return failed(action, introduce(&message), began, ended);
    }
    match measurement.phase {
        AnalysisPhase::Error => measurement.message = introduce(&measurement.message),
        AnalysisPhase::Successful | AnalysisPhase::Inconclusive if matches!(action, Action::Terminate(_)) => {
            "Metric Terminated".clone_into(&mut measurement.message);
        }
        AnalysisPhase::Unset => measurement.phase = AnalysisPhase::Running,
        _ => {}
    }
    let before = action.in_flight().and_then(|measurement| measurement.started_at);
    measurement.started_at = Some(stored(measurement.started_at.or(before).unwrap_or(began)));
    if measurement.phase.is_completed() {
        measurement.finished_at = Some(stored(measurement.finished_at.unwrap_or(ended)));
        measurement.resume_at = measurement.resume_at.map(stored);
    } else {
        measurement.finished_at = None;
        let earliest = after(stored(ended), RESOLUTION);
        measurement.resume_at = measurement.resume_at.map(|at| stored_up(at).max(earliest));
    }
    measurement
}

/// The measurement when nobody answered: an error, with what was known before.
pub fn failed(action: &Action, message: String, began: Timestamp, ended: Timestamp) -> Measurement {
    let before = action.in_flight().cloned().unwrap_or_default();
    Measurement {
        phase: AnalysisPhase::Error,
        message,
        started_at: Some(before.started_at.unwrap_or_else(|| stored(began))),
        finished_at: Some(stored(ended)),
        ..before
    }
}

/// Whether the provider is to be asked for facts about the metric: after its first measurement, and again after errors
/// as long as there are none.
pub fn wants_metadata(run: &AnalysisRun, metric: &str) -> bool {
    result(run, metric).is_none_or(|result| {
        let errors = result
            .measurements
            .iter()
            .all(|measurement| measurement.phase == AnalysisPhase::Error);
        result.metadata.is_empty() && errors
    })
}

/// A metric's metadata out of a plugin's answer (spec 2.1); a failure is told in it.
pub fn metadata(
    answer: Result<BTreeMap<String, String>, CallError>,
    speaks_for_itself: bool,
) -> BTreeMap<String, String> {
    let error = |message: String| BTreeMap::from([("error".to_owned(), cut(message, MESSAGE))]);
    let introduce = |message: &str| {
        if speaks_for_itself {
            message.to_owned()
        } else {
            format!("failed to get metadata via plugin: {message}")
        }
    };
    match answer {
        Ok(mut metadata) => {
            let size = size(&metadata);
            if size > METADATA {
                return error(format!(
                    "the metric's metadata has {size} bytes, {METADATA} are allowed"
                ));
            }
            if let Some(own) = metadata.get_mut("error").filter(|own| !own.is_empty()) {
                *own = introduce(own);
            }
            metadata
        }
        Err(CallError::Plugin(own)) => error(introduce(&own.message)),
        Err(CallError::Fault(fault)) => error(fault.to_string()),
    }
}

fn size(pairs: &BTreeMap<String, String>) -> usize {
    pairs.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// Writes one try into the status.
pub(super) fn record(status: &mut AnalysisRunStatus, metric: &str, action: &Action, taken: Taken, how: How<'_>) {
    let measurement = clean(taken.measurement, how);
    let existing = status.metric_results.iter().position(|result| result.name == metric);
    if existing.is_none() {
        status.metric_results.push(MetricResult {
            name: metric.to_owned(),
            phase: AnalysisPhase::Running,
            dry_run: how.dry_run,
            ..MetricResult::default()
        });
    }
    let index = existing.unwrap_or(status.metric_results.len() - 1);
    let Some(result) = status.metric_results.get_mut(index) else {
        return;
    };
    if let Some(metadata) = taken.metadata {
        result.metadata = mask_all(metadata, how.masker);
    }
    count(result, measurement.phase);
    match result.measurements.last_mut() {
        Some(last) if action.in_flight().is_some() => *last = measurement,
        _ => result.measurements.push(measurement),
    }
}

/// How a try is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct How<'a> {
    pub dry_run: bool,
    pub masker: &'a Masker,
    /// A plugin may write anything anywhere. What the host notes of its own Jobs holds no secret, and a name that a short
    /// secret happens to be a part of would be the name of no Job any more.
    pub by_plugin: bool,
}

fn count(result: &mut MetricResult, phase: AnalysisPhase) {
    match phase {
        AnalysisPhase::Successful => {
            bump(&mut result.successful);
            bump(&mut result.consecutive_success);
        }
        AnalysisPhase::Failed => bump(&mut result.failed),
        AnalysisPhase::Inconclusive => bump(&mut result.inconclusive),
        AnalysisPhase::Error => {
            bump(&mut result.error);
            bump(&mut result.consecutive_error);
            result.consecutive_success = 0;
            return;
        }
        AnalysisPhase::Unset | AnalysisPhase::Pending | AnalysisPhase::Running => return,
    }
    bump(&mut result.count);
    result.consecutive_error = 0;
    if phase != AnalysisPhase::Successful {
        result.consecutive_success = 0;
    }
}

/// A stored number may be anything.
fn bump(number: &mut i32) {
    *number = number.saturating_add(1);
}

fn clean(mut measurement: Measurement, how: How<'_>) -> Measurement {
    let masker = how.masker;
    measurement.value = cut(masker.mask(&measurement.value).into_owned(), VALUE);
    measurement.message = cut(masker.mask(&measurement.message).into_owned(), MESSAGE);
    if how.by_plugin {
        measurement.metadata = mask_all(measurement.metadata, masker);
    }
    measurement
}

fn mask_all(pairs: BTreeMap<String, String>, masker: &Masker) -> BTreeMap<String, String> {
    if masker.is_empty() {
        return pairs;
    }
    pairs
        .into_iter()
        .map(|(key, value)| (masker.mask(&key).into_owned(), masker.mask(&value).into_owned()))
        .collect()
}

/// At most `limit` bytes, with a sign that there was more.
pub(super) fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push_str(" [cut]");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rollcage_api::plugin::PluginKind;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Fault, FaultKind, Phase, PluginError, PluginErrorKind};

    const BEGAN: &str = "2026-01-01T00:00:00.4Z";
    const ENDED: &str = "2026-01-01T00:00:02.6Z";

    fn measurement(value: Value) -> Measurement {
        serde_json::from_value(value).unwrap()
    }

    fn answer(action: &Action, answer: Result<Measurement, CallError>) -> Value {
        let measured = answered(action, answer, false, BEGAN.parse().unwrap(), ENDED.parse().unwrap());
        serde_json::to_value(measured).unwrap()
    }

    fn in_flight() -> Measurement {
        measurement(json!({
            "phase": "Running", "startedAt": "2025-12-31T23:00:00Z", "metadata": {"job": "7"},
            "resumeAt": "2026-01-01T00:00:00Z"
        }))
    }

    /// Spec 2.1 and 4.4: what the host fills in.
    #[test]
    fn answers_are_completed() {
        for (why, action, given, stored) in [
            (
                "times are filled in, in whole seconds",
                Action::Run,
                json!({"phase": "Successful", "value": "1"}),
                json!({"phase": "Successful", "value": "1", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:02Z"}),
            ),
            (
                "times that a plugin gives stand",
                Action::Run,
                json!({"phase": "Failed", "startedAt": "2025-01-01T00:00:00.9Z", "finishedAt": "2025-01-01T00:00:01Z"}),
                json!({"phase": "Failed", "startedAt": "2025-01-01T00:00:00Z", "finishedAt": "2025-01-01T00:00:01Z"}),
            ),
            (
                "no phase is in flight, and in flight is not finished",
                Action::Run,
                json!({"phase": "", "finishedAt": "2025-01-01T00:00:01Z"}),
                json!({"phase": "Running", "startedAt": "2026-01-01T00:00:00Z"}),
            ),
            (
                "a time to resume is never earlier than asked",
                Action::Run,
                json!({"phase": "Running", "resumeAt": "2026-01-01T00:00:10.2Z"}),
                json!({"phase": "Running", "startedAt": "2026-01-01T00:00:00Z", "resumeAt": "2026-01-01T00:00:11Z"}),
            ),
            (
                "at most one resume a second",
                Action::Run,
                json!({"phase": "Running", "resumeAt": "2026-01-01T00:00:00Z"}),
                json!({"phase": "Running", "startedAt": "2026-01-01T00:00:00Z", "resumeAt": "2026-01-01T00:00:03Z"}),
            ),
            (
                "a resumed measurement began before",
                Action::Resume(in_flight()),
                json!({"phase": "Successful"}),
                json!({"phase": "Successful", "startedAt": "2025-12-31T23:00:00Z", "finishedAt": "2026-01-01T00:00:02Z"}),
            ),
            (
                "an error of the plugin is introduced",
                Action::Run,
                json!({"phase": "Error", "message": "no data"}),
                json!({"phase": "Error", "message": "failed to run via plugin: no data", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:02Z"}),
            ),
            (
                "terminated",
                Action::Terminate(in_flight()),
                json!({"phase": "Successful", "message": "mine"}),
                json!({"phase": "Successful", "message": "Metric Terminated", "startedAt": "2025-12-31T23:00:00Z", "finishedAt": "2026-01-01T00:00:02Z"}),
            ),
            (
                "terminated badly",
                Action::Terminate(in_flight()),
                json!({"phase": "Error", "message": "gone"}),
                json!({"phase": "Error", "message": "failed to terminate via plugin: gone", "startedAt": "2025-12-31T23:00:00Z", "finishedAt": "2026-01-01T00:00:02Z"}),
            ),
        ] {
            assert_eq!(answer(&action, Ok(measurement(given))), stored, "{why}");
        }
    }

    #[test]
    fn a_call_that_failed_keeps_what_was_known() {
        let plugin = PluginId {
            kind: PluginKind::MetricProvider,
            name: "a/b".into(),
        };
        let error = CallError::Plugin(PluginError {
            kind: PluginErrorKind::Unavailable,
            message: "no answer".into(),
            retry_after: Some(Duration::from_secs(1)),
        });
        assert_eq!(
            answer(&Action::Resume(in_flight()), Err(error)),
            json!({
                "phase": "Error", "message": "failed to resume via plugin: no answer", "metadata": {"job": "7"},
                "startedAt": "2025-12-31T23:00:00Z", "finishedAt": "2026-01-01T00:00:02Z",
                "resumeAt": "2026-01-01T00:00:00Z"
            })
        );
        let fault = Fault::new(&plugin, Phase::Call, FaultKind::Trap, "unreachable", "tell its author");
        assert_eq!(
            answer(&Action::Run, Err(fault.into())),
            json!({
                "phase": "Error", "message": "plugin a/b: call: unreachable (tell its author)",
                "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:02Z"
            })
        );
    }

    fn taken(measurement: Measurement) -> Taken {
        Taken {
            measurement,
            metadata: Some(BTreeMap::from([("query".into(), "token=hunter2".into())])),
            absent_since: None,
        }
    }

    /// Spec 4.4, the table of counters: successful, failed, inconclusive, error, count, consecutiveError,
    /// consecutiveSuccess, from all at 1.
    #[test]
    fn counters() {
        for (phase, counters) in [
            ("Successful", [2, 1, 1, 1, 2, 0, 2]),
            ("Failed", [1, 2, 1, 1, 2, 0, 0]),
            ("Inconclusive", [1, 1, 2, 1, 2, 0, 0]),
            ("Error", [1, 1, 1, 2, 1, 2, 0]),
            ("Running", [1, 1, 1, 1, 1, 1, 1]),
            ("Pending", [1, 1, 1, 1, 1, 1, 1]),
        ] {
            let mut result = MetricResult {
                count: 1,
                successful: 1,
                failed: 1,
                inconclusive: 1,
                error: 1,
                consecutive_error: 1,
                consecutive_success: 1,
                ..MetricResult::default()
            };
            count(&mut result, measurement(json!({"phase": phase})).phase);
            let got = [
                result.successful,
                result.failed,
                result.inconclusive,
                result.error,
                result.count,
                result.consecutive_error,
                result.consecutive_success,
            ];
            assert_eq!(got, counters, "{phase}");
        }
    }

    /// Spec 4.4: run appends, resume and terminate replace the last; a new result is Running with metadata.
    #[test]
    fn results_grow_and_are_masked() {
        let masker = Masker::new(["hunter2".to_owned()]);
        let how = How {
            dry_run: true,
            masker: &masker,
            by_plugin: true,
        };
        let mut status = AnalysisRunStatus::default();
        let first = measurement(json!({
            "phase": "Running", "value": "hunter2!", "message": "with hunter2", "metadata": {"hunter2": "is hunter2"}
        }));
        record(&mut status, "m", &Action::Run, taken(first.clone()), how);
        record(
            &mut status,
            "m",
            &Action::Resume(first),
            taken(measurement(json!({"phase": "Successful"}))),
            how,
        );
        record(
            &mut status,
            "m",
            &Action::Run,
            taken(measurement(json!({"phase": "Running"}))),
            how,
        );
        let result = serde_json::to_value(&status.metric_results).unwrap();
        assert_eq!(
            result,
            json!([{
                "name": "m", "phase": "Running", "dryRun": true, "count": 1, "successful": 1, "consecutiveSuccess": 1,
                "metadata": {"query": "token=*****"},
                "measurements": [{"phase": "Successful"}, {"phase": "Running"}]
            }])
        );
        let mut status = AnalysisRunStatus::default();
        let secretive = measurement(json!({
            "phase": "Running", "value": "hunter2!", "message": "with hunter2", "metadata": {"hunter2": "is hunter2"}
        }));
        record(&mut status, "m", &Action::Run, taken(secretive), how);
        assert_eq!(
            serde_json::to_value(&status.metric_results[0].measurements[0]).unwrap(),
            json!({"phase": "Running", "value": "*****!", "message": "with *****", "metadata": {"*****": "is *****"}})
        );
    }

    /// Spec 2.1: `getMetadata`, once, and its failures.
    #[test]
    fn metadata_is_asked_for_until_there_is_a_measurement() {
        for (result, wanted) in [
            (json!([]), true),
            (json!([{"name": "other"}]), true),
            (json!([{"name": "m", "measurements": [{"phase": "Error"}]}]), true),
            (
                json!([{"name": "m", "measurements": [{"phase": "Error"}, {"phase": "Running"}]}]),
                false,
            ),
            (
                json!([{"name": "m", "metadata": {"k": "v"}, "measurements": [{"phase": "Error"}]}]),
                false,
            ),
        ] {
            let run: AnalysisRun = serde_json::from_value(json!({"status": {"metricResults": result}})).unwrap();
            assert_eq!(wants_metadata(&run, "m"), wanted, "{result}");
        }
        let pairs = |pairs: Value| -> BTreeMap<String, String> { serde_json::from_value(pairs).unwrap() };
        let error = PluginError {
            kind: PluginErrorKind::Internal,
            message: "no".into(),
            retry_after: None,
        };
        for (answer, own, expected) in [
            (Ok(pairs(json!({"query": "up"}))), false, json!({"query": "up"})),
            (
                Ok(pairs(json!({"error": "no"}))),
                false,
                json!({"error": "failed to get metadata via plugin: no"}),
            ),
            (
                Err(error.clone().into()),
                false,
                json!({"error": "failed to get metadata via plugin: no"}),
            ),
            (Err(error.into()), true, json!({"error": "no"})),
            (
                Ok(pairs(json!({"k": "x".repeat(METADATA)}))),
                false,
                json!({"error": "the metric's metadata has 65537 bytes, 65536 are allowed"}),
            ),
        ] {
            assert_eq!(metadata(answer, own), pairs(expected));
        }
    }

    #[test]
    fn what_would_not_fit_into_an_object_is_cut() {
        let long =
            measurement(json!({"phase": "Successful", "value": "é".repeat(20_000), "message": "x".repeat(9_000)}));
        let how = How {
            dry_run: false,
            masker: &Masker::default(),
            by_plugin: true,
        };
        let cleaned = clean(long, how);
        assert!(cleaned.value.len() <= VALUE + 6 && cleaned.value.ends_with("é [cut]"));
        assert!(cleaned.message.len() <= MESSAGE + 6);
        let hoarder = json!({"phase": "Running", "metadata": {"k": "x".repeat(METADATA)}});
        assert_eq!(
            answer(&Action::Run, Ok(measurement(hoarder)))["message"],
            "failed to run via plugin: the measurement's metadata has 65537 bytes, 65536 are allowed"
        );
    }
}
