//! As much of `/openapi/v3` as kubectl asks for before it writes: that the server takes `fieldValidation`, so that
//! kubectl does not look for schemas. There are none, and `fieldValidation` finds nothing.

use serde_json::{Map, Value, json};

use crate::{
    error::ApiError,
    kind::{Kind, Kinds, Served, api_version},
};

/// Answers a path below `/openapi/v3`.
pub(crate) fn answer(kinds: &Kinds, path: &[&str]) -> Result<Value, ApiError> {
    match path {
        [] => Ok(index(kinds)),
        ["api", version] => document(kinds, "", version),
        ["apis", group, version] => document(kinds, group, version),
        _ => Err(ApiError::no_route()),
    }
}

fn index(kinds: &Kinds) -> Value {
    let mut paths = Map::new();
    for served in kinds.iter().flat_map(|(_, kind)| &kind.served) {
        let path = root(served);
        let url = json!({"serverRelativeURL": format!("/openapi/v3/{path}")});
        paths.insert(path, url);
    }
    json!({"paths": paths})
}

fn root(served: &Served) -> String {
    let base = if served.group.is_empty() { "api" } else { "apis" };
    format!("{base}/{}", api_version(&served.group, &served.version))
}

fn document(kinds: &Kinds, group: &str, version: &str) -> Result<Value, ApiError> {
    let mut paths = Map::new();
    for (_, kind) in kinds.iter() {
        for served in kind
            .served
            .iter()
            .filter(|served| served.group == group && served.version == version)
        {
            let scope = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
            paths.insert(
                format!("/{}{scope}/{}/{{name}}", root(served), kind.plural),
                operations(kind, served),
            );
        }
    }
    if paths.is_empty() {
        return Err(ApiError::no_route());
    }
    Ok(json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": version}, "paths": paths}))
}

fn operations(kind: &Kind, served: &Served) -> Value {
    let gvk = json!({"group": served.group, "version": served.version, "kind": kind.kind});
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"]
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}))
        .collect();
    json!({"patch": {"parameters": parameters, "responses": {}, "x-kubernetes-group-version-kind": gvk}})
}
