//! An API server, a target, and the controller as a process of its own between them.

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
pub const LONG: Duration = Duration::from_mins(1);

/// An API server that can be taken away.
pub struct Api {
    pub server: Arc<ApiServer>,
    pub address: SocketAddr,
    runtime: tokio::runtime::Runtime,
    serving: Option<(tokio::task::JoinHandle<()>, tokio::sync::oneshot::Sender<()>)>,
}

impl Api {
    pub fn new() -> Self {
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

    pub fn up(&mut self) {
        let (server, address) = (self.server.clone(), self.address);
        let listener = self.runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = self.runtime.spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
            };
            server.serve(listener, stopped).await.unwrap();
        });
        self.serving = Some((serving, stop));
    }

    /// Ends connections, too.
    pub fn down(&mut self) {
        let (serving, stop) = self.serving.take().unwrap();
        stop.send(()).unwrap();
        self.runtime.block_on(serving).unwrap();
    }

    pub fn kubeconfig(address: SocketAddr) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        })
        .to_string()
    }

    /// Creates or replaces, by server-side apply.
    pub fn apply(&self, path: &str, object: &Value) {
        self.patch(
            &format!("{path}?fieldManager=test&force=true"),
            "application/apply-patch+yaml",
            object,
        );
    }

    /// A merge patch, by a person or a controller of this name.
    pub fn merge(&self, who: &str, path: &str, change: &Value) {
        self.patch(
            &format!("{path}?fieldManager={who}"),
            "application/merge-patch+json",
            change,
        );
    }

    pub fn create(&self, path: &str, object: &Value) {
        self.send("POST", path, "application/json", object);
    }

    fn patch(&self, path: &str, content_type: &str, object: &Value) {
        self.send("PATCH", path, content_type, object);
    }

    fn send(&self, method: &str, path: &str, content_type: &str, object: &Value) {
        let client = self
            .runtime
            .block_on(async { kube::Client::new(self.server.service(), "default") });
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .body(object.to_string().into_bytes())
            .unwrap();
        self.runtime.block_on(client.request::<Value>(request)).unwrap();
    }

    pub fn config_map(&self, name: &str, entries: &Value) {
        self.apply(
            &format!("/api/v1/namespaces/argo-rollouts/configmaps/{name}"),
            &json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                "data": {"metricProviderPlugins": entries.to_string()}
            }),
        );
    }

    pub fn run(&self, name: &str, labels: &Value, plugin: &str, port: u16) {
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

    pub fn lease_holder(&self) -> String {
        let lease = self.server.object(
            "coordination.k8s.io/v1",
            "Lease",
            "argo-rollouts",
            "argo-rollouts-controller-lock",
        );
        let holder = lease
            .as_ref()
            .and_then(|lease| lease.pointer("/spec/holderIdentity")?.as_str());
        holder.unwrap_or_default().to_owned()
    }

    pub fn phase(&self, name: &str) -> String {
        let run = self.server.object("argoproj.io/v1alpha1", "AnalysisRun", "shop", name);
        let phase = run.as_ref().and_then(|run| run.pointer("/status/phase")?.as_str());
        phase.unwrap_or_default().to_owned()
    }
}

/// A server that always answers `{"value": 7}`.
pub fn target() -> u16 {
    slow_target(Duration::ZERO)
}

/// The same, after a while, to many at the same time.
pub fn slow_target(pause: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { continue };
            std::thread::spawn(move || {
                let _ = connection.read(&mut [0; 4096]);
                std::thread::sleep(pause);
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n";
                let _ = connection.write_all(format!("{head}connection: close\r\n\r\n{{\"value\": 7}}").as_bytes());
            });
        }
    });
    port
}

pub fn entry(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "location": format!("file://{}", plugin("web").display()),
        "permissions": {"http": [format!("127.0.0.1:{port}")]},
    })
}

/// The controller; killed at the end of the test.
pub struct Controller {
    pub child: Child,
    log: Arc<Mutex<String>>,
    port: u16,
    pub metrics: u16,
    _kubeconfig: (tempfile::TempDir, PathBuf),
}

impl Controller {
    pub fn start(api: &Api, arguments: &[&str]) -> Self {
        Self::start_as(api.address, arguments, "pod")
    }

    /// One of this name, that reaches the API server by this address.
    pub fn start_as(address: SocketAddr, arguments: &[&str], pod: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let kubeconfig = file(&dir, "kubeconfig", &Api::kubeconfig(address));
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, metrics) = (free(), free());
        let mut child = rollcage()
            .args(["controller", "--healthzPort", &port.to_string()])
            .args(["--metricsPort", &metrics.to_string(), "--kubeconfig"])
            .arg(&kubeconfig)
            .args(arguments)
            .args(if arguments.contains(&"--debugPort") {
                &[][..]
            } else {
                &["--debugPort", "0"]
            })
            .env("POD_NAME", pod)
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

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Status and body of a probe; 0 when nobody answers.
    pub fn probe(&self, path: &str) -> (u16, String) {
        Self::get(self.port, path)
    }

    pub fn get(port: u16, path: &str) -> (u16, String) {
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

    pub fn wait_for(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
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

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Tells it to end, as the kubelet does, and waits until it has.
    pub fn terminate(&mut self) -> i32 {
        self.signal(rustix::process::Signal::TERM);
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
