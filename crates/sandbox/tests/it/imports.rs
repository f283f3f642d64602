//! What the host does for guests: Kubernetes, secrets, HTTP; what is denied, and what never leaves.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rollcage_core::{
    CallError, FaultKind, PluginErrorKind,
    host::{
        HttpFailure, HttpRequest, HttpResponder, HttpResponse, Kubernetes, KubernetesError, KubernetesRequest,
        KubernetesVerb, ObjectKind, ResourceName, Secrets, SecretsError,
    },
};
use serde_json::{Value, json};

use crate::{
    guest::{Blob, Guest, error},
    support::{Bench, call, run, usage},
};

/// Answers what it is asked for and remembers it.
#[derive(Debug, Default)]
struct Cluster {
    asked: Mutex<Vec<KubernetesRequest>>,
    hangs: bool,
}

#[async_trait]
impl Kubernetes for Cluster {
    async fn resolve(&self, kind: &ObjectKind) -> Result<ResourceName, KubernetesError> {
        Ok(ResourceName {
            plural: format!("{}es", kind.kind.to_lowercase()),
            namespaced: true,
        })
    }

    async fn request(&self, manager: &str, request: KubernetesRequest) -> Result<Value, KubernetesError> {
        assert_eq!(manager, "test/plugin");
        if self.hangs {
            tokio::time::sleep(Duration::from_mins(10)).await;
        }
        self.asked.lock().unwrap().push(request);
        Ok(json!({"metadata": {"name": "web"}}))
    }
}

