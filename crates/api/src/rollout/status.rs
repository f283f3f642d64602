//! How far a Rollout is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{PauseCondition, RolloutCondition, TrafficWeights, is_zero, or_default};
use crate::analysis::seconds;

/// A Rollout's `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// Whether the release was aborted.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub abort: bool,
    /// Why the controller waits.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub pause_conditions: Vec<PauseCondition>,
    /// Whether the controller paused it: without a pause condition, a person has let it go on.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub controller_pause: bool,
    /// Since when it is aborted.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub aborted_at: Option<Timestamp>,
    /// Pod-template hash of the newest ReplicaSet.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub current_pod_hash: String,
    /// Hash of the steps that it goes by.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub current_step_hash: String,
    /// Pods.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub replicas: i32,
    /// Pods of the newest ReplicaSet.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub updated_replicas: i32,
    /// Pods that are ready.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub ready_replicas: i32,
    /// Pods that have been ready for long enough.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub available_replicas: i32,
    /// Index into the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_index: Option<i32>,
    /// Names of ReplicaSets that were taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i32>,
    /// `metadata.generation` that this status is about, as text.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub observed_generation: String,
    /// Its state, aspect by aspect.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<RolloutCondition>,
    /// Status of the canary strategy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryStatus>,
    /// Pods that the autoscaler counts.
    #[serde(
        rename = "HPAReplicas",
        deserialize_with = "or_default",
        skip_serializing_if = "is_zero"
    )]
    pub hpa_replicas: i32,
    /// The label selector as text.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// Pod-template hash of the stable ReplicaSet.
    #[serde(
        deserialize_with = "or_default",
        rename = "stableRS",
        skip_serializing_if = "String::is_empty"
    )]
    pub stable_rs: String,
    /// The `restartAt` that was done.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub restarted_at: Option<Timestamp>,
    /// Whether all that is left is to be skipped.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub promote_full: bool,
    /// `Healthy`, `Degraded`, `Progressing` or `Paused`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// Why.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Status of the canary strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStatus {
    /// The analysis of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_analysis_run_status: Option<RolloutAnalysisRunStatus>,
    /// The analysis beside the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_background_analysis_run_status: Option<RolloutAnalysisRunStatus>,
    /// Name of the step's Experiment.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub current_experiment: String,
    /// The weights that routers were last told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<TrafficWeights>,
    /// `ping` or `pong`: which service is the stable one.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub stable_ping_pong: String,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// An AnalysisRun of the release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutAnalysisRunStatus {
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Its phase.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    /// Why.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}
