//! Components of earlier 0.1.x contracts: they load, and everything that they use is still there.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use rollcage_api::{
    analysis::{AnalysisPhase, Measurement},
    plugin::PluginKind,
    rollout::{SetHeaderRoute, SetMirrorRoute, Verification},
    step::{StepContext, StepPhase},
};
use rollcage_core::{
    CallError, PluginErrorKind,
    host::{
        HttpFailure, HttpRequest, HttpResponder, HttpResponse, Kubernetes, KubernetesError, KubernetesRequest,
        KubernetesVerb, ObjectKind, ResourceName, Secrets, SecretsError,
    },
};
use rollcage_sandbox::WasmPlugin;
use serde_json::{Value, json};

use crate::support::{Bench, analysis_run, call, digest, id, metric, rollout, usage};

/// Answers everything.
#[derive(Debug, Default)]
struct World(Mutex<Vec<KubernetesVerb>>);

#[async_trait]
impl Kubernetes for World {
    async fn resolve(&self, kind: &ObjectKind) -> Result<ResourceName, KubernetesError> {
        Ok(ResourceName {
            plural: format!("{}s", kind.kind.to_lowercase()),
            namespaced: true,
        })
    }

    async fn request(&self, _manager: &str, request: KubernetesRequest) -> Result<Value, KubernetesError> {
        let answer = match &request.verb {
            KubernetesVerb::List { .. } => json!([{"a": 1}, {"b": 2}]),
            KubernetesVerb::Delete { .. } => Value::Null,
            _ => json!({"c": 3}),
        };
        self.0.lock().unwrap().push(request.verb);
        Ok(answer)
    }
}

