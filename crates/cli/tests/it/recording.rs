//! `--record` and `--replay` against a real server that then goes away.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use serde_json::{Value, json};

use crate::support::{Ended, file, plugin, rollcage, run};

const SECRET: &str = "pl4nted-s3cret/+value";

/// Answers every query as Prometheus does, one more each time, and repeats who asked. Gone when it is dropped.
struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for (number, connection) in (1..).zip(listener.incoming()) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                answer(connection.unwrap(), number);
            }
        });
        Self {
            port,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().unwrap().join();
    }
}

fn answer(mut connection: TcpStream, number: u32) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    // The body comes with, or right after, the head.
    while let Ok(read) = connection.read(&mut buffer) {
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let length = text
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let body = text.split("\r\n\r\n").nth(1).map(str::len);
        if read == 0 || body.is_some_and(|body| body >= length.unwrap_or(0)) {
            break;
        }
    }
    let text = String::from_utf8_lossy(&request);
    let seen = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    let body = json!({
        "status": "success",
        "warnings": [format!("asked by {}", seen.unwrap_or_default())],
        "data": {"resultType": "scalar", "result": [1, number.to_string()]},
    });
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    let _ = connection.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes());
}

/// A folder with a Secret, an entry that uses it, and an INPUT.
fn project(port: u16) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("kube")).unwrap();
    let secret = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: prom, namespace: argo-rollouts}}, stringData: {{token: 'Bearer {SECRET}'}}}}"
    );
    std::fs::write(dir.path().join("kube/secret.yaml"), secret).unwrap();
    file(
        &dir,
        "entry.yaml",
        &format!(
            "name: a/b
permissions:
  http: ['127.0.0.1:{port}']
  credentials: [{{name: prom, secretRef: {{name: prom, key: token}}, header: Authorization, hosts: ['127.0.0.1:{port}']}}]
"
        ),
    );
    file(&dir, "input.yaml", &input(port, "up"));
    dir
}

fn input(port: u16, query: &str) -> String {
    format!(
        "metric: {{name: m, successCondition: result > 0, provider: {{plugin: {{a/b: {{address: 'http://127.0.0.1:{port}', query: {query}}}}}}}}}"
    )
}

fn call(dir: &Path, more: &[&str]) -> Ended {
    run(rollcage()
        .args(["plugin", "call", "--output", "json"])
        .arg(plugin("prometheus"))
        .args(["run", "-i", "input.yaml", "--entry", "entry.yaml"])
        .args(more)
        .current_dir(dir))
}

/// What a call says, but for what differs from run to run.
fn said(ended: &Ended) -> Value {
    let mut said = ended.json();
    if let Some(fields) = said.as_object_mut() {
        fields.remove("durationUs");
        fields.remove("guestMemoryBytes");
        fields.remove("changes");
    }
    said
}

fn recording(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join("session.yaml")).unwrap();
    for secret in [SECRET, "pl4nted", "cGw0bnRlZ"] {
        assert!(!text.contains(secret), "{text}");
    }
    text
}

#[test]
fn a_call_is_replayed_without_its_server_and_without_its_secret() {
    let server = Server::start();
    let dir = project(server.port);
    let recorded = call(dir.path(), &["--kube", "kube", "--record", "session.yaml"]);
    assert_eq!(recorded.code, 0, "{recorded:?}");
    assert_eq!(said(&recorded)["result"]["value"], json!("1"), "{recorded:?}");
    let text = recording(dir.path());
    assert!(text.contains("asked by *****") && text.contains("query=up"), "{text}");
    drop(server);

    let alone = call(dir.path(), &["--kube", "kube"]);
    assert_eq!(alone.code, 1, "the server is still there: {alone:?}");
    for kube in [&["--kube", "kube"][..], &[]] {
        for _ in 0..2 {
            let replayed = call(dir.path(), &[kube, &["--replay", "session.yaml"]].concat());
            assert_eq!(replayed.code, 0, "{replayed:?}");
            assert_eq!(said(&replayed), said(&recorded));
            assert_eq!(replayed.stderr, recorded.stderr);
        }
    }
}

