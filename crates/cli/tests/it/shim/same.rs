//! A01, A03 to A09: each call is made of a shim with a component, and of a native plugin that is told to behave the same.
//! Argo's client has to get the same answers from both.

use std::sync::Arc;

use rollcage_api::plugin::PluginKind;
use rollcage_apiserver::{ApiServer, Manifest};
use rollcage_tests::peers::Peers;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::support::{Hosted, NAME, entry, five, hosted, metric, run, shim, text};
use crate::support::plugin;

/// A call: its method and input, and what the native plugin is told to do.
type Case = (&'static str, Value, Value);

/// When something was measured, for measurements that are handed in.
const BEFORE: &str = "2024-01-02T03:04:05Z";

/// Where a call has the plugin's configuration.
fn config_of(kind: PluginKind, input: &mut Value) -> &mut Value {
    match kind {
        PluginKind::MetricProvider => &mut input["metric"]["provider"]["plugin"][NAME],
        PluginKind::TrafficRouter => {
            &mut input["rollout"]["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"][NAME]
        }
        PluginKind::Step => &mut input["context"]["config"],
    }
}

/// Times of now are not the same twice.
fn comparable(mut answer: Value) -> Value {
    for field in ["startedAt", "finishedAt"] {
        let time = &mut answer["measurement"][field];
        if time.is_string() && time != BEFORE {
            *time = json!("now");
        }
    }
    if answer["measurement"]
        .as_object()
        .is_some_and(|fields| fields.values().all(Value::is_null))
    {
        answer.as_object_mut().unwrap().remove("measurement");
    }
    answer
}

fn compare(kind: PluginKind, shim: &mut Hosted, native: &mut Hosted, cases: &[Case]) {
    for (method, input, script) in cases {
        let by_shim = comparable(shim.ready(method, input));
        let mut input = input.clone();
        *config_of(kind, &mut input) = script.clone();
        let by_native = comparable(native.call(method, &input));
        assert_eq!(by_shim, by_native, "{method}");
    }
}

fn native(peers: &Peers, folder: &TempDir, kind: PluginKind) -> Hosted {
    hosted(peers, folder, kind, &peers.newest().own(), &[], &[])
}

#[test]
fn a01_a05_a08_a09_metric_provider() {
    let Some(peers) = Peers::find() else { return };
    let kind = PluginKind::MetricProvider;
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = five();
    let grants = json!({"permissions": {"http": [server]}});
    let entry = entry(&ours, &plugin("faults/metric-rules"), &grants);
    let mut shim = shim(&peers, &ours, kind, &["--entry", entry.to_str().unwrap()], &[]);
    let mut native = native(&peers, &theirs, kind);
    let configured = metric(&json!({"url": format!("http://{server}/")}));
    let wrong = metric(&json!({"nope": 1}));
    let in_flight = json!({"phase": "Running", "startedAt": BEFORE, "metadata": {"first": "5"}});
    let again = |metric: &Value| json!({"analysisRun": run(), "metric": metric, "measurement": in_flight});
    let told = shim.ready("run", &json!({"analysisRun": run(), "metric": wrong}));
    let refusal = text(&told)
        .strip_prefix("failed to run via plugin: ")
        .unwrap()
        .to_owned();
    assert!(refusal.contains("nope"), "{refusal}");
    let now = "2025-01-01T00:00:00Z";
    let failed = |more: Value| {
        let mut reply = json!({"phase": "Error", "message": refusal, "startedAt": now, "finishedAt": now});
        reply.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"reply": reply})
    };
    let kept = json!({"startedAt": BEFORE, "metadata": {"first": "5"}});
    let cases: Vec<Case> = vec![
        (
            "run",
            json!({"analysisRun": run(), "metric": configured}),
            json!({"reply": {"phase": "Running", "startedAt": now, "metadata": {"first": "5"}}}),
        ),
        (
            "resume",
            again(&configured),
            json!({"reply": {"phase": "Successful", "value": "5 5", "startedAt": BEFORE, "finishedAt": now}}),
        ),
        (
            "terminate",
            again(&configured),
            json!({"reply": {"phase": "Inconclusive", "value": "5", "startedAt": BEFORE, "finishedAt": now}}),
        ),
        (
            "garbage-collect",
            json!({"analysisRun": run(), "metric": configured, "limit": 3}),
            json!({}),
        ),
        ("get-metadata", json!({"metric": configured}), json!({})),
        ("run", json!({"analysisRun": run(), "metric": wrong}), failed(json!({}))),
        ("resume", again(&wrong), failed(kept)),
    ];
    compare(kind, &mut shim, &mut native, &cases);
    assert_eq!(shim.call("type", &json!({})), json!({"type": NAME}));
    // Plugins in Go end of it.
    let none = shim.call("run", &json!({"metric": configured}));
    assert!(text(&none).contains("the host sent no AnalysisRun"), "{none}");
    assert_eq!(shim.pids().len(), 1);
}

