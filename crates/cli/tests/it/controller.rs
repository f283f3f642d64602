//! `rollcage controller` as a process of its own, over HTTP, against the in-process API.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rollcage_apiserver::ApiServer;
use serde_json::{Value, json};

use crate::support::{file, plugin, rollcage};

/// Longest wait for anything.
const LONG: Duration = Duration::from_mins(1);

/// An API server that can be taken away.
struct Api {
    server: Arc<ApiServer>,
    address: SocketAddr,
    runtime: tokio::runtime::Runtime,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl Api {
    fn new() -> Self {
        let server = ApiServer::new(Arc::new(Timestamp::now));
        server.ensure_namespace("argo-rollouts");
        server.ensure_namespace("shop");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        // Free again at once, and ours a moment later.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self {
            server,
            address,
            runtime,
            serving: None,
        }
    }

    fn up(&mut self) {
        let (server, address) = (self.server.clone(), self.address);
        let listener = self.runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        self.serving = Some(self.runtime.spawn(async move {
            server.serve(listener, std::future::pending()).await.unwrap();
        }));
    }

    fn kubeconfig(&self) -> String {
        let address = self.address;
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        })
        .to_string()
    }

    /// Creates or replaces, by server-side apply.
    fn apply(&self, path: &str, object: &Value) {
        let client = self
            .runtime
            .block_on(async { kube::Client::new(self.server.service(), "default") });
        let request = http::Request::patch(format!("{path}?fieldManager=test&force=true"))
            .header("content-type", "application/apply-patch+yaml")
            .body(object.to_string().into_bytes())
            .unwrap();
        self.runtime.block_on(client.request::<Value>(request)).unwrap();
    }

    fn config_map(&self, name: &str, entries: &Value) {
        self.apply(
            &format!("/api/v1/namespaces/argo-rollouts/configmaps/{name}"),
            &json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                "data": {"metricProviderPlugins": entries.to_string()}
            }),
        );
    }

    fn run(&self, name: &str, labels: &Value, plugin: &str, port: u16) {
        self.apply(
            &format!("/apis/argoproj.io/v1alpha1/namespaces/shop/analysisruns/{name}"),
            &json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": {"name": name, "labels": labels},
                "spec": {"metrics": [{
                    "name": "m", "successCondition": "result == 7",
                    "provider": {"plugin": {plugin: {"url": format!("http://127.0.0.1:{port}/"), "jsonPath": "{$.value}"}}}
                }]}
            }),
        );
    }

    fn phase(&self, name: &str) -> String {
        let run = self.server.object("argoproj.io/v1alpha1", "AnalysisRun", "shop", name);
        let phase = run.as_ref().and_then(|run| run.pointer("/status/phase")?.as_str());
        phase.unwrap_or_default().to_owned()
    }
}

/// A server that always answers `{"value": 7}`.
fn target() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { continue };
            let _ = connection.read(&mut [0; 4096]);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n";
            let _ = connection.write_all(format!("{head}connection: close\r\n\r\n{{\"value\": 7}}").as_bytes());
        }
    });
    port
}

fn entry(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "location": format!("file://{}", plugin("web").display()),
        "permissions": {"http": [format!("127.0.0.1:{port}")]},
    })
}

/// The controller; killed at the end of the test.
struct Controller {
    child: Child,
    log: Arc<Mutex<String>>,
    port: u16,
    metrics: u16,
    _kubeconfig: (tempfile::TempDir, PathBuf),
}

impl Controller {
    fn start(api: &Api, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let kubeconfig = file(&dir, "kubeconfig", &api.kubeconfig());
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, metrics) = (free(), free());
        let mut child = rollcage()
            .args(["controller", "--healthzPort", &port.to_string()])
            .args(["--metricsPort", &metrics.to_string(), "--kubeconfig"])
            .arg(&kubeconfig)
            .args(arguments)
            .env_remove("POD_NAMESPACE")
            .env_remove("ROLLCAGE_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self {
            child,
            log,
            port,
            metrics,
            _kubeconfig: (dir, kubeconfig),
        }
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Status and body of a probe; 0 when nobody answers.
    fn probe(&self, path: &str) -> (u16, String) {
        Self::get(self.port, path)
    }

