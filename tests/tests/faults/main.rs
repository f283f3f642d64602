//! Components that misbehave, run by a whole host beside a healthy one: each ends as its own typed fault, in time, and
//! nothing else notices.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests, helpers included")]

use std::{
    collections::HashSet,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rollcage_api::{analysis::AnalysisPhase, plugin::PluginKind};
use rollcage_core::{CallError, FaultKind, MetricProvider};
use rollcage_sandbox::Compiler;
use rollcage_tests::{
    faults::{
        Act, Case, compiled, handmade,
        play::{Row, Theatre},
        refused,
        table::{p99, percentiles, table},
    },
    server::Server,
    stage::{analysis_run, call, metric},
};
use serde_json::{Value, json};

/// How late a fault may be on a busy machine.
const GRACE: Duration = Duration::from_secs(1);
/// How long anything else may wait meanwhile, on a machine that also compiles.
const RESPONSIVE: Duration = Duration::from_millis(500);
/// Memory that may still be there afterwards: allocators keep some, and every component stays loaded.
const LEFT_OVER: u64 = 256 << 20;

fn compiler() -> Compiler {
    Compiler::child(env!("CARGO_BIN_EXE_rollcage-test-child"), ["compile".into()])
}

/// Calls a healthy plugin all the time, and counts.
struct Healthy {
    stop: Arc<AtomicBool>,
    calls: tokio::task::JoinHandle<Vec<Duration>>,
}

impl Healthy {
    fn call(provider: Arc<dyn MetricProvider>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let calls = tokio::spawn(async move {
            let mut times = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                let measurement = provider
                    .run(&call(), &analysis_run(), &metric("any", &Value::Null))
                    .await;
                let measurement = measurement.unwrap_or_else(|error| panic!("the healthy plugin failed: {error}"));
                assert_eq!(
                    (measurement.phase, measurement.value.as_str()),
                    (AnalysisPhase::Successful, "1")
                );
                times.push(began.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times
        });
        Self { stop, calls }
    }

    async fn end(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.calls.await.unwrap()
    }
}

/// Asks the runtime's own health handler from a thread of its own.
struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Probe {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::new().route("/healthz", axum::routing::get(async || "ok"));
        tokio::spawn(async { axum::serve(listener, app).await });
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut times = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                ask(address);
                times.push(began.elapsed());
                std::thread::sleep(Duration::from_millis(10));
            }
            times
        });
        Self { stop, thread }
    }

    fn end(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn ask(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Memory of this process.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn check(case: &Case, row: &Row) -> Result<(), String> {
    let fault = &row.fault;
    let wrong = if fault.phase != case.phase || fault.kind != case.kind {
        "the fault"
    } else if !fault.cause.contains(&case.cause) || fault.cause.is_empty() {
        "the cause"
    } else if fault.hint.is_empty() {
        "no hint"
    } else if case.waiting_for.is_some() && fault.waiting_for != case.waiting_for {
        "the server"
    } else if case.deadline.is_some_and(|deadline| row.took > deadline + GRACE) {
        "too late"
    } else if matches!(case.act, Act::Call(..)) && case.deadline.is_some_and(|deadline| row.took < deadline) {
        "too early"
    } else {
        return Ok(());
    };
    Err(format!(
        "{}: {wrong}: expected {} {} {:?} ({:?}), got {fault:?} after {:?}",
        case.name, case.phase, case.kind, case.cause, case.waiting_for, row.took
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_typed_and_nobody_else_notices() {
    let folder = tempfile::tempdir().unwrap();
    let code = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code");
    let server = Server::start().await;
    let mut theatre = Theatre::open(folder.path(), &code, &compiler());
    let kind = PluginKind::MetricProvider;
    theatre.plugin(kind, "healthy", &handmade::healthy(), &json!({}));
    theatre.stage.load().await;
    let probe = Probe::start().await;
    let healthy = Healthy::call(theatre.stage.metric_provider("healthy"));
    let before = resident();

    let mut cases = handmade::cases(&server);
    cases.extend(refused::cases());
    match compiled::cases(&server) {
        Some(compiled) => cases.extend(compiled),
        None if std::env::var_os("ROLLCAGE_PLUGINS").is_some() => panic!("tests/guests are not built"),
        None => eprintln!("skipped: faults in Rust and JavaScript; `cargo xtask plugins` builds them"),
    }
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (number, case) in cases.iter().enumerate() {
        match theatre.play(number, case).await {
            Ok(row) => {
                wrong.extend(check(case, &row).err());
                rows.push(row);
            }
            Err(text) => wrong.push(text),
        }
    }
    println!("{}", table(&rows));
    let late: Vec<Duration> = rows.iter().filter_map(Row::overshoot).collect();
    println!("late by: {}", percentiles(&late));

    let answers = healthy.end().await;
    let health = probe.end();
    let after = resident();
    println!("healthy plugin: {}", percentiles(&answers));
    println!("/healthz: {}", percentiles(&health));
    println!("memory: {} MiB before, {} MiB after", before >> 20, after >> 20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let different: HashSet<_> = rows
        .iter()
        .map(|row| (&row.digest, row.fault.phase, row.fault.kind, &row.fault.cause))
        .collect();
    assert_eq!(different.len(), rows.len(), "two cases are the same");
    assert!(rows.len() >= 40, "only {} cases", rows.len());
    assert!(
        answers.len() >= 100,
        "only {} calls of the healthy plugin",
        answers.len()
    );
    assert!(p99(&health) < RESPONSIVE, "/healthz: {}", percentiles(&health));
    assert!(after < before + LEFT_OVER, "{before} bytes before, {after} after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_eight_spinners_leave_the_reactor_free() {
    let folder = tempfile::tempdir().unwrap();
    let code = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code");
    let mut theatre = Theatre::open(folder.path(), &code, &compiler());
    let kind = PluginKind::MetricProvider;
    theatre.plugin(kind, "healthy", &handmade::healthy(), &json!({}));
    for number in 0..8 {
        let entry = json!({"limits": {"deadline": "3s"}, "args": [number.to_string()]});
        theatre.plugin(kind, &format!("spinner-{number}"), &handmade::spinner(), &entry);
    }
    theatre.stage.load().await;
    let probe = Probe::start().await;
    let healthy = Healthy::call(theatre.stage.metric_provider("healthy"));
    let spinners: Vec<_> = (0..8)
        .map(|number| {
            let provider = theatre.stage.metric_provider(&format!("spinner-{number}"));
            tokio::spawn(async move {
                provider
                    .run(&call(), &analysis_run(), &metric("any", &Value::Null))
                    .await
            })
        })
        .collect();
    let mut timer = Vec::new();
    while spinners.iter().any(|spinner| !spinner.is_finished()) {
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(10)).await;
        timer.push(began.elapsed().saturating_sub(Duration::from_millis(10)));
    }
    for spinner in spinners {
        match spinner.await.unwrap() {
            Err(CallError::Fault(fault)) => assert_eq!(fault.kind, FaultKind::Deadline, "{fault}"),
            other => panic!("no fault: {other:?}"),
        }
    }
    let (answers, health) = (healthy.end().await, probe.end());
    println!("eight spinners for 3 s: /healthz {}", percentiles(&health));
    println!("eight spinners for 3 s: timer late by {}", percentiles(&timer));
    println!("eight spinners for 3 s: healthy plugin {}", percentiles(&answers));
    assert!(p99(&health) < RESPONSIVE && p99(&timer) < RESPONSIVE);
    assert!(
        answers.len() >= 10,
        "only {} calls of the healthy plugin",
        answers.len()
    );
}
