//! An API with the definition, and replicas of a controller that load nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use rollcage_api::plugin_object::Plugin as Object;
use rollcage_apiserver::{ApiServer, Manifest};
use rollcage_controller::plugins::{PluginObjects, Timing, definition};
use rollcage_core::{Fault, FaultKind, Phase, PluginId, clock::Clock};
use rollcage_registry::{
    Bundled, ConfigMap, ConfigMaps, Loaded, Loader, Options, Plugin, Port, Progress, Registry, Runtime, Stage, config,
};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use crate::{plugins::Scripted, world::TestClock};

pub const NAMESPACE: &str = "rollcage";

/// Loads at once whatever is at `file:///ok...`, and fails to fetch everything else; the digest is the location's length.
#[derive(Debug)]
struct Instantly;

#[async_trait]
impl Loader for Instantly {
    type Bytes = String;
    type Component = String;

    async fn fetch(&self, plugin: &Plugin, progress: &dyn Progress) -> Result<String, Box<Fault>> {
        progress.at(Stage::Fetching);
        let location = plugin.entry.location.clone();
        if location.contains("slow") {
            return std::future::pending().await;
        }
        if location.starts_with("file:///ok") {
            return Ok(location);
        }
        Err(Box::new(Fault::new(
            &plugin.id,
            Phase::Fetch,
            FaultKind::Unreachable,
            format!("{}: connection refused", config::shown_location(&location)),
            "start the server",
        )))
    }

    fn digest(&self, bytes: &String) -> String {
        format!("{:064x}", bytes.len())
    }

    fn is_compiled(&self, _: &String) -> bool {
        true
    }

    async fn compile(&self, _: &Plugin, bytes: &String) -> Result<Arc<String>, Box<Fault>> {
        Ok(Arc::new(bytes.clone()))
    }

    async fn initialize(&self, _: &Plugin, component: Arc<String>) -> Result<Loaded, Box<Fault>> {
        Ok(Loaded {
            digest: self.digest(&component),
            runtime: Runtime::Wasm,
            contract: "0.1.0".to_owned(),
            process: None,
            footprint: None,
            port: Port::MetricProvider(Arc::new(Scripted::default())),
        })
    }

    async fn last_known_good(&self, _: &PluginId) -> Option<String> {
        None
    }

    async fn remember(&self, _: &Plugin, _: &String) -> Result<(), Box<Fault>> {
        Ok(())
    }

    async fn forget(&self, _: &PluginId) -> Result<(), Box<Fault>> {
        Ok(())
    }
}

pub fn digest(location: &str) -> String {
    format!("{:064x}", location.len())
}

/// A cluster.
pub struct Bed {
    pub server: Arc<ApiServer>,
    pub client: Client,
    pub clock: Arc<TestClock>,
    pub timing: Timing,
}

