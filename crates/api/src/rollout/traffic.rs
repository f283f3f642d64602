//! Who moves traffic between pods, and what moves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::or_default;

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
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub managed_routes: Vec<ManagedRoute>,
    /// Router plugins by `<namespace>/<name>`, each with its own configuration.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
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

/// The weights that routers were last told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficWeights {
    /// Share of the newest pods.
    pub canary: WeightDestination,
    /// Share of the stable pods.
    pub stable: WeightDestination,
    /// Shares of an experiment's pods.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub additional: Vec<WeightDestination>,
    /// Whether a router confirmed them; absent when none can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
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
