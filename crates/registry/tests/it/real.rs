//! The registry with the real store and the real sandbox, over files and a server of the test's own.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    body::Bytes,
    extract::{Path as UrlPath, State},
    http::StatusCode,
};
use rollcage_core::{FaultKind, Phase, PluginSource, host::HostServices};
use rollcage_registry::{BreakerState, Options, PluginLoader, PluginState, Registry, Retry, Runtime};
use rollcage_sandbox::{Compiler, Pool, Sandbox, SandboxConfig};
use rollcage_store::{Digest, Store, StoreConfig};

use rollcage_wat_guest::{Blob, Guest};

use crate::fake::{fault, metric, metric_providers, run};

/// A metric provider that always measures this.
fn measures(value: &str) -> Guest {
    let answer = Blob::measurement(4096).phase(1).value(value);
    Guest::metric().item(&answer.data()).body("run", "(i32.const 4096)")
}

fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).hex()
}

/// Folders that survive the registry, as a pod's do.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        // Fails when another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    /// A registry as after a start of the process.
    fn start(&self) -> Registry {
        let mut sandbox = SandboxConfig::new(self.path().join("code"), Compiler::InProcess);
        sandbox.pool = Pool {
            instances: 4,
            ..Pool::default()
        };
        let store = StoreConfig {
            base: self.path().to_owned(),
            connect_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(2),
            attempts: 1,
            proxies_from_environment: false,
            ..StoreConfig::default()
        };
        let loader = PluginLoader::new(
            Arc::new(Store::open(self.path().join("bytes"), store).unwrap()),
            Sandbox::new(sandbox).unwrap(),
            HostServices::without_cluster(),
        );
        Registry::new(
            loader,
            Options {
                retry: Retry {
                    first: Duration::from_millis(1),
                    most: Duration::from_millis(1),
                },
                ..Options::default()
            },
        )
    }
}

async fn configured(registry: &Registry, entries: &str) {
    registry.configure(&metric_providers(entries));
    registry.settled().await;
}

async fn retried(registry: &Registry) {
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(registry.retry_due(), "nothing to try again");
    registry.settled().await;
}

/// `State digest phase/kind` of a metric provider; the digest by its first digits.
fn line(registry: &Registry, name: &str) -> String {
    let snapshot = registry.snapshot();
    let status = &snapshot.plugins[&metric(name)];
    let digest = status.serving_digest.as_deref().map_or("-", |digest| &digest[..8]);
    let failure = status
        .failure
        .as_ref()
        .map(|fault| format!(" {}/{}", fault.phase, fault.kind));
    format!("{:?} {digest}{}", status.state, failure.unwrap_or_default())
}

async fn call(registry: &Registry, name: &str) -> Result<String, rollcage_core::CallError> {
    let port = registry.metric_provider(name, "team")?;
    run(&*port, "any").await
}

/// Serves files until it is dropped.
/// Files by name.
type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;

