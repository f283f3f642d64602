//! The custom resource `plugins.rollcage.dev`: a plugin's entry as an object of its own, and how every plugin is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plugin::{PluginEntry, PluginKind};

/// API group of our own objects.
pub const GROUP: &str = "rollcage.dev";
/// The only version of [`GROUP`].
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of our own objects.
pub const API_VERSION: &str = "rollcage.dev/v1alpha1";
/// Name of the kind.
pub const KIND: &str = "Plugin";
/// Name of the kind in paths.
pub const PLURAL: &str = "plugins";
/// Name of the definition.
pub const CRD_NAME: &str = "plugins.rollcage.dev";
/// Short name of the kind.
pub const SHORT_NAME: &str = "rcp";

/// Label of the objects that the controller makes for entries that are written elsewhere: `configmap` or `bundled`.
pub const SOURCE_LABEL: &str = "rollcage.dev/source";

/// The entry is one that is used.
pub const ACCEPTED: &str = "Accepted";
/// Calls are answered.
pub const READY: &str = "Ready";
/// What answers is what the entry wants.
pub const UP_TO_DATE: &str = "UpToDate";

/// A plugin in the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plugin {
    /// Name, namespace, labels and the like.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: PluginSpec,
    /// How it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PluginStatus>,
}

/// One plugin entry with its kind: the fields are those of an entry in the ConfigMap `rollcage-config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginSpec {
    /// What the plugin extends. Never changes.
    pub kind: PluginKind,
    /// The entry.
    #[serde(flatten)]
    pub entry: PluginEntry,
}

/// How a plugin is, in the words of the controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginStatus {
    /// The `metadata.generation` that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the entry is written: this object, a ConfigMap with key and line, or the program itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where the leader's plugin is on its way: Pending, Fetching, Verifying, Compiling, Initializing, Ready, Degraded (an
    /// older version serves while the wanted one fails) or Unavailable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What runs it: wasm or native.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The contract that it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// SHA-256 of what serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving_digest: Option<String>,
    /// SHA-256 of what should serve, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_digest: Option<String>,
    /// Why what should serve does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<PluginFailure>,
    /// Whether calls pass: closed (they do), open or half-open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<String>,
    /// How the plugin is in each replica of the controller.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<PluginReplica>,
    /// Accepted, Ready and UpToDate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Why a plugin does not serve as it should.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginFailure {
    /// Where on its way it failed: resolve, fetch, verify, compile, link, init or call.
    pub phase: String,
    /// The first cause.
    pub cause: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// When it was first seen.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time: String,
}

/// A plugin in one replica of the controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginReplica {
    /// The replica: its pod.
    pub name: String,
    /// Its state there.
    pub state: String,
    /// SHA-256 of what serves there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The phase and first cause of the failure there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When the replica last wrote this; it does so every few minutes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time: String,
}

impl PluginStatus {
    /// A condition by its type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == kind)
    }

    /// Whether a condition is there and True.
    pub fn is_true(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == "True")
    }
}

impl k8s_openapi::Resource for Plugin {
    const API_VERSION: &'static str = API_VERSION;
    const GROUP: &'static str = GROUP;
    const KIND: &'static str = KIND;
    const VERSION: &'static str = VERSION;
    const URL_PATH_SEGMENT: &'static str = PLURAL;
    type Scope = k8s_openapi::NamespaceResourceScope;
}

impl k8s_openapi::Metadata for Plugin {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_an_entry_with_its_kind() {
        let object: Plugin = serde_json::from_value(json!({
            "apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "x"},
            "spec": {"kind": "Step", "name": "a/b", "location": "file:///p", "limits": {"deadline": "5s"}},
            "status": {"state": "Ready", "conditions": [{
                "type": "Ready", "status": "True", "reason": "Serving", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"
            }]}
        }))
        .unwrap();
        assert_eq!(
            (object.spec.kind, object.spec.entry.name.as_str()),
            (PluginKind::Step, "a/b")
        );
        assert_eq!(object.spec.entry.limits.deadline, Some("5s".parse().unwrap()));
        let status = object.status.unwrap();
        assert!(status.is_true(READY) && !status.is_true(UP_TO_DATE));
        assert_eq!(
            serde_json::to_value(PluginStatus::default()).unwrap(),
            json!({}),
            "nothing is written that is not known"
        );
    }
}
