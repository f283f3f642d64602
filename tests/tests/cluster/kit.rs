//! What the tests of a controller have in common: a namespace with everything, and servers that count.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Path, RawForm, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use kube::{
    Api,
    api::{DynamicObject, ListParams},
};
use rollcage_tests::{
    chart,
    controlplane::{Account, ControlPlane, Controller, Namespace, Start, dynamic, eventually, until},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

pub const INSTANCE: &str = "argo-rollouts.argoproj.io/controller-instance-id";

/// A Prometheus that answers every query with 0.99, after a while that the test sets, and keeps what was asked, and when.
pub struct Prometheus {
    pub port: u16,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Asked {
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
    after: Duration,
}

impl Prometheus {
    pub async fn start() -> Self {
        Self::slow(Duration::ZERO).await
    }

    pub async fn slow(after: Duration) -> Self {
        let asked = Arc::<Mutex<Vec<(Instant, String)>>>::default();
        let state = Asked {
            asked: Arc::clone(&asked),
            after,
        };
        let router = Router::new().fallback(any(answer)).with_state(state);
        let (port, serving) = serve(router).await;
        Self { port, asked, serving }
    }

    /// How often something with this in it was asked.
    pub fn asked(&self, what: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(_, query)| query.contains(what)).count()
    }

    /// A metric's provider: the plugin of this name asks for this.
    pub fn provider(&self, plugin: &str, query: &str) -> Value {
        json!({"plugin": {plugin: {"address": format!("http://127.0.0.1:{}", self.port), "query": query}}})
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(state): State<Asked>, RawForm(form): RawForm) -> impl IntoResponse {
    let query = String::from_utf8_lossy(&form).into_owned();
    state.asked.lock().unwrap().push((Instant::now(), query));
    tokio::time::sleep(state.after).await;
    let answer = json!({"status": "success", "data": {"resultType": "vector",
        "result": [{"metric": {"pod": "a"}, "value": [1_700_000_000, "0.99"]}]}});
    (StatusCode::OK, [(CONTENT_TYPE, "application/json")], answer.to_string())
}

async fn serve(router: Router) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (port, serving)
}

/// A server of plugins: `/good/NAME`, `/unlike-N/NAME` (one of its own for each N), `/absent/...`, `/wrong/...` (bytes that are no plugin), `/silent/...` (never answers).
pub struct Origin {
    pub port: u16,
    serving: JoinHandle<()>,
}

impl Origin {
    pub async fn start() -> Self {
        let (port, serving) = serve(Router::new().route("/{mode}/{name}", get(bytes))).await;
        Self { port, serving }
    }

    pub fn location(&self, mode: &str) -> String {
        format!("http://127.0.0.1:{}/{mode}/prometheus.wasm", self.port)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn bytes(Path((mode, name)): Path<(String, String)>) -> Response {
    match mode.as_str() {
        "good" => std::fs::read(built(&name)).unwrap().into_response(),
        unlike if unlike.starts_with("unlike-") => variant(&name, unlike).into_response(),
        "wrong" => "neither a component nor an executable".into_response(),
        "silent" => std::future::pending().await,
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The plugin of this name with a mark of its own: a custom section, which is of no consequence.
pub fn variant(name: &str, mark: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(built(name)).unwrap();
    let length = u8::try_from(mark.len()).unwrap();
    // Lengths below 128 are one byte.
    bytes.extend([0, length + 1, length]);
    bytes.extend(mark.as_bytes());
    bytes
}

/// A plugin that was built for the tests.
pub fn built(name: &str) -> PathBuf {
    let folder =
        std::env::var_os("ROLLCAGE_PLUGINS").map_or_else(|| chart::root().join("target/plugins"), PathBuf::from);
    let path = [folder.join(name), folder.join("faults").join(name)];
    let path = path.iter().find(|path| path.is_file()).unwrap_or(&path[0]);
    assert!(path.is_file(), "no {}: cargo xtask plugins", path.display());
    path.canonicalize().unwrap()
}

/// A namespace with a controller's account in it.
pub struct Site<'p> {
    pub here: Namespace<'p>,
    pub account: Account,
    pub runs: Api<DynamicObject>,
    /// Every controller of a shared control plane has its own.
    pub instance: String,
}

impl<'p> Site<'p> {
    pub async fn new(plane: &'p ControlPlane, name: &str) -> Self {
        let here = plane.namespace(name).await;
        let instance = here.name.clone();
        let account = here.shipped_account(&instance, true).await;
        Self {
            runs: dynamic(&here.client, &here.name, "argoproj.io/v1alpha1", "AnalysisRun"),
            here,
            account,
            instance,
        }
    }

    pub fn controller(&self) -> Controller {
        self.controller_with(&Start::default())
    }

    pub fn controller_with(&self, start: &Start<'_>) -> Controller {
        let mut arguments = vec!["--instance-id", self.instance.as_str()];
        arguments.extend(start.arguments);
        let start = Start {
            arguments: &arguments,
            ..start.clone()
        };
        Controller::start(&self.here, &self.account, &start)
    }

    /// The entries of `rollcage-config`.
    pub async fn entries(&self, entries: &Value) {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rollcage-config"},
            "data": {"metricProviderPlugins": entries.to_string()},
        });
        self.here.apply(&map.to_string()).await;
    }

    /// An AnalysisRun of ours with this spec.
    pub async fn run(&self, name: &str, spec: &Value) {
        self.run_of(&self.instance, name, spec).await;
    }

    pub async fn run_of(&self, instance: &str, name: &str, spec: &Value) {
        let labels = if instance.is_empty() {
            json!({})
        } else {
            json!({INSTANCE: instance})
        };
        let run = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": {"name": name, "labels": labels}, "spec": spec,
        });
        self.here.apply(&run.to_string()).await;
    }

    pub async fn status(&self, name: &str) -> Value {
        let run = self.runs.get_opt(name).await.unwrap();
        run.map(|run| run.data["status"].clone()).unwrap_or_default()
    }

    /// The status once it has this phase.
    pub async fn phase(&self, name: &str, phase: &str) -> Value {
        eventually(&format!("{name} is {phase}"), async || {
            let status = self.status(name).await;
            (status["phase"] == phase).then_some(status)
        })
        .await
    }

    /// The status once its message has all of this.
    pub async fn message(&self, name: &str, words: &[&str]) -> Value {
        eventually(&format!("{name} says {words:?}"), async || {
            let status = self.status(name).await;
            let message = status["message"].as_str().unwrap_or_default();
            words.iter().all(|word| message.contains(word)).then_some(status)
        })
        .await
    }
}

