//! One plugin behind each host, and their answers in one shape.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rollcage_api::{plugin::PluginKind, rollout::Verification, step::StepResult};
use rollcage_core::{Call, CallError, Fault, MetricProvider as _, PluginId, Step as _, TrafficRouter as _};
use rollcage_goplugin::{
    CallLimits, CallRules, Launcher, NativeMetricProvider, NativeStep, NativeTrafficRouter, Service, Spec, to_tracing,
};
use rollcage_tests::peers::{Original, Peers};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

/// What is done with one plugin.
pub struct Scenario {
    pub kind: PluginKind,
    /// The plugin's name, under which upstream's samples look for their configuration.
    pub name: &'static str,
    pub executable: PathBuf,
    pub arguments: Vec<OsString>,
    /// Methods as in the contract, and the fields of `rollcage plugin call`.
    pub calls: Vec<(&'static str, Value)>,
}

impl Scenario {
    /// The calls, one after the other, by Argo's client.
    pub fn by_original(&self, peers: &Peers, env: &[(&str, &str)]) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let plugin = (self.kind, self.name, self.executable.as_path());
        block_in_place(|| {
            let mut original = Original::start(peers, folder.path(), plugin, &self.arguments, env);
            let answers = self.calls.iter().map(|(method, input)| {
                let mut answer = original.call(self.kind, self.name, method, input);
                answer.as_object_mut().unwrap().remove("milliseconds");
                without_introduction(method, &mut answer);
                comparable(answer)
            });
            answers.collect()
        })
    }

    /// The same calls by our host.
    pub async fn by_us(&self, env: &[(&str, &str)]) -> Vec<Value> {
        let ours = Ours::start(self, env).await.unwrap_or_else(|fault| panic!("{fault}"));
        let mut answers = Vec::new();
        for (method, input) in &self.calls {
            answers.push(comparable(ours.call(method, input).await));
        }
        ours.end().await;
        answers
    }
}

/// The original's client introduces a metric provider's errors; we do where measurements are recorded, for every kind of
/// plugin.
fn without_introduction(method: &str, answer: &mut Value) {
    let (holder, field, verb) = if answer["measurement"]["phase"] == "Error" {
        (&mut answer["measurement"], "message", method)
    } else if answer["metadata"]["error"].is_string() {
        (&mut answer["metadata"], "error", "get metadata")
    } else {
        return;
    };
    let introduction = format!("failed to {verb} via plugin: ");
    let text = holder[field].as_str().unwrap();
    let said = text
        .strip_prefix(&introduction)
        .unwrap_or_else(|| panic!("{text} is not introduced"));
    if said.is_empty() {
        holder.as_object_mut().unwrap().remove(field);
    } else {
        holder[field] = json!(said);
    }
}

/// What an error leaves out on one side, or both say in their own way.
fn comparable(mut answer: Value) -> Value {
    let failed = answer.get("error").is_some_and(|error| error != "");
    let fields = answer.as_object_mut().unwrap();
    if failed {
        fields.retain(|name, _| name == "error");
    }
    // A map without entries is none to Go.
    if fields.get("metadata").is_some_and(|map| map == &json!({})) {
        fields.insert("metadata".to_owned(), Value::Null);
    }
    answer
}

/// A plugin that our host runs.
pub struct Ours {
    pub service: Arc<Service>,
    port: Port,
    /// Holds the plugin's private folder as long as it runs.
    folder: TempDir,
}

enum Port {
    Metric(NativeMetricProvider),
    Router(NativeTrafficRouter),
    Step(NativeStep),
}

pub fn launcher() -> Launcher {
    Launcher {
        program: env!("CARGO_BIN_EXE_rollcage-test-child").into(),
        arguments: vec!["launch".into()],
    }
}

/// A plugin of this kind and name, in a folder of its own.
pub fn spec(kind: PluginKind, name: &str, executable: &Path, folder: &Path) -> Spec {
    let id = PluginId {
        kind,
        name: name.to_owned(),
    };
    let mut spec = Spec::new(id, executable);
    spec.folder = Some(folder.to_owned());
    spec
}

