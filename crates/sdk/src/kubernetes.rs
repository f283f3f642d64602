//! Kubernetes objects through the host's own client, as JSON values. Only what the plugin's entry grants.

use serde_json::{Value, json};

pub use crate::bindings::imports::rollcage::plugin::kubernetes::{Kind, KubernetesError, PatchType, Reference};
use crate::{Pair, host, router::Rollout};

impl Kind {
    /// A type of object; the empty group is the core group.
    pub fn new(group: impl Into<String>, version: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        }
    }

    /// `GROUP/VERSION`, or the version alone for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The object of this kind with this name.
    pub fn named(self, namespace: impl Into<String>, name: impl Into<String>) -> Reference {
        Reference {
            kind: self,
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl KubernetesError {
    /// The text alone.
    pub fn message(&self) -> &str {
        match self {
            Self::Denied(message)
            | Self::NotFound(message)
            | Self::Conflict(message)
            | Self::Invalid(message)
            | Self::Unavailable(message)
            | Self::Other(message) => message,
        }
    }
}

/// Reads one object; `None` when there is none.
pub fn get(object: &Reference) -> Result<Option<Value>, KubernetesError> {
    match host::kubernetes_get(object) {
        Ok(json) => parse(&json).map(Some),
        Err(KubernetesError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads all objects of a namespace (empty: all namespaces) that have these labels.
pub fn list(kind: &Kind, namespace: &str, labels: &[Pair]) -> Result<Vec<Value>, KubernetesError> {
    let objects = host::kubernetes_list(kind, namespace, labels)?;
    objects.iter().map(|json| parse(json)).collect()
}

/// Creates or changes an object by server-side apply under the plugin's name. With `metadata.resourceVersion` it fails
/// when the object changed in between.
pub fn apply(object: &Reference, value: &Value) -> Result<Value, KubernetesError> {
    parse(&host::kubernetes_apply(object, &value.to_string())?)
}

/// Changes an object by a JSON merge patch: `null` removes.
pub fn merge_patch(object: &Reference, patch: &Value) -> Result<Value, KubernetesError> {
    parse(&host::kubernetes_patch(object, PatchType::Merge, &patch.to_string())?)
}

/// Changes an object by a JSON patch: a list of operations.
pub fn json_patch(object: &Reference, patch: &Value) -> Result<Value, KubernetesError> {
    parse(&host::kubernetes_patch(object, PatchType::Json, &patch.to_string())?)
}

/// Deletes an object; `resource_version`, when given, must still be its own.
pub fn delete(object: &Reference, resource_version: Option<&str>) -> Result<(), KubernetesError> {
    host::kubernetes_delete(object, resource_version)
}

/// An owner reference that makes the Rollout the controller of an object: it is deleted with the Rollout.
pub fn controlled_by(rollout: &Rollout) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "name": rollout.name,
        "uid": rollout.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Whether the Rollout is the controller of an object.
pub fn is_controlled_by(object: &Value, rollout: &Rollout) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| {
        owner.get("controller").and_then(Value::as_bool) == Some(true)
            && owner.get("uid").and_then(Value::as_str) == Some(rollout.uid.as_str())
    })
}

fn parse(json: &str) -> Result<Value, KubernetesError> {
    serde_json::from_str(json).map_err(|error| KubernetesError::Other(format!("the host's answer: {error}")))
}
