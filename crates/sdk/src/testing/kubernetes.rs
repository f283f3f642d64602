//! Kubernetes objects in memory: enough of the API server's behaviour for a plugin's own tests.

use serde_json::{Value, json};

use crate::{
    Pair,
    kubernetes::{Kind, KubernetesError, PatchType, Reference},
};

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Applied where there was none.
    Create,
    /// Applied over an existing one.
    Apply,
    /// Patched.
    Patch,
    /// Deleted.
    Delete,
}

/// One change of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What was done.
    pub verb: Verb,
    /// To which object.
    pub object: Reference,
    /// What was sent; `null` for a deletion.
    pub body: Value,
}

/// The objects, and what happened to them. Apply merges: ownership of single fields is the API server's business.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    stored: Vec<(Reference, Value)>,
    changes: Vec<Change>,
    version: u64,
}

impl Objects {
    pub(crate) fn insert(&mut self, mut value: Value) {
        let text = |pointer: &str| {
            value
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let api_version = text("/apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let object =
            Kind::new(group, version, text("/kind")).named(text("/metadata/namespace"), text("/metadata/name"));
        self.stamp(&mut value);
        self.stored.retain(|(existing, _)| *existing != object);
        self.stored.push((object, value));
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub(crate) fn find(&self, object: &Reference) -> Option<Value> {
        let found = self.stored.iter().find(|(existing, _)| existing == object);
        found.map(|(_, value)| value.clone())
    }

    pub(crate) fn get(&self, object: &Reference) -> Result<Value, KubernetesError> {
        self.find(object)
            .ok_or_else(|| KubernetesError::NotFound(format!("{} \"{}\" not found", object.kind.kind, object.name)))
    }

    pub(crate) fn list(&self, kind: &Kind, namespace: &str, labels: &[Pair]) -> Vec<Value> {
        let has = |value: &Value, label: &Pair| {
            let labels = value.pointer("/metadata/labels");
            labels
                .and_then(|labels| labels.get(&label.name))
                .and_then(Value::as_str)
                == Some(&label.value)
        };
        let objects = self.stored.iter().filter(|(object, value)| {
            object.kind == *kind
                && (namespace.is_empty() || object.namespace == namespace)
                && labels.iter().all(|label| has(value, label))
        });
        objects.map(|(_, value)| value.clone()).collect()
    }

    pub(crate) fn apply(&mut self, object: &Reference, body: &str) -> Result<Value, KubernetesError> {
        let body = parse(body)?;
        let existing = self.find(object);
        if let Some(version) = body.pointer("/metadata/resourceVersion") {
            let current = existing
                .as_ref()
                .and_then(|value| value.pointer("/metadata/resourceVersion"));
            expect_version(object, Some(version), current)?;
        }
        let verb = if existing.is_some() { Verb::Apply } else { Verb::Create };
        let mut value = existing.unwrap_or_else(|| {
            json!({
                "apiVersion": object.kind.api_version(),
                "kind": object.kind.kind,
                "metadata": {"name": object.name, "namespace": object.namespace},
            })
        });
        json_patch::merge(&mut value, &body);
        Ok(self.store(verb, object, body, value))
    }

    pub(crate) fn patch(
        &mut self,
        object: &Reference,
        patch_type: PatchType,
        body: &str,
    ) -> Result<Value, KubernetesError> {
        let mut value = self.get(object)?;
        let body = parse(body)?;
        match patch_type {
            PatchType::Merge => json_patch::merge(&mut value, &body),
            PatchType::Json => {
                let patch: json_patch::Patch = serde_json::from_value(body.clone())
                    .map_err(|error| KubernetesError::Invalid(error.to_string()))?;
                json_patch::patch(&mut value, &patch).map_err(|error| KubernetesError::Invalid(error.to_string()))?;
            }
        }
        Ok(self.store(Verb::Patch, object, body, value))
    }

    pub(crate) fn delete(&mut self, object: &Reference, version: Option<&str>) -> Result<(), KubernetesError> {
        let value = self.get(object)?;
        if let Some(version) = version {
            let current = value.pointer("/metadata/resourceVersion");
            expect_version(object, Some(&Value::from(version)), current)?;
        }
        self.stored.retain(|(existing, _)| existing != object);
        self.changes.push(Change {
            verb: Verb::Delete,
            object: object.clone(),
            body: Value::Null,
        });
        Ok(())
    }

    fn store(&mut self, verb: Verb, object: &Reference, body: Value, mut value: Value) -> Value {
        self.stamp(&mut value);
        self.stored.retain(|(existing, _)| existing != object);
        self.stored.push((object.clone(), value.clone()));
        self.changes.push(Change {
            verb,
            object: object.clone(),
            body,
        });
        value
    }

    fn stamp(&mut self, value: &mut Value) {
        self.version += 1;
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), Value::from(self.version.to_string()));
        }
    }
}

