//! What the measurements so far amount to for the run (spec 4.6).

use std::collections::BTreeSet;

use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, Metric, RunSummary};

use super::{
    Event, is_terminating, stored, summary,
    verdict::{Broken, broken_limit, verdict},
};

/// Assesses the run and writes metric phases, summaries and the start into its status. The answer is the run's phase and
/// message, which are not written here.
pub(super) fn assess(
    run: &mut AnalysisRun,
    metrics: &[Metric],
    dry_run: &BTreeSet<String>,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> (AnalysisPhase, String) {
    let terminating = is_terminating(run);
    let asked_to_end = run.spec.terminate;
    let status = &mut run.status;
    status.started_at.get_or_insert_with(|| stored(now));
    let (mut counted, mut dry) = (RunSummary::default(), RunSummary::default());
    let mut worst: Option<AnalysisPhase> = None;
    let mut message = if asked_to_end {
        "Run Terminated".to_owned()
    } else {
        String::new()
    };
    let mut all_completed = true;
    for metric in metrics {
        let is_dry = dry_run.contains(&metric.name);
        let summary = if is_dry { &mut dry } else { &mut counted };
        summary::listed(summary);
        let Some(result) = status
            .metric_results
            .iter_mut()
            .find(|result| result.name == metric.name)
        else {
            all_completed = false;
            continue;
        };
        let phase = verdict(metric, result, terminating);
        if phase != result.phase {
            if phase.is_completed() {
                events.push(Event::metric_completed(&metric.name, phase));
            }
            if let Some(last) = result.measurements.last() {
                result.message.clone_from(&last.message);
            }
            result.phase = phase;
        }
        if !phase.is_completed() {
            all_completed = false;
            continue;
        }
        let broken = broken_limit(metric, result);
        summary::ended(summary, broken.as_ref().map(|broken| broken.phase));
        if is_dry {
            worst = worst.or(Some(AnalysisPhase::Successful));
            if let Some(Broken { text, .. }) = broken {
                result.message = format!("Metric assessed {phase} due to {text}");
            }
        } else if worst.is_none_or(|worst| badness(phase) > badness(worst)) {
            worst = Some(phase);
            if let Some(Broken { text, .. }) = broken {
                message = format!("Metric \"{}\" assessed {phase} due to {text}", metric.name);
                if !result.message.is_empty() {
                    message = format!("{message}: \"Error Message: {}\"", result.message);
                }
            }
        }
    }
    status.run_summary = counted;
    status.dry_run_summary = Some(dry);
    match worst {
        _ if terminating => (worst.unwrap_or(AnalysisPhase::Successful), message),
        Some(worst) if all_completed => (worst, message),
        _ => (AnalysisPhase::Running, String::new()),
    }
}

/// How bad a phase is for the run (spec 4.6). The order differs from the precedence of limits within a metric.
fn badness(phase: AnalysisPhase) -> u8 {
    match phase {
        AnalysisPhase::Unset | AnalysisPhase::Successful => 0,
        AnalysisPhase::Running => 1,
        AnalysisPhase::Pending => 2,
        AnalysisPhase::Inconclusive => 3,
        AnalysisPhase::Error => 4,
        AnalysisPhase::Failed => 5,
    }
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

    struct Case {
        spec: Value,
        results: Value,
        dry_run: &'static [&'static str],
    }

    fn assessed(case: Case) -> (AnalysisPhase, String, AnalysisRun, Vec<Event>) {
        let metrics = json!({"metrics": [
            {"name": "a", "interval": "1s"}, {"name": "b", "interval": "1s"}
        ]});
        let mut run: AnalysisRun = serde_json::from_value(json!({
            "spec": merge(metrics, case.spec),
            "status": {"metricResults": case.results}
        }))
        .unwrap();
        let metrics = run.spec.metrics.clone();
        let dry_run = case.dry_run.iter().map(|name| (*name).to_owned()).collect();
        let mut events = Vec::new();
        let now = "2026-01-01T00:00:00.5Z".parse().unwrap();
        let (phase, message) = assess(&mut run, &metrics, &dry_run, now, &mut events);
        (phase, message, run, events)
    }

    fn ended(name: &str, phase: &str) -> Value {
        json!({"name": name, "phase": phase, "measurements": [{"phase": phase, "message": "because"}]})
    }

    fn failing(name: &str) -> Value {
        json!({"name": name, "phase": "Running", "failed": 1, "measurements": [{"phase": "Failed", "message": "too slow"}]})
    }

    fn running(name: &str) -> Value {
        json!({"name": name, "phase": "Running", "measurements": [{"phase": "Running"}]})
    }

    /// Spec 4.6.
    #[test]
    fn run_rules() {
        use AnalysisPhase::{Error, Failed, Inconclusive, Running, Successful};
        let failed_text =
            r#"Metric "a" assessed Failed due to failed (1) > failureLimit (0): "Error Message: too slow""#;
        for (rule, spec, results, dry_run, phase, message) in [
            ("nothing measured", json!({}), json!([]), &[][..], Running, ""),
            (
                "one missing",
                json!({}),
                json!([ended("a", "Successful")]),
                &[],
                Running,
                "",
            ),
            (
                "one running",
                json!({}),
                json!([ended("a", "Successful"), running("b")]),
                &[],
                Running,
                "",
            ),
            (
                "all successful",
                json!({}),
                json!([ended("a", "Successful"), ended("b", "Successful")]),
                &[],
                Successful,
                "",
            ),
            (
                "all ended: the worst",
                json!({}),
                json!([failing("a"), ended("b", "Successful")]),
                &[],
                Failed,
                failed_text,
            ),
            (
                "fails now, sibling running: next pass",
                json!({}),
                json!([failing("a"), running("b")]),
                &[],
                Running,
                "",
            ),
            (
                "failed before, sibling running",
                json!({}),
                json!([
                    merge(failing("a"), json!({"phase": "Failed", "message": "too slow"})),
                    running("b")
                ]),
                &[],
                Failed,
                failed_text,
            ),
            (
                "failed beats error",
                json!({}),
                json!([ended("a", "Error"), ended("b", "Failed")]),
                &[],
                Failed,
                "",
            ),
            (
                "error beats inconclusive",
                json!({}),
                json!([ended("a", "Inconclusive"), ended("b", "Error")]),
                &[],
                Error,
                "",
            ),
            (
                "inconclusive beats successful",
                json!({}),
                json!([ended("a", "Successful"), ended("b", "Inconclusive")]),
                &[],
                Inconclusive,
                "",
            ),
            (
                "a dry run never worsens",
                json!({}),
                json!([failing("a"), ended("b", "Successful")]),
                &["a"],
                Successful,
                "",
            ),
            (
                "dry runs alone are successful",
                json!({}),
                json!([failing("a"), ended("b", "Error")]),
                &["a", "b"],
                Successful,
                "",
            ),
            (
                "asked to end, nothing measured",
                json!({"terminate": true}),
                json!([]),
                &[],
                Successful,
                "Run Terminated",
            ),
            (
                "asked to end, in flight",
                json!({"terminate": true}),
                json!([running("a")]),
                &[],
                Successful,
                "Run Terminated",
            ),
            (
                "asked to end, limit broken",
                json!({"terminate": true}),
                json!([failing("a")]),
                &[],
                Failed,
                failed_text,
            ),
            (
                "asked to end, ended badly without a limit",
                json!({"terminate": true}),
                json!([ended("a", "Inconclusive")]),
                &[],
                Inconclusive,
                "Run Terminated",
            ),
        ] {
            let (got, text, run, _) = assessed(Case { spec, results, dry_run });
            assert_eq!((got, text.as_str()), (phase, message), "{rule}");
            assert_eq!(
                run.status.started_at.unwrap().to_string(),
                "2026-01-01T00:00:00Z",
                "{rule}"
            );
        }
    }

    #[test]
    fn the_text_of_each_limit() {
        for (fields, text) in [
            (
                json!({"failed": 1}),
                r#"Metric "a" assessed Failed due to failed (1) > failureLimit (0)"#,
            ),
            (
                json!({"inconclusive": 1}),
                r#"Metric "a" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)"#,
            ),
            (
                json!({"consecutiveError": 5}),
                r#"Metric "a" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4)"#,
            ),
        ] {
            let result = merge(json!({"name": "a", "measurements": [{"phase": "Error"}]}), fields);
            let (_, message, ..) = assessed(Case {
                spec: json!({}),
                results: json!([result, ended("b", "Successful")]),
                dry_run: &[],
            });
            assert_eq!(message, text);
        }
    }

    /// Spec 4.5, last lines, and 4.6: messages of results, events, summaries.
    #[test]
    fn what_is_written_beside_the_verdict() {
        let (_, _, run, events) = assessed(Case {
            spec: json!({}),
            results: json!([failing("a"), failing("b")]),
            dry_run: &["b"],
        });
        let messages: Vec<_> = run
            .status
            .metric_results
            .iter()
            .map(|result| result.message.as_str())
            .collect();
        assert_eq!(
            messages,
            [
                "too slow",
                "Metric assessed Failed due to failed (1) > failureLimit (0)"
            ]
        );
        let reasons: Vec<_> = events
            .iter()
            .map(|event| (event.reason.as_str(), event.message.as_str()))
            .collect();
        assert_eq!(
            reasons,
            [
                ("MetricFailed", "Metric 'a' Completed. Result: Failed"),
                ("MetricFailed", "Metric 'b' Completed. Result: Failed")
            ]
        );
        assert_eq!(
            serde_json::to_value((&run.status.run_summary, &run.status.dry_run_summary)).unwrap(),
            json!([{"count": 1, "failed": 1}, {"count": 1, "failed": 1}])
        );
        // Spec 4.6: a verdict without a broken limit counts as successful; what has not ended counts in `count` alone.
        let (_, _, run, _) = assessed(Case {
            spec: json!({}),
            results: json!([ended("a", "Inconclusive"), running("b")]),
            dry_run: &[],
        });
        assert_eq!(
            serde_json::to_value((&run.status.run_summary, &run.status.dry_run_summary)).unwrap(),
            json!([{"count": 2, "successful": 1}, {}])
        );
    }
}
