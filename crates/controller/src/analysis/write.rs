//! Storing a decision: the difference, as one JSON merge patch of the object that the decision was made on.
//!
//! AnalysisRuns have no status subresource, so status and annotation go together. The patch carries the object's
//! `resourceVersion`: the API server refuses it when anybody wrote in between.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, Request};
use rollcage_core::analysis::{Decision, WAITING_ANNOTATION};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    AnalysisReconciler,
    object::{Raw, Stored},
};
use crate::error::{Doing, ReconcileError};

/// Who writes, as `managedFields` show it.
pub(super) const MANAGER: &str = "rollcage";

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is stored, or was already.
    Yes,
    /// Somebody else wrote in between.
    Conflict,
    /// The object is gone.
    Gone,
    /// With this it would be larger than an object can be.
    TooLarge,
}

/// What is read of the API server's answer: the rest of the object is known.
#[derive(Deserialize)]
struct Answer {
    metadata: Version,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    resource_version: Option<String>,
}

/// Whether the API server, or the store behind it, refuses an object for its size.
fn is_too_large(status: &kube::core::Status) -> bool {
    status.code == 413 || status.code == 500 && status.message.contains("request is too large")
}

impl AnalysisReconciler {
    pub(super) async fn write(&self, stored: &Stored, decision: &Decision) -> Result<Written, ReconcileError> {
        let unwritable = |error| ReconcileError::unwritable(&stored.namespace, &stored.name, error);
        let before = serde_json::to_value(&stored.run.status).map_err(unwritable)?;
        let after = serde_json::to_value(&decision.status).map_err(unwritable)?;
        let mut patch = Map::new();
        if let Some(difference) = difference(&before, &after) {
            patch.insert("status".into(), difference);
        }
        let annotations = stored.run.metadata.annotations.as_ref();
        let waiting = decision.waiting.annotation();
        if annotations.and_then(|all| all.get(WAITING_ANNOTATION)) != waiting.as_ref() {
            patch.insert("metadata".into(), json!({"annotations": {WAITING_ANNOTATION: waiting}}));
        }
        if patch.is_empty() {
            return Ok(Written::Yes);
        }
        self.patch(&stored.namespace, &stored.name, &stored.version, patch)
            .await
    }

    /// Ends a run of which more cannot be stored: it is malformed, or too large.
    pub(super) async fn write_error(
        &self,
        run: &ObjectMeta,
        message: String,
        keep_results: bool,
    ) -> Result<Written, ReconcileError> {
        let mut status = json!({
            "phase": "Error",
            "message": message,
            "completedAt": self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        });
        if let Value::Object(status) = &mut status
            && !keep_results
        {
            status.insert("metricResults".into(), Value::Null);
        }
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let patch = Map::from_iter([("status".to_owned(), status)]);
        self.patch(
            &text(&run.namespace),
            &text(&run.name),
            &text(&run.resource_version),
            patch,
        )
        .await
    }

    async fn patch(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
        mut patch: Map<String, Value>,
    ) -> Result<Written, ReconcileError> {
        let metadata = patch.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata {
            metadata.insert("resourceVersion".into(), version.into());
        }
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let url = <Raw as kube::Resource>::url_path(&(), Some(namespace));
        let written = match Request::new(url).patch(name, &params, &Patch::Merge(&patch)) {
            Ok(request) => self.client.request::<Answer>(request).await,
            Err(error) => Err(kube::Error::BuildRequest(error)),
        };
        match written {
            Ok(answer) => {
                self.writes
                    .wrote(namespace, name, answer.metadata.resource_version.as_deref());
                Ok(Written::Yes)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Written::Conflict),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Written::Gone),
            Err(kube::Error::Api(status)) if is_too_large(&status) => Ok(Written::TooLarge),
            Err(source) => Err(ReconcileError::new(Doing::Write, namespace, name, source)),
        }
    }
}

/// The JSON merge patch that makes `after` out of `before`; `None` when they are equal.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return Some(after.clone());
    };
    let removed = old
        .keys()
        .filter(|key| !new.contains_key(*key))
        .map(|key| (key.clone(), Value::Null));
    let changed = new.iter().filter_map(|(key, value)| {
        let change = match old.get(key) {
            Some(before) => difference(before, value)?,
            None => value.clone(),
        };
        Some((key.clone(), change))
    });
    Some(Value::Object(removed.chain(changed).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_difference_is_written() {
        for (before, after, patch) in [
            (json!({"a": 1}), json!({"a": 1}), None),
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3}), Some(json!({"b": 3}))),
            (json!({"a": 1, "b": 2}), json!({"a": 1}), Some(json!({"b": null}))),
            (
                json!({"o": {"x": 1, "y": 2}, "l": [1]}),
                json!({"o": {"x": 1, "y": 3, "z": 4}, "l": [1, 2]}),
                Some(json!({"o": {"y": 3, "z": 4}, "l": [1, 2]})),
            ),
            (json!({}), json!({"o": {}}), Some(json!({"o": {}}))),
            (
                json!({"o": "text"}),
                json!({"o": {"x": 1}}),
                Some(json!({"o": {"x": 1}})),
            ),
        ] {
            assert_eq!(difference(&before, &after), patch);
            let mut patched = before.clone();
            json_patch::merge(&mut patched, &patch.unwrap_or(json!({})));
            assert_eq!(patched, after);
        }
    }
}
