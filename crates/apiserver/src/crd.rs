//! CustomResourceDefinitions: each makes a kind known.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    error::{ApiError, field_invalid},
    kind::{Kind, KindId, Kinds, Served, View},
    object::Object,
};

/// What identifies the kind of CustomResourceDefinitions.
pub(crate) const ID: &str = "customresourcedefinitions.apiextensions.k8s.io";

#[derive(Deserialize)]
struct Spec {
    group: String,
    names: Names,
    scope: String,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Names {
    kind: String,
    plural: String,
    #[serde(default)]
    singular: String,
    #[serde(default, rename = "shortNames")]
    short: Vec<String>,
}

#[derive(Deserialize)]
struct Version {
    name: String,
    #[serde(default)]
    served: bool,
    #[serde(default)]
    storage: bool,
    subresources: Option<Value>,
    schema: Option<Value>,
}

/// Versions of one definition.
const VERSIONS: usize = 32;

/// The kind that an object defines. Its status then says that it is served.
pub(crate) fn define(view: &View, kinds: &Kinds, object: &mut Object) -> Result<Kind, ApiError> {
    let name = object.meta.name.clone();
    let invalid = |field: &str, value: &str, why: &str| {
        Err(ApiError::invalid(view, &name, vec![field_invalid(field, value, why)]))
    };
    let spec = object.body.get("spec").cloned().unwrap_or_default();
    let spec: Spec = match serde_json::from_value(spec) {
        Ok(spec) => spec,
        Err(error) => return invalid("spec", "", &error.to_string()),
    };
    if spec.group.is_empty() || spec.names.kind.is_empty() || name != format!("{}.{}", spec.names.plural, spec.group) {
        return invalid("metadata.name", &name, "must be spec.names.plural+\".\"+spec.group");
    }
    if spec.versions.len() > VERSIONS || spec.versions.iter().filter(|version| version.storage).count() != 1 {
        return invalid(
            "spec.versions",
            "",
            "must have exactly one version marked as storage version",
        );
    }
    if !matches!(spec.scope.as_str(), "Namespaced" | "Cluster") {
        return invalid("spec.scope", &spec.scope, "must be Namespaced or Cluster");
    }
    let known = kinds.get(&KindId::of(&name));
    if known.is_some_and(|known| known.typed) {
        return invalid("spec.group", &spec.group, "the kind is built in");
    }
    if known.is_some_and(|known| known.namespaced != (spec.scope == "Namespaced")) {
        return invalid("spec.scope", &spec.scope, "field is immutable");
    }
    let mut versions: Vec<&Version> = spec
        .versions
        .iter()
        .filter(|version| version.served || version.storage)
        .collect();
    versions.sort_by_key(|version| !version.storage);
    let storage = versions.first().map(|version| version.name.clone());
    let mut kind = Kind::custom(&spec.group, "", &spec.names.kind);
    kind.plural.clone_from(&spec.names.plural);
    if !spec.names.singular.is_empty() {
        kind.singular.clone_from(&spec.names.singular);
    }
    kind.short_names.clone_from(&spec.names.short);
    kind.namespaced = spec.scope == "Namespaced";
    kind.status = versions.iter().any(|version| {
        version
            .subresources
            .as_ref()
            .and_then(|subresources| subresources.get("status"))
            .is_some_and(|status| !status.is_null())
    });
    kind.served = versions
        .iter()
        .map(|version| Served {
            group: spec.group.clone(),
            version: version.name.clone(),
            renames: &[],
        })
        .collect();
    for schema in versions
        .iter()
        .filter_map(|version| version.schema.as_ref()?.get("openAPIV3Schema"))
    {
        kind.lists.read_schema(schema);
    }
    if let Some(known) = known {
        kind.lists.add(&known.lists);
    }
    let names = object
        .body
        .get("spec")
        .and_then(|spec| spec.get("names"))
        .cloned()
        .unwrap_or_default();
    let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "message": ""});
    let status = json!({
        "acceptedNames": names,
        "conditions": [condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")],
        "storedVersions": storage.into_iter().collect::<Vec<_>>(),
    });
    object.body.insert("status".into(), status);
    Ok(kind)
}
