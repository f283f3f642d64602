//! An API in memory, a clock that is set, and the reconciler between them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use jiff::{SignedDuration, Timestamp};
use kube::{Client, client::Body};
use rollcage_apiserver::{ApiServer, ResponseBody};
use rollcage_controller::{AnalysisReconciler, Outcome, ReconcileError};
use rollcage_core::clock::Clock;
use serde_json::{Value, json};
use tower::{Service as _, service_fn};

use crate::plugins::Plugins;

/// When everything begins.
pub const START: &str = "2026-01-01T00:00:00Z";

#[derive(Debug)]
pub struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl TestClock {
    pub fn new(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = now;
    }
}

/// What goes wrong between the client and the API.
#[derive(Debug, Default)]
pub struct Trouble {
    /// The next so many patches are done, and answered with an error all the same.
    pub lose_answers: AtomicU32,
    /// Requests for Secrets are answered with an error.
    pub no_secrets: AtomicU32,
    /// The next so many Jobs are created, and answered with an error all the same.
    pub lose_jobs: AtomicU32,
    /// Requests for Jobs are refused.
    pub no_jobs: AtomicU32,
    /// The next read is answered with this.
    pub old_answer: Mutex<Option<Value>>,
    /// Patches that were sent.
    pub patches: Mutex<Vec<Value>>,
}

pub struct World {
    pub server: Arc<ApiServer>,
    pub clock: Arc<TestClock>,
    pub plugins: Arc<Plugins>,
    pub trouble: Arc<Trouble>,
    pub client: Client,
    reconciler: Mutex<Arc<AnalysisReconciler>>,
}

fn take(counter: &AtomicU32) -> bool {
    counter
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

fn answer(status: StatusCode, body: &Value) -> Response<ResponseBody> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::from(serde_json::to_vec(body).unwrap()).boxed_unsync())
        .unwrap()
}

