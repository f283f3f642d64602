//! What clients ask before they ask for objects.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    error::ApiError,
    kind::{Kind, Kinds, Served, api_version},
    openapi,
};

/// The Kubernetes minor version whose API this is.
const MINOR: &str = "37";

/// Answers a path that is not about objects.
pub(crate) fn answer(kinds: &Kinds, path: &[String]) -> Result<Value, ApiError> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [] => Ok(json!({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]})),
        ["version"] => Ok(version()),
        ["openapi", "v3", path @ ..] => openapi::answer(kinds, path),
        ["api"] => Ok(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        ["apis"] => {
            let groups: Vec<Value> = groups(kinds)
                .iter()
                .map(|(name, versions)| group(name, versions))
                .collect();
            Ok(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] => {
            let groups = groups(kinds);
            let versions = groups.get(*name).ok_or_else(ApiError::no_route)?;
            let mut group = group(name, versions);
            if let Some(map) = group.as_object_mut() {
                map.insert("kind".into(), "APIGroup".into());
                map.insert("apiVersion".into(), "v1".into());
            }
            Ok(group)
        }
        ["api", version] => resources(kinds, "", version),
        ["apis", group, version] => resources(kinds, group, version),
        _ => Err(ApiError::no_route()),
    }
}

fn version() -> Value {
    json!({
        "major": "1", "minor": MINOR, "gitVersion": format!("v1.{MINOR}.0-rollcage"), "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// Versions by named group, the preferred one first.
fn groups(kinds: &Kinds) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for served in kinds
        .iter()
        .flat_map(|(_, kind)| &kind.served)
        .filter(|served| !served.group.is_empty())
    {
        let versions = groups.entry(served.group.clone()).or_default();
        if !versions.contains(&served.version) {
            versions.push(served.version.clone());
        }
    }
    groups
}

fn group(name: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": api_version(name, version), "version": version}))
        .collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions.first()})
}

fn resources(kinds: &Kinds, group: &str, version: &str) -> Result<Value, ApiError> {
    let serves = |served: &&Served| served.group == group && served.version == version;
    let mut resources = Vec::new();
    for (_, kind) in kinds
        .iter()
        .filter(|(_, kind)| kind.served.iter().any(|served| serves(&served)))
    {
        resources.push(resource(kind, "", VERBS));
        if kind.status {
            resources.push(resource(kind, "/status", &["get", "patch", "update"]));
        }
    }
    if resources.is_empty() {
        return Err(ApiError::no_route());
    }
    let version = api_version(group, version);
    Ok(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}))
}

const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

fn resource(kind: &Kind, subresource: &str, verbs: &[&str]) -> Value {
    let mut value = json!({
        "name": format!("{}{subresource}", kind.plural), "singularName": kind.singular, "namespaced": kind.namespaced,
        "kind": kind.kind, "verbs": verbs,
    });
    if let (Some(map), true) = (
        value.as_object_mut(),
        subresource.is_empty() && !kind.short_names.is_empty(),
    ) {
        map.insert("shortNames".into(), json!(kind.short_names));
    }
    value
}
