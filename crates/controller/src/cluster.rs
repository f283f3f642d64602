//! What a cluster does for plugins: Kubernetes objects and Secrets through one client.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Error,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, Preconditions},
    discovery::{self, Scope},
};
use rollcage_core::host::{
    Kubernetes, KubernetesError, KubernetesRequest, KubernetesVerb, ObjectKind, ResourceName, Secrets, SecretsError,
};
use serde_json::Value;

use crate::{client::Limiter, error::told};

/// Most objects that one list hands to a plugin: its memory is smaller than a cluster.
const LIST_LIMIT: u32 = 500;

/// A cluster behind a client.
pub struct Cluster {
    client: Client,
    /// Namespace of the configuration, where Secrets are read.
    namespace: String,
    /// How many requests a second plugins may make, who take turns; whatever they like, where nobody shares the API.
    rate: Option<Limiter>,
    /// Kinds never change their plural, so what was learnt once is kept.
    kinds: Mutex<HashMap<ObjectKind, ResourceName>>,
}

impl Cluster {
    /// The cluster behind `client`; Secrets are those of `namespace`.
    pub fn new(client: Client, namespace: impl Into<String>) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            rate: None,
            kinds: Mutex::default(),
        }
    }

    /// At this rate.
    #[must_use]
    pub fn limited(mut self, rate: Limiter) -> Self {
        self.rate = Some(rate);
        self
    }

    async fn turn(&self, plugin: &str) {
        if let Some(rate) = &self.rate {
            rate.pass(plugin).await;
        }
    }

    fn api(&self, request: &KubernetesRequest) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk_with_plural(&gvk(&request.kind), &request.resource.plural);
        if request.namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &request.namespace, &resource)
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

fn gvk(kind: &ObjectKind) -> GroupVersionKind {
    GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind)
}

#[async_trait]
impl Kubernetes for Cluster {
    async fn resolve(&self, kind: &ObjectKind) -> Result<ResourceName, KubernetesError> {
        let known = self
            .kinds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(kind)
            .cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        self.turn("").await;
        let (resource, capabilities) = discovery::pinned_kind(&self.client, &gvk(kind))
            .await
            .map_err(|error| match error {
                Error::Discovery(error) => KubernetesError::NotFound(error.to_string()),
                error => meaning(error),
            })?;
        let name = ResourceName {
            plural: resource.plural,
            namespaced: matches!(capabilities.scope, Scope::Namespaced),
        };
        self.kinds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(kind.clone(), name.clone());
        Ok(name)
    }

    async fn request(&self, manager: &str, request: KubernetesRequest) -> Result<Value, KubernetesError> {
        self.turn(manager).await;
        let api = self.api(&request);
        let params = PatchParams {
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        let object = match request.verb {
            KubernetesVerb::Get { name } => api.get(&name).await,
            KubernetesVerb::List { labels } => {
                let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                let list = ListParams::default().labels(&labels.join(",")).limit(LIST_LIMIT);
                let list = api.list(&list).await.map_err(meaning)?;
                if list.metadata.continue_.is_some_and(|token| !token.is_empty()) {
                    return Err(KubernetesError::Invalid(format!(
                        "more than {LIST_LIMIT} objects match: ask for fewer, with labels"
                    )));
                }
                return to_json(&list.items);
            }
            KubernetesVerb::Apply { name, object } => api.patch(&name, &params.force(), &Patch::Apply(object)).await,
            KubernetesVerb::MergePatch { name, patch } => api.patch(&name, &params, &Patch::Merge(patch)).await,
            KubernetesVerb::JsonPatch { name, patch } => {
                let patch = serde_json::from_value(patch)
                    .map_err(|error| KubernetesError::Invalid(format!("this is no JSON patch: {error}")))?;
                api.patch(&name, &params, &Patch::<Value>::Json(patch)).await
            }
            KubernetesVerb::Delete { name, resource_version } => {
                let preconditions = resource_version.map(|version| Preconditions {
                    resource_version: Some(version),
                    uid: None,
                });
                let params = DeleteParams {
                    preconditions,
                    ..DeleteParams::default()
                };
                return api.delete(&name, &params).await.map(|_| Value::Null).map_err(meaning);
            }
        };
        to_json(&object.map_err(meaning)?)
    }
}

#[async_trait]
impl Secrets for Cluster {
    async fn read(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretsError> {
        // Under no plugin's name: loads need them, too.
        self.turn("").await;
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret = secrets.get_opt(name).await.map_err(|error| {
            SecretsError(format!(
                "secret {}/{name} cannot be read: {}",
                self.namespace,
                meaning(error)
            ))
        })?;
        Ok(secret.map(|secret| {
            secret
                .data
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| (key, value.0))
                .collect()
        }))
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<Value, KubernetesError> {
    serde_json::to_value(value).map_err(|error| KubernetesError::Other(error.to_string()))
}

/// What an answer of the API server means to a plugin.
fn meaning(error: Error) -> KubernetesError {
    let Error::Api(status) = error else {
        return KubernetesError::Unavailable(format!("the Kubernetes API does not answer: {}", told(&error)));
    };
    let message = status.message.clone();
    match status.code {
        401 | 403 => KubernetesError::Denied(message),
        404 => KubernetesError::NotFound(message),
        409 => KubernetesError::Conflict(message),
        400 | 413 | 415 | 422 => KubernetesError::Invalid(message),
        429 | 500..=599 => KubernetesError::Unavailable(message),
        _ => KubernetesError::Other(message),
    }
}