#[test]
fn a_replay_tells_what_is_asked_otherwise() {
    let server = Server::start();
    let dir = project(server.port);
    let recorded = call(dir.path(), &["--kube", "kube", "--record", "session.yaml"]);
    assert_eq!(recorded.code, 0, "{recorded:?}");
    file(&dir, "input.yaml", &input(server.port, "down"));
    drop(server);
    let replayed = call(dir.path(), &["--replay", "session.yaml"]);
    assert_eq!(replayed.code, 1, "{replayed:?}");
    assert_eq!(replayed.json()["error"]["kind"], json!("unavailable"));
    for says in [
        "replay: asked, but not recorded: POST http://127.0.0.1",
        "query=down",
        "replay: recorded, but not asked: POST",
    ] {
        assert!(replayed.stderr.contains(says), "{says}: {replayed:?}");
    }
    // A call that asks less than was recorded answers, and the difference fails it all the same.
    let text = std::fs::read_to_string(dir.path().join("session.yaml")).unwrap();
    let start = text.find("  http:").unwrap();
    let end = text[start..].find("  kubernetes:").map_or(text.len(), |at| start + at);
    let exchange = text[start..end].split_once('\n').unwrap().1.to_owned();
    let doubled = format!("{}{}{}", &text[..end], exchange, &text[end..]);
    std::fs::write(dir.path().join("session.yaml"), doubled).unwrap();
    file(&dir, "input.yaml", &recorded_input(&exchange));
    let replayed = call(dir.path(), &["--replay", "session.yaml"]);
    assert_eq!(replayed.code, 1, "{replayed:?}");
    assert_eq!(replayed.json()["result"]["value"], json!("1"));
    assert!(replayed.stderr.contains("recorded, but not asked"), "{replayed:?}");
}

/// The INPUT that was recorded.
fn recorded_input(exchange: &str) -> String {
    let port = exchange.split("127.0.0.1:").nth(1).unwrap();
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    input(port.parse().unwrap(), "up")
}

#[test]
fn a_server_that_was_down_is_down_in_the_replay() {
    let server = Server::start();
    let dir = project(server.port);
    drop(server);
    let recorded = call(dir.path(), &["--kube", "kube", "--record", "session.yaml"]);
    assert_eq!(recorded.code, 1, "{recorded:?}");
    assert!(recording(dir.path()).contains("kind: connect"));
    let replayed = call(dir.path(), &["--replay", "session.yaml"]);
    assert_eq!((replayed.code, said(&replayed)), (1, said(&recorded)));
}

