//! Objects of any kind, out of YAML.

use anyhow::{Context as _, bail};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, TypeMeta},
    core::GroupVersionKind,
    discovery::{self, Scope},
};
use serde::Deserialize as _;

/// Server-side apply of every document; those of a namespaced kind without a namespace go to this one.
pub async fn apply(client: &Client, namespace: &str, yaml: &str) -> anyhow::Result<()> {
    for document in serde_yaml::Deserializer::from_str(yaml) {
        let value = serde_json::Value::deserialize(document)?;
        if value.is_null() {
            continue;
        }
        let object: DynamicObject = serde_json::from_value(value)?;
        let types = object.types.clone().context("an object without a kind")?;
        let name = object.metadata.name.clone().context("an object without a name")?;
        let namespace = object.metadata.namespace.as_deref().unwrap_or(namespace);
        let api = find(client, &types, namespace).await?;
        let params = PatchParams::apply("tests").force();
        let applied = api.patch(&name, &params, &Patch::Apply(&object)).await;
        applied.with_context(|| format!("applying {} {name}", types.kind))?;
    }
    Ok(())
}

async fn find(client: &Client, types: &TypeMeta, namespace: &str) -> anyhow::Result<Api<DynamicObject>> {
    let kind = GroupVersionKind::try_from(types)?;
    let (resource, capabilities) = discovery::pinned_kind(client, &kind)
        .await
        .with_context(|| format!("no kind {types:?}"))?;
    match capabilities.scope {
        Scope::Cluster => Ok(Api::all_with(client.clone(), &resource)),
        Scope::Namespaced if namespace.is_empty() => bail!("no namespace for a {}", types.kind),
        Scope::Namespaced => Ok(Api::namespaced_with(client.clone(), namespace, &resource)),
    }
}

/// A client of a kind by `group/version` and kind, in a namespace.
pub fn dynamic(client: &Client, namespace: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}
