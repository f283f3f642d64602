//! Plays a case: entry, load, call; and measures when it ended.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rollcage_api::{
    analysis::Measurement,
    plugin::PluginKind,
    rollout::{SetHeaderRoute, SetMirrorRoute},
    step::StepContext,
};
use rollcage_core::{CallError, Fault, PluginId, PluginSource as _, host::HostServices};
use rollcage_registry::{Snapshot, Stage as LoadStage};
use rollcage_sandbox::{Compiler, CompilerLimits};
use serde_json::Value;
use tokio::sync::watch;

use super::{Act, Case};
use crate::stage::{NAMESPACE, Place, Stage, analysis_run, call, file, id, metric, rollout};

/// Longest time of anything here: a case that does not end fails instead of blocking.
const PATIENCE: Duration = Duration::from_mins(2);

/// A host, and the folder that plugins come from.
#[derive(Debug)]
pub struct Theatre {
    /// The host.
    pub stage: Stage,
    tight: Stage,
    files: PathBuf,
}

/// How a case ended.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it does.
    pub name: String,
    /// SHA-256 of its bytes, when there were any.
    pub digest: String,
    /// How it ended.
    pub fault: Fault,
    /// Time of the call, or of the try of `init`.
    pub took: Duration,
    /// The deadline that ended it.
    pub deadline: Option<Duration>,
}

impl Row {
    /// How late it ended.
    pub fn overshoot(&self) -> Option<Duration> {
        self.deadline.map(|deadline| self.took.saturating_sub(deadline))
    }
}

impl Theatre {
    /// A theatre in `folder`; machine code lies in `code`.
    pub fn open(folder: &Path, code: &Path, compiler: &Compiler) -> Self {
        let files = folder.join("files");
        std::fs::create_dir_all(&files).unwrap();
        let place = |store: &str, code: &Path, compiler: Compiler| Place {
            store: folder.join(store),
            code: code.to_owned(),
            compiler,
        };
        let mut tight = compiler.clone();
        if let Compiler::Child { limits, .. } = &mut tight {
            *limits = CompilerLimits {
                output: rollcage_api::ByteSize::kibi(64),
                ..*limits
            };
        }
        let open = |place: Place| Stage::open(&place, HostServices::without_cluster());
        Self {
            stage: open(place("store", code, compiler.clone())),
            // With a code folder of its own: what others compiled would have to be compiled no more.
            tight: open(place("tight-store", &folder.join("tight-code"), tight)),
            files,
        }
    }

    /// Adds a plugin from bytes.
    pub fn plugin(&mut self, kind: PluginKind, name: &str, bytes: &[u8], entry: &Value) {
        let location = file(&self.files, &format!("{name}.wasm"), bytes);
        self.stage.entry(kind, name, &location, entry);
    }

    /// Plays one case.
    ///
    /// `Err` tells that it ended as no fault, or not at all.
    pub async fn play(&mut self, number: usize, case: &Case) -> Result<Row, String> {
        let name = format!("case-{number}");
        let location = match &case.bytes {
            Some(bytes) => file(&self.files, &format!("{name}.wasm"), bytes),
            None => format!("file://{}", self.files.join("absent").display()),
        };
        let stage = if matches!(case.act, Act::LoadTight) {
            &mut self.tight
        } else {
            &mut self.stage
        };
        stage.entry(case.plugin, &name, &location, &case.entry);
        let ended = tokio::time::timeout(PATIENCE, act(stage, case, &name)).await;
        let (fault, took) = ended.map_err(|_| format!("{}: it does not end", case.name))??;
        Ok(Row {
            name: case.name.clone(),
            digest: case.bytes.as_deref().map(digest).unwrap_or_default(),
            fault,
            took,
            deadline: case.deadline,
        })
    }
}

fn digest(bytes: &[u8]) -> String {
    rollcage_store::Digest::of(bytes).hex()
}

type Ended = (Fault, Duration);

async fn act(stage: &Stage, case: &Case, name: &str) -> Result<Ended, String> {
    let initializing = tokio::spawn(initializing(stage.registry.watch(), id(case.plugin, name)));
    stage.load().await;
    let took = initializing.await.unwrap();
    let failure = stage.failure(case.plugin, name);
    match (&case.act, failure) {
        (Act::Load | Act::LoadTight, Some(fault)) => Ok((fault, took)),
        (Act::Load | Act::LoadTight, None) => Err(format!("{}: it loads", case.name)),
        (_, Some(fault)) => Err(format!("{}: it does not load: {fault:?}", case.name)),
        (Act::Describe, None) => describe(stage, case, name).await,
        (Act::Call(method, config), None) => {
            let began = Instant::now();
            let result = invoke(stage, case.plugin, name, method, config).await;
            ended(case, result, began)
        }
        (Act::Late, None) => {
            for calls in 0..2000 {
                let began = Instant::now();
                let result = invoke(stage, case.plugin, name, "run", &Value::Null).await;
                // The answer is there before the instance is back, so that now and then another one serves.
                if result.is_err() {
                    assert!(calls >= 99, "{}: {calls} calls, then {result:?}", case.name);
                    return ended(case, result, began);
                }
            }
            Err(format!("{}: 2000 calls were answered", case.name))
        }
    }
}

