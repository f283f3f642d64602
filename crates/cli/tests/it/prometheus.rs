//! The Prometheus example against a real Prometheus that scrapes a target of ours.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{file, plugin, rollcage, run};

const METRICS: &str = "# TYPE queue_depth gauge\nqueue_depth{queue=\"orders\"} 3\nqueue_depth{queue=\"mails\"} 4.5\n";

/// Ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A target: every request is answered with the same metrics.
fn target() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { continue };
            let _ = connection.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n",
                METRICS.len()
            );
            let _ = connection.write_all(format!("{head}connection: close\r\n\r\n{METRICS}").as_bytes());
        }
    });
    port
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Prometheus that has scraped the target; `None` where it is not installed (an error in CI).
fn prometheus(dir: &tempfile::TempDir) -> Option<(Server, u16)> {
    let (target, port) = (target(), free_port());
    let config = file(
        dir,
        "prometheus.yml",
        &format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: shop, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"
        ),
    );
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        assert!(
            std::env::var_os("CI").is_none(),
            "prometheus is not installed: apt-get install prometheus"
        );
        eprintln!("prometheus is not installed: the test against it is skipped");
        return None;
    };
    let server = Server(child);
    let started = Instant::now();
    while !scraped(port) {
        assert!(started.elapsed() < Duration::from_mins(1), "prometheus did not scrape");
        std::thread::sleep(Duration::from_millis(200));
    }
    Some((server, port))
}

fn scraped(port: u16) -> bool {
    let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let _ = connection.write_all(b"GET /api/v1/query?query=queue_depth HTTP/1.0\r\n\r\n");
    let mut answer = String::new();
    let _ = connection.read_to_string(&mut answer);
    answer.contains("orders") && answer.contains("mails")
}

fn measure(dir: &tempfile::TempDir, port: u16, config: &str, condition: &str) -> (i32, Value) {
    let input = file(
        dir,
        "input.yaml",
        &format!(
            "metric: {{name: m, successCondition: '{condition}', provider: {{plugin: {{a/b: {{address: 'http://127.0.0.1:{port}', {config}}}}}}}}}"
        ),
    );
    let ended = run(rollcage()
        .args(["plugin", "call", "--output", "json"])
        .arg(plugin("prometheus"))
        .args(["run", "--allow-http", &format!("127.0.0.1:{port}"), "-i"])
        .arg(input));
    (ended.code, ended.json())
}

#[test]
fn its_values_are_prometheus_s() {
    let dir = tempfile::tempdir().unwrap();
    let Some((_server, port)) = prometheus(&dir) else {
        return;
    };
    for (config, condition, value, phase) in [
        (
            "query: 'queue_depth{queue=\"orders\"}'",
            "result[0] == 3",
            "[3]",
            "Successful",
        ),
        (
            "query: 'sort(queue_depth)'",
            "all(result, # < 5)",
            "[3,4.5]",
            "Successful",
        ),
        (
            "query: 'scalar(queue_depth{queue=\"mails\"})'",
            "result == 4.5",
            "4.5",
            "Successful",
        ),
        ("query: 'sum(queue_depth)'", "result[0] < 7", "[7.5]", "Failed"),
        ("query: 'no_such_metric'", "len(result) == 0", "[]", "Successful"),
        ("query: '0/0'", "isNaN(result)", "NaN", "Successful"),
    ] {
        let (code, found) = measure(&dir, port, config, condition);
        assert_eq!(code, 0, "{config}: {found}");
        let result = &found["result"];
        assert_eq!(
            (&result["value"], &result["phase"]),
            (&json!(value), &json!(phase)),
            "{config}: {found}"
        );
    }
    let (code, found) = measure(&dir, port, "query: 'up{'", "true");
    assert_eq!(code, 1, "{found}");
    assert!(
        found["error"]["message"].as_str().unwrap().contains("parse error"),
        "{found}"
    );

    // The same through `dev`.
    let location = format!("file://{}", plugin("prometheus").display());
    let scenario = tempfile::tempdir().unwrap();
    file(
        &scenario,
        "all.yaml",
        &format!(
            "apiVersion: v1
kind: ConfigMap
metadata: {{name: rollcage-config, namespace: argo-rollouts}}
data:
  metricProviderPlugins: |-
    - {{name: a/prometheus, location: '{location}', permissions: {{http: ['127.0.0.1:{port}']}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {{name: real, namespace: default}}
spec:
  metrics:
    - name: depth
      interval: 10s
      count: 3
      successCondition: result[0] == 3
      provider: {{plugin: {{a/prometheus: {{address: 'http://127.0.0.1:{port}', query: 'queue_depth{{queue=\"orders\"}}'}}}}}}
"
        ),
    );
    let ended = run(rollcage()
        .args(["dev", "--fast-forward", "--output", "json"])
        .arg(scenario.path()));
    assert_eq!(ended.code, 0, "{ended:?}");
    let measurements = ended.json()["analysisRuns"][0]["metrics"][0]["measurements"].clone();
    assert_eq!(measurements.as_array().unwrap().len(), 3);
    assert_eq!(measurements[2]["value"], json!("[3]"));
}
