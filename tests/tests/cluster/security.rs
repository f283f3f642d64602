//! What tenants and plugins cannot do, and what nobody gets to see.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use rollcage_tests::controlplane::{ControlPlane, Namespace, Start, until};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::kit::{Site, built, entry, file, free_port, metrics, spec};

/// Asks for the Secret `admin` of `kube-system`, whoever wants what measured.
const NOSY: &str = "unwraps-a-denied-object.wasm";

fn once(provider: &Value) -> Value {
    let mut spec = spec(provider, 1, "1s");
    spec["metrics"][0]["consecutiveErrorLimit"] = 0.into();
    spec["metrics"][0]["successCondition"] = "true".into();
    spec
}

#[tokio::test]
async fn a_tenant_s_object_makes_no_plugin_touch_another_namespace() {
    let Some(plane) = ControlPlane::shared() else { return };
    let (site, tenant) = (Site::new(plane, "own").await, Site::new(plane, "tenant").await);
    let system = Namespace {
        plane,
        client: site.here.client.clone(),
        name: "kube-system".to_owned(),
    };
    system
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: admin}, stringData: {key: of-the-admin}}")
        .await;
    // The controller itself may read it: nothing but the grant is in the way.
    let name = format!("{}-may", site.here.name);
    let subject = json!({"kind": "ServiceAccount", "name": site.account.name, "namespace": site.here.name});
    let rbac = "rbac.authorization.k8s.io";
    for object in [
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": {"name": name},
               "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
               "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name}, "subjects": [subject]}),
    ] {
        system.apply(&object.to_string()).await;
    }
    let grant = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "namespaces": ["@object"]}]);
    let nosy = |name: &str| json!({"name": name, "location": file(&built(NOSY)), "permissions": {"kubernetes": grant}});
    let mut limited = nosy("acme/limited");
    limited["usableFrom"] = json!(["kube-system"]);
    site.entries(&json!([nosy("acme/nosy"), limited])).await;
    let provider = |name: &str| json!({"plugin": {name: {"namespace": "kube-system"}}});
    let in_system = Site {
        here: system.clone(),
        runs: rollcage_tests::controlplane::dynamic(
            &system.client,
            "kube-system",
            "argoproj.io/v1alpha1",
            "AnalysisRun",
        ),
        account: site.account.clone(),
        instance: site.instance.clone(),
    };
    tenant
        .run_of(&site.instance, "nosy", &once(&provider("acme/nosy")))
        .await;
    tenant
        .run_of(&site.instance, "limited", &once(&provider("acme/limited")))
        .await;
    let controller = site.controller();
    let status = tenant.phase("nosy", "Error").await;
    assert!(!status.to_string().contains("of-the-admin"), "{status}");
    tenant
        .message("limited", &["acme/limited", "not usable from namespace"])
        .await;
    let asked = || {
        let audit = plane.audit().into_iter();
        audit
            .filter(|entry| entry["user"]["username"] == site.account.user.as_str())
            .filter(|entry| {
                entry["objectRef"]["resource"] == "secrets" && entry["objectRef"]["namespace"] == "kube-system"
            })
            .count()
    };
    assert_eq!(asked(), 0, "it was asked for");
    assert!(
        controller.log().contains("kubernetes"),
        "the operator is told what is missing"
    );
    // The same plugins, for an object of that namespace, may.
    for name in ["nosy", "limited"] {
        let name = format!("{}-{name}", site.here.name);
        let plugin = if name.ends_with("nosy") {
            "acme/nosy"
        } else {
            "acme/limited"
        };
        in_system.run(&name, &once(&provider(plugin))).await;
        in_system.phase(&name, "Successful").await;
        system.kubectl(&["delete", "analysisrun", &name]);
    }
    until("the audit log tells", async || asked() > 0).await;
}

/// What is planted, and where: none of it may be seen anywhere but in the Secrets and at the servers that it is for.
const PLANTED: [(&str, &str); 3] = [
    ("download", "planted-download-0451"),
    ("credential", "planted-credential-1984"),
    ("argument", "planted-argument-7331"),
];

/// A server that answers with all that it was sent, in every way that ends up in a status, and keeps what it saw.
#[derive(Clone, Default)]
struct Echo(Arc<Mutex<String>>);

impl Echo {
    async fn start(&self) -> u16 {
        let router = Router::new().fallback(answer).with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        port
    }

    fn saw(&self) -> BTreeSet<&'static str> {
        let saw = self.0.lock().unwrap();
        let planted = PLANTED.iter().filter(|(_, secret)| saw.contains(secret));
        planted.map(|(name, _)| *name).collect()
    }
}

