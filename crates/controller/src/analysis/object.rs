//! AnalysisRuns as the API server hands them out, good ones and bad ones.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::ObjectReference,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time},
};
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, AnalysisRunSpec, AnalysisRunStatus};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, value::RawValue};

/// An AnalysisRun as it comes. Nothing that a user can write into one makes this unreadable, and with it the answer or
/// the list that it is in: `spec` and `status` stay text, of any shape and depth.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Wire")]
pub(crate) struct Raw {
    /// Always good: the API server itself reads it. Without `managedFields`.
    pub metadata: ObjectMeta,
    /// Who wrote the status, and when; of `managedFields`, which are larger than the rest, nothing else is kept.
    pub writers: Vec<(String, Timestamp)>,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Wire {
    metadata: WireMeta,
    #[serde(default)]
    spec: Option<Box<RawValue>>,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

/// `ObjectMeta`, whose own reader makes trees of all that `managedFields` have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMeta {
    annotations: Option<BTreeMap<String, String>>,
    creation_timestamp: Option<Time>,
    deletion_grace_period_seconds: Option<i64>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    generate_name: Option<String>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    managed_fields: Option<Vec<Managed>>,
    name: Option<String>,
    namespace: Option<String>,
    owner_references: Option<Vec<OwnerReference>>,
    resource_version: Option<String>,
    self_link: Option<String>,
    uid: Option<String>,
}

#[derive(Deserialize)]
struct Managed {
    manager: Option<String>,
    time: Option<Time>,
    #[serde(rename = "fieldsV1")]
    fields: Option<Fields>,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "f:status")]
    status: Option<IgnoredAny>,
}

impl From<Wire> for Raw {
    fn from(wire: Wire) -> Self {
        let meta = wire.metadata;
        let writers = meta.managed_fields.into_iter().flatten().filter_map(|entry| {
            entry.fields?.status?;
            Some((entry.manager.unwrap_or_default(), entry.time?.0))
        });
        Self {
            writers: writers.collect(),
            metadata: ObjectMeta {
                annotations: meta.annotations,
                creation_timestamp: meta.creation_timestamp,
                deletion_grace_period_seconds: meta.deletion_grace_period_seconds,
                deletion_timestamp: meta.deletion_timestamp,
                finalizers: meta.finalizers,
                generate_name: meta.generate_name,
                generation: meta.generation,
                labels: meta.labels,
                managed_fields: None,
                name: meta.name,
                namespace: meta.namespace,
                owner_references: meta.owner_references,
                resource_version: meta.resource_version,
                self_link: meta.self_link,
                uid: meta.uid,
            },
            spec: wire.spec,
            status: wire.status,
        }
    }
}

impl k8s_openapi::Resource for Raw {
    const API_VERSION: &'static str = AnalysisRun::API_VERSION;
    const GROUP: &'static str = AnalysisRun::GROUP;
    const KIND: &'static str = AnalysisRun::KIND;
    const VERSION: &'static str = AnalysisRun::VERSION;
    const URL_PATH_SEGMENT: &'static str = AnalysisRun::URL_PATH_SEGMENT;
    type Scope = k8s_openapi::NamespaceResourceScope;
}

impl k8s_openapi::Metadata for Raw {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

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
    pub metadata: ObjectMeta,
    /// Field and reason.
    pub reason: String,
    /// Nothing is left to say about it.
    pub has_ended: bool,
}

/// What Events about a run point to.
pub(super) fn reference(run: &ObjectMeta) -> ObjectReference {
    ObjectReference {
        api_version: Some(rollcage_api::API_VERSION.to_owned()),
        kind: Some("AnalysisRun".to_owned()),
        namespace: run.namespace.clone(),
        name: run.name.clone(),
        uid: run.uid.clone(),
        resource_version: run.resource_version.clone(),
        field_path: None,
    }
}

impl Raw {
    /// The phase, and nothing else of it.
    pub(super) fn phase(&self) -> AnalysisPhase {
        phase(self.status.as_deref()).unwrap_or_default()
    }

    /// The status, as it is written.
    pub(super) fn status(&self) -> &str {
        self.status.as_deref().map(RawValue::get).unwrap_or_default()
    }
}