pub const RULES: CallRules = CallRules {
    deadline: Duration::from_mins(1),
    sizes: CallLimits {
        input: 16 << 20,
        output: 16 << 20,
    },
    log: 64 << 10,
};

impl Ours {
    async fn start(scenario: &Scenario, env: &[(&str, &str)]) -> Result<Self, Box<Fault>> {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = spec(scenario.kind, scenario.name, &scenario.executable, folder.path());
        spec.arguments.clone_from(&scenario.arguments);
        for (name, value) in env {
            spec.env.insert((*name).to_owned(), (*value).to_owned());
        }
        Self::launch(folder, &spec, RULES).await
    }

    /// Starts what `spec` says. Whatever comes of it: what did not start has left nothing in the folder.
    pub async fn launch(folder: TempDir, spec: &Spec, rules: CallRules) -> Result<Self, Box<Fault>> {
        let log = to_tracing(&spec.plugin);
        let service = match Service::start(&launcher(), spec, rules, log).await {
            Ok(service) => service,
            Err(fault) => {
                nothing_is_left(folder.path()).await;
                return Err(fault);
            }
        };
        let port = match spec.plugin.kind {
            PluginKind::MetricProvider => Port::Metric(NativeMetricProvider::new(service.clone())),
            PluginKind::TrafficRouter => Port::Router(NativeTrafficRouter::new(service.clone())),
            PluginKind::Step => Port::Step(NativeStep::new(service.clone())),
        };
        Ok(Self { service, port, folder })
    }

    /// Nobody wants it any more: it goes, and leaves nothing.
    pub async fn end(self) {
        let Self { service, port, folder } = self;
        drop((service, port));
        nothing_is_left(folder.path()).await;
    }

    /// The same as [`answer`](Self::answer), as the original's driver would put it.
    pub async fn call(&self, method: &str, input: &Value) -> Value {
        let call = Call::for_namespace("shop");
        if method == "type" {
            return match self.service.type_name(&call).await {
                Ok(name) => json!({"type": name}),
                Err(error) => failed(&error),
            };
        }
        self.answer(&call, method, input)
            .await
            .unwrap_or_else(|error| failed(&error))
    }

    /// What the port says.
    pub async fn answer(&self, call: &Call, method: &str, input: &Value) -> Result<Value, CallError> {
        match &self.port {
            Port::Metric(port) => metric(port, call, method, input).await,
            Port::Router(port) => router(port, call, method, input).await,
            Port::Step(port) => step(port, call, method, input).await,
        }
    }
}

/// No process that knows the folder, no socket and no private folder in it.
pub async fn nothing_is_left(folder: &Path) {
    let began = Instant::now();
    loop {
        let left = left(folder);
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "left behind: {left:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn left(folder: &Path) -> Vec<String> {
    let mut left: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("rollcage-") || name.starts_with("plugin"))
        .collect();
    let marker = folder.as_os_str().as_bytes();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        if environment.windows(marker.len()).any(|window| window == marker) {
            left.push(format!("process {}", process.file_name().to_string_lossy()));
        }
    }
    left
}

fn failed(error: &CallError) -> Value {
    match error {
        CallError::Plugin(error) => json!({"error": error.message}),
        CallError::Fault(fault) => json!({"fault": fault.to_string()}),
    }
}