fn parse(json: &str) -> Result<Value, KubernetesError> {
    serde_json::from_str(json).map_err(|error| KubernetesError::Invalid(error.to_string()))
}

fn expect_version(object: &Reference, wanted: Option<&Value>, current: Option<&Value>) -> Result<(), KubernetesError> {
    if wanted == current {
        return Ok(());
    }
    Err(KubernetesError::Conflict(format!(
        "{} \"{}\" has been changed",
        object.kind.kind, object.name
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kubernetes, testing::Host};

    fn widget(name: &str) -> Reference {
        Kind::new("example.org", "v1", "Widget").named("ns", name)
    }

    fn host() -> Host {
        Host::new().with_object(json!({
            "apiVersion": "example.org/v1", "kind": "Widget",
            "metadata": {"name": "a", "namespace": "ns", "labels": {"app": "x"}}, "spec": {"size": 1, "old": true}
        }))
    }

    #[test]
    fn patches_change_and_count() {
        let host = host();
        host.run(|| {
            kubernetes::merge_patch(&widget("a"), &json!({"spec": {"size": 2, "old": null}})).unwrap();
            kubernetes::json_patch(&widget("a"), &json!([{"op": "add", "path": "/spec/new", "value": 3}])).unwrap();
        });
        assert_eq!(host.object(&widget("a")).unwrap()["spec"], json!({"size": 2, "new": 3}));
        assert_eq!(host.changes().len(), 2);
    }

    #[test]
    fn apply_creates_and_sees_changes_in_between() {
        host().run(|| {
            let b = kubernetes::apply(&widget("b"), &json!({"spec": {"size": 5}})).unwrap();
            assert_eq!(b["metadata"]["name"], "b");
            let stale = json!({"metadata": {"resourceVersion": "0"}, "spec": {"size": 6}});
            assert!(matches!(
                kubernetes::apply(&widget("b"), &stale),
                Err(KubernetesError::Conflict(_))
            ));
            assert!(matches!(
                kubernetes::delete(&widget("b"), Some("0")),
                Err(KubernetesError::Conflict(_))
            ));
            kubernetes::delete(&widget("b"), b["metadata"]["resourceVersion"].as_str()).unwrap();
            assert_eq!(kubernetes::get(&widget("b")), Ok(None));
        });
    }

    #[test]
    fn lists_by_namespace_and_label() {
        host().run(|| {
            let kind = || Kind::new("example.org", "v1", "Widget");
            let count = |namespace: &str, app: &str| {
                kubernetes::list(&kind(), namespace, &[Pair::new("app", app)])
                    .unwrap()
                    .len()
            };
            assert_eq!(
                (count("", "x"), count("ns", "x"), count("other", "x"), count("ns", "y")),
                (1, 1, 0, 0)
            );
        });
    }

    #[test]
    fn nothing_answers_outside_of_a_host() {
        assert!(matches!(
            kubernetes::get(&widget("a")),
            Err(KubernetesError::Unavailable(_))
        ));
    }
}
