//! The parts of a Rollout that plugins see, with everything else kept as it came.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A Rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollout {
    /// Name, namespace, labels and the like.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: RolloutSpec,
    /// What is.
    pub status: RolloutStatus,
    /// `apiVersion`, `kind` and anything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A Rollout's `spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutSpec {
    /// Canary or blue-green.
    pub strategy: RolloutStrategy,
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

/// The canary strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStrategy {
    /// Service that selects canary pods.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub canary_service: String,
    /// Service that selects stable pods.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stable_service: String,
    /// Two services that swap roles instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_pong: Option<PingPong>,
    /// Who moves traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_routing: Option<TrafficRouting>,
    /// `steps` and the like.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Two services of which one is stable and the other canary, in turns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PingPong {
    /// First service.
    pub ping_service: String,
    /// Second service.
    pub pong_service: String,
}

/// Who moves traffic between stable and canary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficRouting {
    /// Routes that header and mirror steps may manage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_routes: Vec<ManagedRoute>,
    /// Router plugins by `<namespace>/<name>`, each with its own configuration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, Value>,
    /// Sum of all weights; 100 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_traffic_weight: Option<i32>,
    /// Built-in routers (`nginx`, `istio` and the like).
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A route that steps may manage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManagedRoute {
    /// Its name.
    pub name: String,
}

/// A Rollout's `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// Whether the release was aborted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub abort: bool,
    /// Pod-template hash of the newest ReplicaSet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_pod_hash: String,
    /// Pod-template hash of the stable ReplicaSet.
    #[serde(rename = "stableRS", skip_serializing_if = "String::is_empty")]
    pub stable_rs: String,
    /// Index into the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_index: Option<i32>,
    /// Status of the canary strategy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryStatus>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Status of the canary strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStatus {
    /// `ping` or `pong`: which service is the stable one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stable_ping_pong: String,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One destination of traffic and its share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WeightDestination {
    /// Share of the Rollout's maximum weight.
    pub weight: i32,
    /// Service that receives it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_name: String,
    /// Pods that receive it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_template_hash: String,
}

/// How a text is matched: exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StringMatch {
    /// Equal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exact: String,
    /// Starts with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Matches a regular expression.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub regex: String,
}

/// A step that sends requests with certain headers to the canary; no `match` removes the route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetHeaderRoute {
    /// Name of the managed route.
    pub name: String,
    /// All must match.
    #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<HeaderMatch>,
}

/// One header to match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeaderMatch {
    /// Name of the header.
    pub header_name: String,
    /// Its value.
    pub header_value: StringMatch,
}

/// A step that copies requests to the canary; no `match` removes the route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetMirrorRoute {
    /// Name of the managed route.
    pub name: String,
    /// Any may match.
    #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RouteMatch>,
    /// Share of matching requests, 0 to 100; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentage: Option<i32>,
}

/// A request to match: what is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteMatch {
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<StringMatch>,
    /// The path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<StringMatch>,
    /// Headers by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, StringMatch>,
}

/// Whether the router's real weight is the desired one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// It is.
    Verified,
    /// It is not, or not yet.
    NotVerified,
    /// The router cannot tell.
    NotImplemented,
}

impl k8s_openapi::Resource for Rollout {
    const API_VERSION: &'static str = crate::API_VERSION;
    const GROUP: &'static str = crate::GROUP;
    const KIND: &'static str = "Rollout";
    const VERSION: &'static str = crate::VERSION;
    const URL_PATH_SEGMENT: &'static str = "rollouts";
    type Scope = k8s_openapi::NamespaceResourceScope;
}

impl k8s_openapi::Metadata for Rollout {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