impl Stored {
    pub fn read(object: Raw) -> Result<Self, Box<Malformed>> {
        let metadata = object.metadata;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let (namespace, name) = (text(&metadata.namespace), text(&metadata.name));
        let version = text(&metadata.resource_version);
        let (spec, status) = (object.spec.as_deref(), object.status.as_deref());
        let parts = part::<AnalysisRunSpec>(spec, "spec")
            .and_then(|spec| Ok((spec, part::<AnalysisRunStatus>(status, "status")?)));
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
                has_ended: has_ended(status) || stored.run.metadata.deletion_timestamp.is_some(),
                metadata: stored.run.metadata,
                reason,
            })),
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

    /// Whether nobody recorded anything, or ended it, in between: then the same is due. The rest of the status follows from
    /// that, or is of no consequence, and whoever writes it all the time is not to cost a measurement each time.
    pub fn has_same_records(&self, other: &Self) -> bool {
        let (a, b) = (&self.run.status, &other.run.status);
        a.phase == b.phase && a.completed_at == b.completed_at && a.metric_results == b.metric_results
    }
}

/// `spec` or `status`; absent is empty.
fn part<T: DeserializeOwned + Default>(text: Option<&RawValue>, field: &str) -> Result<T, String> {
    let Some(text) = text else { return Ok(T::default()) };
    // Errors out of a value have no position in a text that nobody sees.
    let value: Value = serde_json::from_str(text.get()).map_err(|error| {
        let reason = error.to_string();
        let reason = reason
            .split_once(" at line")
            .map_or(reason.as_str(), |(reason, _)| reason);
        format!("{field}: {reason}")
    })?;
    if !value.is_object() {
        // A sequence would be read as the fields in their order.
        return Err(format!("{field}: invalid type: this has to be an object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| format!("{field}.{}: {}", error.path(), error.inner()))
}

fn has_ended(status: Option<&RawValue>) -> bool {
    phase(status).is_some_and(AnalysisPhase::is_completed)
}

fn phase(status: Option<&RawValue>) -> Option<AnalysisPhase> {
    #[derive(Deserialize)]
    struct OnlyPhase {
        phase: AnalysisPhase,
    }
    let status: OnlyPhase = serde_json::from_str(status?.get()).ok()?;
    Some(status.phase)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "rows of tables are made in place")]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(object: Value) -> Result<Stored, Box<Malformed>> {
        // Out of text: what is kept as text cannot come out of a value.
        Stored::read(serde_json::from_str(&object.to_string()).unwrap())
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
            (
                json!("text"),
                json!({}),
                "spec: invalid type: this has to be an object",
                false,
            ),
            (
                json!({}),
                json!([]),
                "status: invalid type: this has to be an object",
                false,
            ),
            (
                json!({}),
                json!({"phase": "Failed", "metricResults": 1}),
                "status.metricResults: invalid type: integer `1`, expected a sequence",
                true,
            ),
        ] {
            let malformed = read(object(spec, status)).unwrap_err();
            assert_eq!((malformed.reason.as_str(), malformed.has_ended), (reason, has_ended));
        }
    }

    /// Deeper than a JSON reader goes: named, not a failure of whatever it is in.
    #[test]
    fn any_depth_is_survived() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(
            r#"{{"metadata": {{"name": "r"}}, "spec": {{"metrics": {deep}}}, "status": {{"phase": "Failed", "x": {deep}}}}}"#
        );
        let malformed = Stored::read(serde_json::from_str(&text).unwrap()).unwrap_err();
        assert_eq!(
            (malformed.reason.as_str(), malformed.has_ended),
            ("spec: recursion limit exceeded", true)
        );
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

    #[test]
    fn only_records_and_the_end_make_other_records() {
        let with = |status| read(object(json!({"metrics": [{"name": "m"}]}), status)).unwrap();
        let base = with(json!({"phase": "Running", "metricResults": [{"name": "m", "count": 1}]}));
        for (status, same) in [
            (
                json!({"phase": "Running", "message": "x", "metricResults": [{"name": "m", "count": 1}]}),
                true,
            ),
            (
                json!({"phase": "Running", "runSummary": {"count": 3}, "metricResults": [{"name": "m", "count": 1}]}),
                true,
            ),
            (
                json!({"phase": "Running", "metricResults": [{"name": "m", "count": 2}]}),
                false,
            ),
            (
                json!({"phase": "Failed", "metricResults": [{"name": "m", "count": 1}]}),
                false,
            ),
            (json!({"phase": "Running"}), false),
        ] {
            assert_eq!(base.has_same_records(&with(status.clone())), same, "{status}");
        }
    }
}
