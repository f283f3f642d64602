//! The object of a call, as JSON when a guest asks for it.

use std::sync::Arc;

use k8s_openapi::Resource;
use rollcage_api::{analysis::AnalysisRun, rollout::Rollout};
use serde::Serialize;
use serde_json::{Value, json};

/// What a call is about.
#[derive(Clone, Debug, Default)]
pub(crate) enum Subject {
    /// Nothing in particular.
    #[default]
    Nothing,
    /// An AnalysisRun.
    AnalysisRun(Arc<AnalysisRun>),
    /// A Rollout.
    Rollout(Arc<Rollout>),
}

impl Subject {
    /// The object without `managedFields`. Arguments out of Secrets are references in the object already.
    pub(crate) fn json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Nothing => Ok("{}".to_owned()),
            Self::AnalysisRun(run) => object(run.as_ref()),
            Self::Rollout(rollout) => object(rollout.as_ref()),
        }
    }
}

fn object<T: Serialize + Resource>(object: &T) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(object)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("apiVersion".into(), json!(T::API_VERSION));
        fields.insert("kind".into(), json!(T::KIND));
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            metadata.remove("managedFields");
        }
    }
    serde_json::to_string(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_its_type_and_drops_managed_fields() {
        let run: AnalysisRun = serde_json::from_value(json!({
            "metadata": {"name": "r", "namespace": "n", "managedFields": [{"manager": "x"}]},
            "spec": {"metrics": [], "args": [{"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        }))
        .unwrap();
        let value: Value = serde_json::from_str(&Subject::AnalysisRun(Arc::new(run)).json().unwrap()).unwrap();
        assert_eq!(value["apiVersion"], "argoproj.io/v1alpha1");
        assert_eq!(value["kind"], "AnalysisRun");
        assert_eq!(value["metadata"], json!({"name": "r", "namespace": "n"}));
        assert_eq!(value["spec"]["args"][0]["valueFrom"]["secretKeyRef"]["name"], "s");
        assert_eq!(Subject::Nothing.json().unwrap(), "{}");
    }
}