fn field<T: DeserializeOwned + Default>(input: &Value, name: &str) -> T {
    let Some(value) = input.get(name) else {
        return T::default();
    };
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

async fn metric(port: &NativeMetricProvider, call: &Call, method: &str, input: &Value) -> Result<Value, CallError> {
    let run = Arc::new(field(input, "analysisRun"));
    let (metric, measurement) = (field(input, "metric"), field(input, "measurement"));
    let measured = match method {
        "run" => port.run(call, &run, &metric).await?,
        "resume" => port.resume(call, &run, &metric, &measurement).await?,
        "terminate" => port.terminate(call, &run, &metric, &measurement).await?,
        "garbage-collect" => {
            port.garbage_collect(call, &run, &metric, field(input, "limit")).await?;
            return Ok(json!({"error": ""}));
        }
        "get-metadata" => return Ok(json!({"metadata": port.get_metadata(call, &metric).await?})),
        _ => panic!("no method {method}"),
    };
    Ok(json!({ "measurement": measured }))
}

async fn router(port: &NativeTrafficRouter, call: &Call, method: &str, input: &Value) -> Result<Value, CallError> {
    let rollout = Arc::new(field(input, "rollout"));
    let weight = field(input, "desiredWeight");
    let additional: Vec<_> = field(input, "additionalDestinations");
    match method {
        "update-hash" => {
            let (canary, stable): (String, String) = (field(input, "canaryHash"), field(input, "stableHash"));
            port.update_hash(call, &rollout, &canary, &stable, &additional).await?;
        }
        "set-weight" => port.set_weight(call, &rollout, weight, &additional).await?,
        "verify-weight" => {
            let verified = match port.verify_weight(call, &rollout, weight, &additional).await? {
                Verification::Verified => Some(true),
                Verification::NotVerified => Some(false),
                Verification::NotImplemented => None,
            };
            return Ok(json!({"error": "", "verified": verified}));
        }
        "set-header-route" => {
            port.set_header_route(call, &rollout, &field(input, "setHeaderRoute"))
                .await?;
        }
        "set-mirror-route" => {
            port.set_mirror_route(call, &rollout, &field(input, "setMirrorRoute"))
                .await?;
        }
        "remove-managed-routes" => port.remove_managed_routes(call, &rollout).await?,
        _ => panic!("no method {method}"),
    }
    Ok(json!({"error": ""}))
}

async fn step(port: &NativeStep, call: &Call, method: &str, input: &Value) -> Result<Value, CallError> {
    let rollout = Arc::new(field(input, "rollout"));
    let context = field(input, "context");
    let StepResult {
        phase,
        message,
        requeue_after,
        status,
    } = match method {
        "run" => port.run(call, &rollout, &context).await?,
        "terminate" => port.terminate(call, &rollout, &context).await?,
        "abort" => port.abort(call, &rollout, &context).await?,
        _ => panic!("no method {method}"),
    };
    Ok(json!({"error": "", "result": {
        "phase": phase.map_or_else(|| json!(""), |phase| json!(phase)),
        "message": message,
        "requeueAfterMs": requeue_after.map_or(0, |after| after.0.as_millis()),
        "status": status,
    }}))
}

/// Identities and times that a plugin makes up are only there, or not.
pub fn blurred(answers: Vec<Value>) -> Vec<Value> {
    fn blur(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match name.as_str() {
                        "Id" | "SharedId" | "Data" if value.as_str().is_some_and(|text| text.len() == 36) => {
                            *value = json!("made up");
                        }
                        "startedAt" | "finishedAt"
                            if value.as_str().is_some_and(|time| !time.starts_with("2026-01-02")) =>
                        {
                            *value = json!("then");
                        }
                        _ => blur(value),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(blur),
            _ => {}
        }
    }
    let mut answers = answers;
    answers.iter_mut().for_each(blur);
    answers
}

impl Scenario {
    /// Holds our answers against the original's, call by call.
    pub fn assert_same(&self, version: &str, ours: &[Value], original: &[Value]) {
        let kind = self.kind;
        assert_eq!(ours.len(), original.len());
        for (number, (ours, original)) in ours.iter().zip(original).enumerate() {
            let (method, input) = &self.calls[number];
            let input: String = input.to_string().chars().take(400).collect();
            assert_eq!(
                ours, original,
                "{version} {kind:?}, call {number}: {method} {input}\n left: ours, right: the original's"
            );
        }
    }
}
