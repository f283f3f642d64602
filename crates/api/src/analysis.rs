//! AnalysisRuns and what they are made of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One analysis: metrics measured until each has a verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRun {
    /// Name, namespace, labels and the like.
    pub metadata: ObjectMeta,
    /// What is to be measured.
    pub spec: AnalysisRunSpec,
    /// What was measured.
    pub status: AnalysisRunStatus,
}

/// What is to be measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRunSpec {
    /// Metrics, measured independently of each other.
    pub metrics: Vec<Metric>,
    /// Arguments for `{{args.NAME}}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Argument>,
    /// Asks for an early end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub terminate: bool,
    /// Metrics that never decide the verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// When a finished run is deleted.
    #[serde(rename = "ttlStrategy", skip_serializing_if = "Option::is_none")]
    pub ttl_strategy: Option<TtlStrategy>,
}

/// One metric of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metric {
    /// Unique within the run.
    pub name: String,
    /// Go duration between two measurements.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub interval: String,
    /// Go duration between the run's start and the first measurement.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub initial_delay: String,
    /// How many measurements to take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<IntOrString>,
    /// When true, the measurement is Successful.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub success_condition: String,
    /// When true, the measurement is Failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub failure_condition: String,
    /// Failed measurements tolerated; 0 when absent, -1 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_limit: Option<IntOrString>,
    /// Inconclusive measurements tolerated; 0 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inconclusive_limit: Option<IntOrString>,
    /// Errors in a row tolerated; 4 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_error_limit: Option<IntOrString>,
    /// Who measures.
    pub provider: MetricProvider,
    /// Successes in a row that end the metric; 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_success_limit: Option<IntOrString>,
}

/// Who measures: exactly one provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricProvider {
    /// Plugins by `<namespace>/<name>`, each with its own configuration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub plugin: BTreeMap<String, Value>,
    /// Providers that Argo builds in (`prometheus`, `web`, `job` and the like), by their key.
    #[serde(flatten)]
    pub built_in: Map<String, Value>,
}

/// An argument of a run or a template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Argument {
    /// Unique within the run.
    pub name: String,
    /// Its value, unless `value_from` gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// Where an argument's value comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFrom {
    /// A key of a Secret in the run's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
    /// A field of the Rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: String,
    /// Key in its data.
    pub key: String,
}

/// A field of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    /// Path such as `metadata.labels['app']`.
    pub field_path: String,
}

/// Metrics that never decide the verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DryRun {
    /// Unanchored RE2 pattern over metric names.
    pub metric_name: String,
}

/// How many measurements of some metrics are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MeasurementRetention {
    /// Unanchored RE2 pattern over metric names.
    pub metric_name: String,
    /// The newest this many are kept.
    pub limit: i32,
}

/// When a finished run is deleted, in seconds after `completedAt`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TtlStrategy {
    /// Any end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_completion: Option<i32>,
    /// Phase Failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_failure: Option<i32>,
    /// Phase Successful.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_success: Option<i32>,
}

/// Phase of a run, a metric or a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AnalysisPhase {
    /// Nothing yet; in status texts the empty string.
    #[default]
    #[serde(rename = "")]
    Unset,
    /// Waiting for the first measurement.
    Pending,
    /// Under way.
    Running,
    /// Ended well.
    Successful,
    /// Ended badly.
    Failed,
    /// Could not be measured.
    Error,
    /// Ended without a verdict.
    Inconclusive,
}

impl AnalysisPhase {
    /// Whether nothing further will happen.
    pub fn is_completed(self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Error | Self::Inconclusive)
    }

    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Inconclusive => "Inconclusive",
        }
    }
}

impl std::fmt::Display for AnalysisPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRunStatus {
    /// Verdict so far.
    #[serde(deserialize_with = "phase_or_running")]
    pub phase: AnalysisPhase,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// One result a metric.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metric_results: Vec<MetricResult>,
    /// First pass.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub started_at: Option<Timestamp>,
    /// Metrics by outcome, dry runs apart.
    pub run_summary: RunSummary,
    /// Dry-run metrics by outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run_summary: Option<RunSummary>,
    /// Last pass.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub completed_at: Option<Timestamp>,
}

/// Metrics counted by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSummary {
    /// All.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: i32,
    /// Successful, and every one without another verdict.
    #[serde(skip_serializing_if = "is_zero")]
    pub successful: i32,
    /// Failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: i32,
    /// Inconclusive.
    #[serde(skip_serializing_if = "is_zero")]
    pub inconclusive: i32,
    /// Error.
    #[serde(skip_serializing_if = "is_zero")]
    pub error: i32,
}