/// A running replica.
pub struct Replica {
    pub registry: Registry,
    pub leads: watch::Sender<bool>,
    end: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Replica {
    /// Ends as a process does that is asked to.
    pub async fn end(mut self) {
        self.end.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap();
    }

    /// Ends as a process does that is killed.
    pub fn kill(self) {
        drop(self);
    }

    /// Entries of the key `metricProviderPlugins` of `rollcage-config`.
    pub fn configure(&self, entries: &str) {
        self.registry.configure(&maps(entries));
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn maps(entries: &str) -> ConfigMaps {
    ConfigMaps {
        argo: ConfigMap::Absent,
        rollcage: ConfigMap::Present([("metricProviderPlugins".to_owned(), entries.to_owned())].into()),
    }
}

impl Bed {
    /// Without the definition.
    pub fn bare() -> Self {
        let clock = Arc::new(TestClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
        let now = clock.clone();
        let server = ApiServer::new(Arc::new(move || now.now()));
        server.ensure_namespace(NAMESPACE);
        let client = Client::new(server.service(), NAMESPACE);
        let quick = Duration::from_millis(10);
        let timing = Timing {
            settle: quick,
            spacing: quick,
            look_again: quick,
            heartbeat: Duration::from_mins(5),
            gone: Duration::from_mins(15),
        };
        Self {
            server,
            client,
            clock,
            timing,
        }
    }

    pub fn new() -> Self {
        let bed = Self::bare();
        bed.install();
        bed
    }

    /// Installs the definition.
    pub fn install(&self) {
        let file = "crd".to_owned();
        let loaded = self.server.load([Manifest {
            file,
            value: definition(),
        }]);
        assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    }

    pub fn replica(&self, name: &str, leads: bool) -> Replica {
        self.replica_with(name, leads, Vec::new())
    }

    pub fn replica_with(&self, name: &str, leads: bool, bundled: Vec<Bundled>) -> Replica {
        let options = Options {
            bundled,
            clock: self.clock.clone(),
            ..Options::default()
        };
        let registry = Registry::new(Instantly, options);
        let (leads, leading) = watch::channel(leads);
        let objects = PluginObjects {
            registry: registry.clone(),
            client: self.client.clone(),
            leaders_client: self.client.clone(),
            namespace: NAMESPACE.to_owned(),
            replica: name.to_owned(),
            leads: leading,
            clock: self.clock.clone(),
            timing: self.timing,
        };
        let (end, ends) = oneshot::channel();
        let task = tokio::spawn(objects.run(async {
            // Dropped without a word: killed.
            if ends.await.is_err() {
                std::future::pending::<()>().await;
            }
        }));
        Replica {
            registry,
            leads,
            end: Some(end),
            task,
        }
    }

    pub fn api(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), NAMESPACE, &ApiResource::erase::<Object>(&()))
    }

    /// Somebody makes an object.
    pub async fn create(&self, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "rollcage.dev/v1alpha1", "kind": "Plugin", "metadata": {"name": name}, "spec": spec
        });
        let object = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &object).await.unwrap();
    }

    /// Somebody makes an object for a metric provider.
    pub async fn entry(&self, object: &str, name: &str, location: &str) {
        self.create(
            object,
            json!({"kind": "MetricProvider", "name": name, "location": location}),
        )
        .await;
    }

    /// Somebody changes an object.
    pub async fn edit(&self, name: &str, patch: Value) {
        let params = PatchParams::default();
        self.api().patch(name, &params, &Patch::Merge(patch)).await.unwrap();
    }

    pub fn object(&self, name: &str) -> Value {
        let found = self.server.object("rollcage.dev/v1alpha1", "Plugin", NAMESPACE, name);
        found.map(|object| Value::clone(&object)).unwrap_or_default()
    }

    pub fn status(&self, name: &str) -> Value {
        self.object(name)["status"].clone()
    }

    /// `True Serving`, for one condition of an object.
    pub fn condition(&self, name: &str, kind: &str) -> String {
        let status = self.status(name);
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|condition| condition["type"] == kind);
        found.map_or_else(String::new, |condition| {
            format!(
                "{} {}",
                condition["status"].as_str().unwrap(),
                condition["reason"].as_str().unwrap()
            )
        })
    }

    pub fn message(&self, name: &str, kind: &str) -> String {
        let status = self.status(name);
        let conditions = status["conditions"].as_array().unwrap();
        let found = conditions.iter().find(|condition| condition["type"] == kind).unwrap();
        found["message"].as_str().unwrap().to_owned()
    }

    /// `name state` of each replica of an object.
    pub fn replicas(&self, name: &str) -> Vec<String> {
        let status = self.status(name);
        let replicas = status["replicas"].as_array().cloned().unwrap_or_default();
        let mut replicas: Vec<String> = replicas
            .iter()
            .map(|replica| {
                format!(
                    "{} {}",
                    replica["name"].as_str().unwrap(),
                    replica["state"].as_str().unwrap()
                )
            })
            .collect();
        replicas.sort();
        replicas
    }

    pub fn names(&self) -> Vec<String> {
        let objects = self.server.objects("rollcage.dev/v1alpha1", "Plugin", NAMESPACE);
        objects
            .iter()
            .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn pass(&self, seconds: i64) {
        let now = self.clock.now().as_second() + seconds;
        self.clock.set(Timestamp::from_second(now).unwrap());
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{what}: {:#?}",
                self.server.objects("rollcage.dev/v1alpha1", "Plugin", NAMESPACE)
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a condition of an object is this.
    pub async fn until_condition(&self, name: &str, kind: &str, expected: &str) {
        self.until(&format!("{name} {kind} {expected}"), |bed| {
            bed.condition(name, kind) == expected
        })
        .await;
    }

    /// Waits until nothing has been written for a while.
    pub async fn until_quiet(&self) {
        let start = Instant::now();
        let mut last = (self.server.revision(), Instant::now());
        while last.1.elapsed() < Duration::from_millis(200) {
            assert!(start.elapsed() < Duration::from_secs(20), "it never ends");
            tokio::time::sleep(Duration::from_millis(10)).await;
            if self.server.revision() != last.0 {
                last = (self.server.revision(), Instant::now());
            }
        }
    }
}
