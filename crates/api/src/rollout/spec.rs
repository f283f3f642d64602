//! What a Rollout's author wants.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CanaryStrategy, is_zero, or_default};

/// A Rollout's `spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutSpec {
    /// Pods wanted; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Which pods are its own, a label selector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Value>,
    /// The pods that are wanted, a pod template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Value>,
    /// Where the template is, when it is not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_ref: Option<ObjectRef>,
    /// Seconds that a pod has to be ready before it is available.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub min_ready_seconds: i32,
    /// Which way back needs no steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_window: Option<RollbackWindow>,
    /// Canary or blue-green.
    pub strategy: RolloutStrategy,
    /// Old ReplicaSets that are kept; 10 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i32>,
    /// Stops it where it is.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Seconds without progress that are too many; 600 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<i32>,
    /// Whether too many seconds without progress abort the release.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub progress_deadline_abort: bool,
    /// When all pods are to be restarted, as it was written: the API takes more than RFC 3339 here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_at: Option<String>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// An object that has a pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// Its API group and version.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Its kind.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its name.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `never`, `onsuccess` or `progressively`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub scale_down: String,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Which way back needs no steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RollbackWindow {
    /// Revisions back that are in it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub revisions: i32,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A Rollout's strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStrategy {
    /// The strategy that plugins serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryStrategy>,
    /// `blueGreen`.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}
