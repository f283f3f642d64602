//! Steps of a canary release. One thing each, though the API lets several through.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::or_default;

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStep {
    /// Traffic for the canary, of the maximum weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_weight: Option<i32>,
    /// Waits for a time, or for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<RolloutPause>,
    /// Pods beside the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<ExperimentStep>,
    /// A verdict to wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Value>,
    /// Pods for the canary, whatever its traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_canary_scale: Option<SetCanaryScale>,
    /// Requests with certain headers, a [`SetHeaderRoute`](super::SetHeaderRoute) as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_header_route: Option<Value>,
    /// Copies of requests, a [`SetMirrorRoute`](super::SetMirrorRoute) as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_mirror_route: Option<Value>,
    /// A step plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginStep>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Waits for a time, or without one for a person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutPause {
    /// Seconds, or a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<IntOrString>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Pods for the canary, whatever its traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetCanaryScale {
    /// Share of all pods, of the maximum weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
    /// So many pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// As the traffic again.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub match_traffic_weight: bool,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Pods beside the release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentStep {
    /// One ReplicaSet each. No list and an empty one have different hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<ExperimentTemplate>>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One ReplicaSet of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentTemplate {
    /// Unique in the experiment.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Traffic for it, of the maximum weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A step plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginStep {
    /// `<namespace>/<name>` of the plugin.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its configuration, untouched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}
