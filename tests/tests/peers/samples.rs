//! A02: upstream's sample plugins of every version. Each call is made by both hosts, each with a process and servers of its
//! own: the answers are the same, and so are the objects that are left behind.

use std::path::PathBuf;

use axum::{
    Router,
    extract::RawForm,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::post,
};
use rollcage_api::plugin::PluginKind;
use rollcage_apiserver::{ApiServer, Manifest};
use rollcage_core::{FaultKind, Phase};
use rollcage_tests::peers::{Peers, Proxy};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::block_in_place};

use crate::support::{Ours, RULES, Scenario, blurred, spec};

/// What `/api/v1/query` of Prometheus answers, by the words of the query.
async fn prometheus(RawForm(form): RawForm) -> impl IntoResponse {
    let form = String::from_utf8_lossy(&form);
    let vector = |samples: Value, warnings: Value| json!({"status": "success", "warnings": warnings, "data": {"resultType": "vector", "result": samples}});
    let sample = |value: &str| json!({"metric": {"pod": value}, "value": [1_700_000_000, value]});
    let (status, answer) = match form {
        form if form.contains("scalar") => (
            StatusCode::OK,
            json!({"status": "success", "data": {"resultType": "scalar", "result": [1_700_000_000, "3"]}}),
        ),
        form if form.contains("warning") => (
            StatusCode::OK,
            vector(json!([sample("1"), sample("0.25")]), json!(["slow \"disk\"", "old"])),
        ),
        form if form.contains("nothing") => (StatusCode::OK, vector(json!([]), json!([]))),
        form if form.contains("malformed") => (
            StatusCode::BAD_REQUEST,
            json!({"status": "error", "errorType": "bad_data", "error": "parse error <at char 3>"}),
        ),
        _ => (StatusCode::OK, vector(json!([sample("0.9975")]), json!([]))),
    };
    (status, [(CONTENT_TYPE, "application/json")], answer.to_string())
}

fn metric_calls(address: &str) -> Vec<(&'static str, Value)> {
    let run = json!({
        "metadata": {"name": "checkout-5", "namespace": "shop", "labels": {"app": "checkout"}},
        "spec": {"args": [{"name": "service", "value": "checkout"}], "metrics": []},
    });
    let metric = |query: &str, condition: &str| {
        json!({
            "name": "success-rate", "interval": "30s", "successCondition": condition,
            "provider": {"plugin": {"argoproj/sample-prometheus": {"address": address, "query": query}}},
        })
    };
    let measurement = json!({
        "phase": "Running", "value": "[1]", "message": "on its way", "metadata": {"id": "7"},
        "startedAt": "2026-01-02T03:04:05Z", "resumeAt": "2026-01-02T03:14:05Z",
    });
    let measured = |query: &str, condition: &str| {
        let input = json!({"analysisRun": run, "metric": metric(query, condition)});
        ("run", input)
    };
    let again = json!({"analysisRun": run, "metric": metric("up", "true"), "measurement": measurement});
    vec![
        ("type", json!({})),
        measured("up", "result[0] > 0.9"),
        measured("up", "result[0] > 1"),
        measured("up", ""),
        measured("scalar", "result == 3"),
        measured("warning", "len(result) == 2"),
        measured("nothing", "len(result) == 0"),
        measured("nothing", "result[0] > 1"),
        measured("malformed", "true"),
        measured("up", "no such thing("),
        // What a plugin says of a configuration that is not for it.
        (
            "run",
            json!({"analysisRun": run, "metric": {"name": "m", "provider": {"plugin": {"argoproj/sample-prometheus": {"query": "up"}}}}}),
        ),
        ("resume", again.clone()),
        ("terminate", again),
        (
            "garbage-collect",
            json!({"analysisRun": run, "metric": metric("up", ""), "limit": 10}),
        ),
        ("get-metadata", json!({"metric": metric("sum(rate(x[5m]))", "")})),
        ("get-metadata", json!({"metric": {"name": "m", "provider": {}}})),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a02_metric_samples_of_every_version() {
    let Some(peers) = Peers::find() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/api/v1/query", post(prometheus));
    tokio::spawn(async { axum::serve(listener, app).await });
    for version in &peers.versions {
        let scenario = Scenario {
            kind: PluginKind::MetricProvider,
            name: "argoproj/sample-prometheus",
            executable: version.sample(PluginKind::MetricProvider),
            arguments: vec![],
            calls: metric_calls(&address),
        };
        let original = blurred(scenario.by_original(&peers, &[]));
        let ours = blurred(scenario.by_us(&[]).await);
        scenario.assert_same(&version.name, &ours, &original);
        // That what is compared is what was meant.
        let phase = |call: usize| original[call]["measurement"]["phase"].as_str().unwrap();
        let phases: Vec<_> = (1..=10).map(phase).collect();
        let meant = "Successful Failed Successful Successful Successful Successful";
        assert_eq!(phases[..6].join(" "), meant, "{}", version.name);
        assert_eq!(phases[7], "Error", "{}", version.name);
        assert_eq!(original[1]["measurement"]["value"], "[0.9975]");
    }
}

/// A cluster with what the router needs, and a kubeconfig for it.
struct Cluster {
    api: std::sync::Arc<ApiServer>,
    _proxy: Proxy,
    _folder: TempDir,
    kubeconfig: PathBuf,
}

impl Cluster {
    async fn start(peers: &Peers) -> Self {
        let api = ApiServer::new(std::sync::Arc::new(jiff::Timestamp::now));
        let manifests =
            [ingress("checkout"), ingress("taken"), ingress("checkout-taken-canary")].map(|value| Manifest {
                file: "samples.rs".to_owned(),
                value,
            });
        let loaded = api.load(manifests);
        assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let serving = api.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        let proxy = block_in_place(|| Proxy::start(peers, &server));
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, self::kubeconfig(&proxy.address)).unwrap();
        Self {
            api,
            _proxy: proxy,
            _folder: folder,
            kubeconfig,
        }
    }

    fn env(&self) -> [(&'static str, &str); 1] {
        [("KUBECONFIG", self.kubeconfig.to_str().unwrap())]
    }

    /// Every ingress, without what differs from cluster to cluster.
    fn ingresses(&self) -> Vec<Value> {
        let objects = self.api.objects("networking.k8s.io/v1", "Ingress", "");
        let objects = objects.iter().map(|object| {
            let mut object = (**object).clone();
            let metadata = object["metadata"].as_object_mut().unwrap();
            for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
                metadata.remove(field);
            }
            object
        });
        objects.collect()
    }
}

fn kubeconfig(server: &str) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "users": [{"name": "test", "user": {}}],
    });
    config.to_string()
}

