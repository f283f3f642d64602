//! A plugin's entry in `argo-rollouts-config` or `rollcage-config`: Argo's fields, plus ours.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, GoDuration, analysis::SecretKeyRef};

/// What a plugin extends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PluginKind {
    /// Measures.
    MetricProvider,
    /// Moves traffic.
    TrafficRouter,
    /// Runs as a step of a Rollout.
    Step,
}

impl PluginKind {
    /// All kinds, in the order in which Argo reads their keys.
    pub const ALL: [Self; 3] = [Self::TrafficRouter, Self::MetricProvider, Self::Step];

    /// The ConfigMap key that holds entries of this kind.
    pub fn config_key(self) -> &'static str {
        match self {
            Self::MetricProvider => "metricProviderPlugins",
            Self::TrafficRouter => "trafficRouterPlugins",
            Self::Step => "stepPlugins",
        }
    }

    /// The WIT world of this kind, as `inspect` and `--kind` write it.
    pub fn world(self) -> &'static str {
        match self {
            Self::MetricProvider => "metric-provider",
            Self::TrafficRouter => "traffic-router",
            Self::Step => "step",
        }
    }
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.world())
    }
}

/// One entry. Unknown fields are ignored, as Argo ignores them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginEntry {
    /// `<namespace>/<name>`.
    pub name: String,
    /// `file://`, `http(s)://` or `oci://` address of the bytes.
    pub location: String,
    /// SHA-256 of the bytes, 64 hexadecimal digits of any case.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Handed to the plugin's `init` (native plugins: command-line arguments).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Secrets whose keys and values are sent as request headers when the bytes are fetched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers_from: Vec<HeadersFrom>,
    /// Configured but not loaded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// What one call and one plugin may use.
    pub limits: LimitsEntry,
    /// How instances are made and kept.
    pub instances: InstancesEntry,
    /// When calls stop being tried.
    pub breaker: BreakerEntry,
    /// What happens to objects while the plugin does not serve.
    pub unavailable: UnavailableEntry,
    /// Namespaces whose objects may name this plugin; `*` is all, and the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usable_from: Option<Vec<String>>,
    /// What the plugin may reach.
    pub permissions: Permissions,
    /// Environment variables that the plugin sees.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// Request headers out of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HeadersFrom {
    /// The Secret, in the configuration's namespace.
    pub secret_ref: SecretRef,
}

/// A Secret by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SecretRef {
    /// Its name.
    pub name: String,
}

/// Limits as written; what is absent has the default of the plugin's runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LimitsEntry {
    /// Longest time of one call, with queueing, guest and host work together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<GoDuration>,
    /// Linear memory of one instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Calls at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Calls that may wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// Bytes handed to one call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<ByteSize>,
    /// Bytes that one call may hand out, over all its host calls and its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
    /// Bytes that one call may log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<ByteSize>,
}

/// How instances are made and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct InstancesEntry {
    /// A new instance for every call, or instances kept for the next call.
    pub mode: InstanceMode,
    /// Warm instances kept at most.
    pub max: u32,
    /// Calls after which a warm instance is replaced.
    pub calls: u32,
    /// Idle time after which a warm instance is dropped.
    pub idle: GoDuration,
}

impl Default for InstancesEntry {
    fn default() -> Self {
        Self {
            mode: InstanceMode::Fresh,
            max: 8,
            calls: 1000,
            idle: GoDuration(std::time::Duration::from_mins(5)),
        }
    }
}

/// Whether an instance serves one call or many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InstanceMode {
    /// One call an instance.
    #[default]
    Fresh,
    /// Many calls an instance, one at a time.
    Warm,
}

/// When calls stop being tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BreakerEntry {
    /// Faults within `window` that open the breaker.
    pub faults: u32,
    /// Length of the window.
    pub window: GoDuration,
    /// Longest pause between two half-open probes.
    pub max_pause: GoDuration,
}

impl Default for BreakerEntry {
    fn default() -> Self {
        use std::time::Duration;
        Self {
            faults: 5,
            window: GoDuration(Duration::from_secs(30)),
            max_pause: GoDuration(Duration::from_mins(1)),
        }
    }
}

/// What happens to objects while the plugin does not serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UnavailableEntry {
    /// How long nothing is counted; `0s` is Argo's behaviour.
    pub after: GoDuration,
    /// Rollouts: wait, or abort.
    pub action: UnavailableAction,
}

impl Default for UnavailableEntry {
    fn default() -> Self {
        Self {
            after: GoDuration(std::time::Duration::from_mins(5)),
            action: UnavailableAction::Hold,
        }
    }
}

/// What a Rollout does when its plugin stays away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnavailableAction {
    /// Wait.
    #[default]
    Hold,
    /// Abort.
    Abort,
}

/// What a plugin may reach; everything else is denied. Also the shape of what a plugin wishes for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Permissions {
    /// HTTP servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpGrant>,
    /// Kubernetes objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kubernetes: Vec<KubernetesGrant>,
    /// Secrets that the host attaches to requests on the way out, or hands to `secrets.get`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialGrant>,
}

/// An HTTP server: `NAME:PORT`, `ADDRESS:PORT` or `CIDR:PORT`, alone or with options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HttpGrant {
    /// The server alone.
    Host(String),
    /// The server with options.
    WithOptions(HttpGrantOptions),
}

impl HttpGrant {
    /// `NAME:PORT`, `ADDRESS:PORT` or `CIDR:PORT`.
    pub fn host(&self) -> &str {
        match self {
            Self::Host(host) => host,
            Self::WithOptions(options) => &options.host,
        }
    }
}

/// An HTTP server with options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpGrantOptions {
    /// `NAME:PORT`, `ADDRESS:PORT` or `CIDR:PORT`.
    pub host: String,
    /// The plugin may ask that certificates are not checked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// PEM certificates trusted beside the system's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ca: String,
    /// Allowed methods; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
}

/// Kubernetes objects and what may be done with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KubernetesGrant {
    /// API groups; `""` is the core group.
    pub api_groups: Vec<String>,
    /// Plural resource names.
    pub resources: Vec<String>,
    /// `get`, `list`, `create`, `update`, `patch`, `delete`.
    pub verbs: Vec<String>,
    /// Namespaces; `@object` (the default) is that of the object being reconciled, `*` is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// Object names; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
}

/// A secret value that a plugin may use without seeing it, or read by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CredentialGrant {
    /// The name that the plugin uses.
    pub name: String,
    /// Where the value is, in the configuration's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
    /// The host sets this header to the value on requests to `hosts`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub header: String,
    /// Servers (as in `http`) to which the header is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The plugin may read the value with `secrets.get`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub readable: bool,
}