async fn answer(State(echo): State<Echo>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let sent = format!("{uri} {headers:?} {}", String::from_utf8_lossy(&body));
    echo.0.lock().unwrap().push_str(&sent);
    let path = uri.path();
    if path.starts_with("/plugin") {
        return std::fs::read(built("prometheus.wasm")).unwrap().into_response();
    }
    if path.starts_with("/refused") {
        return (StatusCode::UNAUTHORIZED, sent).into_response();
    }
    if path.starts_with("/fails") {
        let error = json!({"status": "error", "errorType": "bad_data", "error": sent});
        return (StatusCode::BAD_REQUEST, error.to_string()).into_response();
    }
    let answer = json!({"status": "success", "echo": sent, "data": {"resultType": "vector",
        "result": [{"metric": {"sent": sent}, "value": [1_700_000_000, "0.99"]}]}});
    ([("content-type", "application/json")], answer.to_string()).into_response()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_secrets_is_in_no_log_event_status_or_metric() {
    let Some(plane) = ControlPlane::shared() else { return };
    let site = Site::new(plane, "planted").await;
    let echo = Echo::default();
    let port = echo.start().await;
    for (name, secret) in PLANTED {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"x-key": secret}});
        site.here.apply(&secret.to_string()).await;
    }
    site.here
        .allow_secrets(&site.account, &["download", "credential"])
        .await;
    let address = format!("http://127.0.0.1:{port}");
    let plugin = |name: &str, path: &str| {
        let mut entry = entry(name, &format!("{address}/{path}"), port);
        entry["headersFrom"] = json!([{"secretRef": {"name": "download"}}]);
        entry["permissions"]["credentials"] = json!([{
            "name": "credential", "secretRef": {"name": "credential", "key": "x-key"}, "header": "Authorization",
            "hosts": [format!("127.0.0.1:{port}")],
        }]);
        entry
    };
    let web = entry("rollcage/web", "bundled://web", port);
    site.entries(&json!([
        plugin("acme/served", "plugin.wasm"),
        plugin("acme/refused", "refused.wasm"),
        web
    ]))
    .await;

    let with_argument = |mut spec: Value| {
        spec["args"] = json!([
            {"name": "token", "valueFrom": {"secretKeyRef": {"name": "argument", "key": "x-key"}}},
        ]);
        spec
    };
    let asks = |plugin: &str, path: &str| json!({"plugin": {plugin: {"address": format!("{address}/{path}"), "query": "{{args.token}}"}}});
    let web = |path: &str| {
        json!({"web": {"url": format!("{address}/{path}"), "jsonPath": "{$.echo}",
                       "headers": [{"key": "x-token", "value": "{{args.token}}"}]}})
    };
    let mut malformed = once(&asks("acme/served", "good"));
    malformed["metrics"][0]["interval"] = "{{args.token}}".into();
    let mut unknown = once(&asks("acme/served", "good"));
    unknown["metrics"][0]["successCondition"] = "result == {{args.token}} (".into();
    for (name, spec) in [
        ("served", once(&asks("acme/served", "good"))),
        ("fails", once(&asks("acme/served", "fails"))),
        ("web", once(&web("good"))),
        ("web-fails", once(&web("fails"))),
        ("malformed", malformed),
        ("condition", unknown),
        ("refused", once(&asks("acme/refused", "good"))),
    ] {
        site.run(name, &with_argument(spec)).await;
    }
    let mut missing = with_argument(once(&asks("acme/served", "good")));
    missing["args"][0]["valueFrom"]["secretKeyRef"]["key"] = "none".into();
    site.run("missing", &missing).await;

    let metrics_port = free_port();
    let controller = site.controller_with(&Start {
        arguments: &["--loglevel", "debug", "--leader-warmup", "5s"],
        metrics: Some(metrics_port),
        ..Start::default()
    });
    site.phase("served", "Successful").await;
    let status = site.phase("web", "Successful").await;
    let value = status["metricResults"][0]["measurements"][0]["value"].to_string();
    assert!(value.contains("*****"), "it was answered, and masked: {value}");
    for name in ["fails", "web-fails", "malformed", "condition", "missing"] {
        site.phase(name, "Error").await;
    }
    site.message("refused", &["acme/refused", "401"]).await;
    assert_eq!(
        echo.saw().len(),
        PLANTED.len(),
        "all of it was sent where it belongs: {:?}",
        echo.saw()
    );

    let all = [
        "get",
        "analysisruns,events,configmaps,leases",
        "--output=yaml",
        "--show-managed-fields",
    ];
    for (place, text) in [
        ("an object", site.here.kubectl(&all)),
        ("the log", controller.log()),
        ("the metrics", metrics(metrics_port).await),
    ] {
        assert!(!text.is_empty());
        for (name, secret) in PLANTED {
            // Its middle: however it was cut, or what was put around it.
            let middle = &secret[3..secret.len() - 3];
            let line = text.lines().find(|line| line.contains(middle));
            assert!(line.is_none(), "the {name} is in {place}: {}", line.unwrap());
        }
    }
}