fn ingress(name: &str) -> Value {
    let path = |path: &str, service: &str| {
        let backend = json!({"service": {"name": service, "port": {"number": 80}}});
        json!({"path": path, "pathType": "Prefix", "backend": backend})
    };
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": "shop", "annotations": {"kubernetes.io/ingress.class": "nginx"}},
        "spec": {"rules": [
            {"host": "shop.example", "http": {"paths": [path("/", "checkout-stable"), path("/static", "assets")]}},
            {"host": "other.example", "http": {"paths": [path("/", "assets")]}},
        ]},
    })
}

fn router_calls() -> Vec<(&'static str, Value)> {
    let rollout = |name: &str, stable_ingress: &str| {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": name, "namespace": "shop", "uid": "6f1c3b0e-1111-4222-8333-944455566677"},
            "spec": {"strategy": {"canary": {
                "stableService": "checkout-stable", "canaryService": "checkout-canary",
                "trafficRouting": {"plugins": {"argoproj/sample-nginx": {"stableIngress": stable_ingress}}},
            }}},
        })
    };
    let checkout = rollout("checkout", "checkout");
    let weight = |rollout: &Value, weight: i32| {
        let additional = json!([{"serviceName": "preview", "podTemplateHash": "abc", "weight": 5}]);
        json!({"rollout": rollout, "desiredWeight": weight, "additionalDestinations": additional})
    };
    vec![
        ("type", json!({})),
        (
            "update-hash",
            json!({"rollout": checkout, "canaryHash": "c1", "stableHash": "s1"}),
        ),
        ("set-weight", weight(&checkout, 20)),
        ("set-weight", weight(&checkout, 20)),
        ("set-weight", weight(&checkout, 60)),
        ("set-weight", weight(&checkout, 0)),
        ("verify-weight", weight(&checkout, 60)),
        (
            "set-header-route",
            json!({"rollout": checkout, "setHeaderRoute": {
            "name": "by-header", "match": [{"headerName": "x", "headerValue": {"exact": "y"}}]}}),
        ),
        (
            "set-mirror-route",
            json!({"rollout": checkout, "setMirrorRoute": {"name": "mirror", "percentage": 10}}),
        ),
        ("remove-managed-routes", json!({"rollout": checkout})),
        // Refusals of the plugin's own.
        ("set-weight", weight(&rollout("checkout", "no-such-ingress"), 20)),
        ("set-weight", weight(&rollout("checkout", "taken"), 20)),
        (
            "set-weight",
            json!({"rollout": {"metadata": {"name": "x", "namespace": "shop"},
            "spec": {"strategy": {"canary": {"trafficRouting": {"plugins": {"argoproj/sample-nginx": "no object"}}}}}}}),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a02_router_samples_of_every_version() {
    let Some(peers) = Peers::find() else { return };
    for version in &peers.versions {
        let scenario = Scenario {
            kind: PluginKind::TrafficRouter,
            name: "argoproj/sample-nginx",
            executable: version.sample(PluginKind::TrafficRouter),
            arguments: vec![],
            calls: router_calls(),
        };
        let (theirs, mine) = (Cluster::start(&peers).await, Cluster::start(&peers).await);
        let original = scenario.by_original(&peers, &theirs.env());
        let ours = scenario.by_us(&mine.env()).await;
        scenario.assert_same(&version.name, &ours, &original);
        assert_eq!(mine.ingresses(), theirs.ingresses(), "{}", version.name);
        let left = theirs
            .api
            .object("networking.k8s.io/v1", "Ingress", "shop", "checkout-checkout-canary");
        let left = left.unwrap_or_else(|| panic!("{}: {original:?}", version.name));
        assert_eq!(
            left["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"],
            "0"
        );
        let refused = |call: usize| original[call]["error"].as_str().is_some_and(|error| !error.is_empty());
        let refusals: Vec<_> = (2..original.len()).filter(|call| refused(*call)).collect();
        assert_eq!(refusals, [10, 11, 12], "{}: {original:?}", version.name);
    }
}

/// Upstream's router cannot do without a cluster: it says so, or, where nothing listens, ends of a nil pointer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn router_samples_without_a_cluster() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let nobody = folder.path().join("nobody");
    std::fs::write(&nobody, kubeconfig("http://127.0.0.1:1")).unwrap();
    let nothing = folder.path().join("nothing");
    for version in &peers.versions {
        for (config, kind, says) in [
            (&nothing, FaultKind::InitRefused, "no configuration has been provided"),
            (&nobody, FaultKind::Exit, "nil pointer dereference"),
        ] {
            let own = tempfile::tempdir().unwrap();
            let executable = version.sample(PluginKind::TrafficRouter);
            let mut spec = spec(
                PluginKind::TrafficRouter,
                "argoproj/sample-nginx",
                &executable,
                own.path(),
            );
            let config = config.to_string_lossy().into_owned();
            spec.env.insert("KUBECONFIG".to_owned(), config);
            let Err(fault) = Ours::launch(own, &spec, RULES).await else {
                panic!("{} {says}: it started", version.name);
            };
            assert_eq!(
                (fault.phase, fault.kind),
                (Phase::Init, kind),
                "{}: {fault}",
                version.name
            );
            assert!(fault.cause.contains(says), "{}: {fault}", version.name);
        }
    }
}

fn rollout_at(step: u32, statuses: &Value) -> Value {
    json!({
        "metadata": {"name": "checkout", "namespace": "shop"},
        "status": {"currentStepIndex": step, "canary": {"stepPluginStatuses": statuses}},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a02_step_samples_of_every_version() {
    let Some(peers) = Peers::find() else { return };
    let context = |config: Value, status: Value| json!({"pluginName": "argoproj/step-sample", "config": config, "status": status});
    let input = |config: Value, status: Value| json!({"rollout": rollout_at(0, &json!([])), "context": context(config, status)});
    let state = json!({"Id": "a", "SharedId": "b", "Value": ""});
    let before = json!([{"index": 0, "name": "argoproj/step-sample", "phase": "Successful", "operation": "Run", "status": state}]);
    let aggregate =
        json!({"rollout": rollout_at(1, &before), "context": context(json!({"Aggregate": true}), Value::Null)});
    let calls = vec![
        ("type", json!({})),
        ("run", input(json!({}), Value::Null)),
        ("run", input(Value::Null, Value::Null)),
        ("run", json!({"rollout": rollout_at(0, &json!([]))})),
        ("run", input(json!({"Async": true}), Value::Null)),
        ("run", input(json!({"Async": true}), json!({"Id": "not there"}))),
        ("run", input(json!({}), json!({"Id": "a", "Value": "42"}))),
        ("run", aggregate),
        ("run", input(json!({"Async": "yes"}), Value::Null)),
        ("run", input(json!({}), json!(["no", "state"]))),
        ("terminate", input(json!({"Async": true}), state.clone())),
        ("abort", input(json!({}), state)),
    ];
    let e2e_config =
        json!({"Return": "Running", "Requeue": "20s", "Abort": {"Return": "Failed"}, "Terminate": {"Return": "Error"}});
    let mut e2e = vec![
        ("type", json!({})),
        ("run", input(e2e_config.clone(), Value::Null)),
        ("run", input(e2e_config.clone(), json!({"Data": "kept", "Count": 3}))),
        (
            "terminate",
            input(e2e_config.clone(), json!({"Data": "kept", "Count": 3})),
        ),
        ("abort", input(e2e_config, json!({"Data": "kept", "Count": 3}))),
        ("run", input(json!({"Return": "Weird"}), Value::Null)),
        ("run", input(json!({"Requeue": "soon"}), Value::Null)),
    ];
    for phase in ["Successful", "Failed", "Error", ""] {
        e2e.push(("run", input(json!({"Return": phase}), Value::Null)));
    }
    for version in peers.versions.iter().filter(|version| version.has_steps()) {
        let plugins = [(version.sample(PluginKind::Step), &calls), (version.step_e2e(), &e2e)];
        for (executable, calls) in plugins {
            let scenario = Scenario {
                kind: PluginKind::Step,
                name: "argoproj/step-sample",
                arguments: if executable.ends_with("step-plugin-sample") {
                    vec!["--seed".into(), "7".into()]
                } else {
                    vec![]
                },
                executable,
                calls: calls.clone(),
            };
            let original = blurred(scenario.by_original(&peers, &[]));
            let ours = blurred(scenario.by_us(&[]).await);
            scenario.assert_same(&version.name, &ours, &original);
            assert_eq!(original[1]["error"], "", "{original:?}");
        }
    }
}