#[async_trait]
impl Secrets for Cluster {
    async fn read(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretsError> {
        let secret = BTreeMap::from([("key".to_owned(), b"hunter2".to_vec())]);
        Ok((name == "token").then_some(secret))
    }
}

#[async_trait]
impl HttpResponder for Cluster {
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>> {
        Some(Ok(HttpResponse {
            status: 200,
            headers: Vec::new(),
            body: format!("{} {}", request.method, request.url).into_bytes(),
        }))
    }
}

fn bench(entry: Value) -> (Bench, Arc<Cluster>) {
    let cluster = Arc::new(Cluster::default());
    let mut bench = Bench::with(entry);
    bench.host.kubernetes = cluster.clone();
    bench.host.secrets = cluster.clone();
    bench.host.http = Some(cluster.clone());
    (bench, cluster)
}

/// Texts in memory, one behind the other from 4096 on, and pointer and length of each as arguments.
fn texts(texts: &[&str]) -> (String, String) {
    let (mut data, mut arguments, mut at) = (String::new(), String::new(), 4096);
    for text in texts {
        write!(data, "(data (i32.const {at}) \"{}\")", text.replace('"', "\\22")).unwrap();
        write!(arguments, "(i32.const {at}) (i32.const {}) ", text.len()).unwrap();
        at += text.len();
    }
    (data, arguments)
}

/// Copies the text whose pointer and length are at an address to where the answer's value has its own.
const ANSWER_IT: &str = "(i32.store (i32.const 10044) (i32.load (i32.const 8196)))
    (i32.store (i32.const 10048) (i32.load (i32.const 8200)))
    (i32.const 10000)";

/// Asks for an Ingress, then does `after`. The result is at 8192.
fn asks_kubernetes(namespace: &str, after: &str) -> Guest {
    let (data, arguments) = texts(&["networking.k8s.io", "v1", "Ingress", namespace, "web"]);
    Guest::metric()
        .import(r#"(import "rollcage:plugin/kubernetes@0.1.0" "get" (func $get (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#)
        .item(&data)
        .item(&Blob::measurement(10_000).phase(1).data())
        .body("run", &format!("(call $get {arguments} (i32.const 8192)) {after}"))
}

const INGRESSES: &str = "networking.k8s.io";

#[tokio::test]
async fn kubernetes_is_asked_for_what_is_granted() {
    let grant = json!({"apiGroups": [INGRESSES], "resources": ["ingresses"], "verbs": ["get"]});
    let (bench, cluster) = bench(json!({"permissions": {"kubernetes": [grant]}}));
    let plugin = bench.metric(&asks_kubernetes("shop", ANSWER_IT)).await;
    let call = call();
    let measurement = run(&plugin, &call).await.unwrap();
    assert_eq!(measurement.value, r#"{"metadata":{"name":"web"}}"#);
    assert_eq!(usage(&call).kubernetes_calls, 1);
    let asked = cluster.asked.lock().unwrap();
    assert_eq!(asked[0].namespace, "shop");
    assert_eq!(asked[0].verb, KubernetesVerb::Get { name: "web".into() });
}

#[tokio::test]
async fn a_denied_call_is_an_error_value_and_noted() {
    let (bench, cluster) = bench(json!({}));
    let call = call();
    // Answers all the same: the answer stands.
    let plugin = bench.metric(&asks_kubernetes("shop", "(i32.const 10000)")).await;
    run(&plugin, &call).await.unwrap();
    let usage = usage(&call);
    assert_eq!(usage.denials.len(), 1);
    assert_eq!(usage.denials[0].wanted, "get ingresses.networking.k8s.io shop/web");
    let grant = "kubernetes: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get]}]";
    assert_eq!(usage.denials[0].grant, grant);
    assert_eq!(usage.kubernetes_calls, 0);
    assert!(cluster.asked.lock().unwrap().is_empty());

    // Fails because of it: by a trap, or by an error that says so.
    let traps = asks_kubernetes("shop", "unreachable");
    let says_so = asks_kubernetes("shop", "(i32.const 12000)").item(&error(12_000, 2, "not allowed", 8).data());
    for guest in [traps, says_so] {
        let fault = bench.fault(&guest).await;
        assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
        assert!(fault.hint.contains(grant), "{fault}");
    }
    // Any other error is the plugin's own.
    let other = asks_kubernetes("shop", "(i32.const 12000)").item(&error(12_000, 0, "no query", 8).data());
    match bench.run(&other).await {
        Err(CallError::Plugin(error)) => assert_eq!(error.kind, PluginErrorKind::InvalidConfig),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_init_that_is_denied_names_the_grant() {
    let (bench, _) = bench(json!({}));
    let (data, arguments) = texts(&["token"]);
    let guest = Guest::metric()
        .import(r#"(import "rollcage:plugin/secrets@0.1.0" "get" (func $get (param i32 i32 i32)))"#)
        .item(&data)
        .item(&error(12_000, 2, "no token", 4).data())
        .body(
            "init",
            &format!("(call $get {arguments} (i32.const 8192)) (i32.const 12000)"),
        );
    let fault = bench.metric(&guest).await.initialize().await.unwrap_err();
    assert_eq!(
        (fault.phase, fault.kind),
        (rollcage_core::Phase::Init, FaultKind::Denied),
        "{fault}"
    );
    assert!(fault.hint.contains("credentials:"), "{fault}");
}

#[tokio::test]
async fn another_namespace_is_another_grant() {
    let grant = json!({"apiGroups": [INGRESSES], "resources": ["ingresses"], "verbs": ["get"]});
    let (bench, cluster) = bench(json!({"permissions": {"kubernetes": [grant]}}));
    let fault = bench.fault(&asks_kubernetes("kube-system", "unreachable")).await;
    assert_eq!(fault.kind, FaultKind::Denied);
    assert!(fault.hint.contains("namespaces: [kube-system]"), "{fault}");
    assert!(cluster.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_named() {
    let grant = json!({"apiGroups": [INGRESSES], "resources": ["ingresses"], "verbs": ["get"]});
    let (mut bench, _) = bench(json!({"limits": {"deadline": "100ms"}, "permissions": {"kubernetes": [grant]}}));
    bench.host.kubernetes = Arc::new(Cluster {
        hangs: true,
        ..Cluster::default()
    });
    let fault = bench.fault(&asks_kubernetes("shop", ANSWER_IT)).await;
    assert_eq!(fault.kind, FaultKind::HostDeadline);
    assert_eq!(fault.waiting_for.as_deref(), Some("the Kubernetes API"));
}

/// Reads the secret `token`, then does `after`. The result is at 8192.
fn reads_a_secret(after: &str) -> Guest {
    let (data, arguments) = texts(&["token"]);
    Guest::metric()
        .with_log()
        .import(r#"(import "rollcage:plugin/secrets@0.1.0" "get" (func $get (param i32 i32 i32)))"#)
        .item(&data)
        .item(&Blob::measurement(10_000).phase(1).data())
        .body("run", &format!("(call $get {arguments} (i32.const 8192)) {after}"))
}

fn readable() -> Value {
    let credential = json!({"name": "token", "secretRef": {"name": "token", "key": "key"}, "readable": true});
    json!({"permissions": {"credentials": [credential]}})
}

#[tokio::test]
async fn a_secret_is_read_and_never_leaves() {
    let (bench, _) = bench(readable());
    let log = "(call $log (i32.const 1) (i32.load (i32.const 8196)) (i32.load (i32.const 8200)))";
    let call = call();
    let plugin = bench.metric(&reads_a_secret(&format!("{log} {ANSWER_IT}"))).await;
    let measurement = run(&plugin, &call).await.unwrap();
    assert_eq!(measurement.value, "*****");
    assert_eq!(usage(&call).log, [("info".to_owned(), "*****".to_owned())]);

    // In an error's text as well.
    let says_it = reads_a_secret(
        "(i32.store (i32.const 12012) (i32.load (i32.const 8196)))
         (i32.store (i32.const 12016) (i32.load (i32.const 8200)))
         (i32.const 12000)",
    )
    .item(&error(12_000, 4, "", 8).data());
    assert_eq!(bench.run(&says_it).await.unwrap_err().to_string(), "*****");
}

#[tokio::test]
async fn secrets_in_play_are_masked_though_never_read() {
    let answer = Blob::measurement(4096)
        .phase(1)
        .value("it is s3cret")
        .message("s3cret!");
    let guest = Guest::metric().item(&answer.data()).body("run", "(i32.const 4096)");
    let mut call = call();
    call.secrets = call.secrets.with(["s3cret".to_owned()]);
    let measurement = run(&Bench::new().metric(&guest).await, &call).await.unwrap();
    assert_eq!(
        (measurement.value.as_str(), measurement.message.as_str()),
        ("it is *****", "*****!")
    );
}

#[tokio::test]
async fn a_secret_that_is_not_readable_is_denied() {
    let credential = json!({"name": "token", "secretRef": {"name": "token", "key": "key"}, "header": "Authorization", "hosts": ["x:1"]});
    for entry in [json!({}), json!({"permissions": {"credentials": [credential]}})] {
        let (bench, _) = bench(entry);
        let fault = bench.fault(&reads_a_secret("unreachable")).await;
        assert_eq!(fault.kind, FaultKind::Denied);
        assert!(fault.hint.contains(r#"credentials: [{name: "token""#), "{fault}");
    }
}

/// Sends a GET, then does `after`. The result is at 8192: 0, status, headers, body.
fn sends(url: &str, after: &str) -> Guest {
    let (data, arguments) = texts(&["GET", url]);
    Guest::metric()
        .import(
            r#"(import "rollcage:plugin/http@0.1.0" "send"
               (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#,
        )
        .item(&data)
        .item(&Blob::measurement(10_000).phase(1).data())
        .body(
            "run",
            &format!(
                "(call $send {arguments} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                   (i32.const 0) (i32.const 0) (i32.const 8192)) {after}"
            ),
        )
}

#[tokio::test]
async fn http_goes_through_the_guard() {
    let (granted, _) = bench(json!({"permissions": {"http": ["prometheus.monitoring.svc:9090"]}}));
    // result<response, _>: status at 4, headers at 8, body at 16.
    let answer = "(i32.store (i32.const 10044) (i32.load (i32.const 8208)))
        (i32.store (i32.const 10048) (i32.load (i32.const 8212))) (i32.const 10000)";
    let guest = sends("http://prometheus.monitoring.svc:9090/api", answer);
    let call = call();
    let measurement = run(&granted.metric(&guest).await, &call).await.unwrap();
    assert_eq!(measurement.value, "GET http://prometheus.monitoring.svc:9090/api");
    assert_eq!(usage(&call).http_requests, 1);

    let (denied, _) = bench(json!({}));
    let guest = sends("http://prometheus.monitoring.svc:9090/api", "unreachable");
    let fault = denied.fault(&guest).await;
    assert_eq!(fault.kind, FaultKind::Denied);
    assert!(
        fault.hint.contains(r#"http: ["prometheus.monitoring.svc:9090"]"#),
        "{fault}"
    );
}

#[tokio::test]
async fn a_grant_that_cannot_be_read_is_a_fault_of_the_entry() {
    let bench = Bench::with(json!({"permissions": {"http": ["no port"]}}));
    let guest = Guest::metric();
    let fault = bench
        .load(rollcage_api::plugin::PluginKind::MetricProvider, &guest)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::InvalidEntry);
}