#[test]
fn a01_a04_a07_step() {
    let Some(peers) = Peers::find() else { return };
    let kind = PluginKind::Step;
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let entry = entry(&ours, &plugin("faults/step-rules"), &json!({}));
    let mut shim = shim(&peers, &ours, kind, &["--entry", entry.to_str().unwrap()], &[]);
    let mut native = native(&peers, &theirs, kind);
    let input = |config: Value, status: Value| {
        let mut context = json!({"pluginName": NAME, "config": config});
        if !status.is_null() {
            context["status"] = status;
        }
        json!({"rollout": {"metadata": {"name": "shop", "namespace": "shop"}}, "context": context})
    };
    let note = "ünï\u{1f600}<&>\"\\\n".repeat(20_000);
    let minute = 15_000_000_000_u64;
    let nothing = Value::Null;
    let told = shim.ready("run", &input(json!({"nope": 1}), nothing.clone()));
    let refusal = text(&told);
    assert!(refusal.contains("nope"), "{told}");
    let cases: Vec<Case> = vec![
        (
            "run",
            input(json!({"note": note}), nothing.clone()),
            json!({"reply": {"Phase": "Running", "Message": note, "RequeueAfter": minute, "Status": {"runs": 1}}}),
        ),
        (
            "run",
            input(json!({"note": ""}), json!({"runs": 1})),
            json!({"reply": {"Phase": "Running", "RequeueAfter": minute, "Status": {"runs": 2}}}),
        ),
        (
            "run",
            input(json!({"note": "done"}), json!({"runs": 2})),
            json!({"reply": {"Phase": "Successful", "Message": "done", "Status": {"runs": 3}}}),
        ),
        (
            "terminate",
            input(json!({}), json!({"runs": 2})),
            json!({"reply": {"Phase": "Successful"}}),
        ),
        (
            "abort",
            input(json!({}), json!({"runs": 2})),
            json!({"reply": {"Phase": "Successful"}}),
        ),
        (
            "run",
            input(json!({"nope": 1}), nothing),
            json!({"error": refusal, "reply": {}}),
        ),
    ];
    compare(kind, &mut shim, &mut native, &cases);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a01_a03_a06_a09_traffic_router() {
    let Some(peers) = Peers::find() else { return };
    let kind = PluginKind::TrafficRouter;
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let api = cluster(&ours).await;
    let kubeconfig = ours.path().join("kubeconfig");
    let grants = json!({"permissions": {"kubernetes": [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch"]}
    ]}});
    let entry = entry(&ours, &plugin("faults/router-rules"), &grants);
    let env = [("KUBECONFIG", kubeconfig.to_str().unwrap())];
    let rollout = |object: &str| {
        let routing = json!({"plugins": {NAME: {"object": object}}, "managedRoutes": [{"name": "h"}, {"name": "m"}]});
        json!({
            "metadata": {"name": "shop", "namespace": "shop"},
            "spec": {"strategy": {"canary": {"trafficRouting": routing}}},
        })
    };
    let input = |more: Value| {
        let mut input = json!({"rollout": rollout("weights")});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let fine = json!({});
    let missing = json!({"rollout": rollout("nowhere"), "desiredWeight": 5});
    let header = json!({"name": "h", "match": [{"headerName": "x", "headerValue": {"exact": "y"}}]});
    let mirror = json!({"name": "m", "match": [{"path": {"prefix": "/"}}], "percentage": 10});
    block_in_place(|| {
        let mut shim = shim(&peers, &ours, kind, &["--entry", entry.to_str().unwrap()], &env);
        let mut native = native(&peers, &theirs, kind);
        let refusal = text(&shim.ready("set-weight", &missing));
        assert!(refusal.contains("there is no ConfigMap nowhere"), "{refusal}");
        let cases: Vec<Case> = vec![
            (
                "update-hash",
                input(json!({"canaryHash": "c", "stableHash": "s"})),
                fine.clone(),
            ),
            ("set-weight", input(json!({"desiredWeight": 20})), fine.clone()),
            (
                "verify-weight",
                input(json!({"desiredWeight": 20})),
                json!({"reply": 1}),
            ),
            (
                "verify-weight",
                input(json!({"desiredWeight": 30})),
                json!({"reply": 0}),
            ),
            (
                "set-header-route",
                input(json!({"setHeaderRoute": header})),
                fine.clone(),
            ),
            (
                "set-mirror-route",
                input(json!({"setMirrorRoute": mirror})),
                fine.clone(),
            ),
            ("set-weight", missing.clone(), json!({"error": refusal})),
            ("verify-weight", missing.clone(), json!({"error": refusal, "reply": 0})),
        ];
        compare(kind, &mut shim, &mut native, &cases);
        let data = |api: &Arc<ApiServer>| api.object("v1", "ConfigMap", "shop", "weights").unwrap()["data"].clone();
        assert_eq!(
            data(&api),
            json!({"canary": "c", "stable": "s", "weight": "20", "header-route": "h", "mirror-route": "m"})
        );
        let cases: Vec<Case> = vec![
            ("remove-managed-routes", input(json!({})), fine.clone()),
            ("set-weight", input(json!({"desiredWeight": 0})), fine.clone()),
        ];
        compare(kind, &mut shim, &mut native, &cases);
        assert_eq!(data(&api), json!({"canary": "c", "stable": "s", "weight": "0"}));
    });
}

/// A cluster with one ConfigMap, and a kubeconfig for it.
async fn cluster(folder: &TempDir) -> Arc<ApiServer> {
    let api = ApiServer::new(Arc::new(jiff::Timestamp::now));
    let value = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "weights", "namespace": "shop"}, "data": {},
    });
    let file = "same.rs".to_owned();
    let loaded = api.load([Manifest { file, value }]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    super::states::kubeconfig(&api, folder).await;
    api
}