fn client(server: &Arc<ApiServer>, trouble: &Arc<Trouble>) -> Client {
    let (server, trouble) = (server.clone(), trouble.clone());
    let service = service_fn(move |request: Request<Body>| {
        let (mut api, trouble) = (server.service(), trouble.clone());
        async move {
            let failed =
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "down", "code": 500});
            let (parts, body) = request.into_parts();
            let bytes = body.collect_bytes().await.unwrap();
            if parts.uri.path().contains("/secrets/") && take(&trouble.no_secrets) {
                return Ok(answer(StatusCode::INTERNAL_SERVER_ERROR, &failed));
            }
            if parts.method == Method::GET
                && let Some(old) = trouble.old_answer.lock().unwrap().take()
            {
                return Ok(answer(StatusCode::OK, &old));
            }
            let for_jobs = parts.uri.path().contains("/jobs");
            if for_jobs && take(&trouble.no_jobs) {
                let refused = json!({
                    "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
                    "message": "jobs.batch is forbidden: User \"rollcage\" cannot do that"
                });
                return Ok(answer(StatusCode::FORBIDDEN, &refused));
            }
            let is_new_job = for_jobs && parts.method == Method::POST;
            let is_patch = parts.method == Method::PATCH;
            if is_patch {
                let patch = serde_json::from_slice(&bytes).unwrap();
                trouble.patches.lock().unwrap().push(patch);
            }
            let request = Request::from_parts(parts, Body::from(bytes));
            let response = api.call(request).await?;
            if is_patch && take(&trouble.lose_answers) || is_new_job && take(&trouble.lose_jobs) {
                return Ok(answer(StatusCode::INTERNAL_SERVER_ERROR, &failed));
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    Client::new(service, "default")
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::new(TestClock::new(START.parse().unwrap()));
        let now = clock.clone();
        let server = ApiServer::new(Arc::new(move || now.now()));
        let plugins = Arc::new(Plugins::default());
        let trouble = Arc::new(Trouble::default());
        let client = client(&server, &trouble);
        let reconciler = AnalysisReconciler::new(client.clone(), plugins.clone(), clock.clone());
        Self {
            server,
            clock,
            plugins,
            trouble,
            client,
            reconciler: Mutex::new(Arc::new(reconciler)),
        }
    }

    /// Another process takes over: nothing but the API is left.
    pub fn restart(&self) {
        let fresh = AnalysisReconciler::new(self.client.clone(), self.plugins.clone(), self.clock.clone());
        *self.reconciler.lock().unwrap() = Arc::new(fresh);
    }

    pub async fn create(&self, path: &str, object: Value) {
        self.send(Method::POST, path, "application/json", &object).await;
    }

    /// Creates an AnalysisRun of this `spec`.
    pub async fn run(&self, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec
        });
        self.create("/apis/argoproj.io/v1alpha1/namespaces/default/analysisruns", object)
            .await;
    }

    /// Somebody else changes the run.
    pub async fn edit(&self, name: &str, patch: Value) {
        edit(&self.client, name, patch).await;
    }

    pub async fn send(&self, method: Method, path: &str, content_type: &str, body: &Value) {
        send(&self.client, method, path, content_type, body).await;
    }

    pub async fn try_pass(&self, name: &str) -> Result<Outcome, ReconcileError> {
        let reconciler = self.reconciler.lock().unwrap().clone();
        reconciler.reconcile("default", name).await
    }

    pub async fn pass(&self, name: &str) -> Outcome {
        self.try_pass(name).await.unwrap()
    }

    /// Passes as a queue would start them: after every change, and at the time that the last pass asked for. Ends when
    /// the run ended or nothing is asked for.
    pub async fn play(&self, name: &str) -> Outcome {
        for _ in 0..200 {
            let before = self.version(name);
            let outcome = self.pass(name).await;
            if outcome.phase.is_completed() {
                return outcome;
            }
            if self.version(name) != before {
                continue;
            }
            match outcome.requeue_at {
                Some(at) if at > self.clock.now() => self.clock.set(at),
                Some(_) => {}
                None => return outcome,
            }
        }
        panic!("{name} never ends: {:#}", self.status(name));
    }

    pub fn object(&self, name: &str) -> Option<Arc<Value>> {
        self.server
            .object("argoproj.io/v1alpha1", "AnalysisRun", "default", name)
    }

    fn version(&self, name: &str) -> Option<String> {
        Some(self.object(name)?["metadata"]["resourceVersion"].to_string())
    }

    pub fn status(&self, name: &str) -> Value {
        self.object(name).unwrap()["status"].clone()
    }

    pub fn annotation(&self, name: &str) -> Value {
        self.object(name).unwrap()["metadata"]["annotations"]["rollcage/waiting-since"].clone()
    }

    /// Phase and message of the run, then phase and message of each metric.
    pub fn phases(&self, name: &str) -> Vec<(String, String)> {
        let status = self.status(name);
        let pair = |value: &Value| {
            let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
            (text("phase"), text("message"))
        };
        let metrics = status["metricResults"].as_array().cloned().unwrap_or_default();
        std::iter::once(pair(&status)).chain(metrics.iter().map(pair)).collect()
    }

    /// Type, reason and message of the Events, in order.
    pub fn events(&self) -> Vec<String> {
        self.events_of(|_| true)
    }

    /// Those about one run.
    pub fn events_about(&self, name: &str) -> Vec<String> {
        self.events_of(|event| event["involvedObject"]["name"] == name)
    }

    fn events_of(&self, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        let mut events = self.server.objects("v1", "Event", "default");
        events.retain(|event| wanted(event));
        events.sort_by_key(|event| {
            event["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .parse::<u64>()
                .unwrap()
        });
        let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
        events
            .iter()
            .map(|event| {
                format!(
                    "{} {} {}",
                    text(event, "type"),
                    text(event, "reason"),
                    text(event, "message")
                )
            })
            .collect()
    }

    /// Seconds since the beginning.
    pub fn elapsed(&self) -> i64 {
        let start: Timestamp = START.parse().unwrap();
        self.clock.now().duration_since(start).as_secs()
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
    }
}

/// So many seconds after the beginning.
pub fn at(seconds: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

pub async fn edit(client: &Client, name: &str, patch: Value) {
    let address = format!("/apis/argoproj.io/v1alpha1/namespaces/default/analysisruns/{name}");
    send(client, Method::PATCH, &address, "application/merge-patch+json", &patch).await;
}

async fn send(client: &Client, method: Method, path: &str, content_type: &str, body: &Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .body(serde_json::to_vec(body).unwrap())
        .unwrap();
    let _: Value = client.request(request).await.unwrap();
}
