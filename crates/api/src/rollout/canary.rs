//! The canary strategy.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CanaryStep, PingPong, TrafficRouting, or_default};

/// The canary strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStrategy {
    /// Service that selects canary pods.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub canary_service: String,
    /// Service that selects stable pods.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub stable_service: String,
    /// The way from the first canary pod to the last stable one.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<CanaryStep>,
    /// Who moves traffic; without, pods are counted instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_routing: Option<TrafficRouting>,
    /// Pods that may be missing, a number or a share; 25 % when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// Pods that may be too many, a number or a share; 25 % when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
    /// Seconds that old pods outlive the switch; 30 when absent, with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i32>,
    /// Old ReplicaSets that may be waiting for that at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_revision_limit: Option<i32>,
    /// Seconds that canary pods outlive an abort; 30 when absent, 0 is for ever, with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_scale_down_delay_seconds: Option<i32>,
    /// Whether stable pods go as their traffic does.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub dynamic_stable_scale: bool,
    /// Two services that swap roles instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_pong: Option<PingPong>,
    /// Fewest pods of a ReplicaSet that has any, with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_pods_per_replica_set: Option<i32>,
    /// How many pods are enough to go on; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_progress_threshold: Option<ReplicaProgressThreshold>,
    /// Background `analysis`, metadata of pods and the like.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// How many pods are enough to go on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaProgressThreshold {
    /// `Percent`, or `Pods`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// Of that, how many.
    #[serde(deserialize_with = "or_default")]
    pub value: i32,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}
