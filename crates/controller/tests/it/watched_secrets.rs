//! Secrets that entries name: a new value counts at once, and so does one that appears.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use rollcage_apiserver::{ApiError, ApiServer, Disturbance, Match, Verb};
use rollcage_controller::{cluster::Cluster, secrets::WatchedSecrets};
use rollcage_core::{Fault, FaultKind, Phase, PluginId, host::Secrets as _};
use rollcage_registry::{
    ConfigMap, ConfigMaps, Loaded, Loader, Options, Plugin, PluginState, Port, Progress, Registry, Runtime,
};
use serde_json::json;

use crate::plugins::Scripted;

const NAMESPACE: &str = "rollcage";

/// Loads what the Secret of `headersFrom` lets it, and keeps with what.
#[derive(Debug)]
struct Download {
    secrets: WatchedSecrets,
    tokens: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Loader for Download {
    type Bytes = String;
    type Component = String;

    async fn fetch(&self, plugin: &Plugin, _: &dyn Progress) -> Result<String, Box<Fault>> {
        let fault = |cause: String| Box::new(Fault::new(&plugin.id, Phase::Fetch, FaultKind::InvalidEntry, cause, ""));
        for from in &plugin.entry.headers_from {
            let name = &from.secret_ref.name;
            let read = self
                .secrets
                .read(name)
                .await
                .map_err(|error| fault(error.to_string()))?;
            let secret = read.ok_or_else(|| fault(format!("no Secret {name}")))?;
            let token = String::from_utf8(secret["token"].clone()).unwrap();
            self.tokens.lock().unwrap().push(token.clone());
            if token == "wrong" {
                return Err(fault("401".into()));
            }
        }
        Ok(plugin.entry.location.clone())
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

struct Bed {
    server: Arc<ApiServer>,
    api: Api<Secret>,
    secrets: WatchedSecrets,
    registry: Registry,
    tokens: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Bed {
    fn new() -> Self {
        let server = ApiServer::new(Arc::new(Timestamp::now));
        server.ensure_namespace(NAMESPACE);
        let client = Client::new(server.service(), NAMESPACE);
        let cluster = Arc::new(Cluster::new(client.clone(), NAMESPACE));
        let secrets = WatchedSecrets::new(client.clone(), NAMESPACE, cluster);
        let tokens = Arc::<Mutex<Vec<String>>>::default();
        let loader = Download {
            secrets: secrets.clone(),
            tokens: tokens.clone(),
        };
        // Its failed loads are tried again by nobody but the Secrets.
        let registry = Registry::new(loader, Options::default());
        let (watched, of) = (secrets.clone(), registry.clone());
        let serving = tokio::spawn(async move { match watched.serve(&of).await {} });
        Self {
            server,
            api: Api::namespaced(client, NAMESPACE),
            secrets,
            registry,
            tokens,
            serving,
        }
    }

    async fn write(&self, name: &str, token: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"token": token}
        });
        let params = PatchParams::apply("somebody").force();
        self.api.patch(name, &params, &Patch::Apply(secret)).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        self.api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    fn configure(&self, entries: &str) {
        self.registry.configure(&ConfigMaps {
            argo: ConfigMap::Absent,
            rollcage: ConfigMap::Present([("metricProviderPlugins".to_owned(), entries.to_owned())].into()),
        });
    }

    async fn token(&self, name: &str) -> Option<String> {
        let secret = self.secrets.read(name).await.unwrap()?;
        Some(String::from_utf8(secret["token"].clone()).unwrap())
    }

    fn state(&self) -> PluginState {
        self.registry.snapshot().plugins.values().next().unwrap().state
    }

    fn tokens(&self) -> Vec<String> {
        self.tokens.lock().unwrap().clone()
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const ENTRY: &str = "- {name: a/b, location: 'http://x/y', headersFrom: [{secretRef: {name: token}}]}";
const CREDENTIAL: &str = "- {name: a/b, location: 'http://x/y', permissions: {http: ['x:80'], credentials: \
                          [{name: c, secretRef: {name: token, key: token}, header: x-token, hosts: ['x:80']}]}}";

#[tokio::test]
async fn a_new_value_is_there_at_once_and_no_other_secret_is_asked_for() {
    let bed = Bed::new();
    bed.write("token", "first").await;
    bed.write("foreign", "planted").await;
    let recorder = bed.server.record();
    bed.configure(CREDENTIAL);
    until("it is watched", async || bed.secrets.revision("token").is_some()).await;
    assert_eq!(bed.token("token").await.as_deref(), Some("first"));
    let revision = bed.secrets.revision("token");
    assert_eq!(bed.token("token").await.as_deref(), Some("first"));
    assert_eq!(bed.secrets.revision("token"), revision, "nothing has changed");
    let asked: Vec<_> = recorder
        .take()
        .into_iter()
        .map(|request| (request.verb, request.uri))
        .collect();
    assert!(!asked.is_empty());
    for (verb, uri) in &asked {
        assert!(matches!(verb, Verb::List | Verb::Watch), "{asked:?}");
        assert!(uri.contains("fieldSelector=metadata.name%3Dtoken"), "{asked:?}");
    }
    bed.write("token", "second").await;
    until("the new value is there", async || {
        bed.token("token").await.as_deref() == Some("second")
    })
    .await;
    assert_ne!(bed.secrets.revision("token"), revision);
    bed.delete("token").await;
    until("it is gone", async || bed.token("token").await.is_none()).await;
    // Values go with the entry.
    bed.configure("[]");
    until("it is watched no more", async || {
        bed.secrets.revision("token").is_none()
    })
    .await;
}

#[tokio::test]
async fn a_load_that_failed_is_tried_again_as_soon_as_its_secret_is_there_or_another() {
    let bed = Bed::new();
    bed.configure(ENTRY);
    until("it has failed", async || bed.state() == PluginState::Unavailable).await;
    assert!(bed.tokens().is_empty());
    bed.write("token", "wrong").await;
    until("it has tried", async || bed.tokens().contains(&"wrong".to_owned())).await;
    until("it has failed again", async || bed.registry.snapshot().is_settled()).await;
    assert_eq!(bed.state(), PluginState::Unavailable);
    bed.write("token", "right").await;
    until("it serves", async || bed.state() == PluginState::Ready).await;
    // What serves is left alone.
    let tried = bed.tokens().len();
    bed.write("token", "newest").await;
    until("the new value is there", async || {
        bed.token("token").await.as_deref() == Some("newest")
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(bed.tokens().len(), tried);
}

#[tokio::test]
async fn what_cannot_be_watched_is_read_until_it_can() {
    let bed = Bed::new();
    bed.write("token", "first").await;
    let lists = Match::verb(Verb::List).resource("", "secrets");
    let forbidden = || Disturbance::Refuse(ApiError::new(403, "secrets is forbidden"));
    bed.server.disturb(lists, u32::MAX, forbidden());
    bed.configure(ENTRY);
    until("it serves", async || bed.state() == PluginState::Ready).await;
    assert_eq!(bed.tokens(), ["first"]);
    assert_eq!(
        bed.secrets.revision("token"),
        None,
        "nobody can say whether it has changed"
    );
    bed.write("token", "second").await;
    assert_eq!(bed.token("token").await.as_deref(), Some("second"));
    bed.server.calm();
    until("it is watched", async || bed.secrets.revision("token").is_some()).await;

    // The API server is away: what was known last is good enough.
    let all = Match::default().resource("", "secrets");
    let away = Disturbance::Refuse(ApiError::new(503, "away"));
    bed.server.disturb(all, u32::MAX, away);
    bed.server.end_watches();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(bed.token("token").await.as_deref(), Some("second"));
    let nobodys = bed.secrets.read("never-seen").await;
    assert!(nobodys.unwrap_err().to_string().contains("never-seen"));
    bed.server.calm();
    bed.write("token", "third").await;
    until("the watch goes on", async || {
        bed.token("token").await.as_deref() == Some("third")
    })
    .await;
}