/// What was measured for one metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricResult {
    /// The metric's name.
    pub name: String,
    /// Its verdict so far.
    #[serde(deserialize_with = "phase_or_running")]
    pub phase: AnalysisPhase,
    /// The newest measurements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<Measurement>,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Completed measurements without errors.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: i32,
    /// Successful ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub successful: i32,
    /// Failed ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: i32,
    /// Inconclusive ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub inconclusive: i32,
    /// Errors.
    #[serde(skip_serializing_if = "is_zero")]
    pub error: i32,
    /// Errors since the last other outcome.
    #[serde(skip_serializing_if = "is_zero")]
    pub consecutive_error: i32,
    /// Whether it decides nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// What the provider says of itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Successes since the last other outcome.
    #[serde(skip_serializing_if = "is_zero")]
    pub consecutive_success: i32,
}

/// One measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Measurement {
    /// Its outcome.
    #[serde(deserialize_with = "phase_or_running")]
    pub phase: AnalysisPhase,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub started_at: Option<Timestamp>,
    /// When it ended; absent while in flight.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub finished_at: Option<Timestamp>,
    /// What was measured, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What the provider needs to resume.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// When to resume.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub resume_at: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(n: &i32) -> bool {
    *n == 0
}

/// A stored phase. Plugins may have written anything there, and what is no known phase is under way.
fn phase_or_running<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<AnalysisPhase, D::Error> {
    deserializer.deserialize_str(StoredPhase)
}

/// Looks at the text where it is: there may be hundreds of measurements.
struct StoredPhase;

impl serde::de::Visitor<'_> for StoredPhase {
    type Value = AnalysisPhase;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a phase")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AnalysisPhase, E> {
        use serde::de::{IntoDeserializer, value::StrDeserializer};
        let known: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        Ok(AnalysisPhase::deserialize(known).unwrap_or(AnalysisPhase::Running))
    }
}

/// Kubernetes' `metav1.Time`: RFC 3339 in UTC with whole seconds; nanoseconds since 1970 where nobody reads along.
pub(crate) mod seconds {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    const NANOSECONDS: i64 = 1_000_000_000;

    #[expect(clippy::ref_option, reason = "serde's shape for `with`")]
    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(time) = time else {
            return serializer.serialize_none();
        };
        // The second that it is in: jiff counts back from 1970.
        let second = time.as_second() - i64::from(time.subsec_nanosecond() < 0);
        if !serializer.is_human_readable() {
            return serializer.serialize_i128(i128::from(second) * i128::from(NANOSECONDS));
        }
        match Timestamp::from_second(second) {
            Ok(whole) => serializer.collect_str(&whole),
            // A part of the first second of all.
            Err(_) => serializer.collect_str(time),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<Time>::deserialize(deserializer)?.map(|time| time.0))
    }

    struct Time(Timestamp);

    impl<'de> Deserialize<'de> for Time {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            if deserializer.is_human_readable() {
                return Timestamp::deserialize(deserializer).map(Self);
            }
            let nanoseconds = i128::deserialize(deserializer)?;
            // Dividing 128 bits takes its time, and today's times have 64.
            let time = match i64::try_from(nanoseconds) {
                Ok(short) => i32::try_from(short % NANOSECONDS).map(|rest| Timestamp::new(short / NANOSECONDS, rest)),
                Err(_) => Ok(Timestamp::from_nanosecond(nanoseconds)),
            };
            time.map_err(D::Error::custom)?.map(Self).map_err(D::Error::custom)
        }
    }
}

macro_rules! resource {
    ($type:ident, $plural:literal) => {
        impl k8s_openapi::Resource for $type {
            const API_VERSION: &'static str = crate::API_VERSION;
            const GROUP: &'static str = crate::GROUP;
            const KIND: &'static str = stringify!($type);
            const VERSION: &'static str = crate::VERSION;
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = k8s_openapi::NamespaceResourceScope;
        }

        impl k8s_openapi::Metadata for $type {
            type Ty = ObjectMeta;

            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource!(AnalysisRun, "analysisruns");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_whole_seconds() {
        for (time, text) in [
            ("2024-01-02T03:04:05.999Z", "2024-01-02T03:04:05Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ] {
            let measurement = Measurement {
                finished_at: Some(time.parse().unwrap()),
                ..Measurement::default()
            };
            let written = serde_json::to_value(&measurement).unwrap();
            assert_eq!(written["finishedAt"], text);
            let read: Measurement = serde_json::from_value(written).unwrap();
            assert_eq!(read.finished_at, text.parse().ok());
        }
    }

    #[test]
    fn a_stored_phase_that_nobody_knows_is_under_way() {
        for (text, phase) in [
            ("", AnalysisPhase::Unset),
            ("Failed", AnalysisPhase::Failed),
            ("Warming", AnalysisPhase::Running),
            ("failed", AnalysisPhase::Running),
        ] {
            let read: Measurement = serde_json::from_value(serde_json::json!({"phase": text})).unwrap();
            assert_eq!(read.phase, phase, "{text}");
        }
        assert!(
            serde_json::from_str::<AnalysisPhase>("\"Warming\"").is_err(),
            "a phase that is asked for is known"
        );
    }
}
