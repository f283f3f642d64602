//! AnalysisRuns as the API server hands them out, good ones and bad ones.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::DynamicObject;
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, AnalysisRunSpec, AnalysisRunStatus};
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::Value;

/// A run and where it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub namespace: String,
    pub name: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// Without `managedFields`, which are of no use to anybody here and larger than the rest.
    pub run: AnalysisRun,
}

/// A run that cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Malformed {
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub reference: ObjectReference,
    /// Field and reason.
    pub reason: String,
    /// Nothing is left to say about it.
    pub has_ended: bool,
}

impl Stored {
    pub fn read(object: DynamicObject) -> Result<Self, Box<Malformed>> {
        let mut metadata = object.metadata;
        metadata.managed_fields = None;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let (namespace, name) = (text(&metadata.namespace), text(&metadata.name));
        let version = text(&metadata.resource_version);
        let parts = part::<AnalysisRunSpec>(&object.data, "spec")
            .and_then(|spec| Ok((spec, part::<AnalysisRunStatus>(&object.data, "status")?)));
        let mut stored = Self {
            namespace,
            name,
            version,
            run: AnalysisRun {
                metadata,
                ..AnalysisRun::default()
            },
        };
        match parts {
            Ok((spec, status)) => {
                stored.run.spec = spec;
                stored.run.status = status;
                Ok(stored)
            }
            Err(reason) => Err(Box::new(Malformed {
                reference: stored.reference(),
                namespace: stored.namespace,
                name: stored.name,
                version: stored.version,
                reason,
                has_ended: has_ended(&object.data) || stored.run.metadata.deletion_timestamp.is_some(),
            })),
        }
    }

    /// What Events point to.
    pub fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(rollcage_api::API_VERSION.to_owned()),
            kind: Some("AnalysisRun".to_owned()),
            namespace: Some(self.namespace.clone()),
            name: Some(self.name.clone()),
            uid: self.run.metadata.uid.clone(),
            resource_version: Some(self.version.clone()),
            field_path: None,
        }
    }

    /// Whether what is to be measured is the same. That it is to end early may have been added: a measurement taken
    /// before counts all the same.
    pub fn is_same_work(&self, other: &Self) -> bool {
        let (a, b) = (&self.run.spec, &other.run.spec);
        self.run.metadata.uid == other.run.metadata.uid
            && self.run.metadata.deletion_timestamp == other.run.metadata.deletion_timestamp
            && a.metrics == b.metrics
            && a.args == b.args
            && a.dry_run == b.dry_run
            && a.measurement_retention == b.measurement_retention
    }
}

/// `spec` or `status`; absent is empty.
fn part<T: DeserializeOwned + Default>(data: &Value, field: &str) -> Result<T, String> {
    match data.get(field) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => serde_path_to_error::deserialize(value)
            .map_err(|error| format!("{field}.{}: {}", error.path(), error.inner())),
    }
}

fn has_ended(data: &Value) -> bool {
    let phase = data
        .pointer("/status/phase")
        .and_then(|phase| AnalysisPhase::deserialize(phase).ok());
    phase.is_some_and(AnalysisPhase::is_completed)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "rows of tables are made in place")]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(object: Value) -> Result<Stored, Box<Malformed>> {
        Stored::read(serde_json::from_value(object).unwrap())
    }

    fn object(spec: Value, status: Value) -> Value {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": {"name": "r", "namespace": "ns", "resourceVersion": "7", "managedFields": [{}]},
            "spec": spec, "status": status
        })
    }

    #[test]
    fn a_malformed_field_is_named() {
        for (spec, status, reason, has_ended) in [
            (
                json!({"metrics": [{"name": "m", "count": 1.5}]}),
                json!(null),
                "spec.metrics[0].count: invalid type: floating point `1.5`, expected IntOrString",
                false,
            ),
            (
                json!({"metrics": {}}),
                json!(null),
                "spec.metrics: invalid type: map, expected a sequence",
                false,
            ),
            (
                json!({"args": [{"name": []}]}),
                json!({"phase": "Error"}),
                "spec.args[0].name: invalid type: sequence, expected a string",
                true,
            ),
        ] {
            let malformed = read(object(spec, status)).unwrap_err();
            assert_eq!((malformed.reason.as_str(), malformed.has_ended), (reason, has_ended));
        }
    }

    #[test]
    fn an_absent_spec_and_status_are_empty() {
        let stored = read(object(json!(null), json!(null))).unwrap();
        assert_eq!(
            (stored.namespace.as_str(), stored.name.as_str(), stored.version.as_str()),
            ("ns", "r", "7")
        );
        assert_eq!(stored.run.metadata.managed_fields, None);
        assert!(stored.run.spec.metrics.is_empty());
    }

    #[test]
    fn the_wish_to_end_does_not_make_it_other_work() {
        let base = read(object(json!({"metrics": [{"name": "m"}]}), json!(null))).unwrap();
        let ending = read(object(
            json!({"metrics": [{"name": "m"}], "terminate": true}),
            json!(null),
        ))
        .unwrap();
        let other = read(object(json!({"metrics": [{"name": "n"}]}), json!(null))).unwrap();
        assert!(base.is_same_work(&ending) && !base.is_same_work(&other));
    }
}