#[async_trait]
impl Secrets for World {
    async fn read(&self, _name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretsError> {
        Ok(Some(BTreeMap::from([("key".to_owned(), b"hunter2".to_vec())])))
    }
}

#[async_trait]
impl HttpResponder for World {
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>> {
        let body = format!(
            "{} {} {}",
            request.method,
            request.url,
            String::from_utf8_lossy(&request.body)
        );
        Some(Ok(HttpResponse {
            status: 201,
            headers: vec![("x-a".to_owned(), "1".to_owned())],
            body: body.into_bytes(),
        }))
    }
}

/// What `ask_everything` in the fixtures' source asks for.
fn permissions() -> Value {
    json!({
        "http": ["fixture.example:8080"],
        "kubernetes": [{
            "apiGroups": [""], "resources": ["configmaps"], "namespaces": ["default"],
            "verbs": ["get", "list", "create", "patch", "delete"],
        }],
        "credentials": [{"name": "fixture", "secretRef": {"name": "s", "key": "key"}, "readable": true}],
    })
}

/// What comes back to it, by function.
const ANSWERS: [(&str, &str); 14] = [
    ("evaluate.condition", "ok true"),
    ("evaluate.condition-text", "ok true"),
    ("evaluate.assess", "ok Verdict::Successful"),
    ("evaluate.assess-number", "ok Verdict::Inconclusive"),
    ("evaluate.assess-nothing", "ok Verdict::Successful"),
    ("evaluate.time", "ok \"2026-01-02T03:04:05Z\""),
    (
        "http.send",
        r#"ok (201, 1, "POST http://fixture.example:8080/path?query body")"#,
    ),
    ("kubernetes.apply", r#"ok "{\"c\":3}""#),
    ("kubernetes.patch", r#"ok "{\"c\":3}""#),
    ("kubernetes.patch-json", r#"ok "{\"c\":3}""#),
    ("kubernetes.get", r#"ok "{\"c\":3}""#),
    ("kubernetes.list", r#"ok ["{\"a\":1}", "{\"b\":2}"]"#),
    ("kubernetes.delete", "ok ()"),
    ("secrets.get", "ok \"*****\""),
];

async fn plugin(kind: PluginKind, args: &[&str]) -> (Arc<WasmPlugin>, Arc<World>) {
    let world = Arc::new(World::default());
    let mut bench = Bench::with(json!({"args": args, "permissions": permissions()}));
    bench.host.kubernetes = world.clone();
    bench.host.secrets = world.clone();
    bench.host.http = Some(world.clone());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/contract-0.1.0");
    let bytes: Arc<[u8]> = std::fs::read(folder.join(format!("{}.wasm", kind.world())))
        .unwrap()
        .into();
    let component = bench.sandbox.load(&id(kind), &bytes, &digest(&bytes)).await.unwrap();
    let plugin = bench
        .sandbox
        .plugin(&id(kind), &component, &bench.entry, bench.host.clone())
        .unwrap();
    assert_eq!((component.kind(), component.contract()), (kind, "0.1.0"));
    (plugin, world)
}

fn refused(result: Result<impl std::fmt::Debug, CallError>) -> PluginErrorKind {
    match result {
        Err(CallError::Plugin(error)) => {
            assert_eq!(error.message, "from a fixture");
            error.kind
        }
        other => panic!("{other:?}"),
    }
}

const ERRORS: [(&str, PluginErrorKind); 5] = [
    ("invalid-config", PluginErrorKind::InvalidConfig),
    ("unavailable", PluginErrorKind::Unavailable),
    ("denied", PluginErrorKind::Denied),
    ("conflict", PluginErrorKind::Conflict),
    ("internal", PluginErrorKind::Internal),
];

#[tokio::test]
async fn a_metric_provider_of_0_1_0() {
    let (plugin, world) = plugin(PluginKind::MetricProvider, &["--one", "two"]).await;
    plugin.initialize().await.unwrap();
    let described = plugin.describe().await.unwrap();
    assert_eq!((described.version.as_str(), described.wants.http.len()), ("0.1.0", 1));
    let provider = plugin.as_metric_provider().unwrap();
    let (run, call) = (analysis_run(), call());
    let with = |config: Value| {
        let mut metric = metric();
        metric.provider = serde_json::from_value(json!({"plugin": {"test/plugin": config}})).unwrap();
        metric
    };

    let asked = provider.run(&call, &run, &with(json!("ask"))).await.unwrap();
    assert_eq!(
        (asked.phase, asked.value.as_str()),
        (AnalysisPhase::Successful, "asked")
    );
    for (function, answer) in ANSWERS {
        assert_eq!(
            asked.metadata.get(function).map(String::as_str),
            Some(answer),
            "{function}"
        );
    }
    assert!(asked.metadata["subject.object"].contains("\"AnalysisRun\""));
    assert!(
        asked.message.contains("success-rate") && asked.message.contains("--one"),
        "{}",
        asked.message
    );
    assert_eq!(usage(&call).log.len(), 4);
    assert_eq!(world.0.lock().unwrap().len(), 6);

    for (name, kind) in ERRORS {
        assert_eq!(refused(provider.run(&call, &run, &with(json!(name))).await), kind);
    }
    let measured = provider.run(&call, &run, &with(json!(0.95))).await.unwrap();
    assert_eq!(
        (measured.phase, measured.value.as_str()),
        (AnalysisPhase::Successful, "0.95")
    );
    let running = provider.run(&call, &run, &with(json!("running"))).await.unwrap();
    assert_eq!(
        (running.phase, running.resume_at.is_some()),
        (AnalysisPhase::Running, true)
    );
    let phase = |result: Result<Measurement, CallError>| result.unwrap().phase;
    let metric = metric();
    assert_eq!(
        phase(provider.resume(&call, &run, &metric, &running).await),
        AnalysisPhase::Inconclusive
    );
    assert_eq!(
        phase(provider.terminate(&call, &run, &metric, &running).await),
        AnalysisPhase::Failed
    );
    provider.garbage_collect(&call, &run, &metric, 5).await.unwrap();
    let metadata = provider.get_metadata(&call, &metric).await.unwrap();
    assert_eq!(metadata["metric"], "success-rate");
}

#[tokio::test]
async fn a_traffic_router_of_0_1_0() {
    let (plugin, _) = plugin(PluginKind::TrafficRouter, &[]).await;
    plugin.initialize().await.unwrap();
    let router = plugin.as_traffic_router().unwrap();
    assert_eq!(router.capabilities().unwrap().len(), 6);
    let call = call();
    let with = |config: Value| {
        let mut object = serde_json::to_value(&*rollout()).unwrap();
        object["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"]["test/plugin"] = config;
        Arc::new(serde_json::from_value(object).unwrap())
    };

    router.set_weight(&call, &with(json!("ask")), 20, &[]).await.unwrap();
    let lines = usage(&call).log;
    for (function, answer) in ANSWERS {
        let line = format!("{function}: {answer}");
        assert!(lines.iter().any(|(_, text)| *text == line), "{line}");
    }
    for (name, kind) in ERRORS {
        assert_eq!(
            refused(router.set_weight(&call, &with(json!(name)), 20, &[]).await),
            kind
        );
    }
    let rollout = with(json!({}));
    router.update_hash(&call, &rollout, "a", "b", &[]).await.unwrap();
    router
        .set_header_route(&call, &rollout, &SetHeaderRoute::default())
        .await
        .unwrap();
    router
        .set_mirror_route(&call, &rollout, &SetMirrorRoute::default())
        .await
        .unwrap();
    router.remove_managed_routes(&call, &rollout).await.unwrap();
    for (weight, expected) in [
        (0, Verification::NotImplemented),
        (20, Verification::NotVerified),
        (80, Verification::Verified),
    ] {
        assert_eq!(
            router.verify_weight(&call, &rollout, weight, &[]).await.unwrap(),
            expected
        );
    }
}

#[tokio::test]
async fn a_step_of_0_1_0() {
    let (plugin, _) = plugin(PluginKind::Step, &[]).await;
    plugin.initialize().await.unwrap();
    let step = plugin.as_step().unwrap();
    let (call, rollout) = (call(), rollout());
    let with = |config: &str| StepContext {
        plugin_name: "test/plugin".to_owned(),
        config: json!(config),
        status: json!({"runs": 0}),
    };

    let asked = step.run(&call, &rollout, &with("ask")).await.unwrap();
    for (function, _) in ANSWERS {
        assert!(asked.message.contains(&format!("name: \"{function}\"")), "{function}");
    }
    assert_eq!(asked.status, json!({"runs": 1}));
    for (name, kind) in ERRORS {
        assert_eq!(refused(step.run(&call, &rollout, &with(name)).await), kind);
    }
    for (name, phase) in [
        ("running", Some(StepPhase::Running)),
        ("successful", Some(StepPhase::Successful)),
        ("failed", Some(StepPhase::Failed)),
        ("error", Some(StepPhase::Error)),
        ("none", None),
    ] {
        assert_eq!(step.run(&call, &rollout, &with(name)).await.unwrap().phase, phase);
    }
    let terminated = step.terminate(&call, &rollout, &with("")).await.unwrap();
    assert_eq!(terminated.message, "terminated Some(\"{\\\"runs\\\":0}\")");
    let aborted = step.abort(&call, &rollout, &with("")).await.unwrap();
    assert_eq!(aborted.phase, Some(StepPhase::Failed));
}
