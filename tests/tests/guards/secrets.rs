//! Planted secrets: whatever a plugin does with them, they are found in nothing that leaves it.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock},
};

use async_trait::async_trait;
use rollcage_api::{plugin::PluginKind, step::StepContext};
use rollcage_core::{
    Call, PluginSource as _,
    host::{HostServices, Secrets, SecretsError},
};
use rollcage_tests::{
    server::Server,
    stage::{NAMESPACE, analysis_run, call, id, metric, rollout},
    wasi::with_stdout,
};
use rollcage_wat_guest::{Blob, Guest, error};
use serde_json::{Value, json};

use crate::kit::{Host, asks};

/// Answer of `secrets.get`; a number, so that it is JSON where JSON is wanted.
const READ: &str = "740918265533";
/// Attached to requests by the host.
const ATTACHED: &str = "attached-5b1e7c";
/// An argument of the AnalysisRun out of a Secret.
const ARGUMENT: &str = "argument-c04d91";
/// A header of the download.
const DOWNLOAD: &str = "download-88aa3f";

/// The Secrets of the configuration's namespace.
#[derive(Debug)]
struct Vault;

#[async_trait]
impl Secrets for Vault {
    async fn read(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretsError> {
        let value = match name {
            "read" => READ,
            "attached" => ATTACHED,
            "download" => DOWNLOAD,
            _ => return Ok(None),
        };
        let key = if name == "download" { "X-Token" } else { "key" };
        Ok(Some(BTreeMap::from([(key.to_owned(), value.as_bytes().to_vec())])))
    }
}

fn services() -> HostServices {
    HostServices {
        secrets: Arc::new(Vault),
        ..HostServices::without_cluster()
    }
}

/// Everything that this process logs, at every level.
#[derive(Clone, Debug, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log begins with the first call and is shared by all tests.
fn logged() -> Logged {
    static LOGGED: OnceLock<Logged> = OnceLock::new();
    let begin = || {
        let logged = Logged::default();
        let writer = logged.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(move || writer.clone())
            .init();
        logged
    };
    LOGGED.get_or_init(begin).clone()
}

/// All that left.
struct Outside(String);

impl Outside {
    fn new() -> Self {
        logged();
        Self(String::new())
    }

    fn saw(&mut self, what: &impl Debug) {
        // Both ways in which things are shown.
        self.0.extend([format!("{what:?}\n"), format!("{what:#?}\n")]);
    }

    fn saw_call(&mut self, call: &Call) {
        let usage = call.usage.as_ref().unwrap().lock().unwrap().clone();
        self.saw(&usage);
        self.0.push_str(&json!(usage).to_string());
        self.saw(call);
    }

    fn saw_host(&mut self, host: &Host) {
        let snapshot = host.stage.registry.snapshot();
        self.saw(&snapshot);
        for status in snapshot.plugins.values() {
            self.0.push_str(&json!(**status).to_string());
        }
    }

    /// No secret is anywhere; the mask is, `masks` times or more, because it was there that it was put.
    fn holds_none(mut self, masks: usize) {
        self.0.push_str(&String::from_utf8_lossy(&logged().0.lock().unwrap()));
        for secret in [READ, ATTACHED, ARGUMENT, DOWNLOAD] {
            let found = self.0.find(secret).map(|at| {
                let from = (0..=at.saturating_sub(200))
                    .rev()
                    .find(|from| self.0.is_char_boundary(*from))
                    .unwrap();
                &self.0[from..at + secret.len()]
            });
            assert_eq!(found, None, "{secret} leaves");
        }
        let found = self.0.matches("*****").count();
        assert!(found >= masks, "the mask is there {found} times only:\n{}", self.0);
    }
}

/// A call with a secret argument.
fn secret_call() -> Call {
    let mut call = call();
    call.secrets = call.secrets.with([ARGUMENT.to_owned()]);
    call
}

fn entry() -> Value {
    let credential = json!({"name": "token", "secretRef": {"name": "read", "key": "key"}, "readable": true});
    json!({"permissions": {"credentials": [credential]}, "breaker": {"faults": 1000}})
}

/// `$secret`: reads the secret; its text is then at the pointer at 8196, with the length at 8200.
fn reading(guest: Guest) -> Guest {
    guest
        .with_log()
        .import(r#"(import "rollcage:plugin/secrets@0.1.0" "get" (func $get_secret (param i32 i32 i32)))"#)
        .item("(data (i32.const 8000) \"token\")")
        .item(&format!("(data (i32.const 8100) \"{ARGUMENT}\")"))
        .item(
            "(func $secret
               (call $get_secret (i32.const 8000) (i32.const 5) (i32.const 8192))
               (if (i32.load8_u (i32.const 8192)) (then unreachable)))",
        )
        .item(
            "(func $tell (param $to i32)
               (i32.store (local.get $to) (i32.load (i32.const 8196)))
               (i32.store (i32.add (local.get $to) (i32.const 4)) (i32.load (i32.const 8200))))",
        )
}

const LOG_IT: &str = "(call $log (i32.const 1) (i32.load (i32.const 8196)) (i32.load (i32.const 8200)))
    (call $log (i32.const 3) (i32.const 8100) (i32.const 15))";