#[test]
fn kubernetes_is_replayed_without_an_api() {
    let dir = tempfile::tempdir().unwrap();
    let nginx = |more: &[&str]| {
        run(rollcage()
            .args(["plugin", "call", "--output", "json"])
            .arg(plugin("nginx"))
            .args([
                "set-weight",
                "-i",
                "examples/nginx/input.yaml",
                "--entry",
                "examples/nginx/entry.yaml",
            ])
            .args(more))
    };
    let session = dir.path().join("session.yaml");
    let session = session.to_str().unwrap();
    let recorded = nginx(&["--kube", "examples/nginx/kube", "--record", session]);
    assert_eq!(recorded.code, 0, "{recorded:?}");
    let replayed = nginx(&["--replay", session]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    assert_eq!(said(&replayed), said(&recorded));
    let text = std::fs::read_to_string(session).unwrap();
    std::fs::write(session, text.replace("verb: apply", "verb: delete")).unwrap();
    let replayed = nginx(&["--replay", session]);
    assert_eq!(replayed.code, 1, "{replayed:?}");
    for says in [
        "not recorded: apply Ingress shop/web-public-canary",
        "not asked: delete Ingress shop/web-public-canary",
    ] {
        assert!(replayed.stderr.contains(says), "{replayed:?}");
    }
}

#[test]
fn cases_are_recorded_and_replayed() {
    let server = Server::start();
    let dir = project(server.port);
    file(
        &dir,
        "cases.yaml",
        &format!(
            "entry: entry.yaml
call: {{input: input.yaml}}
given: {{secrets: {{prom: {{token: 'Bearer {SECRET}'}}}}}}
cases:
  - name: first
    expect: {{answer: {{phase: Successful}}, requests: [{{host: '127.0.0.1:{}'}}]}}
  - name: second
    call: {{config: {{address: 'http://127.0.0.1:{}', query: other}}}}
    expect: {{answer: {{phase: Successful}}, log: [asked by]}}
",
            server.port, server.port
        ),
    );
    let cases = |more: &[&str]| {
        run(rollcage()
            .args(["plugin", "test", "-f", "cases.yaml"])
            .arg(plugin("prometheus"))
            .args(more)
            .current_dir(dir.path()))
    };
    let recorded = cases(&["--record", "session.yaml"]);
    assert_eq!(recorded.code, 0, "{recorded:?}");
    assert!(recorded.stdout.contains("2 passed"), "{recorded:?}");
    recording(dir.path());
    drop(server);
    assert_eq!(cases(&["--no-conformance"]).code, 1);
    let replayed = cases(&["--replay", "session.yaml"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    let text = std::fs::read_to_string(dir.path().join("session.yaml")).unwrap();
    std::fs::write(
        dir.path().join("session.yaml"),
        text.replace("query=other", "query=another"),
    )
    .unwrap();
    let replayed = cases(&["--replay", "session.yaml"]);
    assert_eq!(replayed.code, 1, "{replayed:?}");
    assert!(
        replayed.stdout.contains("replay: asked, but not recorded"),
        "{replayed:?}"
    );
}

#[test]
fn a_play_is_replayed() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let (location, port) = (plugin("prometheus").display().to_string(), server.port);
    file(
        &dir,
        "all.yaml",
        &format!(
            "apiVersion: v1
kind: ConfigMap
metadata: {{name: rollcage-config, namespace: argo-rollouts}}
data:
  metricProviderPlugins: |-
    - {{name: a/prometheus, location: 'file://{location}', permissions: {{http: ['127.0.0.1:{port}']}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: prom, namespace: default}}, stringData: {{token: '{SECRET}'}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {{name: real, namespace: default}}
spec:
  args: [{{name: token, valueFrom: {{secretKeyRef: {{name: prom, key: token}}}}}}]
  metrics:
    - name: m
      interval: 10s
      count: 3
      successCondition: result > 0
      provider:
        plugin:
          a/prometheus:
            address: 'http://127.0.0.1:{port}'
            query: up
            headers: [{{key: Authorization, value: 'Bearer {{{{args.token}}}}'}}]
"
        ),
    );
    file(&dir, "scenario.yaml", "start: '2026-11-22T12:00:00Z'");
    let session = dir.path().join("recorded");
    let dev = |how: &str| {
        run(rollcage()
            .args(["dev", "--fast-forward", "--output", "json", how])
            .arg(&session)
            .arg(dir.path()))
    };
    let recorded = dev("--record");
    assert_eq!(recorded.code, 0, "{recorded:?}");
    std::fs::copy(&session, dir.path().join("session.yaml")).unwrap();
    recording(dir.path());
    std::fs::remove_file(dir.path().join("session.yaml")).unwrap();
    drop(server);
    let replayed = dev("--replay");
    assert_eq!(replayed.code, 0, "{replayed:?}");
    assert_eq!(replayed.json()["analysisRuns"], recorded.json()["analysisRuns"]);
}

#[test]
fn a_file_that_is_no_recording_is_usage() {
    let dir = project(1);
    for (text, says) in [
        ("", "session.yaml"),
        ("recording: 7\nsessions: []", "version 7"),
        ("recording: 1\nsessions: []", "no session \"run\""),
        ("recording: 1\nsession: []", "session"),
    ] {
        file(&dir, "session.yaml", text);
        let ended = call(dir.path(), &["--replay", "session.yaml"]);
        assert_eq!(ended.code, 2, "{text}: {ended:?}");
        let message = ended.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{text}: {message}");
    }
    assert_eq!(call(dir.path(), &["--replay", "absent.yaml"]).code, 2);
    assert_eq!(call(dir.path(), &["--replay", "a", "--record", "b"]).code, 2);
}
