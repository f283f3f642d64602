//! What users do in a scenario.

use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams},
    discovery::{self, Scope},
};
use serde_json::{Value, json};

use super::{
    scenario::{Action, Deed, Subresource},
    servers::Servers,
};
use crate::error::CommandError;

/// Does it. An action that the API refuses is an error that names it.
pub async fn perform(action: &Action, client: &Client, servers: &Servers) -> Result<(), CommandError> {
    match &action.what {
        Deed::ServerUp(name) => servers.up(name).await,
        Deed::ServerDown(name) => servers.down(name).await,
        Deed::Apply(object) => apply(client, object).await.map_err(|error| refused(action, &error)),
        Deed::Patch {
            api_version,
            kind,
            namespace,
            name,
            subresource,
            patch,
        } => {
            let target = target(client, api_version.as_deref(), kind, namespace.as_deref()).await;
            let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
            let patched = match (target, subresource) {
                (Ok(api), None) => api.patch(name, &params, &patch).await.map(drop),
                (Ok(api), Some(Subresource::Status)) => api.patch_status(name, &params, &patch).await.map(drop),
                (Err(error), _) => Err(error),
            };
            patched.map_err(|error| refused(action, &error))
        }
        Deed::JobEnds { namespace, name, fails } => {
            let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
            let condition = json!({"type": if *fails { "Failed" } else { "Complete" }, "status": "True"});
            let status = Patch::Merge(json!({"status": {"conditions": [condition]}}));
            match jobs.patch_status(name, &PatchParams::default(), &status).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                Err(error) => Err(refused(action, &error)),
            }
        }
        Deed::Delete {
            api_version,
            kind,
            namespace,
            name,
        } => {
            let target = target(client, api_version.as_deref(), kind, namespace.as_deref()).await;
            let deleted = match target {
                Ok(api) => api.delete(name, &DeleteParams::default()).await.map(drop),
                Err(error) => Err(error),
            };
            deleted.map_err(|error| refused(action, &error))
        }
    }
}

async fn apply(client: &Client, object: &Value) -> Result<(), kube::Error> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or_default();
    let api = target(client, text("/apiVersion"), kind, text("/metadata/namespace")).await?;
    let name = text("/metadata/name").unwrap_or_default();
    api.patch(name, &PatchParams::apply("scenario").force(), &Patch::Apply(object))
        .await
        .map(drop)
}

async fn target(
    client: &Client,
    api_version: Option<&str>,
    kind: &str,
    namespace: Option<&str>,
) -> Result<Api<DynamicObject>, kube::Error> {
    let (group, version) = api_version
        .unwrap_or(rollcage_api::API_VERSION)
        .split_once('/')
        .unwrap_or_else(|| ("", api_version.unwrap_or_default()));
    let kind = GroupVersionKind::gvk(group, version, kind);
    let (resource, capabilities): (ApiResource, _) = discovery::pinned_kind(client, &kind).await?;
    Ok(match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace.unwrap_or("default"), &resource),
    })
}

fn refused(action: &Action, error: &kube::Error) -> CommandError {
    CommandError::usage(
        format!("scenario.yaml: the action at {} failed: {error}", action.at),
        "an action names an object that exists at that time",
    )
}
