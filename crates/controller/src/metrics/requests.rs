//! Requests of plugins to the Kubernetes API.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use prometheus::{IntCounterVec, Opts, Registry as Families, proto::MetricFamily};
use rollcage_core::host::{
    HostServices, Kubernetes, KubernetesError, KubernetesRequest, KubernetesVerb, ObjectKind, ResourceName,
};
use rollcage_registry::Snapshot;
use serde_json::Value;

use super::{Error, Metrics};

/// Families by the plugin's name: requests do not tell its kind.
#[derive(Debug, Default)]
pub(super) struct Requests(RwLock<BTreeMap<String, (Families, IntCounterVec)>>);

impl Requests {
    fn count(&self, plugin: &str, verb: &str, resource: &str, code: &str) -> Result<(), Error> {
        let known = {
            let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
            all.get(plugin).map(|(_, counter)| counter.clone())
        };
        let counter = match known {
            Some(counter) => counter,
            None => self.add(plugin)?,
        };
        counter.get_metric_with_label_values(&[verb, resource, code])?.inc();
        Ok(())
    }

    fn add(&self, plugin: &str) -> Result<IntCounterVec, Error> {
        let options = Opts::new(
            "rollcage_plugin_kubernetes_requests_total",
            "Requests of plugins to the Kubernetes API",
        );
        let counter = IntCounterVec::new(options.const_label("plugin", plugin), &["verb", "resource", "code"])?;
        let families = Families::new();
        families.register(Box::new(counter.clone()))?;
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (_, counter) = all.entry(plugin.to_owned()).or_insert((families, counter));
        Ok(counter.clone())
    }

    /// Those of plugins that are configured.
    pub(super) fn gather(&self, states: &Snapshot) -> Vec<MetricFamily> {
        let names: HashSet<_> = states.plugins.keys().map(|id| &*id.name).collect();
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, _| names.contains(&**name));
        all.values().flat_map(|(families, _)| families.gather()).collect()
    }
}

impl Metrics {
    /// The same services, with plugins' requests to Kubernetes counted.
    pub fn counted(self: &Arc<Self>, host: HostServices) -> HostServices {
        let kubernetes = Arc::new(Counted {
            inner: host.kubernetes,
            metrics: self.clone(),
        });
        HostServices { kubernetes, ..host }
    }
}

/// Counts requests on their way back.
#[derive(Debug)]
struct Counted {
    inner: Arc<dyn Kubernetes>,
    metrics: Arc<Metrics>,
}

#[async_trait]
impl Kubernetes for Counted {
    async fn resolve(&self, kind: &ObjectKind) -> Result<ResourceName, KubernetesError> {
        self.inner.resolve(kind).await
    }

    async fn request(&self, manager: &str, request: KubernetesRequest) -> Result<Value, KubernetesError> {
        let (verb, resource) = (verb(&request.verb), request.resource.plural.clone());
        let answer = self.inner.request(manager, request).await;
        if let Err(error) = self
            .metrics
            .requests
            .count(manager, verb, &resource, code(answer.as_ref().err()))
        {
            tracing::error!(plugin = manager, %error, "a defect: a request is not counted");
        }
        answer
    }
}

/// As in RBAC.
fn verb(of: &KubernetesVerb) -> &'static str {
    match of {
        KubernetesVerb::Get { .. } => "get",
        KubernetesVerb::List { .. } => "list",
        KubernetesVerb::Apply { .. } | KubernetesVerb::MergePatch { .. } | KubernetesVerb::JsonPatch { .. } => "patch",
        KubernetesVerb::Delete { .. } => "delete",
    }
}

/// The status that answers of this meaning have; of some meanings there are several.
fn code(of: Option<&KubernetesError>) -> &'static str {
    match of {
        None => "200",
        Some(KubernetesError::Denied(_)) => "403",
        Some(KubernetesError::NotFound(_)) => "404",
        Some(KubernetesError::Conflict(_)) => "409",
        Some(KubernetesError::Invalid(_)) => "422",
        Some(KubernetesError::Unavailable(_)) => "503",
        Some(KubernetesError::Other(_)) => "other",
    }
}
