//! A host in small: store, sandbox and registry put together as the controller does it, with plugins out of a folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rollcage_api::{
    analysis::{AnalysisRun, Metric},
    plugin::PluginKind,
    rollout::Rollout,
};
use rollcage_core::{Call, Fault, MetricProvider, PluginId, PluginSource, host::HostServices};
use rollcage_registry::{ConfigMap, ConfigMaps, NativeHost, Options, PluginLoader, PluginStatus, Registry};
use rollcage_sandbox::{Compiler, Sandbox, SandboxConfig, egress::Names};
use rollcage_store::{Store, StoreConfig};
use serde_json::{Value, json};

/// Namespace of all objects of these tests.
pub const NAMESPACE: &str = "shop";

/// Where things lie, and who compiles.
#[derive(Clone, Debug)]
pub struct Place {
    /// The store's folder.
    pub store: PathBuf,
    /// The folder of machine code.
    pub code: PathBuf,
    /// Who compiles.
    pub compiler: Compiler,
}

/// A store, a sandbox, a registry, and the entries that it is configured with.
#[derive(Debug)]
pub struct Stage {
    /// The registry.
    pub registry: Registry,
    /// The sandbox behind it.
    pub sandbox: Arc<Sandbox>,
    entries: BTreeMap<&'static str, Vec<Value>>,
}

impl Stage {
    /// Opens the folders; nothing is configured.
    pub fn open(place: &Place, host: HostServices) -> Self {
        Self::open_with_names(place, host, None)
    }

    /// The same with a resolver of one's own.
    pub fn open_with_names(place: &Place, host: HostServices, names: Option<Arc<dyn Names>>) -> Self {
        Self::build(place, host, names, None)
    }

    /// The same with native plugins.
    pub fn open_with_native(place: &Place, native: NativeHost) -> Self {
        Self::build(place, HostServices::without_cluster(), None, Some(native))
    }

    fn build(place: &Place, host: HostServices, names: Option<Arc<dyn Names>>, native: Option<NativeHost>) -> Self {
        // Whoever else installed one: it is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = StoreConfig {
            attempts: 1,
            idle_timeout: Duration::from_secs(5),
            proxies_from_environment: false,
            ..StoreConfig::default()
        };
        let store = Arc::new(Store::open(&place.store, config).unwrap());
        let sandbox = SandboxConfig {
            names,
            ..SandboxConfig::new(&place.code, place.compiler.clone())
        };
        let sandbox = Sandbox::new(sandbox).unwrap();
        let mut loader = PluginLoader::new(store, Arc::clone(&sandbox), host);
        if let Some(native) = native {
            loader = loader.with_native(native);
        }
        Self {
            registry: Registry::new(loader, Options::default()),
            sandbox,
            entries: BTreeMap::new(),
        }
    }

    /// Adds an entry, or replaces the one of this kind and name; `more` are its other fields.
    pub fn entry(&mut self, kind: PluginKind, name: &str, location: &str, more: &Value) {
        let mut entry = json!({"name": format!("test/{name}"), "location": location});
        let (Some(fields), Some(more)) = (entry.as_object_mut(), more.as_object()) else {
            panic!("the fields of an entry are an object: {more}");
        };
        fields.extend(more.clone());
        let name = entry["name"].clone();
        let list = self.entries.entry(kind.config_key()).or_default();
        list.retain(|other| other["name"] != name);
        list.push(entry);
    }

    /// Hands the entries over and waits until nothing loads any more.
    pub async fn load(&self) {
        self.configure();
        self.registry.settled().await;
    }

    /// Hands the entries over.
    pub fn configure(&self) {
        // JSON is YAML.
        let texts = self
            .entries
            .iter()
            .map(|(key, list)| ((*key).to_owned(), json!(list).to_string()));
        self.registry.configure(&ConfigMaps {
            argo: ConfigMap::Absent,
            rollcage: ConfigMap::Present(texts.collect()),
        });
    }

    /// A plugin's state.
    pub fn status(&self, kind: PluginKind, name: &str) -> Arc<PluginStatus> {
        let snapshot = self.registry.snapshot();
        let status = snapshot.plugins.get(&id(kind, name));
        Arc::clone(status.unwrap_or_else(|| panic!("{name} has no state")))
    }

    /// Why a plugin does not serve.
    pub fn failure(&self, kind: PluginKind, name: &str) -> Option<Fault> {
        self.status(kind, name).failure.as_deref().cloned()
    }

    /// A metric provider, which has to serve.
    pub fn metric_provider(&self, name: &str) -> Arc<dyn MetricProvider> {
        let provider = self.registry.metric_provider(&format!("test/{name}"), NAMESPACE);
        provider.unwrap_or_else(|fault| panic!("{fault}"))
    }
}

/// The id of a plugin of these tests.
pub fn id(kind: PluginKind, name: &str) -> PluginId {
    PluginId {
        kind,
        name: format!("test/{name}"),
    }
}

/// Writes bytes into a folder and tells where they are, as an entry does.
pub fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    format!("file://{}", path.display())
}

/// A call on behalf of an object of [`NAMESPACE`].
pub fn call() -> Call {
    Call {
        usage: Some(Arc::default()),
        ..Call::for_namespace(NAMESPACE)
    }
}

/// An AnalysisRun.
pub fn analysis_run() -> Arc<AnalysisRun> {
    let run = json!({
        "metadata": {"name": "run", "namespace": NAMESPACE, "uid": "1-2-3"},
        "spec": {"metrics": [], "args": [{"name": "service", "value": "web"}]},
    });
    Arc::new(serde_json::from_value(run).unwrap())
}

/// A metric whose provider is a plugin with a configuration.
pub fn metric(plugin: &str, config: &Value) -> Metric {
    let metric = json!({"name": "success-rate", "provider": {"plugin": {format!("test/{plugin}"): config}}});
    serde_json::from_value(metric).unwrap()
}

/// A Rollout that a router or a step works on.
pub fn rollout() -> Arc<Rollout> {
    let rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"strategy": {"canary": {
            "canaryService": "canary", "stableService": "stable",
            "trafficRouting": {"plugins": {"test/plugin": {"ingress": "web"}}},
        }}},
    });
    Arc::new(serde_json::from_value(rollout).unwrap())
}
