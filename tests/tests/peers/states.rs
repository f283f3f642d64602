//! Native plugins that do not come to serve: each is the state of one plugin, and others of its kind never wait for it.

use std::{path::Path, sync::Arc, time::Duration};

use rollcage_api::plugin::PluginKind::{self, MetricProvider, Step, TrafficRouter};
use rollcage_core::{
    CallError, Fault,
    FaultKind::{self, Deadline, Exit, InitRefused, NotAPlugin, NotConfigured, WrongContract},
    Phase, PluginSource as _,
};
use rollcage_registry::{NativeHost, PluginState, PluginStatus};
use rollcage_sandbox::Compiler;
use rollcage_tests::{
    peers::Peers,
    stage::{NAMESPACE, Place, Stage, analysis_run, call, file, id, metric, rollout},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{task::AbortHandle, time::timeout};

use crate::support::{launcher, nothing_is_left};

const SOON: Duration = Duration::from_mins(1);

/// A registry with native plugins.
struct Host {
    stage: Stage,
    /// Where plugins have their private folders.
    plugins: TempDir,
    folder: TempDir,
    retrying: AbortHandle,
}

impl Host {
    fn open() -> Self {
        let (plugins, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let place = Place {
            store: folder.path().join("store"),
            code: folder.path().join("code"),
            compiler: Compiler::child(env!("CARGO_BIN_EXE_rollcage-test-child"), ["compile".into()]),
        };
        let mut native = NativeHost::new(launcher());
        native.folder = Some(plugins.path().to_owned());
        native.patience.start = Duration::from_secs(15);
        let stage = Stage::open_with_native(&place, native);
        let registry = stage.registry.clone();
        let retrying = tokio::spawn(async move { registry.retry_in_real_time().await }).abort_handle();
        Self {
            stage,
            plugins,
            folder,
            retrying,
        }
    }

    /// An entry of our own plugin that goes wrong in this way.
    fn own(&mut self, executable: &Path, kind: PluginKind, name: &str, fault: &str, deadline: &str) {
        let more = json!({"args": ["-fault", fault], "limits": {"deadline": deadline}});
        let location = format!("file://{}", executable.display());
        self.stage.entry(kind, name, &location, &more);
    }

    /// Waits until a plugin's state is as wanted.
    async fn wait(&self, kind: PluginKind, name: &str, wanted: impl Fn(&PluginStatus) -> bool) -> Arc<PluginStatus> {
        let mut changes = self.stage.registry.watch();
        let waiting = async {
            loop {
                // Before the first entry is read there is none.
                let status = changes.borrow_and_update().plugins.get(&id(kind, name)).cloned();
                if let Some(status) = status.filter(|status| wanted(status)) {
                    return status;
                }
                changes.changed().await.unwrap();
            }
        };
        timeout(SOON, waiting)
            .await
            .unwrap_or_else(|_| panic!("{kind:?} {name} stays {:?}", self.stage.status(kind, name)))
    }

    async fn ready(&self, kind: PluginKind, name: &str) {
        self.wait(kind, name, |status| status.state == PluginState::Ready).await;
    }

    /// One call of a plugin that serves.
    async fn ask(&self, kind: PluginKind, name: &str, script: &Value) -> Result<(), CallError> {
        let registry = &self.stage.registry;
        let full = format!("test/{name}");
        let what = call();
        match kind {
            MetricProvider => {
                let provider = registry.metric_provider(&full, NAMESPACE).map_err(CallError::Fault)?;
                let metric = metric(name, script);
                provider.run(&what, &analysis_run(), &metric).await.map(drop)
            }
            TrafficRouter => {
                let router = registry.traffic_router(&full, NAMESPACE).map_err(CallError::Fault)?;
                router.set_weight(&what, &rollout(), 20, &[]).await
            }
            Step => {
                let step = registry.step(&full, NAMESPACE).map_err(CallError::Fault)?;
                let context = json!({"pluginName": full, "config": script});
                let context = serde_json::from_value(context).unwrap();
                step.run(&what, &rollout(), &context).await.map(drop)
            }
        }
    }

    /// The fault of a call.
    async fn fault(&self, kind: PluginKind, name: &str, script: &Value) -> Fault {
        match timeout(SOON, self.ask(kind, name, script)).await.unwrap() {
            Err(CallError::Fault(fault)) => *fault,
            other => panic!("{other:?}"),
        }
    }

    /// Nobody wants any of them any more.
    async fn end(self) {
        let Self {
            stage,
            plugins,
            folder,
            retrying,
        } = self;
        retrying.abort();
        drop(stage);
        nothing_is_left(plugins.path()).await;
        drop(folder);
    }
}

/// What goes wrong, and the state that it is.
const STATES: &[(&str, PluginKind, Phase, FaultKind)] = &[
    ("silent", MetricProvider, Phase::Link, Deadline),
    ("exit-first", TrafficRouter, Phase::Link, Exit),
    ("prints-first", MetricProvider, Phase::Link, NotAPlugin),
    ("grpc", TrafficRouter, Phase::Link, WrongContract),
    ("other-name", MetricProvider, Phase::Link, WrongContract),
    ("other-name", TrafficRouter, Phase::Link, WrongContract),
    ("hang-init", MetricProvider, Phase::Init, Deadline),
    ("hang-init", TrafficRouter, Phase::Init, Deadline),
    ("panic-init", Step, Phase::Init, Exit),
    ("error-init", MetricProvider, Phase::Init, InitRefused),
    ("error-init", Step, Phase::Init, InitRefused),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_is_the_state_of_one_plugin() {
    let Some(peers) = Peers::find() else { return };
    let newest = peers.newest();
    let mut host = Host::open();
    for (fault, kind, ..) in STATES {
        host.own(&newest.own(), *kind, fault, fault, "10s");
    }
    for kind in PluginKind::ALL {
        host.own(&newest.own(), kind, "well", "none", "1m");
    }
    // Another kind than configured, and no program at all.
    let metric = format!("file://{}", newest.sample(MetricProvider).display());
    host.stage.entry(TrafficRouter, "another-kind", &metric, &json!({}));
    let page = file(host.folder.path(), "page.html", b"<html>404 Not Found</html>");
    host.stage.entry(MetricProvider, "page", &page, &json!({}));
    host.stage.configure();
    // The others of a kind do not wait for one that hangs: they serve at once, and go on.
    for kind in PluginKind::ALL {
        host.ready(kind, "well").await;
        host.ask(kind, "well", &json!({})).await.unwrap();
    }
    for (name, kind, phase, expected) in STATES {
        let status = host.wait(*kind, name, |status| status.failed_loads > 0).await;
        let fault = status.failure.as_deref().unwrap();
        assert_eq!((fault.phase, fault.kind), (*phase, *expected), "{fault}");
        assert!(!status.state.eq(&PluginState::Ready), "{name}");
        let refused = host.fault(*kind, name, &json!({})).await;
        assert_eq!(refused.plugin, id(*kind, name), "{refused}");
        host.ask(*kind, "well", &json!({})).await.unwrap();
    }
    let status = host
        .wait(TrafficRouter, "another-kind", |status| status.failed_loads > 0)
        .await;
    let fault = status.failure.as_deref().unwrap();
    assert_eq!(fault.kind, WrongContract, "{fault}");
    let status = host
        .wait(MetricProvider, "page", |status| status.failed_loads > 0)
        .await;
    let fault = status.failure.as_deref().unwrap();
    assert_eq!(fault.kind, NotAPlugin, "{fault}");
    let unknown = host.fault(Step, "nobody", &json!({})).await;
    assert_eq!(unknown.kind, NotConfigured, "{unknown}");
    // An error of InitPlugin is kept and tried again; the plugin never serves as it is.
    let status = host.wait(Step, "error-init", |status| status.failed_loads > 1).await;
    assert!(status.failure.as_deref().unwrap().cause.contains("no kubeconfig here"));
    // Until it is mended.
    host.own(&newest.own(), Step, "error-init", "none", "1m");
    host.stage.configure();
    host.ready(Step, "error-init").await;
    host.ask(Step, "error-init", &json!({})).await.unwrap();
    for kind in PluginKind::ALL {
        host.ask(kind, "well", &json!({})).await.unwrap();
        assert_eq!(host.stage.status(kind, "well").exits, 0);
    }
    host.end().await;
}
