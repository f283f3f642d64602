//! Reading a cluster: only lists and gets, in pages, and only what is looked at later.

use k8s_openapi::api::core::v1::ConfigMap as Object;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use rollcage_registry::{ConfigFile, ConfigMap, ConfigMaps};
use serde_json::Value;

use super::Situation;

/// Objects a page.
const PAGE: u32 = 500;

/// Objects of one kind at most: a report about more would help nobody.
const MOST: usize = 100_000;

/// What is listed everywhere: group, kind, and plural.
const KINDS: [(&str, &str, &str, &str); 8] = [
    ("argoproj.io", "v1alpha1", "Rollout", "rollouts"),
    ("argoproj.io", "v1alpha1", "Experiment", "experiments"),
    ("argoproj.io", "v1alpha1", "AnalysisTemplate", "analysistemplates"),
    (
        "argoproj.io",
        "v1alpha1",
        "ClusterAnalysisTemplate",
        "clusteranalysistemplates",
    ),
    ("argoproj.io", "v1alpha1", "AnalysisRun", "analysisruns"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("", "v1", "Node", "nodes"),
];

/// The cluster does not answer at all.
#[derive(Debug, thiserror::Error)]
#[error("the cluster cannot be read: {0}")]
pub struct ReadError(#[source] Box<kube::Error>);

impl From<kube::Error> for ReadError {
    fn from(error: kube::Error) -> Self {
        Self(Box::new(error))
    }
}

/// Reads ConfigMaps and leases of a namespace, and what else matters everywhere, into the situation.
pub async fn read(client: &Client, namespace: &str, situation: &mut Situation) -> Result<(), ReadError> {
    let api: Api<Object> = Api::namespaced(client.clone(), namespace);
    let maps = ConfigMaps {
        argo: config_map(&api, ConfigFile::Argo, situation).await?,
        rollcage: config_map(&api, ConfigFile::Rollcage, situation).await?,
    };
    situation.maps = maps;
    for (group, version, kind, plural) in KINDS {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let api = Api::all_with(client.clone(), &resource);
        list(&api, &resource, situation).await?;
    }
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("coordination.k8s.io", "v1", "Lease"), "leases");
    let api = Api::namespaced_with(client.clone(), namespace, &resource);
    list(&api, &resource, situation).await
}

async fn config_map(api: &Api<Object>, file: ConfigFile, situation: &mut Situation) -> Result<ConfigMap, ReadError> {
    match api.get_opt(file.name()).await {
        Ok(Some(object)) => Ok(ConfigMap::Present(object.data.unwrap_or_default())),
        Ok(None) => Ok(ConfigMap::Absent),
        Err(kube::Error::Api(status)) => {
            situation
                .unread
                .push(format!("the ConfigMap {file} cannot be read: {}", status.message));
            Ok(ConfigMap::Absent)
        }
        Err(error) => Err(error.into()),
    }
}

async fn list(api: &Api<DynamicObject>, resource: &ApiResource, situation: &mut Situation) -> Result<(), ReadError> {
    let mut token = None;
    let mut count = 0;
    loop {
        let mut params = ListParams::default().limit(PAGE);
        params.continue_token = token;
        let page = match api.list(&params).await {
            Ok(page) => page,
            // Argo Rollouts is not installed, or an older one: then there are none.
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(kube::Error::Api(status)) => {
                let what = format!("{} cannot be listed: {}", resource.plural, status.message);
                situation.unread.push(what);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        count += page.items.len();
        situation
            .objects
            .extend(page.items.into_iter().map(|object| trimmed(object, resource)));
        token = page.metadata.continue_.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(());
        }
        if count >= MOST {
            let what = format!(
                "there are more than {MOST} {}: the others were not looked at",
                resource.plural
            );
            situation.unread.push(what);
            return Ok(());
        }
    }
}

/// Without what nobody looks at, which is most of it.
fn trimmed(mut object: DynamicObject, resource: &ApiResource) -> Value {
    object.metadata.managed_fields = None;
    object.metadata.annotations = None;
    let mut value = serde_json::to_value(&object).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        // Items of a list say neither.
        fields.insert("apiVersion".to_owned(), resource.api_version.clone().into());
        fields.insert("kind".to_owned(), resource.kind.clone().into());
        if resource.kind == "Rollout" {
            fields.remove("status");
            if let Some(Value::Object(spec)) = fields.get_mut("spec") {
                spec.remove("template");
            }
        }
        if resource.kind == "AnalysisRun"
            && let Some(Value::Object(status)) = fields.get_mut("status")
        {
            status.retain(|field, _| field == "phase");
        }
    }
    value
}
