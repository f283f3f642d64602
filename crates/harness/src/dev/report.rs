//! What `dev` shows while it plays and what it says at the end: one shape for both.

use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, Measurement};
use serde::Serialize;
use serde_json::{Value, json};

use super::scenario::Expectation;

/// The state of everything, at one moment or at the end.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DevReport {
    /// Whether every expectation holds.
    pub ok: bool,
    /// Seconds on the scenario's clock since its start.
    pub virtual_seconds: f64,
    /// Plugins by kind and name.
    pub plugins: Vec<PluginReport>,
    /// AnalysisRuns by namespace and name.
    pub analysis_runs: Vec<RunReport>,
    /// Events in the order of their time.
    pub events: Vec<EventReport>,
    /// Manifests that could not be used, with file, line and field; expectations that name no run.
    pub problems: Vec<String>,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginReport {
    /// `<namespace>/<name>`.
    pub name: String,
    /// What it extends, as in WIT.
    pub kind: String,
    /// Its state.
    pub state: String,
    /// `sha256:...` of what serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Phase in which it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// First cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// One AnalysisRun.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: AnalysisPhase,
    /// Why.
    pub message: String,
    /// The phase that is expected; Successful in a scenario without expectations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<AnalysisPhase>,
    /// Whether the expectation holds; true without one.
    #[serde(skip)]
    pub as_expected: bool,
    /// Its metrics.
    pub metrics: Vec<MetricReport>,
}

/// One metric of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricReport {
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: AnalysisPhase,
    /// Its measurements.
    pub measurements: Vec<Measurement>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventReport {
    /// Seconds since the scenario's start.
    pub at: f64,
    /// `Normal` or `Warning`.
    pub r#type: String,
    /// Such as `AnalysisRunFailed`.
    pub reason: String,
    /// `Kind namespace/name`.
    pub object: String,
    /// Text.
    pub message: String,
}

impl RunReport {
    /// What a run amounts to, held against the expectations.
    pub fn of(run: &AnalysisRun, expectations: &[Expectation]) -> Self {
        let namespace = run.metadata.namespace.clone().unwrap_or_default();
        let name = run.metadata.name.clone().unwrap_or_default();
        let expectation = expectations
            .iter()
            .find(|expectation| expectation.is_about(&namespace, &name));
        let expected = match expectation {
            Some(expectation) => Some(expectation.phase),
            None if expectations.is_empty() => Some(AnalysisPhase::Successful),
            None => None,
        };
        let status = &run.status;
        let as_expected = expected.is_none_or(|phase| phase == status.phase)
            && expectation.is_none_or(|expectation| status.message.contains(&expectation.message));
        Self {
            namespace,
            name,
            phase: status.phase,
            message: status.message.clone(),
            expected,
            as_expected,
            metrics: status
                .metric_results
                .iter()
                .map(|result| MetricReport {
                    name: result.name.clone(),
                    phase: result.phase,
                    measurements: result.measurements.clone(),
                })
                .collect(),
        }
    }
}

impl EventReport {
    /// Out of a core/v1 Event that happened `at` seconds after the start.
    pub fn of(event: &Value, at: f64) -> Self {
        let text = |pointer: &str| {
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            at,
            r#type: text("/type"),
            reason: text("/reason"),
            object: format!(
                "{} {}/{}",
                text("/involvedObject/kind"),
                text("/involvedObject/namespace"),
                text("/involvedObject/name")
            ),
            message: text("/message"),
        }
    }
}

impl DevReport {
    /// The JSON of the command.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|error| json!({"ok": false, "problems": [error.to_string()]}))
    }
}