/// An entry that may ask this Prometheus.
pub fn entry(name: &str, location: &str, port: u16) -> Value {
    json!({"name": name, "location": location, "permissions": {"http": [format!("127.0.0.1:{port}")]}})
}

pub fn file(path: &std::path::Path) -> String {
    format!("file://{}", path.display())
}

/// A spec of one metric that is measured this often.
pub fn spec(provider: &Value, count: u32, interval: &str) -> Value {
    json!({"metrics": [{
        "name": "m", "count": count, "interval": interval, "successCondition": "result[0] > 0.9", "provider": provider,
    }]})
}

/// Waits until there are so many runs, and all are successful: their statuses.
pub async fn all_successful(site: &Site<'_>, runs: usize) -> Vec<Value> {
    until("all runs are successful", async || {
        let Ok(found) = site.runs.list(&ListParams::default()).await else {
            return false;
        };
        let statuses: Vec<_> = found.items.iter().map(|run| &run.data["status"]).collect();
        let bad = statuses
            .iter()
            .find(|status| matches!(status["phase"].as_str(), Some("Error" | "Failed")));
        assert!(bad.is_none(), "{}", bad.unwrap());
        statuses.iter().filter(|status| status["phase"] == "Successful").count() == runs
    })
    .await;
    let found = site.runs.list(&ListParams::default()).await.unwrap();
    found.items.into_iter().map(|run| run.data["status"].clone()).collect()
}

/// Free now, and most likely a moment later.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What a controller's metrics say; without an answer, nothing.
pub async fn metrics(port: u16) -> String {
    let answer = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        let request = b"GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, request).await?;
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await?;
        std::io::Result::Ok(answer)
    };
    answer.await.unwrap_or_default()
}