/// Measures once, however it ends.
async fn measure(host: &Host, config: &Value, outside: &mut Outside) {
    let call = secret_call();
    let result = host
        .stage
        .metric_provider("it")
        .run(&call, &analysis_run(), &metric("it", config))
        .await;
    if let Err(error) = &result {
        outside.saw(&error.to_string());
    }
    outside.saw(&result);
    outside.saw_call(&call);
    outside.saw_host(host);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_leave_in_no_measurement_error_or_fault() {
    let kind = PluginKind::MetricProvider;
    // Value, message, and a name and a value of the metadata.
    let answer = Blob::measurement(4096).phase(1).u32(8 + 72, 4400).u32(8 + 76, 1);
    let measures = reading(Guest::metric()).item(&answer.data()).body(
        "run",
        &format!(
            "(call $secret) {LOG_IT} (call $tell (i32.const 4108)) (call $tell (i32.const 4140))
             (call $tell (i32.const 4400)) (call $tell (i32.const 4408)) (i32.const 4096)"
        ),
    );
    let refuses = reading(Guest::metric()).item(&error(12_000, 4, "", 8).data()).body(
        "run",
        &format!("(call $secret) {LOG_IT} (call $tell (i32.const 12012)) (i32.const 12000)"),
    );
    let traps = reading(Guest::metric()).body("run", &format!("(call $secret) {LOG_IT} unreachable"));
    // A time that is none: the fault shows what it was.
    let answer = Blob::measurement(4096).phase(0).byte(8 + 80, 1);
    let lies = reading(Guest::metric()).item(&answer.data()).body(
        "run",
        &format!(
            "(call $secret) {LOG_IT} (call $tell (i32.const {})) (i32.const 4096)",
            4096 + 8 + 84
        ),
    );
    let prints = with_stdout(reading(Guest::metric())).body(
        "run",
        &format!(
            "(call $secret) {LOG_IT}
             (call $write (call $stdout) (i32.load (i32.const 8196)) (i32.load (i32.const 8200)) (i32.const 12000))
             unreachable"
        ),
    );
    let init = reading(Guest::metric()).item(&error(12_000, 4, "", 4).data()).body(
        "get-metadata",
        "(call $secret) (call $tell (i32.const 12012)) (i32.const 12000)",
    );
    let mut outside = Outside::new();
    for guest in [measures, refuses, traps, lies, prints, init] {
        let mut host = Host::new(services());
        host.serve(kind, &guest.build(), &entry()).await;
        measure(&host, &Value::Null, &mut outside).await;
        let call = secret_call();
        let facts = host
            .stage
            .metric_provider("it")
            .get_metadata(&call, &metric("it", &Value::Null))
            .await;
        outside.saw(&facts);
        outside.saw_call(&call);
    }
    outside.holds_none(20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_leave_in_no_state_of_a_step() {
    // The secret between quotation marks, so that it is JSON, masked or not.
    let outcome = Blob::new(4096, 48).byte(4, 1).byte(5, 0).byte(24, 1);
    let guest = reading(Guest::step()).item(&outcome.data()).body(
        "run",
        &format!(
            "(call $secret) {LOG_IT}
             (call $tell (i32.const 4104))
             (call $tell (i32.const {state}))
             (i32.store (i32.const {state}) (i32.sub (i32.load (i32.const {state})) (i32.const 1)))
             (i32.store (i32.const {length}) (i32.add (i32.load (i32.const {length})) (i32.const 2)))
             (i32.store8 (i32.load (i32.const {state})) (i32.const 34))
             (i32.store8
               (i32.sub (i32.add (i32.load (i32.const {state})) (i32.load (i32.const {length}))) (i32.const 1))
               (i32.const 34))
             (i32.const 4096)",
            state = 4096 + 28,
            length = 4096 + 32
        ),
    );
    let mut host = Host::new(services());
    host.serve(PluginKind::Step, &guest.build(), &entry()).await;
    let step = host.stage.registry.step("test/it", NAMESPACE).unwrap();
    let call = secret_call();
    let result = step.run(&call, &rollout(), &StepContext::default()).await.unwrap();
    assert_eq!(result.status, json!("*****"));
    let mut outside = Outside::new();
    outside.saw(&result);
    outside.saw_call(&call);
    outside.saw_host(&host);
    outside.holds_none(3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_that_the_host_attaches_are_masked_in_answers() {
    let server = Server::start().await;
    let address = server.address.to_string();
    let credential = json!({
        "name": "token", "secretRef": {"name": "attached", "key": "key"}, "header": "X-Token", "hosts": [address],
    });
    let entry = json!({"permissions": {"http": [address], "credentials": [credential]}});
    let mut host = Host::new(services());
    host.serve(PluginKind::MetricProvider, &asks(), &entry).await;
    let mut outside = Outside::new();
    measure(&host, &json!(server.url("/echo")), &mut outside).await;
    assert!(
        server.requests()[0].contains(ATTACHED),
        "it was sent: {:?}",
        server.requests()
    );
    outside.holds_none(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_of_downloads_are_not_told_by_their_failures() {
    let server = Server::start().await;
    let headers = json!({"headersFrom": [{"secretRef": {"name": "download"}}]});
    let kind = PluginKind::MetricProvider;
    let mut outside = Outside::new();
    // It answers with the request itself, which is no plugin; and with a redirect.
    for path in ["/echo".to_owned(), format!("/to/{}", server.url("/echo"))] {
        let mut host = Host::new(services());
        host.stage.entry(kind, "it", &server.url(&path), &headers);
        host.stage.load().await;
        let fault = host.stage.failure(kind, "it").expect("it is no plugin");
        outside.saw(&fault.to_string());
        outside.saw_host(&host);
        assert_eq!(host.stage.status(kind, "it").id, id(kind, "it"));
    }
    assert!(
        server.requests()[0].contains(DOWNLOAD),
        "it was sent: {:?}",
        server.requests()
    );
    outside.holds_none(0);
}