    fn get(port: u16, path: &str) -> (u16, String) {
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)) else {
            return (0, String::new());
        };
        let mut answer = String::new();
        let _ = connection.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
        let _ = connection.read_to_string(&mut answer);
        let code = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_default();
        (code, answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
    }

    fn wait_for(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "{what}: it ended\n{}",
                self.log()
            );
            assert!(began.elapsed() < LONG, "{what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Tells it to end, as the kubelet does, and waits until it has.
    fn terminate(&mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(began.elapsed() < LONG, "it does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn runs_come_to_their_verdicts_and_the_configuration_is_live() {
    let mut api = Api::new();
    api.up();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    api.run("first", &json!({}), "acme/web", port);
    let mut controller = Controller::start(&api, &["--logformat", "json"]);
    controller.wait_for("the first run", |_| api.phase("first") == "Successful");
    assert_eq!(controller.probe("/healthz"), (200, "ok".to_owned()));
    assert_eq!(controller.probe("/readyz"), (200, "ok".to_owned()));

    api.run("waits", &json!({}), "acme/later", port);
    api.run(
        "foreign",
        &json!({"argo-rollouts.argoproj.io/controller-instance-id": "other"}),
        "acme/web",
        port,
    );
    api.config_map("argo-rollouts-config", &json!([entry("acme/later", port)]));
    controller.wait_for("a plugin that came later", |_| api.phase("waits") == "Successful");
    assert_eq!(api.phase("foreign"), "", "it belongs to another controller");

    let (code, text) = Controller::get(controller.metrics, "/metrics");
    assert_eq!(code, 200);
    for line in [
        r#"rollcage_plugin_calls_total{kind="MetricProvider",method="run",outcome="ok",plugin="acme/web"} 1"#,
        r#"rollcage_plugin_state{kind="MetricProvider",plugin="acme/later",state="Ready"} 1"#,
        r#"rollcage_plugin_state{kind="MetricProvider",plugin="acme/later",state="Unavailable"} 0"#,
        r#"rollcage_plugin_breaker_open{kind="MetricProvider",plugin="acme/web"} 0"#,
        r#"rollcage_plugin_load_seconds_count{kind="MetricProvider",phase="init",plugin="acme/web"} 1"#,
        r#"analysis_run_info{name="first",namespace="shop",phase="Successful"} 1"#,
        r#"analysis_run_reconcile_count{name="first",namespace="shop"}"#,
        concat!(r#"build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        "process_resident_memory_bytes",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }

    assert_eq!(controller.terminate(), 0, "{}", controller.log());
    for line in controller.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}

#[test]
fn an_api_server_that_is_away_is_waited_for_and_said_once() {
    let mut api = Api::new();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    api.run("first", &json!({}), "acme/web", port);
    let mut controller = Controller::start(&api, &[]);
    controller.wait_for("probes", |controller| controller.probe("/healthz").0 == 200);
    controller.wait_for("it says so", |controller| {
        controller.log().contains("cannot watch AnalysisRuns")
    });
    std::thread::sleep(Duration::from_secs(2));
    let said = controller.log().matches("cannot watch AnalysisRuns").count();
    assert_eq!(said, 1, "{}", controller.log());
    api.up();
    controller.wait_for("the run", |_| api.phase("first") == "Successful");
    assert!(
        controller.log().contains("can watch AnalysisRuns again"),
        "{}",
        controller.log()
    );
}

#[test]
fn only_the_runs_of_its_instance_and_namespace() {
    let mut api = Api::new();
    api.up();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    let id = "argo-rollouts.argoproj.io/controller-instance-id";
    api.run("ours", &json!({id: "mine"}), "acme/web", port);
    api.run("without", &json!({}), "acme/web", port);
    let mut controller = Controller::start(&api, &["--instance-id", "mine", "--namespaced"]);
    controller.wait_for("the run", |_| api.phase("ours") == "Successful");
    assert_eq!(api.phase("without"), "");
    drop(controller);

    let mut elsewhere = Controller::start(&api, &["--namespaced", "--namespace", "argo-rollouts"]);
    elsewhere.wait_for("ready", |controller| controller.probe("/readyz").0 == 200);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(api.phase("without"), "");
}

#[test]
fn strict_plugins_end_it_and_a_taken_port_too() {
    let mut api = Api::new();
    api.up();
    api.config_map(
        "rollcage-config",
        &json!([{"name": "acme/web", "location": "file:///nowhere.wasm"}]),
    );
    let mut strict = Controller::start(&api, &["--strict-plugins"]);
    let code = strict.child.wait().unwrap().code();
    assert_eq!(code, Some(2), "{}", strict.log());
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = file(&dir, "kubeconfig", &api.kubeconfig());
    let ended = crate::support::run(
        rollcage()
            .args([
                "controller",
                "--healthzPort",
                &port,
                "--metricsPort",
                "0",
                "--kubeconfig",
            ])
            .arg(&kubeconfig),
    );
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("--healthzPort"), "{ended:?}");
}
