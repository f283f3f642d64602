//! `rollcage plugins`, over an in-process API that a controller has written into.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use rollcage_apiserver::{ApiServer, Manifest};
use serde_json::{Value, json};

use crate::support::{Ended, file, rollcage, run};

/// A cluster that is listened to, and how to reach it.
struct Cluster {
    server: Arc<ApiServer>,
    kubeconfig: PathBuf,
    _dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Cluster {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = ApiServer::new(Arc::new(Timestamp::now));
        server.ensure_namespace("argo-rollouts");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = server.clone();
        runtime.spawn(async move { serving.serve(listener, std::future::pending()).await });
        let dir = tempfile::tempdir().unwrap();
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]
        });
        Self {
            server,
            kubeconfig: file(&dir, "kubeconfig", &text.to_string()),
            _dir: dir,
            _runtime: runtime,
        }
    }

    fn load(&self, value: Value) {
        let loaded = self.server.load([Manifest {
            file: "test".to_owned(),
            value,
        }]);
        assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    }

    fn install(&self) {
        self.load(rollcage_controller::plugins::definition());
    }

    /// An object as a controller leaves it behind.
    fn plugin(&self, name: &str, status: &Value) {
        self.load(json!({
            "apiVersion": "rollcage.dev/v1alpha1", "kind": "Plugin",
            "metadata": {"name": name, "namespace": "argo-rollouts", "generation": 1},
            "spec": {"kind": "MetricProvider", "name": format!("example/{name}"), "location": "file:///p.wasm"},
            "status": status
        }));
    }

    fn ask(&self, more: &[&str]) -> Ended {
        let mut command = rollcage();
        command
            .env_remove("POD_NAMESPACE")
            .arg("plugins")
            .args(more)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig);
        run(&mut command)
    }
}

fn conditions(all: [(&str, &str, &str); 3]) -> Value {
    let kinds = ["Accepted", "Ready", "UpToDate"];
    let conditions = kinds.iter().zip(all).map(|(kind, (status, reason, message))| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        })
    });
    conditions.collect()
}

fn replica(name: &str, state: &str, digest: Option<&str>) -> Value {
    json!({"name": name, "state": state, "digest": digest, "time": Timestamp::now().to_string()})
}

fn good() -> Value {
    let digest = "a".repeat(64);
    json!({
        "observedGeneration": 1, "source": "rollcage-config, metricProviderPlugins, line 1", "state": "Ready",
        "runtime": "wasm", "contract": "0.1.0", "servingDigest": digest, "breaker": "closed",
        "replicas": [replica("rollcage-0", "Ready", Some(&digest)), replica("rollcage-1", "Ready", Some(&digest))],
        "conditions": conditions([("True", "Accepted", ""), ("True", "Serving", ""), ("True", "UpToDate", "")])
    })
}

fn degraded() -> Value {
    let (old, new) = ("a".repeat(64), "b".repeat(64));
    json!({
        "observedGeneration": 1, "source": "Plugin object latency", "state": "Degraded", "runtime": "wasm",
        "servingDigest": old, "wantedDigest": new, "breaker": "closed",
        "failure": {
            "phase": "compile", "cause": "unknown import acme:extra/x", "hint": "build it for rollcage:plugin@0.1.0",
            "time": "2026-01-01T00:00:00Z"
        },
        "replicas": [replica("rollcage-0", "Degraded", Some(&old)), replica("rollcage-1", "Unavailable", None)],
        "conditions": conditions([
            ("True", "Accepted", ""), ("True", "ServingOlder", "an older version serves"), ("False", "Degraded", "compile: ...")
        ])
    })
}

#[test]
fn all_ready_is_a_table_and_success() {
    let cluster = Cluster::start();
    cluster.install();
    cluster.plugin("latency", &good());
    let ended = cluster.ask(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:?}");
    assert!(
        lines[0].starts_with("KIND            PLUGIN           STATE  REPLICAS  RUNTIME  DIGEST"),
        "{}",
        lines[0]
    );
    assert_eq!(
        lines[1],
        "MetricProvider  example/latency  Ready  2/2       wasm     aaaaaaaaaaaa  rollcage-config, metricProviderPlugins, \
         line 1"
    );
}

