//! The original's own kinds of metrics, by the plugins that come with the program, against real servers.

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::{Json, Router, http::StatusCode, routing::get};
use rollcage_tests::controlplane::{ControlPlane, until};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::kit::{Site, entry, free_port};

/// Debian's Prometheus, which asks itself how it is; ended with the test.
struct Installed {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Installed {
    /// `None` where it is not installed, with a line that says so; an error in continuous integration.
    async fn start() -> Option<Self> {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let config = folder.path().join("prometheus.yml");
        let own = json!([{"job_name": "own", "static_configs": [{"targets": [format!("127.0.0.1:{port}")]}]}]);
        let text = json!({"global": {"scrape_interval": "1s"}, "scrape_configs": own});
        std::fs::write(&config, text.to_string()).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            assert!(
                std::env::var_os("CI").is_none(),
                "prometheus is not installed: apt-get install prometheus"
            );
            let _ = writeln!(
                std::io::stderr(),
                "prometheus is not installed: the test against it is skipped"
            );
            return None;
        };
        let found = Self {
            child,
            port,
            _folder: folder,
        };
        until("prometheus has asked itself", async || found.has_asked().await).await;
        Some(found)
    }

    async fn has_asked(&self) -> bool {
        let answer = async {
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await?;
            let request = b"GET /api/v1/query?query=up HTTP/1.0\r\nhost: localhost\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, request).await?;
            let mut answer = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await?;
            std::io::Result::Ok(answer.contains("\"1\""))
        };
        answer.await.unwrap_or_default()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn metric(provider: &Value, condition: &str) -> Value {
    json!({"metrics": [{
        "name": "m", "count": 2, "interval": "1s", "consecutiveErrorLimit": 0, "successCondition": condition,
        "provider": provider,
    }]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_metrics_are_those_of_a_real_prometheus() {
    let Some(plane) = ControlPlane::shared() else { return };
    let Some(prometheus) = Installed::start().await else {
        return;
    };
    let site = Site::new(plane, "prometheus").await;
    site.entries(&json!([entry(
        "rollcage/prometheus",
        "bundled://prometheus",
        prometheus.port
    )]))
    .await;
    let asks = |query: &str| {
        let address = format!("http://127.0.0.1:{}", prometheus.port);
        json!({"prometheus": {"address": address, "query": query}})
    };
    for (name, query, condition) in [
        ("vector", "up{job=\"own\"}", "len(result) == 1 && result[0] == 1"),
        ("scalar", "scalar(up) * 2.5", "result == 2.5"),
        ("failed", "up", "result[0] > 1"),
        ("wrong", "up{", "true"),
    ] {
        site.run(name, &metric(&asks(query), condition)).await;
    }
    let _controller = site.controller();
    let value = |status: &Value| status["metricResults"][0]["measurements"][0]["value"].clone();
    assert_eq!(value(&site.phase("vector", "Successful").await), "[1]");
    assert_eq!(value(&site.phase("scalar", "Successful").await), "2.5");
    assert_eq!(value(&site.phase("failed", "Failed").await), "[1]");
    let status = site.phase("wrong", "Error").await;
    assert!(status.to_string().contains("parse error"), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_metrics_are_what_a_server_answers() {
    let Some(plane) = ControlPlane::shared() else { return };
    let answer = json!({"data": {"ok": true, "rate": 0.97, "names": ["a", "b"]}});
    let router = Router::new()
        .route("/good", get(async || Json(answer)))
        .route("/down", get(async || StatusCode::SERVICE_UNAVAILABLE))
        .route("/slow", get(async || tokio::time::sleep(Duration::from_secs(30)).await));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let site = Site::new(plane, "web").await;
    site.entries(&json!([entry("rollcage/web", "bundled://web", port)]))
        .await;
    let asks = |path: &str, find: &str| {
        let url = format!("http://127.0.0.1:{port}/{path}");
        json!({"web": {"url": url, "jsonPath": find, "timeoutSeconds": 1}})
    };
    for (name, path, find, condition) in [
        ("object", "good", "{$.data}", "result.ok && result.rate >= 0.95"),
        ("number", "good", "{$.data.rate}", "result == 0.97"),
        ("failed", "good", "{$.data.ok}", "!result"),
        ("down", "down", "{$.data}", "true"),
        ("slow", "slow", "{$.data}", "true"),
    ] {
        site.run(name, &metric(&asks(path, find), condition)).await;
    }
    let _controller = site.controller();
    let value = |status: &Value| status["metricResults"][0]["measurements"][0]["value"].clone();
    site.phase("object", "Successful").await;
    assert_eq!(value(&site.phase("number", "Successful").await), "0.97");
    assert_eq!(value(&site.phase("failed", "Failed").await), "true");
    let status = site.phase("down", "Error").await;
    assert!(status.to_string().contains("503"), "{status}");
    site.phase("slow", "Error").await;
    serving.abort();
}