fn ended(case: &Case, result: Result<(), CallError>, began: Instant) -> Result<Ended, String> {
    match result {
        Err(CallError::Fault(fault)) => Ok((*fault, began.elapsed())),
        other => Err(format!("{}: no fault: {other:?}", case.name)),
    }
}

/// How long a plugin's `init` was tried.
async fn initializing(mut snapshots: watch::Receiver<Arc<Snapshot>>, id: PluginId) -> Duration {
    let mut began = None;
    loop {
        let status = snapshots.borrow_and_update().plugins.get(&id).cloned();
        match status {
            Some(status) if status.loading == Some(LoadStage::Initializing) => {
                began.get_or_insert_with(Instant::now);
            }
            Some(status) if status.loading.is_none() => return began.map_or(Duration::ZERO, |began| began.elapsed()),
            _ => {}
        }
        if snapshots.changed().await.is_err() {
            return Duration::ZERO;
        }
    }
}

async fn describe(stage: &Stage, case: &Case, name: &str) -> Result<Ended, String> {
    let id = id(case.plugin, name);
    let bytes = case.bytes.clone().unwrap();
    let component = stage.sandbox.load(&id, &bytes, &digest(&bytes)).await.unwrap();
    let entry = serde_json::from_value(case.entry.clone()).unwrap();
    let host = HostServices::without_cluster();
    let plugin = stage.sandbox.plugin(&id, &component, &entry, host).unwrap();
    let began = Instant::now();
    match plugin.describe().await {
        Err(fault) => Ok((*fault, began.elapsed())),
        Ok(description) => Err(format!("{}: no fault: {description:?}", case.name)),
    }
}

async fn invoke(stage: &Stage, kind: PluginKind, name: &str, method: &str, config: &Value) -> Result<(), CallError> {
    match kind {
        PluginKind::MetricProvider => measure(stage, name, method, config).await,
        PluginKind::TrafficRouter => route(stage, name, method).await,
        PluginKind::Step => step(stage, name, method).await,
    }
}

async fn measure(stage: &Stage, name: &str, method: &str, config: &Value) -> Result<(), CallError> {
    let provider = stage.metric_provider(name);
    let (call, run, metric, begun) = (call(), analysis_run(), metric(name, config), Measurement::default());
    match method {
        "run" => provider.run(&call, &run, &metric).await.map(drop),
        "resume" => provider.resume(&call, &run, &metric, &begun).await.map(drop),
        "terminate" => provider.terminate(&call, &run, &metric, &begun).await.map(drop),
        "garbage-collect" => provider.garbage_collect(&call, &run, &metric, 5).await,
        "get-metadata" => provider.get_metadata(&call, &metric).await.map(drop),
        other => panic!("no metric provider has {other}"),
    }
}

async fn route(stage: &Stage, name: &str, method: &str) -> Result<(), CallError> {
    let router = stage.registry.traffic_router(&format!("test/{name}"), NAMESPACE)?;
    let (call, rollout) = (call(), rollout());
    match method {
        "update-hash" => router.update_hash(&call, &rollout, "a", "b", &[]).await,
        "set-weight" => router.set_weight(&call, &rollout, 20, &[]).await,
        "set-header-route" => {
            router
                .set_header_route(&call, &rollout, &SetHeaderRoute::default())
                .await
        }
        "set-mirror-route" => {
            router
                .set_mirror_route(&call, &rollout, &SetMirrorRoute::default())
                .await
        }
        "verify-weight" => router.verify_weight(&call, &rollout, 20, &[]).await.map(drop),
        "remove-managed-routes" => router.remove_managed_routes(&call, &rollout).await,
        other => panic!("no traffic router has {other}"),
    }
}

async fn step(stage: &Stage, name: &str, method: &str) -> Result<(), CallError> {
    let step = stage.registry.step(&format!("test/{name}"), NAMESPACE)?;
    let (call, rollout, context) = (call(), rollout(), StepContext::default());
    let result = match method {
        "run" => step.run(&call, &rollout, &context).await,
        "terminate" => step.terminate(&call, &rollout, &context).await,
        "abort" => step.abort(&call, &rollout, &context).await,
        other => panic!("no step has {other}"),
    };
    result.map(drop)
}