struct Server {
    address: std::net::SocketAddr,
    files: Files,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let files = Files::default();
        let serve = async |State(files): State<Files>, UrlPath(name): UrlPath<String>| {
            let found = files.lock().unwrap().get(&name).cloned();
            found.map(Bytes::from).ok_or(StatusCode::NOT_FOUND)
        };
        let router = axum::Router::new()
            .route("/{name}", axum::routing::get(serve))
            .with_state(files.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, files, task }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        self.files.lock().unwrap().insert(name.into(), bytes.into());
    }

    fn location(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_bad_bytes_is_told_apart_beside_a_healthy_plugin() {
    let place = Place::new();
    let server = Server::start().await;
    let good = measures("42").build();
    place.file("good.wasm", &good);
    place.file("module.wasm", b"\0asm\x01\0\0\0");
    place.file("random.wasm", &[0x9c; 4096]);
    place.file("empty.wasm", b"");
    place.file("truncated.wasm", &good[..good.len() / 2]);
    place.file("step.wasm", &Guest::step().build());
    place.file("newer.wasm", &{
        let newer = Guest::metric().contract(|text| text.replace("@0.1.0", "@0.2.0"));
        newer.build()
    });
    place.file("init.wasm", &Guest::metric().body("init", "(unreachable)").build());
    server.put("page.wasm", b"<!doctype html><title>Sign in</title>");
    let mut entries = String::new();
    let cases = [
        ("good", "file://./good.wasm".to_owned(), None),
        (
            "absent",
            "file://./absent.wasm".to_owned(),
            Some((Phase::Fetch, FaultKind::NotFound)),
        ),
        (
            "gone",
            server.location("gone.wasm"),
            Some((Phase::Fetch, FaultKind::NotFound)),
        ),
        (
            "page",
            server.location("page.wasm"),
            Some((Phase::Verify, FaultKind::NotAPlugin)),
        ),
        (
            "down",
            "http://127.0.0.1:9/x.wasm".to_owned(),
            Some((Phase::Fetch, FaultKind::Unreachable)),
        ),
        (
            "module",
            "file://./module.wasm".to_owned(),
            Some((Phase::Verify, FaultKind::NotAPlugin)),
        ),
        (
            "random",
            "file://./random.wasm".to_owned(),
            Some((Phase::Verify, FaultKind::NotAPlugin)),
        ),
        (
            "empty",
            "file://./empty.wasm".to_owned(),
            Some((Phase::Verify, FaultKind::NotAPlugin)),
        ),
        (
            "truncated",
            "file://./truncated.wasm".to_owned(),
            Some((Phase::Compile, FaultKind::CompileFailed)),
        ),
        (
            "step",
            "file://./step.wasm".to_owned(),
            Some((Phase::Link, FaultKind::WrongContract)),
        ),
        (
            "newer",
            "file://./newer.wasm".to_owned(),
            Some((Phase::Link, FaultKind::WrongContract)),
        ),
        (
            "init",
            "file://./init.wasm".to_owned(),
            Some((Phase::Init, FaultKind::Trap)),
        ),
    ];
    for (name, location, _) in &cases {
        entries.extend(["- {name: x/", name, ", location: '", location, "'}\n"]);
    }
    let other = "b".repeat(64);
    entries.extend([
        "- {name: x/digest, location: 'file://./good.wasm', sha256: ",
        &other,
        "}\n",
    ]);
    let registry = place.start();
    configured(&registry, &entries).await;
    for (name, _, expected) in cases {
        let found = line(&registry, &format!("x/{name}"));
        match expected {
            None => assert_eq!(found, format!("Ready {}", &sha256(&good)[..8])),
            Some((phase, kind)) => assert_eq!(found, format!("Unavailable - {phase}/{kind}"), "{name}"),
        }
    }
    assert_eq!(line(&registry, "x/digest"), "Unavailable - verify/digest-mismatch");
    let snapshot = registry.snapshot();
    for status in snapshot.plugins.values() {
        if let Some(failure) = &status.failure {
            assert!(!failure.cause.is_empty() && !failure.hint.is_empty(), "{failure:?}");
            assert_eq!(failure.plugin, status.id);
        }
    }
    let status = &snapshot.plugins[&metric("x/good")];
    assert_eq!(
        (status.runtime, status.contract.as_deref()),
        (Some(Runtime::Wasm), Some("0.1.0"))
    );
    assert_eq!(call(&registry, "x/good").await.unwrap(), "42");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_every_server_down_serves_what_served_before() {
    let place = Place::new();
    let server = Server::start().await;
    let (one, two) = (measures("1").build(), measures("2").build());
    server.put("one.wasm", &one);
    let loose = format!("- {{name: x/loose, location: '{}'}}\n", server.location("one.wasm"));
    let pinned = format!(
        "- {{name: x/pinned, location: '{}', sha256: {}}}\n",
        server.location("one.wasm"),
        sha256(&one).to_uppercase()
    );
    let both = format!("{loose}{pinned}");
    let registry = place.start();
    configured(&registry, &both).await;
    let ready = format!("Ready {}", &sha256(&one)[..8]);
    assert_eq!(
        (line(&registry, "x/loose"), line(&registry, "x/pinned")),
        (ready.clone(), ready.clone())
    );
    drop(registry);
    let (location, files) = (server.location("one.wasm"), server.files.clone());
    let address = server.address;
    server.stop().await;

    let registry = place.start();
    let begun = Instant::now();
    configured(&registry, &both).await;
    let degraded = format!("Degraded {} fetch/unreachable", &sha256(&one)[..8]);
    assert_eq!(
        (line(&registry, "x/loose"), line(&registry, "x/pinned")),
        (degraded, ready)
    );
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(call(&registry, "x/loose").await.unwrap(), "1");
    assert_eq!(call(&registry, "x/pinned").await.unwrap(), "1");
    // A new pin while the server is down: the old bytes go on serving, and say so.
    let repinned = format!(
        "- {{name: x/pinned, location: '{location}', sha256: {}}}\n",
        sha256(&two)
    );
    configured(&registry, &format!("{loose}{repinned}")).await;
    assert!(
        line(&registry, "x/pinned").starts_with("Degraded"),
        "{}",
        line(&registry, "x/pinned")
    );
    assert_eq!(call(&registry, "x/pinned").await.unwrap(), "1");

    // The server comes back, with what was wanted.
    files.lock().unwrap().insert("one.wasm".into(), two.to_vec());
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let router = axum::Router::new().route(
        "/one.wasm",
        axum::routing::get(move || async move { Bytes::from(files.lock().unwrap()["one.wasm"].clone()) }),
    );
    let back = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    retried(&registry).await;
    let ready = format!("Ready {}", &sha256(&two)[..8]);
    assert_eq!(
        (line(&registry, "x/loose"), line(&registry, "x/pinned")),
        (ready.clone(), ready)
    );
    assert_eq!(call(&registry, "x/pinned").await.unwrap(), "2");
    back.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_digest_is_swapped_in_while_calls_go_on() {
    let place = Place::new();
    let versions: Vec<_> = (0..3).map(|n| measures(&n.to_string()).build()).collect();
    for (n, bytes) in versions.iter().enumerate() {
        place.file(&format!("{n}.wasm"), bytes);
    }
    let entry = |n: usize| {
        let digest = sha256(&versions[n]);
        format!("- {{name: x/a, location: 'file://./{n}.wasm', sha256: {digest}}}")
    };
    let registry = place.start();
    configured(&registry, &entry(0)).await;
    let port = registry.metric_provider("x/a", "team").unwrap();
    let caller = tokio::spawn(async move {
        let mut answers = Vec::new();
        while answers.last().is_none_or(|last| last != "2") {
            answers.push(run(&*port, "any").await.unwrap());
        }
        answers
    });
    for n in 1..3 {
        configured(&registry, &entry(n)).await;
    }
    let answers = tokio::time::timeout(Duration::from_secs(30), caller)
        .await
        .unwrap()
        .unwrap();
    assert!(answers.is_sorted(), "never back to an older version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_guests_fault_alone_and_open_their_own_breakers() {
    let place = Place::new();
    place.file("good.wasm", &measures("42").build());
    place.file("trap.wasm", &Guest::metric().body("run", "(unreachable)").build());
    place.file(
        "spin.wasm",
        &Guest::metric().body("run", "(loop $l (br $l)) (unreachable)").build(),
    );
    let grow = "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) (unreachable)";
    place.file("grow.wasm", &Guest::metric().body("run", grow).build());
    let names = ["good", "trap", "spin", "grow"];
    let entries: Vec<_> = names
        .iter()
        .map(|name| {
            format!(
                "- {{name: x/{name}, location: 'file://./{name}.wasm', limits: {{deadline: 200ms, memory: 4Mi}}}}\n"
            )
        })
        .collect();
    let registry = place.start();
    configured(&registry, &entries.concat()).await;
    registry.all_ready().unwrap();
    let healthy = registry.clone();
    let healthy = tokio::spawn(async move {
        let port = healthy.metric_provider("x/good", "team").unwrap();
        let mut calls = 0;
        loop {
            assert_eq!(run(&*port, "any").await.unwrap(), "42");
            calls += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
            if calls == 100 {
                return;
            }
        }
    });
    for (name, kinds) in [
        ("trap", &[FaultKind::Trap][..]),
        ("spin", &[FaultKind::Deadline]),
        ("grow", &[FaultKind::Memory]),
    ] {
        let name = format!("x/{name}");
        for _ in 0..5 {
            let found = fault(call(&registry, &name).await.unwrap_err());
            assert!(kinds.contains(&found.kind), "{name}: {found:?}");
        }
        assert_eq!(
            fault(call(&registry, &name).await.unwrap_err()).kind,
            FaultKind::BreakerOpen,
            "{name}"
        );
        let status = registry.snapshot().plugins[&metric(&name)].clone();
        assert_eq!((status.state, status.breaker), (PluginState::Ready, BreakerState::Open));
    }
    tokio::time::timeout(Duration::from_mins(1), healthy)
        .await
        .unwrap()
        .unwrap();
    // The breaker lets a probe pass after a second of real time, and tells those who wait.
    let mut watch = registry.watch();
    let half_open = watch.wait_for(|snapshot| snapshot.plugins[&metric("x/trap")].breaker == BreakerState::HalfOpen);
    tokio::time::timeout(Duration::from_secs(20), half_open)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        fault(call(&registry, "x/trap").await.unwrap_err()).kind,
        FaultKind::Trap
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_component_serves_two_plugins_of_one_kind() {
    let place = Place::new();
    place.file("a.wasm", &measures("7").build());
    let registry = place.start();
    let entries = "- {name: x/a, location: 'file://./a.wasm'}\n- {name: x/b, location: 'file://./a.wasm', args: [b]}\n";
    configured(&registry, entries).await;
    registry.all_ready().unwrap();
    assert_eq!(call(&registry, "x/a").await.unwrap(), "7");
    assert_eq!(call(&registry, "x/b").await.unwrap(), "7");
    // Removed and wanted again.
    configured(&registry, "").await;
    assert!(call(&registry, "x/a").await.is_err());
    configured(&registry, entries).await;
    assert_eq!(call(&registry, "x/a").await.unwrap(), "7");
}
