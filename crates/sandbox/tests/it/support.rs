//! A sandbox, a plugin and calls, for tests.

#![allow(dead_code, reason = "a kit: not every test uses every part")]

use std::{
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use rollcage_api::{
    analysis::{AnalysisRun, Measurement, Metric},
    plugin::{PluginEntry, PluginKind},
    rollout::Rollout,
};
use rollcage_core::{Call, CallError, CallUsage, Fault, PluginId, host::HostServices};
use rollcage_sandbox::{Compiler, Pool, Sandbox, SandboxConfig, WasmPlugin};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::guest::Guest;

/// Compiled once, whatever test asks first.
static CACHE: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

pub fn config() -> SandboxConfig {
    let mut config = SandboxConfig::new(CACHE.path(), Compiler::InProcess);
    config.pool = Pool {
        instances: 8,
        ..Pool::default()
    };
    config
}

pub fn sandbox() -> Arc<Sandbox> {
    Sandbox::new(config()).unwrap()
}

pub fn id(kind: PluginKind) -> PluginId {
    PluginId {
        kind,
        name: "test/plugin".into(),
    }
}

pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// An entry out of JSON.
pub fn entry(json: serde_json::Value) -> PluginEntry {
    serde_json::from_value(json).unwrap()
}

/// A plugin on its way to be called.
pub struct Bench {
    pub sandbox: Arc<Sandbox>,
    pub entry: PluginEntry,
    pub host: HostServices,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(json!({}))
    }

    pub fn with(limits: serde_json::Value) -> Self {
        Self {
            sandbox: sandbox(),
            entry: entry(limits),
            host: HostServices::without_cluster(),
        }
    }

    pub async fn load(&self, kind: PluginKind, guest: &Guest) -> Result<Arc<WasmPlugin>, Box<Fault>> {
        let bytes = guest.build();
        let component = self.sandbox.load(&id(kind), &bytes, &digest(&bytes)).await?;
        self.sandbox
            .plugin(&id(kind), &component, &self.entry, self.host.clone())
    }

    pub async fn metric(&self, guest: &Guest) -> Arc<WasmPlugin> {
        self.load(PluginKind::MetricProvider, guest).await.unwrap()
    }

    /// Loads and measures once.
    pub async fn run(&self, guest: &Guest) -> Result<Measurement, CallError> {
        run(&self.metric(guest).await, &call()).await
    }

    /// Loads, measures once, and expects a fault.
    pub async fn fault(&self, guest: &Guest) -> Fault {
        match self.run(guest).await {
            Err(CallError::Fault(fault)) => *fault,
            other => panic!("no fault: {other:?}"),
        }
    }
}

pub fn call() -> Call {
    Call {
        usage: Some(Arc::new(Mutex::new(CallUsage::default()))),
        ..Call::for_namespace("shop")
    }
}

pub fn usage(call: &Call) -> CallUsage {
    call.usage.as_ref().unwrap().lock().unwrap().clone()
}

pub fn analysis_run() -> Arc<AnalysisRun> {
    let run = json!({
        "metadata": {"name": "run", "namespace": "shop", "uid": "1-2-3", "labels": {"app": "web"}},
        "spec": {"metrics": [], "args": [{"name": "service", "value": "web"}]},
    });
    Arc::new(serde_json::from_value(run).unwrap())
}

pub fn metric() -> Metric {
    serde_json::from_value(json!({
        "name": "success-rate",
        "interval": "30s",
        "count": 3,
        "successCondition": "result >= 0.9",
        "provider": {"plugin": {"test/plugin": {"query": "up"}}},
    }))
    .unwrap()
}

pub fn rollout() -> Arc<Rollout> {
    let rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"strategy": {"canary": {
            "canaryService": "canary", "stableService": "stable",
            "trafficRouting": {"plugins": {"test/plugin": {"ingress": "web"}}},
        }}},
    });
    Arc::new(serde_json::from_value(rollout).unwrap())
}

pub async fn run(plugin: &Arc<WasmPlugin>, call: &Call) -> Result<Measurement, CallError> {
    let provider = plugin.as_metric_provider().unwrap();
    let (run, metric) = (analysis_run(), metric());
    let answer = provider.run(call, &run, &metric);
    // No limit of these tests is longer: a call that does not end fails its test instead of blocking it.
    tokio::time::timeout(Duration::from_mins(1), answer)
        .await
        .expect("the call ends")
}

pub fn fault(result: Result<Measurement, CallError>) -> Fault {
    match result {
        Err(CallError::Fault(fault)) => *fault,
        other => panic!("no fault: {other:?}"),
    }
}