#[test]
fn what_is_not_ready_is_told_with_its_cause() {
    let cluster = Cluster::start();
    cluster.install();
    cluster.plugin("errors", &good());
    cluster.plugin("latency", &degraded());
    let duplicate = conditions(
        [(
            "False",
            "DuplicateName",
            "the metric-provider example/twin is configured by X",
        ); 3],
    );
    cluster.plugin("twin", &json!({"observedGeneration": 1, "conditions": duplicate}));
    cluster.plugin("new", &json!({}));
    let ended = cluster.ask(&[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for expected in [
        "  compile: unknown import acme:extra/x\n  hint: build it for rollcage:plugin@0.1.0\n",
        "  serves aaaaaaaaaaaa, wanted is bbbbbbbbbbbb\n",
        "  rollcage-0  Degraded     aaaaaaaaaaaa\n  rollcage-1  Unavailable  -\n",
        "  DuplicateName: the metric-provider example/twin is configured by X\n",
        "MetricProvider  example/new      Unknown",
    ] {
        assert!(
            ended.stdout.contains(expected),
            "{expected:?} is not in\n{}",
            ended.stdout
        );
    }
    let ended = cluster.ask(&["--output", "json"]);
    assert_eq!(ended.code, 1);
    let report = ended.json();
    assert_eq!(report["ok"], json!(false));
    let latency = &report["plugins"][1];
    assert_eq!(
        (&latency["name"], &latency["ready"]),
        (&json!("example/latency"), &json!(true))
    );
    assert_eq!(latency["failure"]["phase"], "compile");
    assert_eq!(latency["replicas"][1]["state"], "Unavailable");
}

#[test]
fn nobody_to_ask_is_3_and_says_what_to_do() {
    let cluster = Cluster::start();
    let cases: [(&str, &dyn Fn(), &str, &str); 3] = [
        (
            "definition",
            &|| (),
            "is not installed in this cluster",
            "kubectl apply -f",
        ),
        (
            "objects",
            &|| cluster.install(),
            "there are no Plugin objects in the namespace argo-rollouts",
            "with -n",
        ),
        (
            "status",
            &|| cluster.plugin("new", &json!({})),
            "no controller writes the states",
            "rollcage controller",
        ),
    ];
    for (what, prepare, cause, hint) in cases {
        prepare();
        let ended = cluster.ask(&[]);
        assert_eq!(ended.code, 3, "{what}: {ended:?}");
        assert!(
            ended.stdout.is_empty() && ended.stderr.contains(cause) && ended.stderr.contains(hint),
            "{what}: {ended:?}"
        );
    }
    let ended = cluster.ask(&["--output", "json", "-n", "elsewhere"]);
    assert_eq!(ended.code, 3);
    let error = &ended.json()["error"];
    assert_eq!(error["kind"], "unreachable");
    assert!(
        error["hint"]
            .as_str()
            .unwrap()
            .contains("there are some in argo-rollouts"),
        "{error}"
    );

    let dir = tempfile::tempdir().unwrap();
    let nowhere = std::fs::read_to_string(&cluster.kubeconfig).unwrap();
    let port = nowhere.split("127.0.0.1:").nth(1).unwrap().split('"').next().unwrap();
    let nowhere = file(&dir, "kubeconfig", &nowhere.replace(port, "1"));
    for kubeconfig in [nowhere, dir.path().join("absent")] {
        let ended = run(rollcage().args(["plugins", "--kubeconfig"]).arg(kubeconfig));
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.stderr.contains("--kubeconfig"), "{ended:?}");
    }
}

#[test]
fn a_watch_shows_every_change_until_it_is_interrupted() {
    use std::io::{BufRead as _, BufReader};
    let cluster = Cluster::start();
    cluster.install();
    cluster.plugin("latency", &degraded());
    let mut child = rollcage()
        .args(["plugins", "--watch", "--output", "json", "--kubeconfig"])
        .arg(&cluster.kubeconfig)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["ok"], json!(false));
    cluster.plugin("other", &good());
    assert_eq!(next()["plugins"].as_array().unwrap().len(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
}
